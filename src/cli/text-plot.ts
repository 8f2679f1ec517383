/** A curve of a text plot: x ascending, drawn with one character. */
export interface TextCurve {
  readonly mark: string;
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

/**
 * Curves of shares (0…1) as lines of text, the axis of y at the left in percent and the legend below. Where two curves
 * meet, the first one shows.
 */
export function textPlot(curves: readonly TextCurve[], x: string, size = { width: 60, height: 10 }): string {
  const { width, height } = size;
  const end = Math.max(...curves.flatMap(({ points }) => points.map(([at]) => at)));
  const cells = Array.from({ length: height + 1 }, () => Array<string>(width + 1).fill(" "));
  for (const { mark, points } of [...curves].reverse())
    for (const [at, share] of interpolated(points, end, width))
      cells[height - Math.round(share * height)]![at] = mark;
  const rows = cells.map((row, i) => {
    const label = i % 2 === 0 ? `${Math.round(100 * (1 - i / height))} %` : "";
    return `${label.padStart(6)} │${row.join("").trimEnd()}`;
  });
  const shown = end < 100 ? end.toFixed(1) : String(Math.round(end));
  const axis = `${" ".repeat(7)}└${"─".repeat(width + 1)}`;
  const scale = `${" ".repeat(8)}0${shown.padStart(width)}  ${x}`;
  return [...rows, axis, scale, ...curves.map(({ mark, name }) => `${" ".repeat(8)}${mark} ${name}`)].join(
    "\n",
  );
}

/** The value of a curve in every column that it spans. */
function* interpolated(
  points: TextCurve["points"],
  end: number,
  width: number,
): Generator<readonly [number, number]> {
  for (let column = 0; column <= width; column++) {
    const at = (end * column) / width;
    const next = points.findIndex(([x]) => x >= at);
    const [x1, y1] = points[next] ?? [0, 0];
    const [x0, y0] = points[next - 1] ?? [Number.NaN, 0];
    if (next > 0) yield [column, y0 + ((y1 - y0) * (at - x0)) / (x1 - x0)];
    else if (next === 0 && x1 - at < end / width) yield [column, y1];
  }
}
