import { readFile } from 'node:fs/promises';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import pg from 'pg';
import { IteraError, throwIfAborted } from '../../core/errors.ts';
import { rowsOf } from './audit-log.ts';
import { toStoreError } from './database-error.ts';
import { checkMigrations, migrationConfig } from './migrations.ts';
import type { StoreDatabase } from './store-session.ts';

/** The oldest version that is tested, as the server counts. */
const oldestVersion = 150_000;

/** Whoever migrates holds this advisory lock; the number is any that nobody else uses. */
const migrationLock = 7_113_901_482_006_147n;

export interface ServerOptions {
  readonly signal?: AbortSignal | undefined;
  /** Until a connection stands, in milliseconds; default 8,000. */
  readonly connectMs?: number;
}

/**
 * Connects to a PostgreSQL server and makes the tables that are missing.
 *
 * @param url - Its address. If it holds no password, `DATABASE_PASSWORD_FILE` may name a file that does.
 * @throws {@link IteraError} `INVALID_ARGUMENT` for an address that is none, `FILE_UNREADABLE`, `STORE_UNAVAILABLE`, `STORE_INVALID`, `ABORTED`.
 * @remarks No statement waits for more than half a minute, and a process that stands still in the midst of a transaction
 *   loses it after a minute, so that it holds up nobody for good.
 */
export async function openServerDatabase(
  url: string,
  { signal, connectMs = 8_000 }: ServerOptions = {},
): Promise<StoreDatabase> {
  const location = withoutPassword(url);
  const pool = new pg.Pool({
    connectionString: await withPassword(url),
    max: 4,
    connectionTimeoutMillis: connectMs,
    keepAlive: true,
    statement_timeout: 30_000,
    query_timeout: 40_000,
    idle_in_transaction_session_timeout: 60_000,
    application_name: 'itera-lite',
    // Drivers read times in this style only.
    options: '-c datestyle=ISO -c timezone=UTC',
  });
  // A connection that breaks while nobody uses it: the next query opens another, or says what is wrong.
  pool.on('error', () => undefined);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= pool.end();
    return closing;
  };
  try {
    throwIfAborted(signal);
    await prepareDatabase(pool, location);
    throwIfAborted(signal);
    return { kind: 'server', location, queries: drizzle({ client: pool }), close };
  } catch (error) {
    await close();
    throw toStoreError(error, { kind: 'server', location });
  }
}

async function prepareDatabase(pool: pg.Pool, location: string): Promise<void> {
  const client = await pool.connect();
  try {
    const database = drizzle({ client });
    const [row] = rowsOf<{ version: string }>(
      await database.execute(sql`select current_setting('server_version_num') as version`),
    );
    checkServerVersion(Number(row?.version), location);
    await database.execute(sql`select pg_advisory_lock(${migrationLock})`);
    await migrate(database, migrationConfig);
    await checkMigrations(database, location);
  } finally {
    // The connection is closed, and the lock is free with it, whatever has happened.
    client.release(true);
  }
}

/** Throws `STORE_UNAVAILABLE` for a server that is too old. */
export function checkServerVersion(version: number, location: string): void {
  if (version >= oldestVersion) return;
  const [oldest, found] = [oldestVersion, version].map((number) => Math.floor(number / 10_000));
  const message = `Expected PostgreSQL ${oldest} or newer at ${location}, got ${found}. Update the server or name another.`;
  throw new IteraError('STORE_UNAVAILABLE', message, { location, version });
}

/** The address as it may be shown. */
function withoutPassword(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  // With an unescaped / or # in it, a password is taken for another part of the address.
  if (parsed === undefined || (parsed.username === '' && url.includes('@'))) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      'Expected an address such as postgres://user:password@host:5432/database, got one that does not read so. ' +
        'Write characters other than letters and digits of user and password in percent-encoding.',
    );
  }
  const { protocol, username, host, pathname } = parsed;
  return `${protocol}//${username === '' ? '' : `${username}@`}${host}${pathname}`;
}

/** The address with the password that it lacks, from the file where a container keeps such secrets. */
async function withPassword(url: string): Promise<string> {
  const path = process.env['DATABASE_PASSWORD_FILE'];
  const parsed = new URL(url);
  if (!path || parsed.password !== '' || parsed.searchParams.has('password')) return url;
  try {
    // As a parameter, since an address of a socket has no place for it before the host.
    parsed.searchParams.set('password', (await readFile(path, 'utf8')).trim());
  } catch (cause) {
    const message = `Could not read '${path}', which DATABASE_PASSWORD_FILE names: ${(cause as Error).message}`;
    throw new IteraError('FILE_UNREADABLE', message, { path }, { cause });
  }
  return parsed.href;
}
