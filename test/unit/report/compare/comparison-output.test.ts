import { describe, expect, it } from 'vitest';
import type { MeasurementRecord, RecordSet } from '../../../../src/core/measurement.ts';
import { changeTable, countSentence, ruleSentence } from '../../../../src/report/compare/change-text.ts';
import { compareRecords } from '../../../../src/report/compare/compare-records.ts';
import { comparisonJson } from '../../../../src/report/compare/comparison-json.ts';
import { comparisonJunit } from '../../../../src/report/compare/comparison-junit.ts';
import { comparisonMarkdown } from '../../../../src/report/compare/comparison-markdown.ts';
import { exampleReport, value } from '../example-report.ts';

/** One record of each kind of verdict; `hostile` stands in its conditions. */
function example(hostile = 'stories') {
  const of = (factor: number): RecordSet => {
    const records: MeasurementRecord[] = [
      value(
        'bits_per_byte',
        'bits/byte',
        1.5 * factor,
        { dataset: hostile },
        { interval: [1.49 * factor, 1.51 * factor] },
      ),
      value('word_perplexity', '1', 60 / factor, { dataset: hostile }, { interval: [59 / factor, 61 / factor] }),
      value('top1_agreement', '1', 0.9, { dataset: hostile }, { interval: [0.89, 0.91] }),
      value('token_perplexity', '1', 24 * factor, { dataset: hostile }),
      value('parameters', 'parameters', factor === 1 ? 1000 : 2000, {}),
      value('latency_ms', 'ms', 10 * factor, { threads: 1 }),
      value('load_ms', 'ms', 5, { threads: factor }),
    ];
    return { schemaVersion: 1, provenance: exampleReport.provenance, records };
  };
  return compareRecords(of(1), of(1.2));
}

describe('a comparison', () => {
  const comparison = example();

  it('is a table with the gravest first', () => {
    const { rows } = changeTable('What changed', comparison.changes);
    expect(rows.map((row) => row.map(({ text }) => text))).toEqual([
      [
        'Bits per byte',
        'stories',
        '1.500 [1.490, 1.510]',
        '1.800 [1.788, 1.812]',
        '+20% [+19%, +21%]',
        'regressed',
        expect.stringMatching(/^significant by both intervals, p < 0.001$/),
      ],
      ['Parameters', 'the model', '1,000', '2,000', '+100%', 'changed', 'exact, without chance'],
      [
        'Word perplexity',
        'stories',
        '60.0 [59.0, 61.0]',
        '50.00 [49.17, 50.83]',
        '-17% [-19%, -15%]',
        'improved',
        expect.any(String),
      ],
      [
        'Same first choice as FP32',
        'stories',
        '0.900 [0.890, 0.910]',
        '0.900 [0.890, 0.910]',
        '0',
        'no significant difference',
        'equal',
      ],
      ['Token perplexity', 'stories', '24', '28.80', '+20%', 'not judged', 'no interval before'],
      ['Latency (ms)', 'the model', '10', '12', '+20%', 'not interleaved', expect.any(String)],
    ]);
  });

  it('is counted and explained in sentences', () => {
    expect(countSentence(comparison)).toBe(
      '6 compared: 1 regressed, 1 changed, 1 improved, 1 with no significant difference, 1 not judged, 1 not interleaved, ' +
        '1 only before, 1 only after.',
    );
    expect(ruleSentence(comparison)).toMatch(/at least 0\.1% .* rate of 5% \(Benjamini-Hochberg\)\. .* not judged\.$/);
  });

  it('is plain data without raw samples', () => {
    const json = JSON.parse(JSON.stringify(comparisonJson(comparison)));
    expect(json).toMatchObject({
      kind: 'comparison',
      counts: {
        regressed: 1,
        changed: 1,
        improved: 1,
        unchanged: 1,
        notJudged: 1,
        notInterleaved: 1,
        notComparable: 0,
      },
      onlyBefore: ['micro/load_ms/threads=1'],
      onlyAfter: ['micro/load_ms/threads=1.2'],
    });
    expect(json.changes[0]).toMatchObject({
      id: 'micro/bits_per_byte/dataset=stories',
      verdict: 'regressed',
      before: { value: 1.5, n: 62 },
      relative: expect.closeTo(0.2, 9),
      test: { kind: 'intervals', scale: 'relative', adjustedPValue: expect.any(Number) },
    });
  });

  it('is Markdown that leads with the verdict and folds what did not change', () => {
    const text = comparisonMarkdown(comparison);
    expect(text).toMatch(/^## Itera-Lite: 1 regressed, 1 changed, 1 improved\n/);
    const [first = '', folded = ''] = text.split('<details>');
    expect(first.match(/^\| (Bits per byte|Parameters|Word perplexity) /gm)).toHaveLength(3);
    expect(folded).toContain('| Token perplexity |');
    expect(text.match(/<details>/g)).toHaveLength(2);
    expect(text).toContain('- only before: micro/load\\_ms/threads=1\n');
    expect(comparisonMarkdown(compareRecords(exampleReport, exampleReport))).toMatch(
      /^## Itera-Lite: no significant difference\n/,
    );
  });

  it('is Markdown that fits a comment, however many records there are', () => {
    const records = Array.from({ length: 3000 }, (_, index) =>
      value('load_ms', 'ms', index, { dataset: `text ${index}` }),
    );
    const set = (added: number): RecordSet => ({
      ...{ schemaVersion: 1, provenance: exampleReport.provenance },
      records: records.map((record) => ({ ...record, value: index(record) + added }) as MeasurementRecord),
    });
    const index = (record: MeasurementRecord) => (record.status === 'notRun' ? 0 : record.value);
    const text = comparisonMarkdown(compareRecords(set(1), set(2)));
    expect(text.length).toBeLessThan(65_536);
    expect(text).toMatch(/\d+ more are in the JSON form\./);
  });
});

describe('comparisonJunit', () => {
  it('has a case for each record: failed, skipped or passed', () => {
    const xml = comparisonJunit(example());
    expect(xml).toMatch(
      /^<\?xml version="1.0" encoding="UTF-8"\?>\n<testsuites [^>]*tests="8" failures="1" errors="0" skipped="4">/,
    );
    expect(xml.match(/<testcase /g)).toHaveLength(8);
    expect(xml).toMatch(
      /<testcase classname="bits_per_byte" name="micro\/bits_per_byte\/dataset=stories" time="0"><failure type="regression" message="regressed: 1.5 \[1.49, 1.51\] before/,
    );
    expect(xml.match(/<skipped message="only (before|after)"\/>/g)).toHaveLength(2);
  });

  it('counts by its elements, not by what a text holds, and escapes all of it', () => {
    const hostile = '<failure "x"> & \'y\' ]]>\u0000\u001b\n\ttab <skipped \ud800 \uffff é 猫';
    const xml = comparisonJunit(example(hostile));
    expect(xml).toMatch(/tests="8" failures="1" errors="0" skipped="4"/);
    expect(xml).not.toMatch(/[^\P{Cc}\n]|\p{Cs}|\uffff/u);
    expect(elementsOf(xml).filter((name) => name === 'failure')).toHaveLength(1);
    expect(xml).toContain('&lt;failure &quot;x&quot;&gt; &amp; &apos;y&apos; ]]&gt;&#10;&#9;tab &lt;skipped  ');
    expect(xml).toContain('é 猫');
  });
});

/** Names of all elements of XML without comments and sections; throws where tags are not well nested. */
function elementsOf(xml: string): string[] {
  const open: string[] = [];
  const names: string[] = [];
  const rest = xml
    .replace(/^<\?xml[^>]*\?>/, '')
    .replace(/<(\/?)([a-z-]+)((?: [a-z]+="[^"<]*")*)(\/?)>/g, (_, end, name, __, alone) => {
      if (end === '/') {
        if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
        return '';
      }
      names.push(name);
      if (alone !== '/') open.push(name);
      return '';
    });
  if (open.length > 0 || /[<>]/.test(rest)) throw new Error(`Not well formed: ${rest.trim().slice(0, 200)}`);
  return names;
}
