import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import type { OpName } from "../../src/graph/schemas.ts";
import { type CaseOptions, type GradCase, grad } from "./grad-case.ts";

const gates = { RNN: 1, GRU: 3, LSTM: 4 } as const;
type Op = keyof typeof gates;

interface LayerOptions extends CaseOptions {
  readonly tokens?: number;
  readonly batch?: number;
  readonly bias?: boolean;
  readonly initial?: boolean;
  readonly peepholes?: boolean;
  /** Lengths of the sequences. */
  readonly lengths?: readonly number[];
  readonly attributes?: { readonly [key: string]: number | string | readonly number[] | readonly string[] };
  /** Outputs of the layer that the loss reads; all by default. */
  readonly reads?: readonly number[];
}

const width = 3;
const hidden = 2;

/** A layer of which every input that may move does. */
function layer(op: Op, options: LayerOptions = {}): GradCase {
  const { tokens = 3, batch = 2, bias = true, initial = false, peepholes = false, lengths } = options;
  const { attributes = {}, reads, ...others } = options;
  const directions = attributes["direction"] === "bidirectional" ? 2 : 1;
  const rows = gates[op] * hidden;
  const isBatchFirst = attributes["layout"] === 1;
  const state = isBatchFirst ? `${batch}x${directions}x${hidden}` : `${directions}x${batch}x${hidden}`;
  const states = op === "LSTM" ? 2 : 1;
  const shapes = [
    isBatchFirst ? `${batch}x${tokens}x${width}` : `${tokens}x${batch}x${width}`,
    `${directions}x${rows}x${width}`,
    `${directions}x${rows}x${hidden}`,
    ...(bias ? [`${directions}x${2 * rows}`] : []),
    ...(initial ? new Array<string>(states).fill(state) : []),
    ...(peepholes ? [`${directions}x${3 * hidden}`] : []),
  ];
  const build = (g: GraphBuilder, ...moving: Value[]) => {
    const given = [...moving];
    const next = (isThere: boolean) => (isThere ? given.shift() : undefined);
    const [x, w, r] = [next(true), next(true), next(true)];
    const b = next(bias);
    const sizes = lengths && g.constant(lengths, "int32");
    const before = [next(initial), next(initial && states === 2)];
    const inputs = [x, w, r, b, sizes, ...before.slice(0, states), ...(peepholes ? [next(true)] : [])];
    while (inputs.at(-1) === undefined) inputs.pop();
    const names = ["y", "y_h", "y_c"].slice(0, states + 1);
    const { outputs } = g.node(op as OpName, inputs, { hidden_size: hidden, ...attributes }, names);
    return outputs.filter((_, i) => reads?.includes(i) ?? true) as Value[];
  };
  return { ...grad(shapes.join(", "), build, { within: [-1, 1] }), ...others };
}

const ofEach = (op: Op): { readonly [title: string]: GradCase } => ({
  [`${op}`]: layer(op),
  [`${op} without biases, one token, one sequence`]: layer(op, { bias: false, tokens: 1, batch: 1 }),
  [`${op} from given states, short sequences`]: layer(op, { initial: true, lengths: [3, 1] }),
  [`${op} reversed, short sequences`]: layer(op, {
    initial: true,
    lengths: [1, 3],
    attributes: { direction: "reverse" },
  }),
  [`${op} both ways`]: layer(op, { initial: true, attributes: { direction: "bidirectional" } }),
  [`${op} both ways, short sequences`]: layer(op, {
    batch: 3,
    lengths: [2, 3, 1],
    attributes: { direction: "bidirectional" },
  }),
  [`${op}, whole sequences`]: layer(op, { lengths: [3, 3] }),
  [`${op}, the last state alone`]: layer(op, { reads: [1] }),
  [`${op}, the outputs alone`]: layer(op, { reads: [0], initial: true }),
  [`${op}, batch first`]: layer(op, { initial: true, attributes: { layout: 1 } }),
  [`${op}, clipped`]: layer(op, { attributes: { clip: 0.5 } }),
  [`${op}, sizes unknown`]: layer(op, { symbolic: true, initial: true }),
  [`${op}, the recurrent weights alone`]: layer(op, { of: [2] }),
  [`${op}, the input alone`]: layer(op, { of: [0] }),
});

export const recurrent: { readonly [title: string]: GradCase } = {
  ...ofEach("RNN"),
  ...ofEach("GRU"),
  ...ofEach("LSTM"),
  "LSTM with peepholes": layer("LSTM", { peepholes: true, initial: true }),
  "LSTM with peepholes, both ways, clipped": layer("LSTM", {
    peepholes: true,
    attributes: { direction: "bidirectional", clip: 0.75 },
  }),
  "LSTM whose input gate forgets": layer("LSTM", { peepholes: true, attributes: { input_forget: 1 } }),
  "LSTM, the last cell alone": layer("LSTM", { reads: [2] }),
  "LSTM with other activations": layer("LSTM", {
    attributes: {
      activations: ["HardSigmoid", "Softsign", "Elu"],
      activation_alpha: [0.25, 0.75],
      activation_beta: [0.375],
    },
  }),
  "GRU that resets after the product": layer("GRU", {
    initial: true,
    attributes: { linear_before_reset: 1 },
  }),
  "GRU that resets after the product, both ways": layer("GRU", {
    lengths: [3, 2],
    attributes: { linear_before_reset: 1, direction: "bidirectional" },
  }),
  "GRU that resets after the product, without biases": layer("GRU", {
    bias: false,
    attributes: { linear_before_reset: 1 },
  }),
  "GRU with other activations each way": layer("GRU", {
    attributes: {
      direction: "bidirectional",
      activations: ["Sigmoid", "ScaledTanh", "HardSigmoid", "Softplus"],
      activation_alpha: [0.75, 0.125],
      activation_beta: [1.5, 0.625],
    },
  }),
  "RNN, affine": layer("RNN", {
    attributes: { activations: ["Affine"], activation_alpha: [0.5], activation_beta: [0.25] },
  }),
  "RNN, leaky": layer("RNN", { attributes: { activations: ["LeakyRelu"], activation_alpha: [0.25] } }),
};
