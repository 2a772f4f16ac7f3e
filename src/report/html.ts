import { type Anchors, chartHtml, factsHtml, recordAnchors, recordsHtml, tableHtml } from './html-parts.ts';
import { reportScript, reportScriptHash } from './html-script.ts';
import { reportStyle } from './html-style.ts';
import { type Html, html, trustedMarkup } from './html-template.ts';
import { methodsTable, stagesTable } from './protocol-tables.ts';
import { modelFacts, provenanceFacts, sampleOrigin } from './provenance.ts';
import type { Report, Sample } from './report.ts';
import { reportSections, type Section } from './sections.ts';
import { type Omission, type Summary, stagesOf, summarize } from './summary.ts';

/**
 * The page may load nothing and run no script but its own: should hostile text ever get through, it has no means.
 */
const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src '${reportScriptHash}'; base-uri 'none'; form-action 'none'`;

/** A part of the page: its anchor, its heading and what follows. */
interface Part {
  readonly id: string;
  readonly title: string;
  readonly content: Html;
}

/**
 * The report as one HTML page that needs no other file: a summary in plain words, objectives with verdicts, the results as
 * tables and charts whose values link to their records, findings, what failed or was not run, samples, protocol,
 * provenance and all records. Everything can be read without its script. Equal reports give equal pages.
 *
 * @remarks All text of the report is escaped.
 */
export function renderHtml(report: Report): string {
  const anchors = recordAnchors(report);
  const summary = summarize(report);
  const parts: readonly Part[] = [
    { id: 'summary', title: 'Summary', content: summaryHtml(summary) },
    ...reportSections(report).map((section) => sectionPart(section, anchors)),
    ...findingsParts(report),
    { id: 'not-run', title: 'What failed and what was not run', content: notRunHtml(report, summary) },
    ...samplesParts(report.samples),
    { id: 'protocol', title: 'Protocol', content: protocolHtml(report, anchors) },
    { id: 'provenance', title: 'Provenance', content: provenanceHtml(report) },
    { id: 'records', title: 'Records', content: recordsPart(report, anchors) },
  ];
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Itera-Lite ${report.provenance.iteraLite}">
<title>${report.title}</title>
<style>${trustedMarkup(reportStyle)}</style>
</head>
<body>
<header>
<h1>${report.title}</h1>
<p class="muted">${report.model.name} · <time datetime="${report.provenance.createdAt}">${report.provenance.createdAt}</time> · Itera-Lite ${report.provenance.iteraLite}</p>
</header>
<nav aria-label="Contents">
<ol>
${parts.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>\n`)}</ol>
</nav>
<main>
${parts.map(
  ({ id, title, content }) => html`<section class="part-${id}">
<h2 id="${id}">${title}</h2>
${content}</section>
`,
)}</main>
<script>${trustedMarkup(reportScript)}</script>
</body>
</html>
`;
  return page.toString();
}

function sectionPart({ id, title, text, tables, charts }: Section, anchors: Anchors): Part {
  const content = html`<p>${text}</p>
${tables.map((table) => tableHtml(table, anchors))}${charts.map((chart) => chartHtml(chart, anchors))}`;
  return { id, title, content };
}

const listHtml = (sentences: readonly string[]): Html =>
  html`<ul>\n${sentences.map((sentence) => html`<li>${sentence}</li>\n`)}</ul>\n`;

function summaryHtml({ outcome, tested, holds, doesNotHold, notRun }: Summary): Html {
  return html`<p class="outcome">${outcome}</p>
<h3>What was tested</h3>
${listHtml(tested)}<h3>What holds</h3>
${holds.length === 0 ? html`<p>Nothing that could be judged.</p>\n` : listHtml(holds)}<h3>What does not hold</h3>
${doesNotHold.length === 0 ? html`<p>Nothing that was tested.</p>\n` : listHtml(doesNotHold)}<h3>What was not run</h3>
${
  notRun.length === 0
    ? html`<p>Everything planned was run.</p>\n`
    : html`${listHtml(notRun.map(({ what }) => what))}<p><a href="#not-run">Why, and what to do about it</a></p>\n`
}`;
}

function findingsParts({ findings = [], failures = [] }: Report): Part[] {
  if (findings.length + failures.length === 0) return [];
  const content = html`<p>What each part of the job says of itself.</p>
${failures.length === 0 ? undefined : html`<h3>What should hold and does not</h3>\n${listHtml(failures)}`}${findings.length === 0 ? undefined : listHtml(findings)}`;
  return [{ id: 'findings', title: 'Findings', content }];
}

function notRunHtml(report: Report, { notRun }: Summary): Html {
  const failed = stagesOf(report, 'failed');
  const list = (omissions: readonly Omission[]): Html =>
    html`<ul>\n${omissions.map(
      ({ what, reason, provide }) =>
        html`<li><strong>${what}</strong>: ${reason}${provide === undefined ? undefined : html` <em>${provide}</em>`}</li>\n`,
    )}</ul>\n`;
  if (failed.length + notRun.length === 0) return html`<p>Nothing failed, and everything planned was run.</p>\n`;
  return html`<h3>What failed</h3>
${failed.length === 0 ? html`<p>Nothing.</p>\n` : list(failed)}<h3>What was not run</h3>
${notRun.length === 0 ? html`<p>Everything planned was run.</p>\n` : list(notRun)}`;
}

function samplesParts(samples: readonly Sample[]): Part[] {
  if (samples.length === 0) return [];
  const content = html`<p>Texts that the models wrote. The prompt stands in bold; the rest is generated.</p>
${samples.map(
  (sample) => html`<figure>
<blockquote><strong>${sample.prompt}</strong>${sample.text}</blockquote>
<figcaption>${sampleOrigin(sample)}</figcaption>
</figure>
`,
)}`;
  return [{ id: 'samples', title: 'Samples', content }];
}

function protocolHtml(report: Report, anchors: Anchors): Html {
  const { protocol, records, stages = [] } = report;
  return html`${
    protocol.length === 0
      ? undefined
      : html`<dl>\n${protocol.map(({ name, text }) => html`<dt>${name}</dt><dd>${text}</dd>\n`)}</dl>\n`
  }${records.length === 0 ? undefined : tableHtml(methodsTable(records), anchors)}${
    stages.length === 0 ? undefined : tableHtml(stagesTable(report), anchors)
  }`;
}

function provenanceHtml(report: Report): Html {
  const facts = modelFacts(report);
  const hashes = Object.entries(report.provenance.hashes);
  return html`${facts.length === 0 ? undefined : factsHtml('The model', facts)}${factsHtml('Where, when and with what', provenanceFacts(report))}${hashes.length === 0 ? undefined : factsHtml('sha256 of the files used', hashes)}`;
}

function recordsPart({ records }: Report, anchors: Anchors): Html {
  return html`<p class="on-paper">All ${records.length} records are in report.json and on the page itself; they are left out on paper.</p>
<details>
<summary>All ${records.length} records behind this report</summary>
${recordsHtml(records, anchors)}</details>
`;
}
