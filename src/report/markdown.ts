import type { MeasurementRecord } from '../core/measurement.ts';
import { methodsTable, stagesTable } from './protocol-tables.ts';
import { modelFacts, provenanceFacts, sampleOrigin } from './provenance.ts';
import type { Report, Sample } from './report.ts';
import { reportSections } from './sections.ts';
import { type Omission, type Summary, stagesOf, summarize } from './summary.ts';
import type { Table } from './table.ts';

/**
 * The report as GitHub-flavoured Markdown; its charts are files in `charts/` beside it. Values carry the number of their
 * record in the list at the end, raised. Equal reports give equal text.
 *
 * @param imageType - Which files it shows. PNG has a white ground of its own, and so can be read in a dark page too, where an
 *   SVG would follow the setting of the system and not that of the page.
 * @remarks Text of the report is escaped, so that it cannot add markup or HTML.
 */
export function renderMarkdown(report: Report, imageType: 'png' | 'svg' = 'png'): string {
  const numbers = new Map(report.records.map(({ id }, index) => [id, index + 1]));
  const facts = modelFacts(report);
  const hashes = Object.entries(report.provenance.hashes);
  const { findings = [], failures = [], stages = [] } = report;
  const summary = summarize(report);
  const blocks = [
    `# ${escapeMarkdown(report.title)}`,
    ...summaryBlocks(summary),
    ...reportSections(report).flatMap(({ title, text, tables, charts }) => [
      `## ${title}`,
      text,
      ...tables.flatMap((table) => tableBlocks(table, numbers)),
      ...charts.map((chart) => `![${escapeMarkdown(chart.title)}](charts/${chart.name}.${imageType})`),
    ]),
    ...(findings.length + failures.length === 0 ? [] : ['## Findings', 'What each part of the job says of itself.']),
    ...(failures.length === 0 ? [] : ['### What should hold and does not', list(failures.map(escapeMarkdown))]),
    ...(findings.length === 0 ? [] : [list(findings.map(escapeMarkdown))]),
    ...notRunBlocks(report, summary),
    ...sampleBlocks(report.samples),
    '## Protocol',
    ...(report.protocol.length === 0
      ? []
      : [list(report.protocol.map(({ name, text }) => `**${escapeMarkdown(name)}**: ${escapeMarkdown(text)}`))]),
    ...(report.records.length === 0 ? [] : tableBlocks(methodsTable(report.records), numbers)),
    ...(stages.length === 0 ? [] : tableBlocks(stagesTable(report), numbers)),
    '## Provenance',
    ...(facts.length === 0 ? [] : [factRows('Model', facts)]),
    factRows('Provenance', provenanceFacts(report)),
    ...(hashes.length === 0 ? [] : [factRows('File (sha256)', hashes)]),
    '## Records',
    'The small raised numbers above are those of the first column.',
    recordRows(report.records),
  ];
  return `${blocks.join('\n\n')}\n`;
}

function summaryBlocks({ outcome, tested, holds, doesNotHold, notRun }: Summary): string[] {
  const orElse = (sentences: readonly string[], none: string): string =>
    sentences.length === 0 ? none : list(sentences.map(escapeMarkdown));
  return [
    '## Summary',
    `**${escapeMarkdown(outcome)}**`,
    '### What was tested',
    list(tested.map(escapeMarkdown)),
    '### What holds',
    orElse(holds, 'Nothing that could be judged.'),
    '### What does not hold',
    orElse(doesNotHold, 'Nothing that was tested.'),
    '### What was not run',
    orElse(
      notRun.map(({ what }) => what),
      'Everything planned was run.',
    ),
  ];
}

function notRunBlocks(report: Report, { notRun }: Summary): string[] {
  const failed = stagesOf(report, 'failed');
  const told = (omissions: readonly Omission[], none: string): string =>
    omissions.length === 0
      ? none
      : list(
          omissions.map(({ what, reason, provide }) =>
            [
              `**${escapeMarkdown(what)}**: ${escapeMarkdown(reason)}`,
              ...(provide === undefined ? [] : [provide]),
            ].join(' '),
          ),
        );
  const title = '## What failed and what was not run';
  if (failed.length + notRun.length === 0) return [title, 'Nothing failed, and everything planned was run.'];
  return [
    ...[title, '### What failed', told(failed, 'Nothing.')],
    ...['### What was not run, and why', told(notRun, 'Everything planned was run.')],
  ];
}

function tableBlocks({ caption, columns, rows, note }: Table, numbers: ReadonlyMap<string, number>): string[] {
  const lines = rows.map((row) =>
    row.flatMap(({ text, record, span = 1 }) => [
      record === undefined ? escapeMarkdown(text) : `${escapeMarkdown(text)} <sup>${numbers.get(record.id)}</sup>`,
      ...Array.from({ length: span - 1 }, () => ''),
    ]),
  );
  const table = tableRows(
    columns.map(({ title, better }) => escapeMarkdown(better === undefined ? title : `${title}, ${better} is better`)),
    columns.map(({ kind }) => (kind === 'number' ? '---:' : '---')),
    lines,
  );
  return [`**${escapeMarkdown(caption)}**`, table, ...(note === undefined ? [] : [escapeMarkdown(note)])];
}

function sampleBlocks(samples: readonly Sample[]): string[] {
  if (samples.length === 0) return [];
  const quote = (text: string) =>
    text
      .split(/\r\n|[\n\r]/)
      .map((line) => `> ${escapeMarkdown(line).trim()}`.trimEnd())
      .join('\\\n')
      // A backslash keeps a line break, but an empty line already ends a paragraph.
      .replace(/^>\\$/gm, '>')
      .replace(/\\\n>$/gm, '\n>');
  return [
    '## Samples',
    'Texts that the models wrote; each prompt stands above its text.',
    ...samples.flatMap((sample) => [
      `Prompt, ${escapeMarkdown(sampleOrigin(sample))}:`,
      quote(sample.prompt),
      'Text:',
      quote(sample.text),
    ]),
  ];
}

function recordRows(records: readonly MeasurementRecord[]): string {
  return tableRows(
    ['No.', 'Record', 'Status', 'Value', 'Unit', 'Interval', 'n', 'Method'],
    ['---:', '---', '---', '---:', '---', '---', '---:', '---'],
    records.map((record, index) => [
      String(index + 1),
      escapeMarkdown(record.id),
      record.status === 'notRun' ? `not run: ${escapeMarkdown(record.reason)}` : record.status,
      record.status === 'notRun' ? '' : String(record.value),
      escapeMarkdown(record.unit),
      record.status === 'notRun' || record.interval === undefined ? '' : `\\[${record.interval.join(', ')}\\]`,
      record.status === 'notRun' ? '' : String(record.n),
      escapeMarkdown(record.method),
    ]),
  );
}

function factRows(title: string, facts: readonly (readonly [string, string])[]): string {
  return tableRows(
    [title, 'Value'],
    ['---', '---'],
    facts.map(([name, value]) => [escapeMarkdown(name), escapeMarkdown(value)]),
  );
}

/** A table of Markdown from cells that are escaped already. */
export function tableRows(
  titles: readonly string[],
  rules: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  return [titles, rules, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function list(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join('\n');
}

/** One line of text in which no character acts as Markdown or HTML. */
export function escapeMarkdown(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/\p{Cc}/gu, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/[\\`*_[\]|~^$]/g, '\\$&')
    .replace(/^(\s*)([#+=-])/, '$1\\$2')
    .replace(/^(\s*\d+)([.)])(?=\s|$)/, '$1\\$2');
}
