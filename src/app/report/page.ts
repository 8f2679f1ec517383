import type { ClassRow, Mistake, Report, StageRow, Table } from "./report.ts";
import { style } from "./style.ts";

/** A matrix with more classes than this is told by its most frequent confusions instead. */
const largestMatrix = 40;

/** The report as one HTML file that needs nothing else: no script, no network. */
export async function reportPage(report: Report): Promise<string> {
  // Loaded here: the library of charts takes as long to load as everything else that a command needs.
  const { drawChart } = await import("./chart.ts");
  const sections = [
    ...report.charts.map((chart) =>
      section(
        chart.title,
        drawChart(chart) + (chart.note ? `<p class="note">${escaped(chart.note)}</p>` : ""),
      ),
    ),
    report.stages.length > 0 &&
      section("Which blocks moved, and at what rate", stagesTable(report.blocks, report.stages), true),
    report.confusion.length > 0 &&
      section(`Confusion matrix (${report.confusionOf})`, confusion(report), report.classes.length > 12),
    report.perClass.length > 0 && section("Class by class", classesTable(report.perClass)),
    report.mistakes.length > 0 && section("Worst mistakes", mistakes(report.mistakes), true),
    ...report.tables.map((table) => section(table.title, plainTable(table))),
    section("Settings", pairs(report.settings)),
    section("Versions", pairs(report.versions)),
    report.notes.length > 0 &&
      section("Notes", `<ul>${report.notes.map((n) => `<li>${escaped(n)}</li>`).join("")}</ul>`, true),
  ];
  const headline = report.headline
    .map(({ label, value, before }) => {
      const was = before === undefined ? "" : `<br>before: ${escaped(before)}`;
      return `<div><b>${escaped(value)}</b><span>${escaped(label)}${was}</span></div>`;
    })
    .join("");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(report.title)}</title><style>${style}</style></head>
<body><main><h1>${escaped(report.title)}</h1><p class="lead">${escaped(report.lead)}</p>
<div class="headline">${headline}</div>
<div class="cards">${sections.filter(Boolean).join("\n")}</div></main></body></html>
`;
}

function section(title: string, content: string, full = false): string {
  return `<section${full ? ' class="full"' : ""}><h2>${escaped(title)}</h2>${content}</section>`;
}

function stagesTable(blocks: readonly string[], stages: readonly StageRow[]): string {
  const head = stages
    .map((s) => `<th>${escaped(s.name)}<br><small>${Number(s.epochs.toFixed(2))} ep.</small></th>`)
    .join("");
  const rows = [...blocks].reverse().map((block) => {
    const cells = stages.map((stage) => {
      const rate = stage.rates[block] ?? 0;
      return rate > 0 ? `<td class="moves">${rate.toExponential(1)}</td>` : "<td>frozen</td>";
    });
    return `<tr><td>${escaped(block)}</td>${cells.join("")}</tr>`;
  });
  return `<div class="scroll"><table><thead><tr><th>block</th>${head}</tr></thead><tbody>${rows.join("")}</tbody></table></div>
<p class="note">Blocks from the output down, with the highest learning rate of each in each stage; frozen blocks are bit-identical afterwards.</p>`;
}

function confusion({ classes, confusion: counts }: Report): string {
  if (classes.length > largestMatrix) return confusions(classes, counts);
  const head = classes.map((name) => `<th>${escaped(name)}</th>`).join("");
  const rows = counts.map((row, i) => {
    const total = row.reduce((a, b) => a + b, 0);
    const cells = row.map((count, j) => {
      const share = total > 0 ? count / total : 0;
      return `<td style="--share:${share.toFixed(3)};--cell:var(${i === j ? "--series-1" : "--series-2"})">${count || ""}</td>`;
    });
    return `<tr><td>${escaped(classes[i]!)}</td>${cells.join("")}</tr>`;
  });
  return `<div class="scroll"><table class="confusion"><thead><tr><th>true \\ predicted</th>${head}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

function confusions(classes: readonly string[], counts: readonly (readonly number[])[]): string {
  const pairs = counts.flatMap((row, i) =>
    row.flatMap((count, j) => (i !== j && count > 0 ? [{ i, j, count }] : [])),
  );
  const rows = pairs
    .sort((a, b) => b.count - a.count)
    .slice(0, 30)
    .map(
      ({ i, j, count }) =>
        `<tr><td>${escaped(classes[i]!)}</td><td>${escaped(classes[j]!)}</td><td>${count}</td></tr>`,
    );
  return `<div class="scroll"><table><thead><tr><th>true</th><th>predicted</th><th>examples</th></tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

function classesTable(rows: readonly ClassRow[]): string {
  const body = rows.map((row) => {
    const cells = [row.precision, row.recall, row.f1].map((v) => `<td>${(100 * v).toFixed(1)}</td>`).join("");
    return `<tr><td>${escaped(row.name)}</td>${cells}<td>${row.count}</td></tr>`;
  });
  return `<div class="scroll"><table><thead><tr><th>class</th><th>precision %</th><th>recall %</th><th>F1 %</th><th>examples</th></tr></thead><tbody>${body.join("")}</tbody></table></div>`;
}

function mistakes(list: readonly Mistake[]): string {
  const items = list.map(
    (m) =>
      `<li>${shownMistake(m)}<b>${escaped(m.predicted)}</b> ${(100 * m.probability).toFixed(0)} %<br>is ${escaped(m.label)}<br><small>${escaped(m.id)}</small></li>`,
  );
  const kind = list.some(({ picture }) => picture === undefined) ? "mistakes texts" : "mistakes";
  return `<ul class="${kind}">${items.join("")}</ul>`;
}

const shownMistake = ({ id, picture, text }: Mistake): string =>
  picture === undefined
    ? `<q>${escaped(text ?? "")}</q><br>`
    : `<img src="${escaped(picture)}" alt="${escaped(id)}">`;

/** Characters from which a cell holds a text: its column is read from the left, over several lines. */
const longCell = 24;

function plainTable({ head, rows, note }: Table): string {
  const isLong = head.map((_, column) => rows.some((row) => row[column]!.length > longCell));
  const cells = (list: readonly string[], tag: string) => {
    const made = list.map(
      (text, i) => `<${tag}${isLong[i] ? ' class="long"' : ""}>${escaped(text)}</${tag}>`,
    );
    return `<tr>${made.join("")}</tr>`;
  };
  const body = rows.map((row) => cells(row, "td")).join("");
  const table = `<table><thead>${cells(head, "th")}</thead><tbody>${body}</tbody></table>`;
  return `<div class="scroll">${table}</div>${note ? `<p class="note">${escaped(note)}</p>` : ""}`;
}

function pairs(rows: readonly (readonly [string, string])[]): string {
  return `<table class="settings"><tbody>${rows.map(([k, v]) => `<tr><td>${escaped(k)}</td><td>${escaped(v)}</td></tr>`).join("")}</tbody></table>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
