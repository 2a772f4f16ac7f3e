import { createHash } from 'node:crypto';
import { asc, gt, sql } from 'drizzle-orm';
import { IteraError } from '../../core/errors.ts';
import { canonicalJson, toStorableJson } from './canonical-json.ts';
import { toStoreError } from './database-error.ts';
import type { AuditCheck, AuditEntry } from './store-records.ts';
import { audit, auditHead } from './store-schema.ts';
import type { Change, Queries, StoreDatabase, StoreSession } from './store-session.ts';

/** What comes before the first entry. */
const beginning = '0'.repeat(64);

/** Entries that are read at once. */
const page = 1000;

type Head = Pick<AuditEntry, 'sequence' | 'hash'>;

/**
 * A session in which every change locks the head of the audit log first. Changes so come one after the other, over all
 * processes: sequences have no gap, times rise, and nobody decides on what another is changing.
 */
export function createSession(database: StoreDatabase): StoreSession {
  const { queries } = database;
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw toStoreError(error, database);
    }
  };
  return {
    run: (work) => guarded(() => work(queries)),
    snapshot: (work) =>
      guarded(() => queries.transaction(work, { isolationLevel: 'repeatable read', accessMode: 'read only' })),
    change: (work) => guarded(() => queries.transaction(async (inner) => work(await beginChange(inner)))),
  };
}

async function beginChange(queries: Queries): Promise<Change> {
  const [row] = await queries.select().from(auditHead).for('update');
  if (row === undefined) {
    throw new IteraError(
      'STORE_INVALID',
      'Expected the head of the audit log, got none. Restore the store from a copy.',
    );
  }
  // A statement of its own: the one above may have read the clock before it waited for the lock.
  const at = await readClock(queries, row.at);
  let head: Head = row;
  return {
    queries,
    at,
    async audit(action, detail) {
      const entry = chain(head, { at: at.toISOString(), action, detail: toStorableJson(detail) });
      head = entry;
      await queries.insert(audit).values({ ...entry, at });
      await queries.update(auditHead).set({ sequence: entry.sequence, at, hash: entry.hash });
    },
  };
}

/** The database's time; where its clock went back or stood still, the millisecond after the last change. */
async function readClock(queries: Queries, last: Date): Promise<Date> {
  const clock = sql`select 1000 * extract(epoch from clock_timestamp()) as now`;
  const [row] = rowsOf<{ now: unknown }>(await queries.execute(clock));
  return new Date(Math.max(Math.floor(Number(row?.now)), last.getTime() + 1));
}

/** Rows of a query that is written out; both drivers return them so, but their common type does not say it. */
export function rowsOf<T>(result: unknown): T[] {
  return (result as { readonly rows: T[] }).rows;
}

function chain({ sequence, hash }: Head, content: Pick<AuditEntry, 'at' | 'action' | 'detail'>): AuditEntry {
  const entry = { sequence: sequence + 1, ...content, previous: hash };
  return { ...entry, hash: hashOf(entry) };
}

/** Hexadecimal sha256 of the previous hash and the canonical JSON of the rest. */
function hashOf({ sequence, at, action, detail, previous }: Omit<AuditEntry, 'hash'>): string {
  const content = canonicalJson({ sequence, at, action, detail });
  return createHash('sha256').update(previous).update(content).digest('hex');
}

/** A UUID that was made with the store. */
export async function readStoreId(session: StoreSession): Promise<string> {
  const [row] = await session.run((queries) => queries.select({ id: auditHead.storeId }).from(auditHead));
  if (row) return row.id;
  throw new IteraError('STORE_INVALID', 'Expected the head of the audit log, got none. Restore the store from a copy.');
}

/** All entries, the oldest first. */
export async function readAudit(session: StoreSession): Promise<AuditEntry[]> {
  return session.snapshot(async (queries) => {
    const entries: AuditEntry[] = [];
    for await (const entry of readEntries(queries)) entries.push(entry);
    return entries;
  });
}

/**
 * Looks for entries that were edited, removed, moved or added past the store, the newest included, because the head is
 * kept beside the log.
 *
 * @returns The number of entries, and the first fault.
 * @remarks The chain has no secret: who may write to the database may also compute all hashes again, from any entry on, and
 *   the head; or put back an old copy of everything. Only a hash that was noted elsewhere shows that.
 */
export async function verifyAudit(session: StoreSession): Promise<AuditCheck> {
  return session.snapshot(async (queries) => {
    let last: Head = { sequence: 0, hash: beginning };
    let entries = 0;
    let fault: AuditCheck['fault'];
    for await (const entry of readEntries(queries)) {
      entries++;
      fault ??= faultAfter(last, entry);
      last = entry;
    }
    const [head] = await queries.select().from(auditHead);
    fault ??= faultAtEnd(last, head);
    return { entries, ...(fault && { fault }) };
  });
}

function faultAfter(last: Head, entry: AuditEntry): AuditCheck['fault'] {
  const sequence = last.sequence + 1;
  if (entry.sequence !== sequence) {
    const problem = entry.sequence < sequence ? 'The numbering does not begin with 1.' : 'The entry is missing.';
    return { sequence: Math.min(sequence, entry.sequence), problem };
  }
  if (entry.previous !== last.hash) return { sequence, problem: 'It does not follow the entry before it.' };
  if (entry.hash !== hashOf(entry)) return { sequence, problem: 'Its content is not what was recorded.' };
  return undefined;
}

function faultAtEnd(last: Head, head: Head | undefined): AuditCheck['fault'] {
  if (head === undefined) return { sequence: last.sequence, problem: 'The record of the newest entry is missing.' };
  if (head.sequence > last.sequence) return { sequence: last.sequence + 1, problem: 'The newest entries are missing.' };
  if (head.sequence < last.sequence || head.hash !== last.hash) {
    return { sequence: last.sequence, problem: 'It is not the newest entry that was recorded.' };
  }
  return undefined;
}

async function* readEntries(queries: Queries): AsyncGenerator<AuditEntry> {
  let after = Number.MIN_SAFE_INTEGER;
  for (;;) {
    const rows = await queries
      .select()
      .from(audit)
      .where(gt(audit.sequence, after))
      .orderBy(asc(audit.sequence))
      .limit(page);
    for (const row of rows) yield { ...row, at: toIso(row.at) };
    if (rows.length < page) return;
    after = rows.at(-1)!.sequence;
  }
}

/** A tampered time need not be one that JavaScript knows. */
function toIso(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'unknown' : date.toISOString();
}
