import { intsOf } from "../attributes.ts";
import { GraphBuilder } from "../builder.ts";
import { badNode, bodyOf, Graph, type Value } from "../ir.ts";
import { int64 } from "../tensor.ts";
import { replaceNode, type Upgrade } from "./upgrade.ts";

/**
 * The Scan of opset 8, whose body runs over each example of a batch apart and, where lengths are given, over the first
 * steps of it alone: a Scan over the examples, whose step is the Scan over the steps of one.
 *
 * Inputs: lengths [batch]?, states [batch, …], slices [batch, steps, …]. Outputs: states [batch, …], slices
 * [batch, steps, …], with zeros past an example's length.
 */
export const scanOfExamples: Upgrade = {
  before: 9,
  isFirst: true,
  rewrite: (graph, node) => {
    const [lengths, ...given] = node.inputs;
    const step = bodyOf(node, "body");
    const slices = intsOf(node, "num_scan_inputs")?.[0] ?? 0;
    const states = given.length - slices;
    const fits = slices > 0 && states >= 0 && step.inputs.length === given.length;
    if (!fits || given.includes(undefined) || step.outputs.length < states)
      badNode(node, "has inputs that its body has no place for");
    const reversed = Array.from({ length: slices }, (_, i) => intsOf(node, "directions")?.[i] === 1);
    const g = new GraphBuilder(graph, node);
    const whole = (given as readonly Value[]).map((value, i) =>
      lengths && reversed[i - states]
        ? // within an example's own length
          g.op("ReverseSequence", [value, lengths], { batch_axis: 0, time_axis: 1 })
        : value,
    );
    const example = exampleOf(graph, step, {
      states,
      directions: lengths ? reversed.map(() => 0) : reversed.map(Number),
      hasLength: lengths !== undefined,
    });
    const inputs = lengths ? [lengths, ...whole] : whole;
    replaceNode(
      graph,
      node,
      () =>
        graph.addNode("Scan", inputs, {
          name: node.name,
          attributes: [
            ["body", { type: "graph", value: example }],
            ["num_scan_inputs", { type: "int", value: inputs.length }],
          ],
          outputs: node.outputs.map((output) => (output ? graph.freshName(output.name) : "")),
          before: node,
        }).outputs,
    );
    return undefined;
  },
};

interface Form {
  readonly states: number;
  readonly directions: readonly number[];
  readonly hasLength: boolean;
}

/** What is done with one example: inputs [length?, states, slices], outputs [states, slices]. */
function exampleOf(graph: Graph, step: Graph, { states, directions, hasLength }: Form): Graph {
  const body = new Graph("example", graph.opsets, graph);
  const length = hasLength ? body.addInput(body.freshName("length"), "int64", []) : undefined;
  const inputs = step.inputs.map((input, i) => {
    const shape = i < states ? input.shape : undefined;
    return body.addInput(body.freshName(input.name), input.dtype, shape);
  });
  const steps = step.clone(body);
  if (length) stopAfter(steps, length, states);
  const g = new GraphBuilder(body);
  const turns = length ? [turnsOf(g, inputs[states]!)] : [];
  const node = body.addNode("Scan", [...inputs, ...turns], {
    attributes: [
      ["body", { type: "graph", value: steps }],
      ["num_scan_inputs", { type: "int", value: directions.length + turns.length }],
      ["scan_input_directions", { type: "ints", value: [...directions, ...turns.map(() => 0)] }],
    ],
    outputs: step.outputs.map((output) => body.freshName(output.name)),
  });
  for (const output of node.outputs) body.addOutput(output!);
  return body;
}

/** [0, 1, …, steps − 1] for slices [steps, …]. */
function turnsOf(g: GraphBuilder, slices: Value): Value {
  const [zero, one] = [g.tensor(int64([], [0]), "zero"), g.tensor(int64([], [1]), "one")];
  return g.op("Range", [zero, g.squeeze(g.sizeOf(slices, 0), [0]), one]);
}

/** Makes steps from `length` on keep the states and give zeros; the step's number becomes its last input. */
function stopAfter(steps: Graph, length: Value, states: number): void {
  const turn = steps.addInput(steps.freshName("turn"), "int64", []);
  const b = new GraphBuilder(steps);
  const goes = b.op("Less", [turn, length]);
  for (const [i, made] of steps.outputs.entries()) {
    const other = i < states ? steps.inputs[i]! : b.op("CastLike", [b.constant([0], "float32", []), made]);
    steps.setOutput(i, b.op("Where", [goes, made, other]));
  }
}
