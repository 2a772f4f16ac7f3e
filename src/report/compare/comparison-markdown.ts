import { escapeMarkdown, tableRows } from '../markdown.ts';
import type { Table } from '../table.ts';
import { changeTable, countSentence, isFinding, ruleSentence } from './change-text.ts';
import { type Comparison, countVerdicts } from './compare-records.ts';

/** GitHub refuses comments of more than 65,536 characters; the rest is for what stands around the rows. */
const mostRowCharacters = 50_000;

/**
 * A comparison as GitHub-flavoured Markdown for a comment on a pull request: the verdict, what changed, and, folded, the rest
 * as far as a comment can hold it. Equal comparisons give equal text.
 */
export function comparisonMarkdown(comparison: Comparison): string {
  const { changes, onlyBefore, onlyAfter, notes } = comparison;
  const found = changes.filter(isFinding);
  const others = changes.filter((change) => !isFinding(change));
  const lost = [
    ...onlyBefore.map(({ id }) => `only before: ${id}`),
    ...onlyAfter.map(({ id }) => `only after: ${id}`),
  ].map((line) => `- ${escapeMarkdown(line)}`);
  const blocks = [
    `## ${headline(comparison)}`,
    escapeMarkdown(countSentence(comparison)),
    ...(found.length === 0 ? [] : [tableBlock(changeTable('', found, changes))]),
    ...(notes.length === 0 ? [] : [notes.map((note) => `- ${escapeMarkdown(note)}`).join('\n')]),
    ...(others.length === 0 ? [] : [fold('All other records', tableBlock(changeTable('', others, changes)))]),
    ...(lost.length === 0 ? [] : [fold('Records that only one of both has', cut(lost))]),
    escapeMarkdown(ruleSentence(comparison)),
  ];
  return `${blocks.join('\n\n')}\n`;
}

/** What a reader needs to know first. */
function headline(comparison: Comparison): string {
  const { regressed, improved, changed } = countVerdicts(comparison);
  const parts = [
    ...(regressed > 0 ? [`${regressed} regressed`] : []),
    ...(changed > 0 ? [`${changed} changed`] : []),
    ...(improved > 0 ? [`${improved} improved`] : []),
  ];
  if (comparison.changes.length === 0) return 'Itera-Lite: nothing to compare';
  return parts.length === 0 ? 'Itera-Lite: no significant difference' : `Itera-Lite: ${parts.join(', ')}`;
}

function tableBlock({ columns, rows }: Table): string {
  const all = tableRows(
    columns.map(({ title }) => title),
    columns.map(({ kind }) => (kind === 'number' ? '---:' : '---')),
    rows.map((row) => row.map(({ text }) => escapeMarkdown(text))),
  );
  return cut(all.split('\n'));
}

function cut(lines: readonly string[]): string {
  let length = 0;
  const kept = lines.filter((line) => {
    length += line.length + 1;
    return length <= mostRowCharacters / 2;
  });
  const left = lines.length - kept.length;
  return [...kept, ...(left > 0 ? ['', `${left} more are in the JSON form.`] : [])].join('\n');
}

const fold = (summary: string, text: string): string =>
  `<details><summary>${summary}</summary>\n\n${text}\n\n</details>`;
