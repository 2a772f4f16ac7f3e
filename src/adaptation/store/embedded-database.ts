import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { drizzle } from 'drizzle-orm/pglite';
import { migrate } from 'drizzle-orm/pglite/migrator';
import { IteraError, throwIfAborted } from '../../core/errors.ts';
import { replaceFile } from '../../data/atomic-file.ts';
import { makeFolder } from '../../data/folder-file.ts';
import { toStoreError } from './database-error.ts';
import { checkMigrations, migrationConfig } from './migrations.ts';
import { lockName, takeStoreLock } from './store-lock.ts';
import type { StoreDatabase } from './store-session.ts';

/** Marks a folder as a store; written before anything else. */
const markerName = 'store.json';
const marker = { kind: 'itera-lite adaptation store', format: 1 } as const;

/** What an empty folder may hold besides: locks of processes that are opening it now, or have been killed doing so. */
const isLock = (name: string): boolean => name === '.lock' || name.startsWith('.lock.') || name.startsWith(lockName);

/**
 * Opens the database in a folder, which is made if it is missing or empty; this process then holds it.
 *
 * @throws {@link IteraError} `STORE_IN_USE`, `STORE_INVALID` for a folder of something else or a damaged one,
 *   `OUTPUT_UNWRITABLE`, `ABORTED`.
 * @remarks What was acknowledged survives the end of the process at any moment, SIGKILL included. PGlite hands it to the
 *   operating system but does not force it to the disk: a power failure may lose the last seconds or more. Where that matters,
 *   use a PostgreSQL server.
 */
export async function openEmbeddedDatabase(location: string, signal?: AbortSignal): Promise<StoreDatabase> {
  const folder = resolve(location);
  await prepareFolder(folder);
  throwIfAborted(signal);
  const release = await takeStoreLock(folder, signal);
  try {
    await mark(folder);
    const path = join(folder, 'database');
    if (!(await exists(path))) await createDatabase(folder, path);
    else if (!(await exists(join(path, 'PG_VERSION')))) {
      // PGlite would make a new database there, as if nothing had been lost.
      throw new IteraError('STORE_INVALID', `Expected a database in ${path}, got none. Restore it from a copy.`, {
        folder,
      });
    }
    throwIfAborted(signal);
    const database = await startDatabase(path, folder);
    let closing: Promise<void> | undefined;
    const close = async () => {
      await database.$client.close();
      await release();
    };
    return {
      kind: 'embedded',
      location: folder,
      queries: database,
      close: () => {
        closing ??= close();
        return closing;
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Makes the folder if it is missing, and refuses one that holds anything but a store. */
async function prepareFolder(folder: string): Promise<void> {
  let names: string[];
  try {
    await makeFolder(folder);
    names = await readdir(folder);
  } catch (cause) {
    throw unwritable(folder, cause);
  }
  const others = names.filter((name) => !isLock(name));
  if (others.length === 0 || others.includes(markerName)) return;
  const came = others.slice(0, 3).map((name) => JSON.stringify(name));
  throw new IteraError(
    'STORE_INVALID',
    `Expected an adaptation store or an empty folder at ${folder}, got a folder with ${came.join(', ')}` +
      `${others.length > 3 ? ' and more' : ''} in it and no ${markerName}. Name another folder.`,
    { folder },
  );
}

async function mark(folder: string): Promise<void> {
  const path = join(folder, markerName);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new IteraError('STORE_INVALID', `Could not read ${path}: ${error.message}`, { path }, { cause: error });
  });
  if (text === undefined) {
    await replaceFile(path, `${JSON.stringify(marker)}\n`).catch((cause) => {
      throw unwritable(folder, cause);
    });
    return;
  }
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    found = undefined;
  }
  const { kind, format } = (typeof found === 'object' && found !== null ? found : {}) as Partial<typeof marker>;
  if (kind === marker.kind && format === marker.format) return;
  const message = `Expected ${path} to hold ${JSON.stringify(marker)}, got ${JSON.stringify(text.slice(0, 100))}.`;
  throw new IteraError('STORE_INVALID', `${message} Name another folder, or use the version that made it.`, { path });
}

/** Makes a database beside its place and moves it there when it is whole: a kill meanwhile leaves none, not half of one. */
async function createDatabase(folder: string, path: string): Promise<void> {
  const beside = `${path}.new`;
  try {
    await rm(beside, { recursive: true, force: true });
    // PGlite lets everybody read and write its files; what people wrote is nobody else's business.
    await mkdir(beside, { mode: 0o700 });
  } catch (cause) {
    throw unwritable(folder, cause);
  }
  const database = await startDatabase(beside, folder);
  await database.$client.close();
  await rename(beside, path).catch((cause) => {
    throw unwritable(folder, cause);
  });
}

async function startDatabase(path: string, folder: string) {
  let client: PGlite | undefined;
  try {
    client = await PGlite.create({ dataDir: path });
    const database = drizzle({ client });
    await migrate(database, migrationConfig);
    await checkMigrations(database, folder);
    return database;
  } catch (error) {
    await client?.close().catch(() => undefined);
    throw toStoreError(error, { kind: 'embedded', location: folder });
  }
}

function unwritable(folder: string, cause: unknown): IteraError {
  const message = `Could not write the folder of a store, ${folder}: ${(cause as Error).message}. Name another folder.`;
  return new IteraError('OUTPUT_UNWRITABLE', message, { folder }, { cause });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
