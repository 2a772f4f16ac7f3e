import CliTable from 'cli-table3';
import type { Table } from './table.ts';

/**
 * A table as text for a terminal.
 *
 * @param options - `color` sets the headings apart; by default only if standard output is a terminal and `NO_COLOR`
 *   is not set (no-color.org).
 * @returns Lines without a newline at the end. Control characters in the fields are dropped, so that no text from
 *   outside can steer the terminal.
 */
export function terminalTable(table: Table, options: { readonly color?: boolean } = {}): string {
  const { color = process.stdout.isTTY === true && !process.env['NO_COLOR'] } = options;
  const lines = new CliTable({
    // The library would decide by itself, from the environment, whether its own colours are shown.
    head: table.columns.map(({ title }) => (color ? `\u001b[1m${printable(title)}\u001b[22m` : printable(title))),
    colAligns: table.columns.map(({ kind }) => (kind === 'number' ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  for (const row of table.rows)
    lines.push(row.map(({ text, span = 1 }) => ({ content: printable(text), colSpan: span })));
  return [
    printable(table.caption),
    lines.toString(),
    ...(table.note === undefined ? [] : [printable(table.note)]),
  ].join('\n');
}

/** One line of text that cannot steer a terminal, nor turn round what follows. */
export function printable(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '');
}
