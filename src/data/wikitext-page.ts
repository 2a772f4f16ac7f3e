/** Python's notion of white space (`\s` on text), which the harness's counts depend on; JavaScript's differs slightly. */
const whiteSpace = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const whiteSpaceRun = new RegExp(`[${whiteSpace}]+`, 'u');

/** Replacements in order; a string replaces all its occurrences. */
const detokenisingRules: readonly (readonly [string | RegExp, string])[] = [
  ["s '", "s'"],
  // The harness's own slip, kept so that both score the same text: it wrote a pattern that matches slashes.
  [/\/' [0-9]\//g, "/'[0-9]/"],
  [' @-@ ', '-'],
  [' @,@ ', ','],
  [' @.@ ', '.'],
  ...[':', ';', '.', '!', '?', ','].map((mark): [string, string] => [` ${mark} `, `${mark} `]),
  [enclosed('\\(', '\\)'), '($1)'],
  [enclosed('\\[', '\\]'), '[$1]'],
  [enclosed('\\{', '\\}'), '{$1}'],
  [enclosed('"', '"'), '"$1"'],
  [enclosed("'", "'"), "'$1'"],
  ['= = = =', '===='],
  ['= = =', '==='],
  ['= =', '=='],
  [' ° ', '°'],
  [' \n', '\n'],
  ['\n ', '\n'],
  [' N ', ' 1 '],
  [" 's", "'s"],
];

/**
 * Turns a page of WikiText back into the text a reader would see: no spaces around punctuation and inside brackets and
 * quotation marks, no `@-@`.
 *
 * @param page - A page as the file has it.
 * @see EleutherAI lm-evaluation-harness, task `wikitext`: this applies its rules, in its order, to give its text.
 */
export function detokeniseWikiText(page: string): string {
  return detokenisingRules.reduce((text, [pattern, replacement]) => text.replaceAll(pattern, replacement), page);
}

/** Number of parts between runs of white space, counting empty ones at the ends, as `len(re.split(r'\s+', text))`. */
export function countWords(text: string): number {
  return text.split(whiteSpaceRun).length;
}

/**
 * Whether a line has the form of an article's title, ` = Title = `; headings inside an article have more equals signs.
 */
export function isTitleLine(line: string): boolean {
  const heading = line.replaceAll('= = =', '===').replaceAll('= =', '==').trim();
  return heading.startsWith('= ') && heading.endsWith(' =');
}

/** White space just inside a pair of delimiters, as few characters as possible between them. */
function enclosed(open: string, close: string): RegExp {
  return new RegExp(`${open}[${whiteSpace}]*([^${close}]*?)[${whiteSpace}]*${close}`, 'gu');
}
