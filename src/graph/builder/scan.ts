import { GraphBuilder } from "../builder.ts";
import { Graph, type Value } from "../ir.ts";

export interface Step {
  /** As many as the states that the step was given, each of the shape of its own. */
  readonly states: readonly Value[];
  /** What the step adds to each of the outputs. */
  readonly outputs: readonly Value[];
}

/**
 * Appends a Scan: `step` says what is done with the states and with one slice of each input along its first axis.
 *
 * `isReversed`: the steps go from the last slice to the first; outputs keep the order of the inputs. Values from outside
 * may be read in a step.
 */
export function scan(
  g: GraphBuilder,
  states: readonly Value[],
  inputs: readonly Value[],
  step: (g: GraphBuilder, states: readonly Value[], slices: readonly Value[]) => Step,
  { isReversed = false }: { readonly isReversed?: boolean } = {},
): Step {
  const outer = g.graph;
  const body = new Graph("step", outer.opsets, outer);
  const before = states.map((state) => body.addInput(body.freshName("state"), state.dtype, state.shape));
  const slices = inputs.map((input) =>
    body.addInput(body.freshName("slice"), input.dtype, input.shape?.slice(1)),
  );
  const inner = new GraphBuilder(body);
  const made = step(inner, before, slices);
  for (const value of [...made.states, ...made.outputs]) body.addOutput(ownOutput(body, value));
  const directions = (count: number) => (isReversed ? new Array<number>(count).fill(1) : undefined);
  const names = [...made.states.map(() => "last"), ...made.outputs.map(() => "steps")];
  const node = g.node(
    "Scan",
    [...states, ...inputs],
    {
      body,
      num_scan_inputs: inputs.length,
      scan_input_directions: directions(inputs.length),
      scan_output_directions: directions(made.outputs.length),
    },
    freshNames(outer, names),
  );
  return {
    states: node.outputs.slice(0, states.length) as Value[],
    outputs: node.outputs.slice(states.length) as Value[],
  };
}

/** Different new names. */
export function freshNames(graph: Graph, bases: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return bases.map((base) => {
    let name = graph.freshName(base);
    while (taken.has(name)) name = graph.freshName(`${base}_${taken.size}`);
    taken.add(name);
    return name;
  });
}

/** A value that a body may give: computed in it, and not given yet. */
export function ownOutput(body: Graph, value: Value): Value {
  const isOwn = value.producer !== undefined && body.nodes.includes(value.producer);
  if (isOwn && !body.outputs.includes(value)) return value;
  const copy = body.addNode("Identity", [value]).outputs[0]!;
  copy.dtype = value.dtype;
  copy.shape = value.shape;
  return copy;
}
