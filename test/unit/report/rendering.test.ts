import { describe, expect, it } from 'vitest';
import { renderHtml } from '../../../src/report/html.ts';
import { renderMarkdown } from '../../../src/report/markdown.ts';
import type { Report } from '../../../src/report/report.ts';
import { exampleReport, missing, value } from './example-report.ts';

const hostile = `"><script>alert('&')</script><img src=x onerror=alert(1)>|[a](javascript:b)\u0000`;

/** The example with hostile text wherever a report holds text. */
const hostileReport: Report = {
  ...exampleReport,
  title: hostile,
  provenance: {
    ...exampleReport.provenance,
    createdAt: `2026-01-02T03:04${hostile}`,
    cpu: hostile,
    hashes: { [hostile]: 'a'.repeat(64) },
  },
  model: { name: hostile, description: hostile, facts: { [hostile]: hostile } },
  records: ['stories', 'articles', hostile].flatMap((dataset) => [
    {
      ...value('bits_per_byte', hostile, 1, { dataset, split: hostile }),
      id: `${dataset}1`,
      subject: hostile,
      method: hostile,
    },
    { ...missing('load_ms', hostile, hostile, { dataset, [hostile]: hostile }), id: `${dataset}2`, subject: hostile },
  ]),
  samples: [{ model: hostile, variant: hostile, prompt: hostile, text: hostile, seed: 1, temperature: 1 }],
  curves: [{ name: hostile, unit: hostile, points: [{ step: 0, value: 1 }] }],
  protocol: [{ name: hostile, text: hostile }],
  findings: [hostile],
};

const bare: Report = { ...exampleReport, records: [], samples: [], curves: [], protocol: [], findings: [] };

describe('renderHtml', () => {
  const page = renderHtml(exampleReport);

  it('is the same every time', () => {
    expect(renderHtml(structuredClone(exampleReport))).toBe(page);
  });

  it('holds every value in full precision and every reason', () => {
    for (const record of exampleReport.records) {
      expect(page).toContain(
        record.status === 'notRun' ? record.reason : `<data value="${record.value}">${record.value}<`,
      );
    }
  });

  it('links every number of the results to the row of its record', () => {
    const results = page.slice(page.indexOf('<h2>Quality'), page.indexOf('<h2>Samples'));
    const links = [...results.matchAll(/<data value="([^"]+)"><a href="#([^"]+)" title="([^"]+)">/g)];
    expect(links.length).toBe(exampleReport.records.filter(({ status }) => status !== 'notRun').length);
    for (const [, exact, anchor, id] of links) {
      const row = page.slice(page.indexOf(`<tr id="${anchor}">`)).split('</tr>')[0] as string;
      expect(row).toContain(`<code>${id}</code>`);
      expect(row).toContain(`<data value="${exact}">`);
    }
  });

  it('needs neither scripts nor other files', () => {
    expect(page).not.toMatch(/<script|<link|<img|@import|url\((?!#)|src=/);
    expect(page.match(/<svg /g)?.length).toBe(5);
  });

  it('has unique ids', () => {
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(ids.length).toBeGreaterThan(exampleReport.records.length);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('gives every table a caption and every heading cell a scope', () => {
    expect(page.match(/<table>\n<caption>/g)?.length).toBe(page.match(/<table>/g)?.length);
    expect(page).not.toMatch(/<th(?! scope="(row|col)")[ >]/);
  });

  it('says in plain words what was tested, what holds, and what was not run and how to provide it', () => {
    const summary = page.slice(page.indexOf('<h2>Summary'), page.indexOf('<h2>Quality'));
    expect(summary).toContain('The model micro: a state-space model');
    expect(summary).toContain('37 measured, 1 estimated, 3 not run');
    expect(summary).toContain(
      'On articles, test: micro, fp32 needs 1.800 [1.769, 1.834] bits for each byte of text (95% interval; n = 62).',
    );
    expect(summary).toContain('micro, int4: perplexity is 1.027 [1.020, 1.040] times that of FP32');
    expect(summary).toMatch(/wikitext-2 was not found on this machine\. <em>[^<]*ITERA_DATA_DIR/);
    expect(summary).toContain('<strong>Energy (micro, int4)</strong>: no meter for energy was found.</li>');
  });

  it('marks estimates', () => {
    expect(page).toContain('>0.002130 (estimated)</a>');
  });

  it('escapes hostile text everywhere', () => {
    const markup = renderHtml(hostileReport);
    expect(markup).not.toMatch(/<script|<img|[^\P{Cc}\n]/u);
    for (const [tag] of markup.matchAll(/<[^>]*>/g)) expect(tag).not.toMatch(/alert\('/);
    expect(markup.split('&lt;script&gt;').length).toBeGreaterThan(20);
  });

  it('renders a report with nothing in it', () => {
    const markup = renderHtml(bare);
    expect(markup).toContain('Nothing can be said yet');
    expect(markup).toContain('Everything planned was run.');
    expect(markup).not.toMatch(/<h2>(Quality|Samples|Protocol|Training)/);
  });
});

describe('renderMarkdown', () => {
  const text = renderMarkdown(exampleReport);

  it('is the same every time', () => {
    expect(renderMarkdown(structuredClone(exampleReport))).toBe(text);
  });

  it('holds every value in full precision and every reason', () => {
    for (const record of exampleReport.records) {
      expect(text).toContain(record.status === 'notRun' ? record.reason : `| ${record.value} |`);
    }
  });

  it('keeps every table in shape', () => {
    for (const block of [text, renderMarkdown(hostileReport)].flatMap((whole) => whole.split('\n\n'))) {
      if (!block.startsWith('|')) continue;
      const widths = block
        .trimEnd()
        .split('\n')
        .map((line) => line.match(/(?<!\\)\|/g)?.length);
      expect(new Set(widths).size).toBe(1);
    }
  });

  it('numbers each value by its record', () => {
    expect(text).toContain('1.800 \\[1.769, 1.834\\] <sup>1</sup>');
    expect(text).toMatch(/\| 1 \| micro\/bits\\_per\\_byte\/dataset=articles/);
  });

  it('quotes samples line by line', () => {
    expect(text).toContain('> a fox\\\n> found a \\* door.');
  });

  it('lets hostile text neither add HTML nor links', () => {
    const hostileText = renderMarkdown(hostileReport);
    expect(hostileText).not.toMatch(/<(?!\/?sup>)|[^\P{Cc}\n]/u);
    expect(hostileText).not.toMatch(/(?<!\\)\]\((?!charts\/)/);
  });

  it('renders a report with nothing in it', () => {
    expect(renderMarkdown(bare)).toContain('Nothing can be said yet');
  });
});
