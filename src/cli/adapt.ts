import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { type Adaptation, runAdaptation } from '../adaptation/adapt.ts';
import { learningRatePresets } from '../adaptation/learning/learning-rate.ts';
import type { RunTrigger } from '../adaptation/store/store-records.ts';
import { defaultNegatives, dueTrigger } from '../adaptation/triggers.ts';
import { IteraError } from '../core/errors.ts';
import { defaultBounds, parseDegradationBounds } from '../evaluation/degradation-bounds.ts';
import { compressedVariants } from '../models/variants.ts';
import { defaultModel, openModel } from '../runtime/load-model-file.ts';
import { modelName } from '../validation/model-facts.ts';
import { interruptSignal } from './interrupt.ts';
import { collect, parseAmount, parseCount, parseNumber, parseSeed, parseThreads } from './options.ts';
import { packageVersion } from './package-version.ts';
import { createProgress, type Progress } from './progress.ts';
import { storeOption, type VersionOptions, versionsOption, withStore } from './store-options.ts';
import { chooseVariants } from './variant-options.ts';

interface AdaptOptions extends VersionOptions {
  readonly model: string;
  readonly variant?: readonly string[];
  readonly maxDegradation?: string;
  readonly baseText?: readonly string[];
  readonly dataDir?: string;
  readonly preset: string;
  readonly learningRate?: number;
  readonly steps?: number;
  readonly clientShare: number;
  readonly canary?: number;
  readonly keep: number;
  readonly whenDue?: boolean;
  readonly watch?: boolean;
  readonly negatives: number;
  readonly every?: number;
  readonly seed: number;
  readonly threads: number;
  readonly json?: boolean;
}

/** Between looks at whether a run is due, and how long a store in use is waited for. */
const pollMs = 60_000;

/** `itera-lite adapt`: learns from feedback, judges what came out, and promotes it or keeps it as rejected. */
export function adaptCommand(): Command {
  return new Command('adapt')
    .option('--model <dir>', 'model folder, or name of a bundled model, that is adapted', defaultModel)
    .addOption(storeOption())
    .addOption(versionsOption())
    .option(
      '--variant <name>',
      `compressed form to make anew, repeatable: ${compressedVariants.join(', ')}, all or none (default: all)`,
      collect,
    )
    .option('--max-degradation <percent>', 'rise of perplexity that the gate allows variants, as for compress')
    .option(
      '--base-text <name|file>',
      'text that must not get worse, repeatable (default: stories, articles, and tinystories and wikitext-2 where they are)',
      collect,
    )
    .option('--data-dir <dir>', 'folder with <dataset>/<split>.txt (default: ITERA_DATA_DIR)')
    .option('--preset <name>', `bounds of the learning rate: ${Object.keys(learningRatePresets).join(', ')}`, 'default')
    .option('--learning-rate <x>', "highest learning rate, in place of the preset's", parseNumber)
    .option('--steps <n>', 'steps at most (default: enough to read the examples some times)', parseCount)
    .option('--client-share <percent>', 'largest share of the examples from one client', parseAmount, 10)
    .option('--canary <percent>', 'promote for this share of clients only', parseAmount)
    .option('--keep <n>', 'versions that are kept besides those in use', parseCount, 5)
    .option('--when-due', 'adapt only if there is enough new negative feedback, or a schedule says so')
    .option('--watch', 'look every minute whether a run is due, until interrupted')
    .option('--negatives <n>', 'new negative feedback that makes a run due', parseCount, defaultNegatives)
    .option(
      '--every <hours>',
      'a run is also due so long after the last one, if there is new negative feedback',
      parseAmount,
    )
    .option('--seed <n>', 'seed of texts, order and intervals', parseSeed, 1)
    .option('--threads <n>', 'threads of the runtime', parseThreads, Math.max(1, cpus().length))
    .option('--json', 'print decision, evidence and folder as JSON on stdout')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite feedback import feedback.jsonl --store my-store\n' +
        '  itera-lite adapt --model itera-lite-micro --store my-store\n' +
        '  itera-lite adapt --store my-store --canary 10\n' +
        '  itera-lite adapt --store my-store --when-due --negatives 50 --every 24\n\n' +
        'The first run records the model as version v1; each run makes a new version from it and all feedback. It is promoted\n' +
        'only if held-out feedback is significantly better, base text not worse than 2%, every variant within its bound and\n' +
        'latency within 5%. The exit code is 3 if the gate rejected it, and 0 if there was too little feedback to learn from,\n' +
        'which is said (skipped): about 80 different prompts are needed. itera-lite models lists, promotes and rolls back.\n' +
        'docs/adaptation.md explains rules and measurements.',
    )
    .action(adapt);
}

async function adapt(options: AdaptOptions): Promise<void> {
  const progress = createProgress();
  const { signal, stop } = interruptSignal('stopping; the run is marked as failed, feedback and versions stay');
  try {
    if (options.watch) return await watch(options, progress, signal);
    const result = await adaptOnce(options, progress, signal);
    report(result, options.json ?? false);
    if (result?.run.status === 'rejected') {
      const failed = result.findings.filter(({ passed }) => !passed).map(({ sentence }) => sentence);
      throw new IteraError('GATE_REFUSED', `The candidate was rejected. ${failed.join(' ')}`, { run: result.run.id });
    }
  } finally {
    progress.end();
    stop();
  }
}

/** Undefined if no run is due. */
async function adaptOnce(
  options: AdaptOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<Adaptation | undefined> {
  const { variant: named = ['all'], seed, threads, preset, keep, canary } = options;
  const variants = named.length === 1 && named[0] === 'none' ? [] : chooseVariants(named, ['none']);
  const bounds = options.maxDegradation === undefined ? defaultBounds : parseDegradationBounds(options.maxDegradation);
  if (canary !== undefined && !(canary > 0 && canary < 100)) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `Expected a canary of more than 0 and less than 100 percent, got ${canary}.`,
    );
  }
  if (!(options.clientShare > 0 && options.clientShare <= 100)) {
    const message = `Expected a client's share of more than 0 and at most 100 percent, got ${options.clientShare}.`;
    throw new IteraError('INVALID_ARGUMENT', message);
  }
  const folder = await openModel(options.model, { signal });
  return withStore(options, signal, async (store, versionsDir) => {
    let trigger: RunTrigger = 'manual';
    if (options.whenDue || options.watch) {
      const { negatives, every } = options;
      const due = await dueTrigger(store, { negatives, ...(every !== undefined && { everyHours: every }) });
      if (!due) return undefined;
      trigger = due;
    }
    return runAdaptation(store, folder, modelName(folder), {
      ...{ versionsDir, seed, threads, preset, keep, trigger, variants, bounds, signal },
      version: packageVersion,
      curation: { clientShare: options.clientShare / 100 },
      ...(options.learningRate !== undefined && { learningRate: options.learningRate }),
      ...(options.steps !== undefined && { steps: options.steps }),
      ...(options.baseText && { baseTexts: options.baseText }),
      ...(options.dataDir && { dataDir: options.dataDir }),
      ...(canary !== undefined && { canaryShare: canary / 100 }),
      onStage: (stage) => progress.note(stage),
      onStep: (step, steps, loss) => {
        progress.update({ done: step, total: steps, unit: 'step', detail: `loss ${loss.toFixed(4)}` });
        if (step === steps) progress.end();
      },
    });
  });
}

async function watch(options: AdaptOptions, progress: Progress, signal: AbortSignal): Promise<void> {
  progress.note('waiting for a run to be due; Ctrl-C ends');
  while (!signal.aborted) {
    try {
      const result = await adaptOnce(options, progress, signal);
      progress.end();
      if (result) report(result, options.json ?? false);
    } catch (error) {
      // Another process has its turn; the next look comes.
      if (!(error instanceof IteraError && ['STORE_IN_USE', 'RUN_IN_PROGRESS'].includes(error.code))) throw error;
      progress.note(error.message);
    }
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

function report(result: Adaptation | undefined, json: boolean): void {
  if (!result) {
    process.stdout.write(json ? `${JSON.stringify({ schemaVersion: 1, decision: 'notDue' })}\n` : 'No run is due.\n');
    return;
  }
  const { run, deployment, findings, curation, evidence, candidateDir } = result;
  const { id, candidate, reason, parent, trigger, seed, settings, startedAt, endedAt } = run;
  if (json) {
    const shown = {
      ...{ schemaVersion: 1, decision: run.status, ...(reason !== undefined && { reason }) },
      ...(candidate !== undefined && { candidate: { version: candidate, dir: candidateDir } }),
      ...{ promoted: deployment.promoted, findings, curation, ...(evidence && { evidence }) },
      run: { id, parent, trigger, seed, settings, startedAt, endedAt },
    };
    process.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`);
    return;
  }
  const { training, stopping, heldOut, dropped } = curation;
  const left = Object.entries(dropped).filter(([, count]) => count > 0);
  const lines = [
    `Examples: ${training} to learn from, ${stopping} to stop by, ${heldOut} held out${left.map(([why, count]) => `, ${count} ${dropNames[why as keyof typeof dropNames]}`).join('')}`,
    ...findings.map(({ passed, sentence }) => `${passed ? 'ok  ' : 'FAIL'} ${sentence}`),
    reason === undefined ? decisions[run.status] : `${decisions[run.status]}: ${reason}`,
    ...(candidateDir === undefined ? [] : [`Version ${candidate}: ${candidateDir}`]),
    `Promoted: ${deployment.promoted}${deployment.canary ? `, canary: ${deployment.canary.version} for ${100 * deployment.canary.share}%` : ''}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

const decisions = {
  running: 'Running',
  promoted: 'Promoted',
  canary: 'Promoted as a canary',
  rejected: 'Rejected',
  skipped: 'Skipped',
  failed: 'Failed',
} as const;

const dropNames = {
  unjudged: 'without a judgement',
  tooLong: 'too long',
  superseded: 'superseded by the same client',
  contradictory: 'contradicted by as many',
  duplicate: 'said before',
  clientShare: "beyond a client's share",
} as const;
