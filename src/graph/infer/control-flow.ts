import { DiapasonError } from "../../base/errors.ts";
import type { Dim, Shape } from "../dim.ts";
import { symbolsOf } from "../dim.ts";
import { forgetShapes, inferShapes } from "../infer.ts";
import { bodyOf, type Graph, readsOf, type Value } from "../ir.ts";
import { loopSteps, type Steps, scanSteps } from "../steps.ts";
import { knownNumbers } from "./known-dims.ts";
import type { Ask, Found, OpenShape, ShapeRule } from "./rule.ts";

/** Both branches must agree on what is told, unless the condition is known. */
const either: ShapeRule<"If"> = (ask) => {
  const bodies = ["then_branch", "else_branch"].map((key) => bodyOf(ask.node, key));
  // A branch whose shapes contradict each other is there for inputs of another rank, and is not taken: the other one tells.
  const fitting = bodies.filter(canBe);
  const condition = knownNumbers(ask.inputs[0])?.[0];
  const possible = condition === undefined ? fitting : [bodies[condition !== 0 ? 0 : 1]!];
  const outside = symbolsAround(ask);
  const [first, second] = [possible[0] ?? bodies[0]!, possible.at(-1) ?? bodies[1]!].map(
    ({ outputs }) => outputs,
  );
  return first!.map((output, i): Found => {
    const other = second![i];
    const isSame = other?.shape?.length === output.shape?.length;
    const shape = output.shape?.map((dim, axis) => (other?.shape?.[axis] === dim ? outside(dim) : undefined));
    return { dtype: output.dtype ?? other?.dtype, shape: isSame ? shape : undefined };
  });
};

/** Infers the shapes of a body; false where they contradict each other, and then nothing of them is known. */
function canBe(body: Graph): boolean {
  try {
    inferShapes(body);
    return true;
  } catch (error) {
    if (!(error instanceof DiapasonError) || error.code !== "graph/shape-mismatch") throw error;
    forgetShapes(body);
    return false;
  }
}

const loop: ShapeRule<"Loop"> = (ask) => {
  const steps = loopSteps(ask.node);
  const [turn, condition] = steps.body.inputs;
  for (const [value, dtype] of [
    [turn!, "int64"],
    [condition!, "bool"],
  ] as const)
    Object.assign(value, { dtype, shape: inTurn(value) });
  enter(steps);
  // what a turn does not keep of a state's shape is unknown from its first one on
  if (steps.carried.map(loosen).some((isLoosened) => isLoosened)) inferShapes(steps.body);
  return left(ask, steps, steps.count);
};

/** The shape of what a Loop itself hands to its body: one number, as a list of one where the body says so (tf2onnx does). */
const inTurn = ({ shape }: Value): Shape => (shape?.length === 1 ? [1] : []);

const scan: ShapeRule<"Scan"> = (ask) => {
  const steps = scanSteps(ask.node);
  let count: Dim | undefined;
  for (const { whole, slice, axis } of steps.inputs) {
    const at = axis < 0 ? axis + (whole.shape?.length ?? 0) : axis;
    const size = whole.shape?.[at];
    if (count === undefined || typeof size === "number") count = size;
    slice.dtype = whole.dtype ?? slice.dtype;
    slice.shape = whole.shape?.filter((_, i) => i !== at) ?? slice.shape;
  }
  enter(steps);
  return left(ask, steps, count);
};

/** States start in the shape of their initial values. */
function enter({ body, carried }: Steps): void {
  for (const { initial, before } of carried) {
    before.dtype = initial.dtype ?? before.dtype;
    before.shape = initial.shape ?? before.shape;
  }
  inferShapes(body);
}

/** What is known after so many steps. */
function left(ask: Ask, { carried, outputs }: Steps, count: Dim | undefined): readonly Found[] {
  const outside = symbolsAround(ask);
  const found = ({ dtype, shape }: Value): Found => ({ dtype, shape: shape?.map(outside) });
  return [
    ...carried.map(({ before }) => found(before)),
    ...outputs.map(({ slice, axis }): Found => {
      const shape: OpenShape | undefined = slice.shape?.map(outside);
      const at = axis < 0 ? axis + (shape?.length ?? 0) + 1 : axis;
      return { dtype: slice.dtype, shape: shape?.toSpliced(at, 0, count) };
    }),
  ];
}

/** Forgets the sizes of a state that a step does not keep. */
function loosen({ before, after }: Steps["carried"][number]): boolean {
  const [is, becomes] = [before.shape, after.shape];
  if (!is || !becomes || is.join() === becomes.join()) return false;
  before.shape = is.length === becomes.length ? is.map((dim, i) => kept(dim, becomes, i)) : undefined;
  return true;
}

const kept = (dim: Dim, after: Shape, axis: number): Dim => (dim === after[axis] ? dim : `d${axis}?`);

/** Lets sizes out of a body whose symbols are known around it: others are new in each run of the body. */
function symbolsAround(ask: Ask): (dim: Dim) => Dim | undefined {
  const known = new Set<string>();
  for (const value of readsOf(ask.node))
    for (const dim of value.shape ?? []) for (const symbol of symbolsOf(dim)) known.add(symbol);
  return (dim) => (symbolsOf(dim).every((symbol) => known.has(symbol)) ? dim : undefined);
}

export const controlFlow = { If: either, Loop: loop, Scan: scan } as const;
