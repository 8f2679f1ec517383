import { bodiesOf, type Graph, type Node, type Value } from "../ir.ts";
import { isFloat } from "../kernels/nd-array.ts";

/** Moves the float constants that lie in bodies of If, Loop and Scan out to the graph itself. */
export function hoistWeights(graph: Graph): void {
  const visit = (nodes: readonly Node[], owners: readonly Node[]): void => {
    for (const node of nodes) {
      for (const body of bodiesOf(node)) {
        const around = [...owners, node];
        visit(body.nodes, around);
        for (const value of [...body.initializers]) {
          if (!isFloat(value.constant!.dtype) || body.inputs.includes(value)) continue;
          handOn(value, body);
          graph.lift(value, body, around);
        }
      }
    }
  };
  visit(graph.nodes, []);
}

/** A body may not give what lies outside of it, so an output that is `value` becomes its copy. */
function handOn(value: Value, body: Graph): void {
  body.outputs.forEach((output, i) => {
    if (output !== value) return;
    const copy = body.addNode("Identity", [value]).outputs[0]!;
    Object.assign(copy, { dtype: value.dtype, shape: value.shape });
    body.setOutput(i, copy);
  });
}
