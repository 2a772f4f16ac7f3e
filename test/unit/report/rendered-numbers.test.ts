import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatNumber } from '../../../src/chart/axis.ts';
import type { ValueRecord } from '../../../src/core/measurement.ts';
import { median, medianInterval } from '../../../src/core/statistics.ts';
import { formatEnergy } from '../../../src/report/energy-table.ts';
import { renderHtml } from '../../../src/report/html.ts';
import { renderMarkdown } from '../../../src/report/markdown.ts';
import { formatValue } from '../../../src/report/number-text.ts';
import type { Report } from '../../../src/report/report.ts';
import { reportCharts } from '../../../src/report/sections.ts';
import { openModel } from '../../../src/runtime/load-model-file.ts';
import { runValidation } from '../../../src/validation/run-validation.ts';
import { exampleReport, wholeReport } from './example-report.ts';

let real: Report;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-numbers-'));
  const stories = await readFile(new URL('../../../texts/stories/test.txt', import.meta.url), 'utf8');
  await writeFile(join(dir, 'tales.txt'), stories.split('<|endoftext|>').slice(0, 12).join('<|endoftext|>'));
  real = await runValidation(await openModel('itera-lite-micro'), {
    ...{ version: '0.0.1', datasets: [join(dir, 'tales.txt'), 'wikitext-2'], split: 'test', fullText: false },
    ...{ dataDir: dir, variants: ['int8'], seed: 1, threads: 1 },
  });
}, 120_000);
afterAll(() => rm(dir, { recursive: true }));

/** Numbers that are part of a name, and the coverage that a section's text states for all its intervals. */
const wording = /FP32|sha256|95% interval|ITERA_\w+|\bSVG\b/g;

/** The numbers in a text, as they stand there; percent signs count. */
const numbersIn = (text: string): string[] =>
  text
    .replace(wording, '')
    .match(/(?<![\d.])\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?%?/g)
    ?.map((found) => found.replace(/,+$/, '')) ?? [];

/** All numbers that a report may show: those it holds, as they are formatted, and the few that follow from them. */
function knownNumbers(report: Report): ReadonlySet<string> {
  const known = new Set<string>();
  const add = (text: string): void => {
    for (const number of numbersIn(text)) known.add(number);
  };
  const values = report.records.filter((record): record is ValueRecord => record.status !== 'notRun');
  for (const record of values) {
    const { value, interval = [], confidence, n, conditions } = record;
    add(formatValue(record));
    add(formatValue({ value }));
    for (const number of [value, ...interval, n]) known.add(String(number).replace(/^-/, ''));
    if (confidence !== undefined) known.add(`${confidence * 100}%`);
    for (const condition of Object.values(conditions)) add(String(condition));
  }
  // Texts of the report itself, in which numbers stand as they are: methods, findings, protocol, samples, provenance.
  const { records, curves = [], ...rest } = report;
  add(JSON.stringify(rest).replaceAll('\\n', ' '));
  for (const record of records)
    add([record.id, record.method, record.status === 'notRun' ? record.reason : ''].join(' '));
  for (const amount of [report.provenance.memoryBytes, ...Object.values(report.model)]) {
    if (typeof amount === 'number') add(formatValue({ value: amount }));
  }
  for (const { points } of curves)
    for (const { step, value } of points) add(`${formatNumber(step)} ${formatNumber(value)}`);
  // What follows from the records: how many there are and their places, by status; sizes by that of FP32 and in kB; bounds in percent.
  for (const [index] of records.entries()) known.add(String(index + 1));
  for (const status of ['measured', 'estimated', 'notRun'])
    known.add(String(records.filter((record) => record.status === status).length));
  const sizes = values.filter(({ metric }) => metric === 'size_bytes');
  for (const { value } of sizes) add(formatNumber(value / 1000));
  for (const { value } of sizes) for (const whole of sizes) add(formatValue({ value: value / whole.value }));
  // Bits of a parameter, energies in thousandths, seconds in three digits.
  for (const { value: parameters } of values.filter(({ metric }) => metric === 'parameters'))
    for (const { value } of sizes) add(formatNumber((8 / parameters) * value));
  for (const record of values.filter(({ unit }) => unit.startsWith('J'))) {
    add(formatEnergy(record));
  }
  for (const { seconds = 0 } of report.stages ?? []) add(formatValue({ value: Number(seconds.toPrecision(3)) }));
  // How many times as fast a side is: the median of the rounds' ratios.
  const timed = values.filter(({ metric, samples }) => metric === 'latency_ms' && samples !== undefined);
  for (const { samples: before = [] } of timed)
    for (const { samples: after = [] } of timed) {
      const ratios = before.map((sample, round) => sample / (after[round] ?? sample));
      add(formatValue({ value: median(ratios), interval: medianInterval(ratios).interval }));
    }
  // Targets that are the same in every report: of exports, of any variant, of forgetting.
  for (const target of ['0.001', '0.01%', '20%', '2%']) known.add(target);
  for (const bound of Object.values(report.bounds ?? {})) known.add(`${Number((bound * 100).toPrecision(12))}%`);
  return known;
}

/** Text between the tags of HTML or SVG, without styles and the ticks of axes, which follow from the chart's size. */
function shownTexts(markup: string): string[] {
  return markup
    .replace(/<(style|script)>.*?<\/\1>/gs, '')
    .replace(/<text[^>]* text-anchor="(?:middle|end)"[^>]*>[^<]*<\/text>/g, '')
    .split(/<[^>]*>/)
    .map((text) => text.replace(/&#39;/g, "'").replace(/&(?:amp|lt|gt|quot);/g, ' '))
    .filter((text) => text.trim() !== '');
}

/** Numbers that a report shows and does not hold, with the text they stand in. */
function strangers(report: Report, texts: readonly string[]): string[] {
  const known = knownNumbers(report);
  return texts.flatMap((text) =>
    numbersIn(text)
      .filter((number) => !known.has(number))
      .map((number) => `${number} in ${JSON.stringify(text.trim().slice(0, 160))}`),
  );
}

const markdownTexts = (report: Report): string[] =>
  renderMarkdown(report)
    .replace(/\\(.)/g, '$1')
    .replace(/charts\/\S+\.png/g, '')
    .split(/<[^>]*>|\n/);

describe.each([
  ['a real report', () => real],
  ['a report without a gate', () => exampleReport],
  ['a report with something in every part', () => wholeReport],
])('%s', (_name, get) => {
  it('shows in index.html no number that report.json does not hold', () => {
    const texts = shownTexts(renderHtml(get()));
    expect(texts.flatMap(numbersIn).length).toBeGreaterThan(300);
    expect(strangers(get(), texts)).toEqual([]);
  });

  it('shows in report.md no number that report.json does not hold', () => {
    const texts = markdownTexts(get());
    expect(texts.flatMap(numbersIn).length).toBeGreaterThan(200);
    expect(strangers(get(), texts)).toEqual([]);
  });

  it('labels the marks of its charts with such numbers only', () => {
    const labels = reportCharts(get()).flatMap(({ svg, narrow }) => [...shownTexts(svg), ...shownTexts(narrow)]);
    expect(labels.flatMap(numbersIn).length).toBeGreaterThan(5);
    expect(strangers(get(), labels)).toEqual([]);
  });

  it('would be found out if a value were another', () => {
    const report = get();
    for (const [index, record] of report.records.entries()) {
      if (record.status === 'notRun' || record.interval === undefined) continue;
      const [low, high] = record.interval;
      const forged = {
        ...record,
        value: record.value * 1.0123 + 1e-3,
        interval: [low * 1.0234, high * 1.0345 + 1e-3] as const,
      };
      const other = { ...report, records: report.records.with(index, forged) };
      // A page draws its charts, which takes its time.
      if (index % 8 === 0) expect(strangers(report, shownTexts(renderHtml(other)))).not.toEqual([]);
      expect(strangers(report, markdownTexts(other))).not.toEqual([]);
    }
  });
});
