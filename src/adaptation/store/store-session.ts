import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';

/** Queries on either kind of database, in a transaction or not. */
export type Queries = PgDatabase<PgQueryResultHKT>;

/** An open database of either kind, with the tables of the store in it. */
export interface StoreDatabase {
  readonly kind: 'embedded' | 'server';
  /** Folder, or URL without its password. */
  readonly location: string;
  readonly queries: Queries;
  close(): Promise<void>;
}

/** One change of the store: a transaction in which no other process changes anything that is audited. */
export interface Change {
  readonly queries: Queries;
  /** When it happens, by the database's clock; later than every change before it. */
  readonly at: Date;
  /** Adds an entry to the audit log, which becomes true together with the change. */
  audit(action: string, detail: Readonly<Record<string, unknown>>): Promise<void>;
}

/** How the tables of the store reach their database; both ways throw errors of ours only. */
export interface StoreSession {
  /** Runs queries outside any transaction. */
  run<T>(work: (queries: Queries) => Promise<T>): Promise<T>;
  /** Runs queries that all see the database as it was at one moment. */
  snapshot<T>(work: (queries: Queries) => Promise<T>): Promise<T>;
  /** Changes all or nothing. */
  change<T>(work: (change: Change) => Promise<T>): Promise<T>;
}
