import type { Plan, Stage } from "./plan.ts";

/**
 * A plan as lines of text, one stage each: what moves, for how long, at which rates, and, where the model `normalisesBatches`,
 * which statistics its BatchNormalizations use.
 */
export function planTable(plan: Plan, normalisesBatches: boolean): string {
  const rows = plan.stages.map((stage) => [
    stage.name,
    movers(stage),
    `${Number(stage.epochs.toFixed(2))}`,
    rates(stage),
    stage.schedule.kind,
    ...(normalisesBatches ? [stage.batchNorm] : []),
  ]);
  const head = ["stage", "moves", "epochs", "rate", "schedule", ...(normalisesBatches ? ["batch norm"] : [])];
  const table = [head, ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Whether any block keeps running statistics. */
export const normalisesBatches = (blocks: readonly { readonly buffers: readonly string[] }[]): boolean =>
  blocks.some(({ buffers }) => buffers.length > 0);

function movers({ blocks, parameters }: Stage): string {
  const names = blocks.length > 3 ? `${blocks[0]} … ${blocks.at(-1)} (${blocks.length})` : blocks.join(", ");
  return parameters === "biases" ? `biases of ${names}` : names;
}

/** The highest and, where it differs, the lowest rate of the stage's blocks. */
function rates({ blocks, multipliers, learningRate }: Stage): string {
  const all = blocks.map((name) => learningRate * (multipliers[name] ?? 1));
  const [low, high] = [Math.min(...all), Math.max(...all)];
  return low === high ? brief(high) : `${brief(high)} … ${brief(low)}`;
}

const brief = (rate: number) =>
  rate < 1e-3 ? rate.toExponential(2).replace(/\.?0*e/, "e") : String(Number(rate.toPrecision(3)));
