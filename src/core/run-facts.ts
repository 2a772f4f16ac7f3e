/** All that decides what a run computes, each under a name for people: numbers, texts, hashes. */
export type RunFacts = Readonly<Record<string, string>>;

/** How much of a fact is shown, and how much of what two long ones begin with alike; of a hash, its beginning is enough. */
const shownCharacters = 60;
const shownAlike = 10;
const shownHash = 12;

/**
 * The facts in a JSON value, each under the way to it: `mixture.1.weight`.
 *
 * @param name - Stands before the names of its parts.
 */
export function listFacts(value: unknown, name = ''): RunFacts {
  if (typeof value !== 'object' || value === null) return { [name]: JSON.stringify(value) };
  // Lists of plain values are read at a glance.
  if (Array.isArray(value) && !value.some((part) => typeof part === 'object')) return { [name]: JSON.stringify(value) };
  const parts = Object.entries(value).filter(([, part]) => part !== undefined);
  return Object.assign({}, ...parts.map(([key, part]) => listFacts(part, name === '' ? key : `${name}.${key}`)));
}

/**
 * In what two runs differ.
 *
 * @returns The facts' names, and a text such as `learningRate (0.004, now 0.005), steps (100, now none)`.
 */
export function compareFacts(
  before: RunFacts,
  now: RunFacts,
): { readonly names: readonly string[]; readonly text: string } {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])].filter(
    (name) => before[name] !== now[name],
  );
  const differences = names.map((name) => {
    const [former = 'none', present = 'none'] = [before[name], now[name]];
    return `${name} (${shorten(former, present)}, now ${shorten(present, former)})`;
  });
  return { names, text: differences.join(', ') };
}

/** The part of a value that tells it from the other one. */
function shorten(value: string, other: string): string {
  if (/^[0-9a-f]{40,}$/.test(value)) return `${value.slice(0, shownHash)}...`;
  if (value.length <= shownCharacters) return value;
  let alike = 0;
  while (alike < value.length && value[alike] === other[alike]) alike++;
  const start = Math.max(0, Math.min(alike - shownAlike, value.length - shownCharacters));
  const end = start + shownCharacters;
  return `${start > 0 ? '...' : ''}${value.slice(start, end)}${end < value.length ? '...' : ''}`;
}
