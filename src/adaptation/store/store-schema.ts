import { type SQL, sql } from 'drizzle-orm';
import {
  type AnyPgColumn,
  bigint,
  boolean,
  check,
  doublePrecision,
  foreignKey,
  index,
  integer,
  jsonb,
  type PgTableExtraConfigValue,
  pgSchema,
  smallint,
  text,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import type { RunStatus, RunTrigger, VersionState } from './store-records.ts';

/*
 * What `migrations/` makes, which is written by hand; a test compares the two. A PostgreSQL schema of its own, so that a
 * database may be shared. `position` is the order in which rows came; times have milliseconds, as a JavaScript date has.
 */

type Json = Readonly<Record<string, unknown>>;

/** Name of the PostgreSQL schema that holds all tables, and the record of migrations. */
export const schemaName = 'itera_lite';

const schema = pgSchema(schemaName);

const moment = (name: string) => timestamp(name, { precision: 3, withTimezone: true, mode: 'date' });
const position = () => bigint('position', { mode: 'number' }).notNull().generatedAlwaysAsIdentity();
const oneOf = (column: AnyPgColumn, names: readonly string[]): SQL =>
  sql`${column} in (${sql.raw(names.map((name) => `'${name}'`).join(', '))})`;

export const inferences = schema.table(
  'inferences',
  {
    id: uuid('id').primaryKey(),
    position: position(),
    createdAt: moment('created_at').notNull().defaultNow(),
    client: text('client'),
    prompt: text('prompt').notNull(),
    output: text('output').notNull(),
    version: text('version'),
    variant: text('variant'),
    promptTokens: integer('prompt_tokens'),
    outputTokens: integer('output_tokens'),
  },
  (table) => [
    index('inferences_client').on(table.client),
    check('inferences_tokens', sql`${table.promptTokens} >= 0 and ${table.outputTokens} >= 0`),
  ],
);

export const feedback = schema.table(
  'feedback',
  {
    id: uuid('id').primaryKey(),
    position: position(),
    createdAt: moment('created_at').notNull(),
    inferenceId: uuid('inference_id'),
    client: text('client'),
    prompt: text('prompt').notNull(),
    output: text('output'),
    rating: smallint('rating'),
    correct: boolean('correct'),
    correction: text('correction'),
    comment: text('comment'),
    tags: text('tags').array(),
    version: text('version'),
    contentHash: text('content_hash').notNull(),
  },
  (table) => [
    foreignKey({
      name: 'feedback_inference_id',
      columns: [table.inferenceId],
      foreignColumns: [inferences.id],
    }).onDelete('set null'),
    unique('feedback_content_hash').on(table.contentHash),
    index('feedback_position').on(table.position),
    index('feedback_created_at').on(table.createdAt),
    index('feedback_client').on(table.client),
    index('feedback_version').on(table.version, table.position),
    index('feedback_inference').on(table.inferenceId),
    check('feedback_rating', sql`${table.rating} between 1 and 5`),
    check(
      'feedback_judgement',
      sql`${table.rating} is not null or ${table.correct} is not null or ${table.correction} is not null`,
    ),
    check('feedback_text', sql`${table.output} is not null or ${table.correction} is not null`),
  ],
);

export const adaptationRuns = schema.table(
  'adaptation_runs',
  {
    id: uuid('id').primaryKey(),
    position: position(),
    status: text('status').$type<RunStatus>().notNull(),
    trigger: text('trigger').$type<RunTrigger>().notNull(),
    seed: bigint('seed', { mode: 'number' }).notNull(),
    parent: text('parent').notNull(),
    settings: jsonb('settings').$type<Json>().notNull(),
    startedAt: moment('started_at').notNull(),
    endedAt: moment('ended_at'),
    candidate: text('candidate'),
    evidence: jsonb('evidence').$type<Json>(),
    reason: text('reason'),
    pid: integer('pid').notNull(),
    host: text('host').notNull(),
    heartbeat: moment('heartbeat').notNull(),
  },
  // The annotation ends the circle of the two tables that refer to each other.
  (table): PgTableExtraConfigValue[] => [
    foreignKey({ name: 'adaptation_runs_parent', columns: [table.parent], foreignColumns: [modelVersions.id] }),
    foreignKey({ name: 'adaptation_runs_candidate', columns: [table.candidate], foreignColumns: [modelVersions.id] }),
    // Of all processes on one database, one at most is running.
    uniqueIndex('adaptation_runs_one_running').on(table.status).where(sql`${table.status} = 'running'`),
    check(
      'adaptation_runs_status',
      oneOf(table.status, ['running', 'promoted', 'canary', 'rejected', 'skipped', 'failed']),
    ),
    check('adaptation_runs_trigger', oneOf(table.trigger, ['manual', 'negativeFeedback', 'schedule'])),
    check('adaptation_runs_ended', sql`(${table.status} = 'running') = (${table.endedAt} is null)`),
  ],
);

export const modelVersions = schema.table(
  'model_versions',
  {
    id: text('id').primaryKey(),
    position: position(),
    createdAt: moment('created_at').notNull(),
    parent: text('parent'),
    runId: uuid('run_id'),
    model: text('model').notNull(),
    folder: text('folder').notNull(),
    files: jsonb('files').$type<Readonly<Record<string, string>>>().notNull(),
    state: text('state').$type<VersionState>().notNull(),
  },
  // The annotation ends the circle of the two tables that refer to each other.
  (table): PgTableExtraConfigValue[] => [
    foreignKey({ name: 'model_versions_parent', columns: [table.parent], foreignColumns: [table.id] }),
    foreignKey({ name: 'model_versions_run_id', columns: [table.runId], foreignColumns: [adaptationRuns.id] }),
    check('model_versions_id', sql`${table.id} ~ '^v[1-9][0-9]*$'`),
    check('model_versions_state', oneOf(table.state, ['kept', 'rejected', 'deleted'])),
  ],
);

/** One row at most: which versions answer. */
export const deployment = schema.table(
  'deployment',
  {
    only: boolean('only').primaryKey().default(true),
    promoted: text('promoted').notNull(),
    previous: text('previous'),
    canaryVersion: text('canary_version'),
    canaryShare: doublePrecision('canary_share'),
    since: moment('since').notNull(),
  },
  (table) => [
    foreignKey({ name: 'deployment_promoted', columns: [table.promoted], foreignColumns: [modelVersions.id] }),
    foreignKey({ name: 'deployment_previous', columns: [table.previous], foreignColumns: [modelVersions.id] }),
    foreignKey({
      name: 'deployment_canary_version',
      columns: [table.canaryVersion],
      foreignColumns: [modelVersions.id],
    }),
    check('deployment_only', sql`${table.only}`),
    check('deployment_canary', sql`(${table.canaryVersion} is null) = (${table.canaryShare} is null)`),
    check('deployment_share', sql`${table.canaryShare} > 0 and ${table.canaryShare} < 1`),
  ],
);

export const audit = schema.table('audit', {
  sequence: bigint('sequence', { mode: 'number' }).primaryKey(),
  at: moment('at').notNull(),
  action: text('action').notNull(),
  detail: jsonb('detail').$type<Json>().notNull(),
  previous: text('previous').notNull(),
  hash: text('hash').notNull(),
});

/** One row: the newest entry of the audit log, so that it cannot be cut off unseen; whoever changes anything locks it. */
export const auditHead = schema.table(
  'audit_head',
  {
    only: boolean('only').primaryKey().default(true),
    storeId: uuid('store_id').notNull().defaultRandom(),
    sequence: bigint('sequence', { mode: 'number' }).notNull(),
    at: moment('at').notNull(),
    hash: text('hash').notNull(),
  },
  (table) => [check('audit_head_only', sql`${table.only}`)],
);
