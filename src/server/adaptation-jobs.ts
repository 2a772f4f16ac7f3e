import { runAdaptation } from '../adaptation/adapt.ts';
import { checkLiveFeedback } from '../adaptation/deployment.ts';
import type { AdaptationRun, AdaptationStore, RunTrigger } from '../adaptation/store/store-records.ts';
import { dueTrigger } from '../adaptation/triggers.ts';
import { IteraError } from '../core/errors.ts';
import type { ModelRouter } from './model-router.ts';
import type { ServerSettings } from './server-options.ts';

/** What the server does with feedback besides keeping it. */
export interface AdaptationJobs {
  /**
   * Starts a run in the background.
   *
   * @returns The run, once the store has it.
   * @throws {@link IteraError} `RUN_IN_PROGRESS`, and what keeps a run from starting.
   */
  start(trigger?: RunTrigger): Promise<AdaptationRun>;
  /** Tests live feedback soon, and starts a run if one is due; not more often than the settings say. */
  sawFeedback(): void;
  close(): Promise<void>;
}

export interface JobLog {
  info(message: string): void;
  error(error: unknown, message: string): void;
}

const scheduleMs = 60_000;

export function createAdaptationJobs(
  store: AdaptationStore,
  versionsDir: string,
  { folder, name, version, adaptation = {}, threads, liveCheckMs }: ServerSettings,
  router: ModelRouter,
  log: JobLog,
): AdaptationJobs {
  const { automatic, ...given } = adaptation;
  // A server that was killed while it adapted left a run that seems to go on.
  void store.failCrashedRuns().catch((error: unknown) => log.error(error, 'could not look for runs that crashed'));
  const controller = new AbortController();
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;
  const schedule = automatic?.everyHours === undefined ? undefined : setInterval(() => void look(), scheduleMs).unref();

  function start(trigger: RunTrigger = 'manual'): Promise<AdaptationRun> {
    if (running !== undefined) {
      const message = 'Expected no adaptation run to be running, got one of this server. GET /v1/adaptations shows it.';
      return Promise.reject(new IteraError('RUN_IN_PROGRESS', message));
    }
    return new Promise((resolve, reject) => {
      const watched: AdaptationStore = {
        ...store,
        async startRun(run) {
          const started = await store.startRun(run);
          resolve(started);
          return started;
        },
      };
      const options = { seed: 1, threads, version, ...given, versionsDir, trigger, signal: controller.signal };
      running = runAdaptation(watched, folder, name, options)
        .then(
          ({ run }) => log.info(`adaptation run ${run.id} ended: ${run.status}`),
          (error: unknown) => {
            // Whoever asked hears of it if the run never started; otherwise the store says that it failed.
            reject(error);
            if (!controller.signal.aborted) log.error(error, 'adaptation run failed');
          },
        )
        .then(() => router.refresh())
        .catch((error: unknown) => log.error(error, 'could not look at what is deployed'))
        .finally(() => {
          running = undefined;
        });
    });
  }

  async function lookOnce(): Promise<void> {
    try {
      const check = await checkLiveFeedback(store, versionsDir);
      if (check?.rolledBack) {
        log.info(`${check.version} was rolled back: live feedback on it is worse than on ${check.against}`);
        await router.refresh();
      }
      const due = automatic && running === undefined ? await dueTrigger(store, automatic) : undefined;
      if (due) await start(due);
    } catch (error) {
      if (!controller.signal.aborted) log.error(error, 'could not look at live feedback');
    }
  }

  function look(): Promise<void> {
    looking ??= lookOnce().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  return {
    start,
    sawFeedback() {
      timer ??= setTimeout(() => {
        timer = undefined;
        void look();
      }, liveCheckMs);
    },
    async close() {
      clearTimeout(timer);
      clearInterval(schedule);
      controller.abort(new IteraError('ABORTED', 'The server stops.'));
      await looking;
      await running;
    },
  };
}
