import { setMaxListeners } from 'node:events';
import type { AddressInfo } from 'node:net';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import { IteraError } from '../core/errors.ts';
import { describeMachine } from '../energy/machine-file.ts';
import { createModelTokenizer } from '../runtime/model.ts';
import { guardRoutes } from './access.ts';
import { createAdaptationJobs } from './adaptation-jobs.ts';
import { createAdmission } from './admission.ts';
import { watchMethods } from './allowed-methods.ts';
import { openApiKeyRing } from './api-key-ring-file.ts';
import type { ApiKey } from './api-keys-file.ts';
import { createApp } from './app.ts';
import { createComputeLedger } from './compute-ledger.ts';
import { errorBody, HttpError, toHttpError } from './http-error.ts';
import { closeIdleConnections } from './idle-connections.ts';
import { startIsolatedModel } from './isolated-model.ts';
import { createModelPool } from './model-pool.ts';
import { createModelRouter } from './model-router.ts';
import { describeRoutes } from './openapi.ts';
import { guardOrigins } from './origin-guard.ts';
import { readUsage } from './process-usage.ts';
import { limitRequests } from './rate-limit.ts';
import { adaptationRoutes } from './routes/adaptations.ts';
import { completionsRoute } from './routes/completions.ts';
import { feedbackRoute } from './routes/feedback.ts';
import { healthRoutes } from './routes/health.ts';
import { inferRoute } from './routes/infer.ts';
import { metricsRoute } from './routes/metrics.ts';
import { modelFilesRoute } from './routes/model-files.ts';
import { modelsRoute } from './routes/models.ts';
import { scoreRoute } from './routes/score.ts';
import { suggestRoute } from './routes/suggest.ts';
import { versionRoutes } from './routes/versions.ts';
import { loadServedModel } from './served-model.ts';
import type { App, ServerContext } from './server-context.ts';
import { createMetrics, type ServerMetrics } from './server-metrics.ts';
import { resolveOptions, type ServerOptions, type ServerSettings } from './server-options.ts';
import { checkTexts } from './text-check.ts';
import { webPages } from './web-pages.ts';

/** A server of one model. */
export interface Server {
  /** The Fastify instance; `inject` answers requests without a network. */
  readonly app: App;
  /**
   * Begins to listen.
   *
   * @returns Its address, `http://host:port`.
   * @throws {@link IteraError} `SERVER_UNAVAILABLE`.
   */
  listen(): Promise<string>;
  /** Stops: takes no more requests, lets those that go on end within the grace period, and closes the store. */
  close(): Promise<void>;
}

/**
 * Makes a server and loads its model.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` for an option, among them another host than this one without keys, or
 *   another model than the store's; what reading the keys and loading the model throws. The store then stays open.
 */
export async function createServer(options: ServerOptions): Promise<Server> {
  const settings = resolveOptions(options);
  const { store, versionsDir, variant, threads, maxConcurrent, graceMs } = settings;
  const app = createApp(settings);
  const readKeys = await openKeys(settings, app);
  const load = settings.isolate ? startIsolatedModel : loadServedModel;
  const admission = createAdmission(settings);
  const pool = createModelPool(
    (dir, wanted) => load(dir, { variant: wanted, threads, maxBatch: maxConcurrent }),
    (error) => app.log.error({ err: error }, 'a model could not be freed'),
  );
  const metrics = createMetrics(admission, pool.usage);
  const ledger = createComputeLedger(() => readUsage().cpuS + pool.usage().cpuS);
  const machine = await describeMachine();
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const router = await createModelRouter(pool, {
    ...{ folder: settings.folder, name: settings.name, variant },
    ...(store && { store }),
    ...(versionsDir !== undefined && { versionsDir }),
    onChange: (message, fault) => (fault ? app.log.error({ err: fault }, message) : app.log.info(message)),
  }).catch(async (error: unknown) => {
    await pool.close();
    throw error;
  });
  const jobs =
    store && versionsDir !== undefined
      ? createAdaptationJobs(store, versionsDir, settings, router, {
          info: (message) => app.log.info(message),
          error: (error, message) => app.log.error({ err: error }, message),
        })
      : undefined;
  const context: ServerContext = {
    ...{ settings, router, admission, metrics, ledger, machine, stopping: stop.signal },
    tokenizer: createModelTokenizer(settings.folder),
    ...(store && versionsDir !== undefined && jobs && { stored: { store, versionsDir, jobs } }),
  };
  await addPlugins(app, settings, metrics, readKeys);
  for (const add of [inferRoute, completionsRoute, suggestRoute, scoreRoute, modelsRoute, feedbackRoute]) {
    add(app, context);
  }
  for (const add of [adaptationRoutes, versionRoutes, healthRoutes, metricsRoute, modelFilesRoute]) add(app, context);
  await webPages(app, context);
  await app.ready();

  const poll = store && setInterval(() => void refresh(), settings.pollMs).unref();
  async function refresh(): Promise<void> {
    await router.refresh().catch((error: unknown) => app.log.error({ err: error }, 'the store does not answer'));
  }

  async function closeOnce(): Promise<void> {
    clearInterval(poll);
    const timer = setTimeout(() => stop.abort(), graceMs);
    // What is cut off still gets a moment to say so before its connection goes.
    const last = setTimeout(() => app.server.closeAllConnections(), graceMs + 1000);
    await app.close();
    clearTimeout(timer);
    clearTimeout(last);
    await jobs?.close();
    await pool.close();
    await store?.close();
  }
  let closed: Promise<void> | undefined;

  return {
    app,
    async listen() {
      const { host, port } = settings;
      try {
        await app.listen({ host, port });
      } catch (cause) {
        const { code } = cause as NodeJS.ErrnoException;
        const reason = listenFaults[code ?? ''] ?? `cannot be used (${(cause as Error).message})`;
        const message = `Expected to listen on ${host}, port ${port}, but it ${reason}. Give another with --host or --port.`;
        throw new IteraError('SERVER_UNAVAILABLE', message, { host, port, code }, { cause });
      }
      const { address, family, port: used } = app.server.address() as AddressInfo;
      return `http://${family === 'IPv6' ? `[${address}]` : address}:${used}`;
    },
    close() {
      closed ??= closeOnce();
      return closed;
    },
  };
}

const listenFaults: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another program',
  EACCES: 'may not be used by this user',
  EADDRNOTAVAIL: 'is no address of this machine',
};

type ReadKeys = () => Promise<readonly ApiKey[]>;

async function openKeys({ keys = [], keysFile }: ServerSettings, app: App): Promise<ReadKeys | undefined> {
  if (keysFile === undefined) return keys.length === 0 ? undefined : async () => keys;
  return openApiKeyRing(keysFile, {
    onChange: (message) => app.log.info(message),
    onFault: (error) => app.log.error({ err: error }, 'the file of keys cannot be used; the keys before remain'),
  });
}

async function addPlugins(
  app: App,
  settings: ServerSettings,
  metrics: ServerMetrics,
  readKeys: ReadKeys | undefined,
): Promise<void> {
  // Answers are made here, not by clients: their schemas describe them and need not change them.
  app.setSerializerCompiler(() => JSON.stringify);
  app.setErrorHandler((error, request, reply) => {
    const fault = toHttpError(error, request.id);
    const { statusCode, details } = fault;
    if (statusCode >= 500 && !(error instanceof HttpError)) request.log.error({ err: error }, 'request failed');
    if (statusCode === 429) metrics.sawRejection('rate');
    if (details.retryAfterS !== undefined) reply.header('retry-after', details.retryAfterS);
    return reply.code(statusCode).send(errorBody(fault));
  });
  const methodsOf = watchMethods(app);
  app.setNotFoundHandler(({ method, url }, reply) => {
    const path = url.split('?')[0]?.slice(0, 200) ?? '';
    const methods = methodsOf(path);
    if (methods.length > 0) {
      reply.header('allow', methods.join(', '));
      const message = `Expected ${methods.join(' or ')} for ${path}, got ${method}.`;
      throw new HttpError(405, message, { code: 'method_not_allowed' });
    }
    throw new HttpError(404, `There is no ${method} ${path} here. GET /docs lists what is.`, { code: 'not_found' });
  });
  closeIdleConnections(app);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
  app.addHook('preValidation', async (request) => checkTexts(request.body));
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown';
    metrics.sawRequest(route, request.method, reply.statusCode, reply.elapsedTime / 1000);
  });
  guardOrigins(app, settings);
  await app.register(helmet, {
    // It would turn plain http, which is what is served here, into https.
    contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
    strictTransportSecurity: false,
  });
  const { corsOrigins = [], rateLimit: perMinute } = settings;
  if (corsOrigins.length > 0) await app.register(cors, { origin: [...corsOrigins], methods: ['GET', 'POST'] });
  const countRefusal = perMinute > 0 ? await limitRequests(app, perMinute) : undefined;
  guardRoutes(app, {
    ...(readKeys && { readKeys }),
    ...(countRefusal && { countRefusal }),
    onRefusal: () => metrics.sawRejection('key'),
  });
  await describeRoutes(app, settings);
}
