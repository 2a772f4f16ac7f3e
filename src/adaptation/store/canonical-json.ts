/** The whole characters that PostgreSQL cannot keep in a text: NUL, and half of a surrogate pair. */
const unstorable = /\0|\p{Surrogate}/gu;

/** Whether PostgreSQL can keep a text. */
export function isStorable(text: string): boolean {
  return text.search(unstorable) < 0;
}

/** The text with U+FFFD in the place of what PostgreSQL cannot keep. */
export function toStorable(text: string): string {
  return text.replaceAll(unstorable, '\ufffd');
}

/**
 * A value as plain JSON that PostgreSQL keeps and gives back the same: without what JSON has no word for, and with U+FFFD
 * in the place of characters that it cannot keep, in names too.
 *
 * @throws TypeError for a circle or a bigint.
 */
export function toStorableJson(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  // After the first pass `toJSON` has been asked and `undefined` is gone; only the second sees names as they will be.
  const plain: unknown = JSON.parse(JSON.stringify(value));
  return storable(plain) as Record<string, unknown>;
}

function storable(value: unknown): unknown {
  if (typeof value === 'string') return toStorable(value);
  if (Array.isArray(value)) return value.map(storable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [toStorable(name), storable(part)]));
}

/** JSON with sorted names and no spaces: the same text for equal values, in whatever order their names come. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const names = Object.keys(value).sort();
  const parts = names.map(
    (name) => `${JSON.stringify(name)}:${canonicalJson((value as Record<string, unknown>)[name])}`,
  );
  return `{${parts.join(',')}}`;
}
