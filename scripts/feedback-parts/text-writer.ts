import type { Random } from '../../src/core/random.ts';
import { girls, pools } from './words.ts';

/**
 * Fills in a template. Its forms: `[one|two]` is one of the choices, `{animal}` a word of that pool, and `{animal1}` a
 * word that stays the same in all templates of one writer. `{he1}`, `{his1}` and `{him1}` are the pronouns of
 * `{child1}`. A writer draws no word of a pool twice.
 */
export type TextWriter = (template: string) => string;

/** A writer for one line of a scenario: all its texts speak of the same persons and things. */
export function createTextWriter(random: Random): TextWriter {
  const bound = new Map<string, string>();
  const used = new Set<string>();
  const pick = (from: readonly string[]) => from[random.integer(from.length)] as string;

  const draw = (pool: string): string => {
    const words = pools[pool];
    if (words === undefined) throw new Error(`No pool "${pool}"`);
    const fresh = words.filter((word) => word.includes('{') || word.includes('[') || !used.has(word));
    const word = pick(fresh.length > 0 ? fresh : words);
    used.add(word);
    return word;
  };
  const fill = (name: string, number: string): string => {
    if (number === '') return draw(name);
    const child = bound.get(`child${number}`) ?? '';
    const pronoun = pronounOf(name, girls.includes(child));
    if (pronoun !== undefined) return pronoun;
    const key = name + number;
    if (!bound.has(key)) bound.set(key, expand(draw(name)));
    return bound.get(key) as string;
  };
  const expand = (template: string): string => {
    let text = template;
    while (/[[{]/.test(text)) {
      text = text.replace(/\[([^[\]]*)\]/g, (_, inner: string) => pick(inner.split('|')));
      if (!text.includes('[')) text = text.replace(/\{([a-zA-Z]+)(\d?)\}/g, (_, name, number) => fill(name, number));
    }
    return text;
  };
  return (template) => polish(expand(template));
}

/** `undefined` if the name is not that of a pronoun; `He` gives the capital form. */
function pronounOf(name: string, female: boolean): string | undefined {
  const small = name.toLowerCase();
  const pair = { he: ['he', 'she'], his: ['his', 'her'], him: ['him', 'her'] }[small];
  const pronoun = pair?.[female ? 1 : 0];
  if (pronoun === undefined || name === small) return pronoun;
  return pronoun.charAt(0).toUpperCase() + pronoun.slice(1);
}

/** Puts "an" before vowels and capitals after full stops; single spaces. */
function polish(text: string): string {
  return text
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\b([Aa]) (?=[aeiou])/g, '$1n ')
    .replaceAll(/(^|[.!?] )([a-z])/g, (_, before: string, letter: string) => before + letter.toUpperCase());
}
