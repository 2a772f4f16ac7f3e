/** A row as a record: what is null in the database is absent. */
export type RowRecord<T> = { [K in keyof T as null extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as null extends T[K] ? K : never]?: NonNullable<T[K]>;
};

export function omitNulls<T extends object>(row: T): RowRecord<T> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as RowRecord<T>;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Whether a text is a UUID as PostgreSQL spells it; comparing a column of UUIDs with another text is an error there. */
export function isUuid(text: string): boolean {
  return uuid.test(text);
}
