// The report's style sheet: one column, system fonts, light and dark after the reader's setting.

export const style = `
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --ink: #1d2126; --soft: #5d666f; --rule: #dedbd4; --panel: #ffffff;
  --online: #0b6e4f; --generic: #2f6fb0; --bicubic: #b4571c; --bilinear: #8a8f96;
  --video: #7ba3c9; --patches: #0b6e4f; --latency: #2f6fb0; --latency-p99: #b4571c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --ink: #e8e6e1; --soft: #a0a8af; --rule: #31373d; --panel: #1b1f23;
    --online: #57c796; --generic: #74aee6; --bicubic: #ec9860; --bilinear: #9aa1a8;
    --video: #4a7299; --patches: #57c796; --latency: #74aee6; --latency-p99: #ec9860;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 17px/1.55 system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
main { max-width: 60rem; margin: 0 auto; padding: 3.5rem 1.25rem 5rem; }
h1 { font-size: 2.1rem; line-height: 1.2; margin: 0 0 0.6rem; letter-spacing: -0.015em; text-wrap: balance; }
h2 { font-size: 1.25rem; margin: 3.2rem 0 0.3rem; letter-spacing: -0.005em; }
p { margin: 0.4rem 0; max-width: 42rem; }
.lead, .note, figcaption, .empty { color: var(--soft); }
.note, figcaption { font-size: 0.9rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: 1px;
  margin: 2rem 0 0; background: var(--rule); border: 1px solid var(--rule); border-radius: 8px; overflow: hidden; }
.figures div { background: var(--panel); padding: 0.9rem 1.1rem 1rem; }
.figures dt { font-size: 0.85rem; color: var(--soft); }
.figures dd { margin: 0.15rem 0 0; font-size: 1.5rem; font-weight: 600; letter-spacing: -0.01em; }
.figures dd small { display: block; font-size: 0.85rem; font-weight: 400; color: var(--soft); letter-spacing: 0; }
figure { margin: 0.8rem 0 0; }
.chart { display: block; width: 100%; height: auto; font-size: 13px; overflow: visible; }
.chart .grid { stroke: var(--rule); fill: none; }
.chart .tick, .chart .unit { fill: var(--soft); }
.chart .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.chart .area { stroke: none; opacity: 0.85; }
.chart .label { font-weight: 600; }
.line.series-online { stroke-width: 2.8; }
.line.series-bilinear { stroke-dasharray: 1 5; }
.line.series-bicubic { stroke-dasharray: 7 4; }
.line.series-latency-p99 { stroke-dasharray: 7 4; }
${['online', 'generic', 'bicubic', 'bilinear', 'video', 'patches', 'latency', 'latency-p99']
  .map(
    (name) =>
      `.line.series-${name} { stroke: var(--${name}); } .area.series-${name}, .label.series-${name} { fill: var(--${name}); }`,
  )
  .join('\n')}
.crop { display: grid; grid-template-columns: repeat(3, 1fr); gap: 0.6rem; margin: 1rem 0 1.6rem; }
.crop figure { margin: 0; }
.crop img { display: block; width: 100%; height: auto; border-radius: 4px; border: 1px solid var(--rule); image-rendering: pixelated; }
.crop figcaption { padding-top: 0.35rem; }
.crop b { color: var(--ink); font-weight: 600; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 0; font-size: 0.95rem; }
th, td { text-align: right; padding: 0.45rem 0.6rem; border-bottom: 1px solid var(--rule); font-weight: 400; }
th:first-child { text-align: left; }
thead th { color: var(--soft); font-size: 0.85rem; }
tbody tr.online { font-weight: 600; }
tbody tr.online th { font-weight: 600; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--panel); border: 1px solid var(--rule); border-radius: 8px;
  padding: 0.9rem 1.1rem; font: 13px/1.6 ui-monospace, "DejaVu Sans Mono", monospace; }
.scroll { overflow-x: auto; }
@media (max-width: 40rem) {
  main { padding-top: 2rem; }
  h1 { font-size: 1.6rem; }
  .crop { grid-template-columns: 1fr; }
}
`;
