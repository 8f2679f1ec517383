/** The page's style: one column on a phone, cards side by side on a wide screen, colours by the reader's scheme. */
export const style = `
:root { color-scheme: light dark; --paper: #fbfaf7; --card: #ffffff; --ink: #1d1f24; --soft: #5d6270; --line: #dfddd6; --accent: #0b6e5f;
  --series-1: #0b6e5f; --series-2: #c2541b; --series-3: #5a4fcf; --series-4: #b08900; --series-5: #b3246b; --series-6: #3a7bd5; }
@media (prefers-color-scheme: dark) { :root { --paper: #15171c; --card: #1d2027; --ink: #eceae4; --soft: #a3a8b5; --line: #343843; --accent: #5fd0bb;
  --series-1: #5fd0bb; --series-2: #f08d54; --series-3: #a9a1ff; --series-4: #e6c34a; --series-5: #f27bb3; --series-6: #84b6f7; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1320px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: clamp(1.5rem, 4vw, 2.25rem); line-height: 1.15; margin: 0 0 8px; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 12px; }
.lead { color: var(--soft); max-width: 70ch; margin: 0 0 24px; }
.headline { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px; margin-bottom: 16px; }
.headline div, section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px; }
.headline b { display: block; font-size: 1.6rem; line-height: 1.2; color: var(--accent); font-variant-numeric: tabular-nums; }
.headline span { color: var(--soft); font-size: .85rem; }
.cards { display: grid; gap: 16px; grid-template-columns: minmax(0, 1fr); }
@media (min-width: 1000px) { .cards { grid-template-columns: repeat(2, minmax(0, 1fr)); } section.full { grid-column: 1 / -1; } }
.chart svg { display: block; max-width: 100%; height: auto; }
.chart.wide { display: none; }
@media (min-width: 560px) { .chart.wide { display: block; } .chart.narrow { display: none; } }
.scroll { overflow-x: auto; }
table { border-collapse: separate; border-spacing: 0; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 8px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 4.5em; position: sticky; left: 0; background: var(--card); }
.long:not(:first-child) { text-align: left; white-space: normal; min-width: 14rem; }
.confusion td:not(:first-child) { background: color-mix(in srgb, var(--cell) calc(var(--share) * 70%), transparent); text-align: center; min-width: 2.4em; }
.confusion thead th:not(:first-child) { writing-mode: vertical-rl; text-align: left; }
.moves { background: color-mix(in srgb, var(--accent) 18%, transparent); }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(120px, 1fr)); gap: 12px; margin: 0; padding: 0; list-style: none; }
.mistakes.texts { grid-template-columns: repeat(auto-fill, minmax(min(100%, 270px), 1fr)); gap: 18px; }
.mistakes img { width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated; border-radius: 6px; background: var(--line); }
.mistakes small { color: var(--soft); overflow-wrap: anywhere; }
.settings td { white-space: pre-line; text-align: left; overflow-wrap: anywhere; }
.settings td:first-child { white-space: nowrap; overflow-wrap: normal; }
@media (max-width: 559px) { th, td { padding: 4px; } .confusion { font-size: .75rem; } .confusion th, .confusion td { padding: 4px 1px; } .confusion td:not(:first-child) { min-width: 1.7em; } .settings td:first-child { white-space: normal; min-width: 8.5em; } }
.note { color: var(--soft); font-size: .85rem; margin: 8px 0 0; }
`;
