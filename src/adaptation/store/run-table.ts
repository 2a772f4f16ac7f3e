import { randomUUID } from 'node:crypto';
import { and, desc, eq, sql } from 'drizzle-orm';
import { IteraError } from '../../core/errors.ts';
import { toStorable, toStorableJson } from './canonical-json.ts';
import { applyDeployment, readDeployment, requireStanding } from './deployment-row.ts';
import { hasEnded, thisProcess } from './process-identity.ts';
import { isUuid, omitNulls } from './record-row.ts';
import type { AdaptationRun, NewRun, RunEnd } from './store-records.ts';
import { adaptationRuns } from './store-schema.ts';
import type { Queries, StoreSession } from './store-session.ts';
import { insertVersion, requireVersions } from './version-table.ts';

/** A run that has not been touched for so long counts as crashed. */
const silenceMs = 60_000;

type RunRow = typeof adaptationRuns.$inferSelect;

/** Begins a run; throws `RUN_IN_PROGRESS` while one is running, `VERSION_UNKNOWN` for the parent, `INVALID_ARGUMENT`. */
export async function startRun(session: StoreSession, run: NewRun): Promise<AdaptationRun> {
  const { trigger, seed, parent } = run;
  if (!Number.isSafeInteger(seed)) {
    throw new IteraError('INVALID_ARGUMENT', `Expected a whole number as seed of a run, got ${seed}.`, { seed });
  }
  const settings = toStorableJson(run.settings);
  const { pid, host } = await thisProcess();
  return session.change(async ({ queries, at, audit }) => {
    const row = { id: randomUUID(), status: 'running', trigger, seed, parent, settings, pid, host } as const;
    const running = await findRunning(queries);
    if (running !== undefined) throw inProgress(running);
    await requireVersions(queries, [parent]);
    const [started] = await queries
      .insert(adaptationRuns)
      .values({ ...row, startedAt: at, heartbeat: at })
      .returning();
    await audit('startRun', { run: row.id, trigger, seed, parent, settings, pid, host });
    return toRun(started!);
  });
}

/** Says that a run is alive; nothing happens if it has ended. */
export async function touchRun(session: StoreSession, id: string): Promise<void> {
  if (!isUuid(id)) return;
  await session.run((queries) =>
    queries
      .update(adaptationRuns)
      .set({ heartbeat: sql`clock_timestamp()` })
      .where(and(eq(adaptationRuns.id, id), eq(adaptationRuns.status, 'running'))),
  );
}

/**
 * Ends a run with its version and change of the deployment, all or nothing.
 *
 * @throws {@link IteraError} `RUN_IN_PROGRESS` if it is not running, `INVALID_ARGUMENT` and `VERSION_UNKNOWN` for the
 *   version, and what {@link requireStanding} throws if what the run decided on is not promoted any more; it then still runs.
 */
export async function endRun(session: StoreSession, id: string, end: RunEnd): Promise<AdaptationRun> {
  const { status, version, deployment: change } = end;
  const evidence = end.evidence && toStorableJson(end.evidence);
  const reason = end.reason === undefined ? undefined : toStorable(end.reason);
  return session.change(async ({ queries, at, audit }) => {
    const run = await findRun(queries, id);
    if (run?.status !== 'running') {
      const came =
        run === undefined ? 'no such run' : `one that ended as ${run.status} (${run.reason ?? 'no reason given'})`;
      const message = `Expected a run that is running to end, got ${came}: ${id}. Its result is not kept.`;
      throw new IteraError('RUN_IN_PROGRESS', message, { run: id, status: run?.status });
    }
    if (version) await insertVersion(queries, { runId: id, ...version }, at);
    const ended = { status, endedAt: at, evidence, reason, candidate: version?.id };
    const [row] = await queries.update(adaptationRuns).set(ended).where(eq(adaptationRuns.id, id)).returning();
    await audit('endRun', { run: id, status, reason, evidence, version });
    if (change) {
      requireStanding(await readDeployment(queries), change);
      const { from, next } = await applyDeployment(queries, change.next, at);
      await audit(change.action, { run: id, from, next, reason: change.reason, evidence: change.evidence });
    }
    return toRun(row!);
  });
}

/** Marks a run whose process has ended, or which has been silent for a minute, as failed; returns its id. */
export async function failCrashedRuns(session: StoreSession): Promise<string[]> {
  const suspect = await session.run(findRunning);
  if (suspect === undefined) return [];
  const ended = await hasEnded(suspect);
  return session.change(async ({ queries, at, audit }) => {
    const run = await findRunning(queries);
    if (run?.id !== suspect.id) return [];
    const silent = at.getTime() - run.heartbeat.getTime() > silenceMs;
    if (!ended && !silent) return [];
    const why = ended ? `has ended` : `has not been heard of since ${run.heartbeat.toISOString()}`;
    const reason = `Its process ${run.pid} on ${run.host} ${why}.`;
    await queries
      .update(adaptationRuns)
      .set({ status: 'failed', endedAt: at, reason })
      .where(eq(adaptationRuns.id, run.id));
    await audit('failRun', { run: run.id, reason });
    return [run.id];
  });
}

/** The newest runs first. */
export async function listRuns(session: StoreSession, limit?: number): Promise<AdaptationRun[]> {
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0)) {
    throw new IteraError('INVALID_ARGUMENT', `Expected a number of runs above 0 as limit, got ${limit}.`, { limit });
  }
  const rows = await session.run((queries) => {
    const all = queries.select().from(adaptationRuns).orderBy(desc(adaptationRuns.position));
    return limit === undefined ? all : all.limit(limit);
  });
  return rows.map(toRun);
}

async function findRun(queries: Queries, id: string): Promise<RunRow | undefined> {
  if (!isUuid(id)) return undefined;
  const [run] = await queries.select().from(adaptationRuns).where(eq(adaptationRuns.id, id));
  return run;
}

async function findRunning(queries: Queries): Promise<RunRow | undefined> {
  const [run] = await queries.select().from(adaptationRuns).where(eq(adaptationRuns.status, 'running'));
  return run;
}

function inProgress({ id, pid, host, startedAt }: RunRow): IteraError {
  const since = startedAt.toISOString();
  return new IteraError(
    'RUN_IN_PROGRESS',
    `Expected no adaptation run to be running, got run ${id} of process ${pid} on ${host}, started ${since}. ` +
      'Wait until it ends; if its process was killed, it counts as failed a minute later at most.',
    { run: id, pid, host, startedAt: since },
  );
}

function toRun(row: RunRow): AdaptationRun {
  const { position: _, pid: __, host: ___, heartbeat: ____, startedAt, endedAt, ...rest } = row;
  const ended = endedAt === null ? {} : { endedAt: endedAt.toISOString() };
  return { ...omitNulls(rest), startedAt: startedAt.toISOString(), ...ended };
}
