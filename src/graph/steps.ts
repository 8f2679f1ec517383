import { attributesOf } from "./attributes.ts";
import { knownNumbers } from "./infer/known-dims.ts";
import { badNode, bodyOf, type Graph, type Node, type Value } from "./ir.ts";

/** A value that a step hands to the next one. */
export interface Carried {
  readonly initial: Value;
  /** In the body: what a step is given, and what it hands on. */
  readonly before: Value;
  readonly after: Value;
  readonly final: Value | undefined;
}

/** An array of which each step sees or makes one slice. */
export interface Sliced {
  readonly whole: Value | undefined;
  /** In the body: the slice. */
  readonly slice: Value;
  /** Place of the steps in the whole, as the node says it: it may be negative. */
  readonly axis: number;
  /** Whether the first step has the last slice. */
  readonly isReversed: boolean;
}

/** What a Loop or Scan does step by step, in one form for both. */
export interface Steps {
  readonly body: Graph;
  readonly carried: readonly Carried[];
  readonly inputs: readonly (Sliced & { readonly whole: Value })[];
  readonly outputs: readonly Sliced[];
  /** The number of steps, where the node says it: a Loop with a constant limit and no other condition. */
  readonly count: number | undefined;
  /** Whether there may be no step at all. */
  readonly mayBeNone: boolean;
}

/** How a Scan or Loop runs; `body`: in place of the node's own, one with the same inputs and outputs. */
export type StepsOf = (node: Node, body?: Graph) => Steps;

/** Inputs: initial states, then scan inputs. Outputs: final states, then scan outputs. */
export const scanSteps: StepsOf = (node, body = bodyOf(node, "body")) => {
  const attrs = attributesOf(node, "Scan");
  const states = node.inputs.length - attrs.num_scan_inputs;
  demand(node, states >= 0, body.inputs.length === node.inputs.length, body.outputs.length >= states);
  return {
    body,
    carried: carriedOf(node, body, states, { input: 0, inner: 0, output: 0 }),
    inputs: node.inputs.slice(states).map((whole, i) => ({
      whole: whole!,
      slice: body.inputs[states + i]!,
      axis: attrs.scan_input_axes[i] ?? 0,
      isReversed: attrs.scan_input_directions[i] === 1,
    })),
    outputs: body.outputs.slice(states).map((slice, i) => ({
      whole: node.outputs[states + i],
      slice,
      axis: attrs.scan_output_axes[i] ?? 0,
      isReversed: attrs.scan_output_directions[i] === 1,
    })),
    count: undefined,
    mayBeNone: false,
  };
};

/** Inputs: limit?, condition?, initial values. The body: turn, condition, values in; condition, values, slices out. */
export const loopSteps: StepsOf = (node, body = bodyOf(node, "body")) => {
  const states = body.inputs.length - 2;
  demand(node, states >= 0, node.inputs.length === states + 2, body.outputs.length > states);
  const [limit, start] = node.inputs;
  const [, condition] = body.inputs;
  const always = handedOn(body.outputs[0]!);
  const isSteady = always === condition || knownNumbers(always)?.[0] === 1;
  const starts = start === undefined || knownNumbers(start)?.[0] === 1;
  const count = isSteady && starts ? knownNumbers(limit)?.[0] : undefined;
  return {
    body,
    carried: carriedOf(node, body, states, { input: 2, inner: 2, output: 1 }),
    inputs: [],
    outputs: body.outputs.slice(1 + states).map((slice, i) => ({
      whole: node.outputs[states + i],
      slice,
      axis: 0,
      isReversed: false,
    })),
    count,
    mayBeNone: count === undefined || count < 1,
  };
};

/** That a node and its body have inputs and outputs for each other. */
function demand(node: Node, ...conditions: readonly boolean[]): void {
  const given = node.inputs.slice(node.op === "Loop" ? 2 : 0);
  if (conditions.every((holds) => holds) && given.every((input) => input !== undefined)) return;
  badNode(node, "has inputs or outputs that its body has no place for, or the other way round");
}

const handedOn = (value: Value): Value =>
  value.producer?.op === "Identity" ? handedOn(value.producer.inputs[0]!) : value;

function carriedOf(
  node: Node,
  body: Graph,
  count: number,
  from: { readonly input: number; readonly inner: number; readonly output: number },
): readonly Carried[] {
  return Array.from({ length: count }, (_, i) => ({
    initial: node.inputs[from.input + i]!,
    before: body.inputs[from.inner + i]!,
    after: body.outputs[from.output + i]!,
    final: node.outputs[i],
  }));
}
