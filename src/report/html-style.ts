/** The style sheet of the HTML report: light and dark by the reader's setting, and plain on paper. */
export const reportStyle = `
:root {
  color-scheme: light dark;
  --text: #1f2328; --muted: #57606a; --line: #d0d7de; --soft: #f6f8fa; --link: #0550ae; --page: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --muted: #9da7b3; --line: #30363d; --soft: #161b22; --link: #79b8ff; --page: #0d1117; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem; background: var(--page); color: var(--text);
  font: 1rem/1.55 system-ui, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.35rem; margin: 2.5rem 0 .5rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.25rem 0 .25rem; }
p, ul, dl { margin: .5rem 0; }
a { color: var(--link); }
.muted, figcaption { color: var(--muted); font-size: .9rem; }
.summary { background: var(--soft); border: 1px solid var(--line); border-radius: .5rem; padding: .25rem 1.25rem 1rem; }
.scroll { overflow-x: auto; margin: 1rem 0; }
.scroll:focus-visible, a:focus-visible, summary:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; min-width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
caption small { display: block; font-weight: 400; color: var(--muted); }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { background: var(--soft); vertical-align: bottom; }
thead small { display: block; font-weight: 400; color: var(--muted); }
tbody th { font-weight: 500; }
.number { text-align: right; white-space: nowrap; }
thead .number { white-space: normal; }
td.not-run { text-align: left; white-space: normal; color: var(--muted); font-style: italic; }
td.number a { color: inherit; text-decoration: underline dotted; text-underline-offset: .2em; }
tr:target > * { background: var(--soft); }
figure { margin: 1.25rem 0; }
figure svg.itera-chart { display: block; width: 100%; height: auto; max-width: 760px; color: inherit; }
blockquote { margin: 0; padding: .5rem 1rem; border-left: .25rem solid var(--line); background: var(--soft);
  white-space: pre-wrap; overflow-wrap: anywhere; }
code { font: .85em/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
dt { font-weight: 600; }
dd { margin: 0 0 .5rem; }
summary { cursor: pointer; }
@media print {
  :root { --text: #000; --muted: #444; --line: #bbb; --soft: #fff; --link: #000; --page: #fff; color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .scroll { overflow: visible; }
  table { font-size: 8pt; }
  td, th, code { overflow-wrap: anywhere; white-space: normal; }
  h2, h3 { break-after: avoid; }
  tr, figure, blockquote { break-inside: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
`;
