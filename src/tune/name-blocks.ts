import { obstaclesOf } from "../autodiff/path.ts";
import { DiapasonError } from "../base/errors.ts";
import type { Graph } from "../graph/ir.ts";
import type { Mover } from "./program.ts";

/**
 * Adds to the error about an operator without gradient which blocks of the stage it cuts off, and which can move; any other error
 * comes back as it is. `graph`: what was to be differentiated, where the movers' parameters have their names.
 */
export function namingBlocks(
  error: unknown,
  {
    graph,
    loss,
    movers,
  }: { readonly graph: Graph; readonly loss: string; readonly movers: readonly Mover[] },
): unknown {
  if (!(error instanceof DiapasonError) || error.code !== "autodiff/no-gradient") return error;
  const values = movers.map(({ parameter }) => graph.get(parameter.name));
  const obstacles = obstaclesOf(graph, graph.get(loss), values);
  const stopped = new Set(obstacles.flatMap(({ parameters }) => parameters.map(({ name }) => name)));
  const isStopped = ({ parameter }: Mover) => stopped.has(parameter.name);
  const cut = [...new Set(movers.filter(isStopped).map(({ block }) => block))];
  if (cut.length === 0) return error;
  const free = [...new Set(movers.map(({ block }) => block))].filter((block) => !cut.includes(block));
  const where = cut.length === 1 ? `That is the block ${cut[0]}` : `Those are the blocks ${cut.join(", ")}`;
  const rest =
    free.length === 0
      ? "nothing else moves in this stage"
      : `a stage with blocks: [${free.join(", ")}] moves the others`;
  return new DiapasonError(error.code, error.message, `${error.fix} ${where}; ${rest}.`, error);
}
