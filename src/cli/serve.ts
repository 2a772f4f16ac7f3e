import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { Command, InvalidArgumentError, Option } from 'commander';
import { openStore } from '../adaptation/store/store.ts';
import type { AdaptationStore } from '../adaptation/store/store-records.ts';
import { defaultVersionsDir } from '../adaptation/version-folder.ts';
import { IteraError } from '../core/errors.ts';
import { compressedVariants, type VariantName } from '../models/variants.ts';
import { defaultModel, openModel } from '../runtime/load-model-file.ts';
import { createApiKey, type Right, rights } from '../server/api-keys-file.ts';
import { createServer } from '../server/server.ts';
import { serverDefaults as defaults, type ServerOptions } from '../server/server-options.ts';
import { modelName } from '../validation/model-facts.ts';
import { interruptSignal } from './interrupt.ts';
import { collect, parseAmount, parseCount, parseThreads, wholeNumber } from './options.ts';
import { packageVersion } from './package-version.ts';
import { versionsOption } from './store-options.ts';
import { chooseVariants } from './variant-options.ts';

interface ServeOptions {
  readonly model: string;
  readonly variant: VariantName;
  readonly threads: number;
  readonly isolate: boolean;
  readonly store?: string;
  readonly versions?: string;
  readonly record: boolean;
  readonly host: string;
  readonly port: number;
  readonly keys?: string;
  readonly createKey?: string;
  readonly rights: readonly Right[];
  readonly corsOrigin?: readonly string[];
  readonly allowHost?: readonly string[];
  readonly rateLimit: number;
  readonly maxConcurrent: number;
  readonly maxQueue: number;
  readonly deadline: number;
  readonly bodyLimit: number;
  readonly maxPromptTokens: number;
  readonly maxNewTokens: number;
  readonly grace: number;
  readonly logLevel: NonNullable<ServerOptions['logLevel']>;
  readonly adaptNegatives?: number;
  readonly adaptEvery?: number;
  readonly adaptCanary?: number;
  readonly adaptVariant?: readonly string[];
  readonly adaptBaseText?: readonly string[];
  readonly adaptSteps?: number;
  readonly dataDir?: string;
}

/** `itera-lite serve`: answers requests over HTTP. */
export function serveCommand(): Command {
  return new Command('serve')
    .option('--model <dir>', 'model folder, or name of a bundled model', defaultModel)
    .addOption(variantOption())
    .option('--threads <n>', 'threads of the runtime for one model', parseThreads, defaults.threads)
    .option('--no-isolate', 'run the model within the server process: less memory, but a long prompt delays all others')
    .addOption(
      new Option(
        '--store <dir|url>',
        'folder of an embedded store, or postgresql:// address of a server: feedback, adaptation, versions',
      ).env('DATABASE_URL'),
    )
    .addOption(versionsOption())
    .option('--no-record', 'do not keep prompts and outputs of POST /infer and /v1/completions in the store')
    .option('--host <name>', 'address to listen on; any but this machine needs --keys', defaults.host)
    .option('--port <n>', 'port to listen on, 0 for a free one', parsePort, defaults.port)
    .option('--keys <file>', 'file of the keys that requests must bring; changes to it hold within two seconds')
    .option('--create-key <name>', 'make a key, print it once, add its hash to the file of --keys, and end')
    .option('--rights <list>', `what a new key allows: ${rights.join(', ')}`, parseRights, ['infer', 'feedback'])
    .option('--cors-origin <origin>', 'web pages of this origin may call, repeatable (default: none)', collect)
    .option(
      '--allow-host <name>',
      'name besides localhost by which this server is asked, repeatable; without --keys',
      collect,
    )
    .option('--rate-limit <n>', 'requests a minute of one client; 0: no limit', parseWhole, defaults.rateLimit)
    .option('--max-concurrent <n>', 'generations at a time', parseCount, defaults.maxConcurrent)
    .option('--max-queue <n>', 'requests that wait for their turn', parseWhole, defaults.maxQueue)
    .option(
      '--deadline <seconds>',
      'what a request may take, waiting included',
      parseAmount,
      defaults.deadlineMs / 1000,
    )
    .option('--body-limit <bytes>', 'largest body of a request', parseCount, defaults.bodyLimitBytes)
    .option('--max-prompt-tokens <n>', 'longest prompt', parseCount, defaults.maxPromptTokens)
    .option('--max-new-tokens <n>', 'most tokens that one generation may draw', parseCount, defaults.maxNewTokens)
    .option('--grace <seconds>', 'what a stop waits for requests that go on', parseAmount, defaults.graceMs / 1000)
    .addOption(
      new Option('--log-level <level>', 'of the log on stderr, JSON lines without texts')
        .choices(['silent', 'error', 'warn', 'info', 'debug'])
        .default(defaults.logLevel),
    )
    .option('--adapt-negatives <n>', 'adapt by itself after so many new pieces of negative feedback', parseCount)
    .option('--adapt-every <hours>', 'adapt by itself so long after the last run, if there is any', parseAmount)
    .option('--adapt-canary <percent>', 'promote for this share of clients only', parseAmount)
    .option('--adapt-variant <name>', 'as --variant of adapt, repeatable (default: all)', collect)
    .option('--adapt-base-text <name|file>', 'as --base-text of adapt, repeatable', collect)
    .option('--adapt-steps <n>', 'as --steps of adapt', parseCount)
    .option('--data-dir <dir>', 'folder with <dataset>/<split>.txt, for adaptation (default: ITERA_DATA_DIR)')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite serve --model itera-lite-micro\n' +
        '  itera-lite serve --store my-store --adapt-negatives 50\n' +
        '  itera-lite serve --create-key anna --rights infer,feedback --keys keys.json\n' +
        '  itera-lite serve --host 0.0.0.0 --keys keys.json\n\n' +
        'The address is printed when it listens. /docs of the server explains its routes; docs/server.md tells more. Ctrl-C\n' +
        'takes no more requests and lets those that go on end.',
    )
    .action(serve);
}

const variantOption = (): Option =>
  new Option('--variant <name>', 'form of the weights that answers unless a request names another')
    .choices(['fp32', ...compressedVariants])
    .default(defaults.variant);

async function serve(options: ServeOptions): Promise<void> {
  // Little room for short-lived objects, which a server has many of: memory stays level, and answers come as fast (see
  // docs/experiments.md).
  setFlagsFromString('--max-semi-space-size=2');
  setFlagsFromString('--semi-space-growth-factor=1');
  if (options.createKey !== undefined) return makeKey(options.createKey, options);
  const { signal, stop } = interruptSignal('stopping; requests that go on may end, a second Ctrl-C cuts them off');
  let store: AdaptationStore | undefined;
  try {
    const folder = await openModel(options.model, { signal });
    store = options.store === undefined ? undefined : await openStore(options.store, { signal });
    const server = await createServer({
      ...{ folder, name: modelName(folder), version: packageVersion },
      ...(options.keys !== undefined && { keysFile: options.keys }),
      ...(store && { store, versionsDir: options.versions ?? defaultVersionsDir(store) }),
      ...settingsOf(options),
    });
    // From now on the server closes it.
    store = undefined;
    try {
      const address = await server.listen();
      process.stdout.write(`${modelName(folder)} answers on ${address}\n`);
      if (!signal.aborted) await once(signal, 'abort');
    } finally {
      await server.close();
    }
  } finally {
    await store?.close();
    stop();
  }
}

function settingsOf(options: ServeOptions): Partial<ServerOptions> {
  const { variant, threads, isolate, host, port, rateLimit, maxConcurrent, maxQueue, logLevel } = options;
  const { maxPromptTokens, maxNewTokens, adaptVariant, adaptCanary, adaptNegatives, adaptEvery } = options;
  if (adaptCanary !== undefined && !(adaptCanary > 0 && adaptCanary < 100)) {
    const message = `Expected --adapt-canary of more than 0 and less than 100 percent, got ${adaptCanary}.`;
    throw new IteraError('INVALID_ARGUMENT', message);
  }
  const isAutomatic = adaptNegatives !== undefined || adaptEvery !== undefined;
  const noVariants = adaptVariant?.length === 1 && adaptVariant[0] === 'none';
  return {
    ...{ variant, threads, isolate, host, port, rateLimit, maxConcurrent, maxQueue, logLevel },
    ...{ maxPromptTokens, maxNewTokens, bodyLimitBytes: options.bodyLimit, recordInferences: options.record },
    ...{ deadlineMs: Math.round(1000 * options.deadline), graceMs: Math.round(1000 * options.grace) },
    ...(options.corsOrigin && { corsOrigins: options.corsOrigin }),
    ...(options.allowHost && { allowedHosts: options.allowHost }),
    adaptation: {
      ...(isAutomatic && {
        automatic: {
          // With a schedule alone, a number that is never reached.
          negatives: adaptNegatives ?? Number.MAX_SAFE_INTEGER,
          ...(adaptEvery !== undefined && { everyHours: adaptEvery }),
        },
      }),
      ...(adaptCanary !== undefined && { canaryShare: adaptCanary / 100 }),
      ...(adaptVariant && { variants: noVariants ? [] : chooseVariants(adaptVariant, ['none']) }),
      ...(options.adaptBaseText && { baseTexts: options.adaptBaseText }),
      ...(options.adaptSteps !== undefined && { steps: options.adaptSteps }),
      ...(options.dataDir !== undefined && { dataDir: options.dataDir }),
    },
  };
}

async function makeKey(name: string, { keys, rights: allowed }: ServeOptions): Promise<void> {
  if (keys === undefined) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      'Expected --keys FILE, where the hash of the new key is to be kept, got none.',
    );
  }
  const key = await createApiKey(keys, name, allowed);
  process.stderr.write(
    `This key is shown once; ${keys} holds only its hash. A server with this file lets it in within two seconds.\n`,
  );
  process.stdout.write(`${key}\n`);
}

function parseRights(text: string): Right[] {
  const named = text.split(',').map((name) => name.trim());
  const known = rights.filter((right) => named.includes(right));
  if (known.length === new Set(named).size) return known;
  throw new InvalidArgumentError(`Expected a list of ${rights.join(', ')}.`);
}

const parseWhole = wholeNumber(0, 1e9);

function parsePort(text: string): number {
  const value = parseWhole(text);
  if (value <= 65_535) return value;
  throw new InvalidArgumentError('Expected a port from 0 to 65535.');
}
