/** All that decides what a run computes, each under a name for people: numbers, texts, hashes. */
export type RunFacts = Readonly<Record<string, string>>;

/** How much of a fact is shown; of a hash, its beginning tells it from another. */
const shownCharacters = 60;
const shownHash = 12;

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
  return {
    names,
    text: names.map((name) => `${name} (${shorten(before[name])}, now ${shorten(now[name])})`).join(', '),
  };
}

function shorten(value = 'none'): string {
  if (/^[0-9a-f]{40,}$/.test(value)) return `${value.slice(0, shownHash)}...`;
  return value.length > shownCharacters ? `${value.slice(0, shownCharacters)}...` : value;
}
