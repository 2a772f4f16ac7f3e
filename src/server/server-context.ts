import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { AdaptationStore } from '../adaptation/store/store-records.ts';
import type { Machine } from '../energy/cpu-power.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { AdaptationJobs } from './adaptation-jobs.ts';
import type { Admission } from './admission.ts';
import type { ComputeLedger } from './compute-ledger.ts';
import { HttpError } from './http-error.ts';
import type { ModelRouter } from './model-router.ts';
import type { ServerMetrics } from './server-metrics.ts';
import type { ServerSettings } from './server-options.ts';

/** The Fastify instance, whose bodies have the types of their schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** What needs a store. */
export interface StoreContext {
  readonly store: AdaptationStore;
  readonly versionsDir: string;
  readonly jobs: AdaptationJobs;
}

/** What routes work with. */
export interface ServerContext {
  readonly settings: ServerSettings;
  readonly router: ModelRouter;
  readonly admission: Admission;
  readonly metrics: ServerMetrics;
  readonly ledger: ComputeLedger;
  /** Where it runs, for what is said of energy. */
  readonly machine: Machine;
  /** Of the base model; all versions have the same. */
  readonly tokenizer: Tokenizer;
  readonly stored?: StoreContext;
  /** Fires when the time that a stop waits is over. */
  readonly stopping: AbortSignal;
}

/** @throws {@link HttpError} 503 if the server has no store. */
export function requireStore({ stored }: ServerContext): StoreContext {
  if (stored) return stored;
  const message =
    'This server has no store, so that there is no feedback, adaptation or choice of version. Start it with --store.';
  throw new HttpError(503, message, { code: 'no_store' });
}
