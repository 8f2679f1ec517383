import { bodiesOf, type Graph, type Node } from "../ir.ts";
import { isFloat } from "../kernels/nd-array.ts";

/** Moves the float constants that lie in bodies of If, Loop and Scan out to the graph itself. */
export function hoistWeights(graph: Graph): void {
  const visit = (nodes: readonly Node[], owners: readonly Node[]): void => {
    for (const node of nodes) {
      for (const body of bodiesOf(node)) {
        const around = [...owners, node];
        visit(body.nodes, around);
        for (const value of [...body.initializers])
          if (isFloat(value.constant!.dtype) && !body.inputs.includes(value)) graph.lift(value, body, around);
      }
    }
  };
  visit(graph.nodes, []);
}
