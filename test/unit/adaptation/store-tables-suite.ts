import { getTableName } from 'drizzle-orm';
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core';
import { describe, expect, it } from 'vitest';
import * as tables from '../../../src/adaptation/store/store-schema.ts';
import type { SuiteStore } from './suite-store.ts';

/** The tables that the migrations make, compared with the schema in the code. */
export function describeTables(suite: SuiteStore): void {
  describe('its tables', () => {
    const all = Object.values(tables).filter((table) => typeof table === 'object') as PgTable[];

    it('are those of the schema, with the same columns', async () => {
      const expected = all.flatMap((table) => {
        const { columns } = getTableConfig(table);
        return columns.map((column) => [
          getTableName(table),
          column.name,
          column.getSQLType(),
          column.notNull,
          // The generated ones are no defaults to PostgreSQL.
          column.hasDefault && column.generatedIdentity === undefined,
          column.generatedIdentity !== undefined,
        ]);
      });
      const rows = await suite.execute(`
        select c.relname, a.attname, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull, a.atthasdef,
          a.attidentity <> '' as identity
        from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'itera_lite' and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
          and c.relname <> 'migrations'`);
      const found = rows.map((row) => [
        row['relname'],
        row['attname'],
        `${row['type']}`.replace(/^timestamp\((\d)\) /, 'timestamp ($1) '),
        row['attnotnull'],
        row['atthasdef'],
        row['identity'],
      ]);
      expect(new Set(found.map((row) => row.join()))).toEqual(new Set(expected.map((row) => row.join())));
    });

    it('have the same indexes, unique columns, references and checks', async () => {
      const expected = all.flatMap((table) => {
        const { indexes, checks, foreignKeys, uniqueConstraints } = getTableConfig(table);
        return [
          ...indexes.map(({ config }) => `i ${config.name} ${config.unique}`),
          ...checks.map(({ name }) => `c ${name}`),
          ...foreignKeys.map((key) => `f ${key.getName()}`),
          ...uniqueConstraints.map(({ name }) => `u ${name}`),
        ];
      });
      const rows = await suite.execute(`
        select contype::text || ' ' || conname as name from pg_constraint c
          join pg_namespace n on n.oid = c.connamespace
          where nspname = 'itera_lite' and contype in ('c', 'f', 'u') and conname not like 'migrations%'
        union all
        select 'i ' || c.relname || ' ' || indisunique from pg_index i join pg_class c on c.oid = i.indexrelid
          join pg_namespace n on n.oid = c.relnamespace
          where nspname = 'itera_lite' and not exists (select from pg_constraint where conindid = c.oid)`);
      expect(rows.map(({ name }) => name).sort()).toEqual(expected.sort());
    });

    it('refuse what no caller may write', async () => {
      const insert = (columns: string, values: string) =>
        suite
          .execute(
            `insert into itera_lite.feedback (id, created_at, prompt, content_hash, ${columns})
           values (gen_random_uuid(), now(), 'p', gen_random_uuid()::text, ${values})`,
          )
          .catch(({ cause }) => (cause as { constraint: string }).constraint);
      expect(await insert('output, rating', "'o', 6")).toBe('feedback_rating');
      expect(await insert('output', "'o'")).toBe('feedback_judgement');
      expect(await insert('rating', '1')).toBe('feedback_text');
      const second = await suite
        .execute("insert into itera_lite.deployment values (true, 'v1', null, null, null, now())")
        .catch(({ cause }) => cause.constraint);
      expect(second).toBe('deployment_pkey');
      const share = await suite
        .execute("update itera_lite.deployment set canary_version = 'v1', canary_share = 1")
        .catch(({ cause }) => cause.constraint);
      expect(share).toBe('deployment_share');
    });
  });
}
