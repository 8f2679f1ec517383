import { LineChart } from "echarts/charts";
import { GridComponent, LegendComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { Chart } from "./report.ts";

use([LineChart, GridComponent, LegendComponent, SVGRenderer]);

const palette = [
  "var(--series-1)",
  "var(--series-2)",
  "var(--series-3)",
  "var(--series-4)",
  "var(--series-5)",
  "var(--series-6)",
];

/**
 * A chart as static SVG, drawn once for phones and once for wide screens (the page shows the one that fits). Colours are
 * CSS variables of the page, so one drawing serves light and dark.
 */
export function drawChart(chart: Chart): string {
  return `<div class="chart narrow">${svg(chart, 328, 240)}</div><div class="chart wide">${svg(chart, 620, 300)}</div>`;
}

function svg(chart: Chart, width: number, height: number): string {
  const drawing = init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    const axis = (name: string, log: boolean) => ({
      type: log ? ("log" as const) : ("value" as const),
      name,
      nameLocation: "middle" as const,
      scale: true,
      axisLine: { lineStyle: { color: "var(--line)" } },
      axisLabel: { color: "var(--soft)", fontSize: 11, hideOverlap: true },
      nameTextStyle: { color: "var(--soft)", fontSize: 11 },
      splitLine: { lineStyle: { color: "var(--line)" } },
    });
    const isLog = (which: "x" | "y") => chart.log === which || chart.log === "both";
    const x = axis(chart.x, isLog("x"));
    const y = axis(chart.y, isLog("y"));
    drawing.setOption({
      animation: false,
      color: palette,
      textStyle: { fontFamily: "inherit" },
      legend: {
        show: chart.series.length > 1,
        top: 0,
        left: 0,
        // the page's font may be wider than the one that names are measured with
        textStyle: { color: "var(--ink)", fontSize: 10 },
        itemGap: legend.gap,
        itemWidth: legend.mark,
        itemHeight: 8,
      },
      grid: { left: 56, right: 12, top: 20 + 16 * legendRows(chart, width), bottom: 40 },
      xAxis: {
        ...x,
        axisLabel: { ...x.axisLabel, formatter: place },
        nameGap: 26,
        splitLine: { show: false },
        min: "dataMin",
        max: "dataMax",
      },
      yAxis: {
        ...y,
        nameGap: 42,
        axisLabel: {
          ...y.axisLabel,
          formatter: (value: number) => (chart.percent ? `${Math.round(value * 1000) / 10}%` : short(value)),
        },
      },
      series: chart.series.map((series) => ({
        type: "line" as const,
        name: series.name,
        data: series.points.map(([a, b]) => [a, b]),
        showSymbol: series.points.length < 24,
        symbolSize: 5,
        step: series.steps ? ("end" as const) : (false as const),
        lineStyle: { width: 2, type: series.dashed ? ("dashed" as const) : ("solid" as const) },
      })),
    });
    return drawing.renderToSVGString();
  } finally {
    drawing.dispose();
  }
}

/** Widths in a legend, in pixels; a letter's, in the widest font of 10 pixels that a page may have. */
const legend = { mark: 16, gap: 16, letter: 6.5 } as const;

/** Rows of the legend: the chart begins below them, because echarts lets a legend of several rows cover it. */
function legendRows({ series }: Chart, width: number): number {
  let [rows, at] = [1, 0];
  for (const { name } of series) {
    const item = legend.mark + 5 + legend.letter * name.length + legend.gap;
    if (at > 0 && at + item > width) [rows, at] = [rows + 1, 0];
    at += item;
  }
  return rows;
}

/** A place on the x axis; its ends are where the data begin and end, which seconds do at any fraction. */
const place = (value: number): string =>
  Number.isInteger(value) ? value.toLocaleString("en") : short(Number(value.toPrecision(value < 10 ? 1 : 2)));

/** A number in at most six characters: 1200 as "1.2k", 0.00005 as "5e-5". */
function short(value: number): string {
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (size < 0.001 || size >= 1e6) return value.toExponential(0).replace("e+", "e");
  if (size >= 1e4) return `${Math.round(value / 100) / 10}k`;
  return String(Number(value.toPrecision(3)));
}
