/** The style sheet of the HTML report: light and dark by the reader's setting, and plain on paper. */
export const reportStyle = `
:root {
  color-scheme: light dark;
  --text: #1f2328; --muted: #57606a; --line: #d0d7de; --soft: #f6f8fa; --link: #0550ae; --page: #ffffff;
  --good: #0f5f2e; --bad: #a40e26; --open: #6b4d00;
}
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --muted: #9da7b3; --line: #30363d; --soft: #161b22; --link: #79b8ff; --page: #0d1117;
    --good: #7ee2a0; --bad: #ff9e9e; --open: #f0c869; }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0 auto; max-width: 80rem; padding: 1.5rem; background: var(--page); color: var(--text);
  font: 1rem/1.55 system-ui, sans-serif; position: relative; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; margin: 2.5rem 0 .5rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.25rem 0 .25rem; }
p, ul, dl { margin: .5rem 0; max-width: 50rem; }
li { overflow-wrap: anywhere; }
a { color: var(--link); }
.muted, figcaption { color: var(--muted); font-size: .9rem; }
nav ol { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 1rem 0 0; padding: 0; list-style: none; font-size: .95rem; }
.part-summary { background: var(--soft); border: 1px solid var(--line); border-radius: .5rem; padding: 0 1.25rem 1rem;
  margin-top: 1.5rem; }
.part-summary h2 { margin-top: 1rem; }
.outcome { font-size: 1.1rem; font-weight: 600; }
.scroll { overflow-x: auto; margin: 1rem 0; }
a:focus-visible, summary:focus-visible, button:focus-visible, .scroll:focus-visible { outline: 2px solid var(--link);
  outline-offset: 2px; }
table { border-collapse: collapse; min-width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
caption small { display: block; font-weight: 400; color: var(--muted); max-width: 50rem; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { background: var(--soft); vertical-align: bottom; }
thead small { display: block; font-weight: 400; color: var(--muted); }
tbody th { font-weight: 500; }
td.text { min-width: 9rem; }
td.text:has(.mark) { min-width: 0; }
th.number, td.number { text-align: right; white-space: nowrap; }
thead .number { white-space: normal; }
td.not-run { text-align: left; white-space: normal; color: var(--muted); font-style: italic; }
td a { color: inherit; text-decoration: underline dotted; text-underline-offset: .2em; }
tr:target > * { background: var(--soft); box-shadow: inset 0 2px var(--link), inset 0 -2px var(--link); }
.mark { font-weight: 600; white-space: nowrap; }
.mark.holds { color: var(--good); }
.mark.holds::before { content: "✓ " / ""; }
.mark.doesNotHold { color: var(--bad); }
.mark.doesNotHold::before { content: "✗ " / ""; }
.mark.notRun { color: var(--open); }
.mark.notRun::before { content: "– " / ""; }
figure { margin: 1.25rem 0; }
figure.chart { margin: 2rem 0; }
svg.itera-chart { display: block; width: 100%; height: auto; color: inherit; }
.wide svg.itera-chart { max-width: 760px; }
.narrow { display: none; }
svg.itera-chart a { color: inherit; outline-offset: 3px; }
[data-mark]:hover { opacity: .75; }
[data-mark].off { display: none; }
.legend { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; margin-top: .25rem; }
.legend button { font: inherit; font-size: .85rem; color: inherit; background: var(--soft); border: 1px solid var(--muted);
  border-radius: 1rem; padding: .3rem .8rem; cursor: pointer; min-height: 2rem; }
.legend button::before { content: "✓ " / ""; }
.legend button[aria-pressed="false"] { background: none; text-decoration: line-through; }
.legend button[aria-pressed="false"]::before { content: none; }
.tip { position: absolute; z-index: 1; max-width: min(26rem, 92vw); padding: .3rem .6rem; border: 1px solid var(--muted);
  border-radius: .3rem; background: var(--page); color: var(--text); font-size: .85rem; pointer-events: none;
  overflow-wrap: anywhere; }
blockquote { margin: 0; padding: .5rem 1rem; border-left: .25rem solid var(--line); background: var(--soft);
  white-space: pre-wrap; overflow-wrap: anywhere; }
code { font: .85em/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
dt { font-weight: 600; }
dd { margin: 0 0 .5rem; }
summary { cursor: pointer; }
.on-paper { display: none; }
@media (max-width: 600px) {
  body { padding: 1rem; }
  caption, caption small { max-width: calc(100vw - 2rem); }
  .part-summary { padding: 0 .9rem .75rem; }
  .wide { display: none; }
  .narrow { display: block; }
}
@page { size: A4; margin: 14mm 12mm; }
@media print {
  :root { --text: #000; --muted: #444; --line: #bbb; --soft: #fff; --link: #000; --page: #fff; --good: #000; --bad: #000;
    --open: #000; color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 9.5pt; line-height: 1.4; }
  p, ul, dl { max-width: none; }
  nav, .legend, .tip, .part-records details { display: none; }
  .on-paper { display: block; }
  .wide { display: block; }
  .narrow { display: none; }
  .wide svg.itera-chart { max-width: 150mm; }
  .scroll { overflow: visible; }
  table { font-size: 7pt; width: 100%; }
  th, td { padding: .2rem .35rem; }
  td.text { min-width: 0; }
  th, td, td.number { overflow-wrap: break-word; white-space: normal; }
  td code { overflow-wrap: anywhere; }
  h2, h3, dt, caption, thead { break-after: avoid; }
  tbody tr:first-child { break-before: avoid; }
  tr, figure, blockquote, li { break-inside: avoid; }
}
`;
