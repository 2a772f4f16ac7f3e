import type { MeasurementRecord } from '../core/measurement.ts';
import { type Html, html, trustedMarkup } from './html-template.ts';
import { formatValue } from './number-text.ts';
import type { Report } from './report.ts';
import type { ReportChart } from './report-charts.ts';
import { type Cell, type Column, labelTitle, type Table } from './table.ts';

/** Where a record stands in the list of all records: the `id` of its row there. */
export type Anchors = ReadonlyMap<string, string>;

/** Numbers the records, because their own ids may hold characters that links would have to encode. */
export function recordAnchors({ records }: Report): Anchors {
  return new Map(records.map(({ id }, index) => [id, `record-${index + 1}`]));
}

/** A table whose every value carries its exact number and links to its record. */
export function tableHtml({ caption, note, columns, rows }: Table, anchors: Anchors): Html {
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${caption}">
<table>
<caption>${caption}${note === undefined ? undefined : html`<small>${note}</small>`}</caption>
<thead><tr>${columns.map(columnHtml)}</tr></thead>
<tbody>
${rows.map((row) => html`<tr>${row.map((cell, index) => cellHtml(cell, columns[index], anchors))}</tr>\n`)}</tbody>
</table>
</div>
`;
}

function columnHtml({ title, kind, better }: Column): Html {
  const note = better === undefined ? undefined : html` <small>${better} is better</small>`;
  return html`<th scope="col" class="${kind}">${title}${note}</th>`;
}

function cellHtml({ text, record, span, mark }: Cell, column: Column | undefined, anchors: Anchors): Html {
  if (column?.kind === 'label') return html`<th scope="row">${text}</th>`;
  const kind = column?.kind ?? 'number';
  if (mark !== undefined) return html`<td class="${kind}"><span class="mark ${mark}">${text}</span></td>`;
  if (record === undefined) return html`<td class="${kind}" colspan="${span ?? 1}">${text}</td>`;
  const link = html`<a href="#${anchors.get(record.id)}" title="${record.id}">${text}</a>`;
  if (record.status === 'notRun') return html`<td class="not-run" colspan="${span ?? 1}">${link}</td>`;
  return html`<td class="${kind}"><data value="${record.value}">${link}</data></td>`;
}

/**
 * A chart in a figure, once for wide pages and paper and once for telephones; the chart names and describes itself. Each
 * mark with a record is a link to it, so that it can be reached by keyboard and named by screen readers.
 */
export function chartHtml({ svg, narrow, records }: ReportChart, anchors: Anchors): Html {
  const parts = [
    ['wide', svg],
    ['narrow', narrow],
  ] as const;
  return html`<figure class="chart">${parts.map(
    ([size, drawn]) => html`<div class="${size}">${trustedMarkup(linkMarks(drawn, records, anchors))}</div>`,
  )}</figure>\n`;
}

function linkMarks(svg: string, records: ReportChart['records'], anchors: Anchors): string {
  const linked = svg.replace(
    /<g data-mark="(\d+)"([^>]*)><title>([^<]*)<\/title>(.*?)<\/g>/gs,
    (whole, index: string, attributes: string, text: string, shapes: string) => {
      const anchor = anchors.get(records[Number(index)]?.id ?? '');
      if (anchor === undefined) return whole;
      return `<a href="#${anchor}" data-mark="${index}"${attributes} aria-label="${text}"><title>${text}</title>${shapes}</a>`;
    },
  );
  // An image has no parts for screen readers; a group has, and is entered.
  return linked.includes('<a ') ? linked.replace(' role="img"', ' role="group"') : linked;
}

/** Pairs of a name and a value. */
export function factsHtml(caption: string, facts: readonly (readonly [string, string])[]): Html {
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${caption}">
<table>
<caption>${caption}</caption>
<thead><tr><th scope="col">Name</th><th scope="col">Value</th></tr></thead>
<tbody>
${facts.map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>\n`)}</tbody>
</table>
</div>
`;
}

/** Every record with all it holds but its raw samples, which are in `report.json`. */
export function recordsHtml(records: readonly MeasurementRecord[], anchors: Anchors): Html {
  const titles = ['Record', 'Status', 'Value', 'Unit', 'Interval', 'Confidence', 'n', 'Method', 'Conditions'];
  return html`<div class="scroll" role="region" tabindex="0" aria-label="All records">
<table>
<caption>All records <small>Values in full precision; raw samples are in report.json.</small></caption>
<thead><tr>${titles.map((title) => html`<th scope="col">${title}</th>`)}</tr></thead>
<tbody>
${records.map((record) => recordHtml(record, anchors))}</tbody>
</table>
</div>
`;
}

function recordHtml(record: MeasurementRecord, anchors: Anchors): Html {
  const { id, status, unit, method, conditions } = record;
  const conditionList = Object.entries(conditions)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${labelTitle(name)}: ${value}`)
    .join(' · ');
  const numbers =
    record.status === 'notRun'
      ? html`<td class="not-run">${record.reason}</td><td>${unit}</td><td></td><td></td><td></td>`
      : html`<td class="number"><data value="${record.value}">${record.value}</data></td><td>${unit}</td><td class="number">${record.interval === undefined ? '' : `[${record.interval.join(', ')}]`}</td><td class="number">${record.confidence === undefined ? '' : `${formatValue({ value: record.confidence * 100 })}%`}</td><td class="number">${record.n}</td>`;
  const name = status === 'notRun' ? 'not run' : status;
  return html`<tr id="${anchors.get(id)}"><th scope="row"><code>${id}</code></th><td>${name}</td>${numbers}<td>${method}</td><td>${conditionList}</td></tr>\n`;
}
