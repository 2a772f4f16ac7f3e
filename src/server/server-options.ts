import type { AdaptationOptions } from '../adaptation/adapt.ts';
import type { AdaptationStore } from '../adaptation/store/store-records.ts';
import type { TriggerSettings } from '../adaptation/triggers.ts';
import { IteraError } from '../core/errors.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import type { VariantName } from '../models/variants.ts';
import type { ApiKey } from './api-keys-file.ts';

/** How the server adapts; what is absent is as in `runAdaptation`. */
export interface ServerAdaptation
  extends Omit<Partial<AdaptationOptions>, 'versionsDir' | 'trigger' | 'signal' | 'onStage' | 'onStep'> {
  /** Adapt without being asked, when this says that a run is due; absent: only by `POST /adapt`. */
  readonly automatic?: TriggerSettings;
}

/** What the server serves, to whom, and how much of it. */
export interface ServerOptions {
  /** The model, or with a store the base model that it adapts. */
  readonly folder: ModelFolder;
  /** Of the model, in answers and records. */
  readonly name: string;
  /** Version of Itera-Lite. */
  readonly version: string;
  /** What answers unless a request names another. Default `fp32`. */
  readonly variant?: VariantName;
  /** Threads of the runtime. Default 1. */
  readonly threads?: number;
  /** Run each model in a process of its own, so that the server answers while it computes. Default true. */
  readonly isolate?: boolean;
  /** An open store, which the server closes; without one there is no feedback, adaptation or choice of version. */
  readonly store?: AdaptationStore;
  /** Needed with a store. */
  readonly versionsDir?: string;
  /** Keep prompt and output of `POST /infer` in the store. Default true. */
  readonly recordInferences?: boolean;
  /** How it adapts; needs a store. */
  readonly adaptation?: ServerAdaptation;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 for a free one. Default 8080. */
  readonly port?: number;
  /** Who may do what; absent or empty: everyone may do everything, which is refused on another host than this one. */
  readonly keys?: readonly ApiKey[];
  /** File of the keys, instead of them: what is changed in it holds within two seconds. Without keys in it, nobody may. */
  readonly keysFile?: string;
  /** Web pages of other origins that may call. Default none. */
  readonly corsOrigins?: readonly string[];
  /** Folder of the built web interface; false: none. Default: the package's own, if it was built. */
  readonly webDir?: string | false;
  /** Names besides `host` and those of this machine that requests may come to, where no keys are asked for. */
  readonly allowedHosts?: readonly string[];
  /** Requests a minute of one client; 0: no limit. Default 100. */
  readonly rateLimit?: number;
  /** Requests that wait for their turn. Default 256. */
  readonly maxQueue?: number;
  /** Generations at a time. Default 32. */
  readonly maxConcurrent?: number;
  /** Milliseconds that a request may take, waiting included. Default 60,000. */
  readonly deadlineMs?: number;
  /** Default 256 KiB. */
  readonly bodyLimitBytes?: number;
  /** Tokens of a prompt. Default 2048. */
  readonly maxPromptTokens?: number;
  /** Tokens that one generation may draw. Default 1024. */
  readonly maxNewTokens?: number;
  /** Of the log on stderr, JSON lines. Default `info`. */
  readonly logLevel?: 'silent' | 'error' | 'warn' | 'info' | 'debug';
  /** Milliseconds between looks at what is deployed. Default 3,000. */
  readonly pollMs?: number;
  /** Milliseconds between tests of live feedback, at least. Default 2,000. */
  readonly liveCheckMs?: number;
  /** Milliseconds that a stop waits for requests that go on. Default 30,000. */
  readonly graceMs?: number;
}

export const serverDefaults = {
  variant: 'fp32',
  threads: 1,
  isolate: true,
  recordInferences: true,
  host: '127.0.0.1',
  port: 8080,
  rateLimit: 100,
  maxQueue: 256,
  maxConcurrent: 32,
  deadlineMs: 60_000,
  bodyLimitBytes: 256 * 1024,
  maxPromptTokens: 2048,
  maxNewTokens: 1024,
  logLevel: 'info',
  pollMs: 3000,
  liveCheckMs: 2000,
  graceMs: 30_000,
} as const satisfies Partial<ServerOptions>;

/** With all defaults filled in. */
export type ServerSettings = ServerOptions & Required<Pick<ServerOptions, keyof typeof serverDefaults>>;

/** Whether a name means this machine and nothing else. */
export const isLocalHost = (name: string): boolean => /^(localhost|127(\.\d{1,3}){3}|::1)$/.test(name);

/** @throws {@link IteraError} `INVALID_ARGUMENT` for a number out of range, or another host than this one without keys. */
export function resolveOptions(options: ServerOptions): ServerSettings {
  const settings: ServerSettings = { ...serverDefaults, ...options };
  const counts = {
    rateLimit: 0,
    maxQueue: 0,
    maxConcurrent: 1,
    deadlineMs: 1,
    bodyLimitBytes: 1024,
    maxPromptTokens: 1,
    maxNewTokens: 1,
    pollMs: 1,
    liveCheckMs: 1,
    graceMs: 0,
  };
  for (const [name, least] of Object.entries(counts)) {
    const value = settings[name as keyof typeof counts];
    if (Number.isSafeInteger(value) && value >= least && value < 2 ** 31) continue;
    const message = `Option ${name}: expected a whole number from ${least} to ${2 ** 31 - 1}, got ${value}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { option: name, got: value });
  }
  if (!isLocalHost(settings.host) && !settings.keys?.length && settings.keysFile === undefined) {
    const message =
      `Expected keys for a server on ${settings.host}, which others can reach, got none. ` +
      'Make one with itera-lite serve --create-key NAME --keys FILE and give the file with --keys, or serve on 127.0.0.1.';
    throw new IteraError('INVALID_ARGUMENT', message, { host: settings.host });
  }
  const wrongOrigin = settings.corsOrigins?.find((origin) => !isOrigin(origin));
  if (wrongOrigin !== undefined) {
    const message = `Expected an origin such as https://example.org, without a path, got ${JSON.stringify(wrongOrigin)}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { origin: wrongOrigin });
  }
  if (settings.adaptation?.automatic && !settings.store) {
    throw new IteraError('INVALID_ARGUMENT', 'Expected a store to adapt from by itself, got none. Give --store.');
  }
  if (settings.store && settings.versionsDir === undefined) {
    throw new IteraError('INVALID_ARGUMENT', 'Expected versionsDir with a store, got none.');
  }
  return settings;
}

function isOrigin(text: string): boolean {
  try {
    return new URL(text).origin === text;
  } catch {
    return false;
  }
}
