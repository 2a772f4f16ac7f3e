import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { renderHtml } from '../../../src/report/html.ts';
import { reportScriptHash } from '../../../src/report/html-script.ts';
import { renderMarkdown } from '../../../src/report/markdown.ts';
import type { Report } from '../../../src/report/report.ts';
import { exampleReport, missing, value, wholeReport } from './example-report.ts';

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
    const results = page.slice(page.indexOf('<h2 id="validation'), page.indexOf('<h2 id="samples'));
    const links = [...results.matchAll(/<data value="([^"]+)"><a href="#([^"]+)" title="([^"]+)">/g)];
    expect(links.length).toBe(exampleReport.records.filter(({ status }) => status !== 'notRun').length);
    for (const [, exact, anchor, id] of links) {
      const row = page.slice(page.indexOf(`<tr id="${anchor}">`)).split('</tr>')[0] as string;
      expect(row).toContain(`<code>${id}</code>`);
      expect(row).toContain(`<data value="${exact}">`);
    }
  });

  it('needs no other file, and lets no script run but its own', () => {
    expect(page).not.toMatch(/<link|<img|@import|url\((?!#)|src=/);
    expect(page.match(/<script/g)).toHaveLength(1);
    const script = page.split('<script>')[1]?.split('</script>')[0] ?? '';
    expect(`sha256-${createHash('sha256').update(script).digest('base64')}`).toBe(reportScriptHash);
    expect(page).toContain(`script-src &#39;${reportScriptHash}&#39;`);
  });

  it('draws every chart for a wide and for a narrow page, with a link to the record of each mark', () => {
    expect(page.match(/<svg /g)?.length).toBe(12);
    const [, anchor] = /<a href="#([^"]+)" data-mark="0" data-series="int8"/.exec(page) ?? [];
    expect(page).toContain(`<tr id="${anchor}">`);
    expect(page.match(/<a href="#record-\d+" data-mark/g)?.length).toBeGreaterThan(30);
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
    const summary = page.slice(page.indexOf('<h2 id="summary'), page.indexOf('<h2 id="validation'));
    expect(summary).toContain('The model micro: a state-space model');
    expect(summary).toContain('37 measured, 1 estimated, 3 not run');
    expect(summary).toContain('Of 4 objectives 3 hold, 0 do not, and 1 were not run or could not be judged.');
    expect(summary).toContain(
      'Bits per byte of real texts: 1.800 [1.769, 1.834] on articles, test; 1.200 [1.169, 1.234] on stories, test.',
    );
    expect(summary).toContain('micro, int4: perplexity is 1.027 [1.020, 1.040] times that of FP32');
    const omitted = page.slice(page.indexOf('<h2 id="not-run'), page.indexOf('<h2 id="samples'));
    expect(omitted).toMatch(/wikitext-2 was not found on this machine\. <em>[^<]*ITERA_DATA_DIR/);
    expect(omitted).toContain('<strong>Energy (micro, int4)</strong>: no meter for energy was found.</li>');
  });

  it('says what failed, which part was not run, and how long each took', () => {
    const whole = renderHtml(wholeReport);
    const [, failed = '', omitted = ''] = whole.slice(whole.indexOf('<h2 id="not-run')).split('<h3>');
    expect(failed).toContain('<strong>Asking the server</strong>: The port was taken. Choose another.');
    expect(omitted).toContain('<strong>Adaptation drill (style)</strong>: it was not asked for.');
    expect(whole).toMatch(
      /scoring stories<\/th><td[^>]*><span[^>]*>done, kept from an earlier, interrupted run<.*?>12\.30</,
    );
    const summary = whole.slice(whole.indexOf('What does not hold'), whole.indexOf('<h2 id="objectives'));
    expect(summary).toContain('Asking the server failed: The port was taken.');
    expect(summary).toContain('Requests failed with 8 clients.');
  });

  it('lists its parts in reading order, each a link to its heading', () => {
    const whole = renderHtml(wholeReport);
    const titles = [...whole.matchAll(/<h2 id="([^"]+)">([^<]+)/g)].map(([, id, title]) => [id, title]);
    expect(titles.map(([, title]) => title)).toEqual([
      ...['Summary', 'Objectives and results', 'Real-world validation', 'Compression', 'Export and runtimes'],
      ...['Adaptive learning', 'Inference server', 'Power and efficiency', 'Training', 'Findings'],
      ...['What failed and what was not run', 'Samples', 'Protocol', 'Provenance', 'Records'],
    ]);
    for (const [id, title] of titles) expect(whole).toContain(`<li><a href="#${id}">${title}</a></li>`);
  });

  it('marks estimates', () => {
    expect(page).toContain('>0.002130 (estimated)</a>');
  });

  it('escapes hostile text everywhere', () => {
    const markup = renderHtml(hostileReport);
    expect(markup).not.toMatch(/<script>(?!\n\(\(\) => \{\n)|<script[^>]|<img|[^\P{Cc}\n]/u);
    expect(markup.match(/<\/script>/g)).toHaveLength(1);
    for (const [tag] of markup.matchAll(/<[^>]*>/g)) expect(tag).not.toMatch(/alert\('/);
    expect(markup.split('&lt;script&gt;').length).toBeGreaterThan(20);
  });

  it('renders a report with nothing in it', () => {
    const markup = renderHtml(bare);
    expect(markup).toContain('Nothing can be said yet');
    expect(markup).toContain('Nothing failed, and everything planned was run.');
    expect(markup).not.toMatch(/<h2[^>]*>(Objectives|Real|Samples|Findings|Training)/);
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

  it('holds the same parts as the page', () => {
    const headings = [...renderHtml(wholeReport).matchAll(/<h2[^>]*>([^<]+)/g)].map(([, title]) => title);
    expect([...renderMarkdown(wholeReport).matchAll(/^## (.+)$/gm)].map(([, title]) => title)).toEqual(headings);
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
