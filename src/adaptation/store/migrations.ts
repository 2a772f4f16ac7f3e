import { fileURLToPath } from 'node:url';
import { sql } from 'drizzle-orm';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import { IteraError } from '../../core/errors.ts';
import { rowsOf } from './audit-log.ts';
import { schemaName } from './store-schema.ts';
import type { Queries } from './store-session.ts';

/** What drizzle-orm's migrators are told. From src/adaptation/store and dist/adaptation/store alike, the root is three folders up. */
export const migrationConfig = {
  migrationsFolder: fileURLToPath(new URL('../../../migrations', import.meta.url)),
  migrationsSchema: schemaName,
  migrationsTable: 'migrations',
} as const;

/**
 * Checks that a database has gone through these migrations and no others.
 *
 * @throws {@link IteraError} `STORE_INVALID`, as for one that a newer version of this package has changed.
 */
export async function checkMigrations(queries: Queries, location: string): Promise<void> {
  const ours = readMigrationFiles(migrationConfig).map(({ hash }) => hash);
  const table = sql`${sql.identifier(schemaName)}.${sql.identifier(migrationConfig.migrationsTable)}`;
  const rows = rowsOf<{ hash: string }>(await queries.execute(sql`select hash from ${table} order by id`));
  const theirs = rows.map(({ hash }) => hash);
  if (theirs.join() === ours.join()) return;
  throw new IteraError(
    'STORE_INVALID',
    `Expected a store at ${location} that this version of Itera-Lite has made (${ours.length} migrations), got one with ` +
      `${theirs.length}, not all the same. Use the version of Itera-Lite that made it, or a newer one.`,
    { location, expected: ours, migrations: theirs },
  );
}
