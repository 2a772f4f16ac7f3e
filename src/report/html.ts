import { chartHtml, factsHtml, recordAnchors, recordsHtml, tableHtml } from './html-parts.ts';
import { reportStyle } from './html-style.ts';
import { type Html, html, trustedMarkup } from './html-template.ts';
import { modelFacts, provenanceFacts, sampleOrigin } from './provenance.ts';
import type { Report, Sample } from './report.ts';
import { reportSections } from './sections.ts';
import { type Summary, summarize } from './summary.ts';

/** The page may load and run nothing: should hostile text ever get through, it has no means. */
const policy = "default-src 'none'; style-src 'unsafe-inline'";

/**
 * The report as one HTML page that needs no other file and no script: a summary in plain words, tables whose values
 * link to their records, charts, samples, protocol, provenance and all records. Equal reports give equal pages.
 *
 * @remarks All text of the report is escaped.
 */
export function renderHtml(report: Report): string {
  const anchors = recordAnchors(report);
  const hashes = Object.entries(report.provenance.hashes);
  const facts = modelFacts(report);
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
<main>
${summaryHtml(summarize(report))}
${reportSections(report).map(
  ({ title, text, table, charts }) => html`<section>
<h2>${title}</h2>
<p>${text}</p>
${table === undefined ? undefined : tableHtml(table, anchors)}${charts.map(chartHtml)}</section>
`,
)}${samplesHtml(report.samples)}${
  report.protocol.length === 0
    ? undefined
    : html`<section>
<h2>Protocol</h2>
<dl>
${report.protocol.map(({ name, text }) => html`<dt>${name}</dt><dd>${text}</dd>\n`)}</dl>
</section>
`
}<section>
<h2>Provenance</h2>
${facts.length === 0 ? undefined : factsHtml('The model', facts)}${factsHtml('Where, when and with what', provenanceFacts(report))}${hashes.length === 0 ? undefined : factsHtml('sha256 of the files used', hashes)}</section>
<section>
<h2>Records</h2>
<details>
<summary>All ${report.records.length} records behind this report</summary>
${recordsHtml(report.records, anchors)}</details>
</section>
</main>
</body>
</html>
`;
  return page.toString();
}

function summaryHtml({ tested, holds, notRun }: Summary): Html {
  const list = (sentences: readonly string[]) =>
    html`<ul>\n${sentences.map((sentence) => html`<li>${sentence}</li>\n`)}</ul>`;
  const omissions = notRun.map(
    ({ what, reason, provide }) =>
      html`<li><strong>${what}</strong>: ${reason}${provide === undefined ? undefined : html` <em>${provide}</em>`}</li>\n`,
  );
  return html`<section class="summary">
<h2>Summary</h2>
<h3>What was tested</h3>
${list(tested)}
<h3>What holds</h3>
${list(holds)}
<h3>What was not run, and why</h3>
${notRun.length === 0 ? html`<p>Everything planned was run.</p>` : html`<ul>\n${omissions}</ul>`}
</section>`;
}

function samplesHtml(samples: readonly Sample[]): Html {
  if (samples.length === 0) return html``;
  return html`<section>
<h2>Samples</h2>
<p>Texts that the models wrote. The prompt stands in bold; the rest is generated.</p>
${samples.map(
  (sample) => html`<figure>
<blockquote><strong>${sample.prompt}</strong>${sample.text}</blockquote>
<figcaption>${sampleOrigin(sample)}</figcaption>
</figure>
`,
)}</section>
`;
}
