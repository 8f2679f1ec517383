import { z } from "zod";
import { DiapasonError } from "../../base/errors.ts";
import { range } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import type { Architecture } from "../architecture.ts";
import { type ActivationName, activationName } from "./activations.ts";
import { count, headSize, layerCount } from "./config-fields.ts";
import {
  causalAttention,
  type DecoderInputs,
  decoderInputs,
  type RotaryTable,
  rotaryTable,
  rotated,
} from "./decoder.ts";
import { decoderHeads } from "./decoder-heads.ts";
import { type Network, numberAt } from "./network.ts";
import { type Rope, type RopeConfig, ropeFields } from "./rope.ts";

/** Fields that every config of the family has, with LLaMA's defaults. */
export const gatedFields = {
  ...ropeFields,
  vocab_size: count.default(32000),
  hidden_size: count.default(4096),
  intermediate_size: count.default(11008),
  num_hidden_layers: layerCount.default(32),
  num_attention_heads: count.default(32),
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  hidden_act: activationName.default("silu"),
  rms_norm_eps: z.number().positive().default(1e-6),
  tie_word_embeddings: z.boolean().default(false),
};

export const layerTypes = z.array(z.enum(["full_attention", "sliding_attention"])).nullish();

/**
 * Whether a layer looks back over a window, where the config lists its layers; undefined where it does not.
 * @throws models/bad-config where the list is not one for each layer
 */
export function isListedSliding(
  c: {
    readonly layer_types?: readonly string[] | null | undefined;
    readonly num_hidden_layers: number;
  },
  i: number,
): boolean | undefined {
  const { layer_types: types, num_hidden_layers: layers } = c;
  if (!types) return undefined;
  if (types.length === layers) return types[i] === "sliding_attention";
  throw new DiapasonError(
    "models/bad-config",
    `config.json has ${types.length} layer_types for ${layers} layers.`,
    "Check that config.json is the model's own.",
  );
}

/** What every config of the family says, whatever its fields are called. */
export interface GatedConfig extends RopeConfig {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads?: number | null | undefined;
  readonly head_dim?: number | null | undefined;
  readonly rms_norm_eps: number;
  readonly tie_word_embeddings: boolean;
}

/** How a layer attends. */
export interface GatedLayer {
  /** Tokens that it looks back over, itself included; undefined: all. */
  readonly window?: number | undefined;
  readonly rope: Rope;
}

/** In what the decoders of this family differ. */
export interface GatedRow<C extends GatedConfig> {
  readonly modelTypes: readonly string[];
  /** Start of transformers' class names: "Llama". */
  readonly className: string;
  /** transformers' class of the body, where it is not `className` with "Model". */
  readonly bodyName?: string;
  /** Start of the class names of its other heads, where that is not `className`. */
  readonly headsName?: string;
  readonly config: z.ZodType<C>;
  readonly activation: (c: C) => ActivationName;
  /** Biases of the projections of queries, keys and values, of the output of attention, and of the gated units. */
  readonly biases: (c: C) => { readonly qkv: boolean; readonly output: boolean; readonly units: boolean };
  readonly layer: (c: C, i: number) => GatedLayer;
  /** Queries, keys and values, and gate and units, are one matrix each. */
  readonly isFused?: boolean;
  /** Scales of normalisations are stored less 1. */
  readonly isScaledFromOne?: boolean;
  /** Whether texts are read both ways. */
  readonly isBidirectional?: (c: C) => boolean;
  /** A config may have a part of each head stay as it is, whatever its place. */
  readonly turnsParts?: true;
  /** Where attention and the gated units are normalised: what they read (default), also what they give, or that alone. */
  readonly normalizes?: "before" | "around" | "after";
  /** Queries and keys are normalised: each head, or all heads of a token at once. */
  readonly normalizesQueries?: "heads" | "whole";
  /** What embeddings are multiplied by. */
  readonly embeddingScale?: (c: C) => number;
  /** What scores are multiplied by. */
  readonly scoreScale?: (c: C) => number;
  /** Bounds of the scores of attention and of the logits, kept by hyperbolic tangents. */
  readonly caps?: (c: C) => {
    readonly scores?: number | null | undefined;
    readonly logits?: number | null | undefined;
  };
  /** Heads beside the language model's. */
  readonly heads: readonly ("sequence-classification" | "token-classification")[];
}

/** Pre-norm decoders with rotary positions, gated units and grouped keys: LLaMA and its kin. Source: Touvron et al. 2023. */
export function gatedDecoder<C extends GatedConfig>(row: GatedRow<C>): Architecture<C> {
  const stem = row.headsName ?? row.className;
  return {
    modelTypes: row.modelTypes,
    config: row.config,
    prefix: "model",
    blocks: (c) => ["embed_tokens", ...range(c.num_hidden_layers).map((i) => `layers.${i}`)],
    heads: decoderHeads<C>({
      classStem: row.className,
      classNames: {
        ...(row.bodyName && { features: row.bodyName }),
        "sequence-classification": `${stem}ForSequenceClassification`,
        "token-classification": `${stem}ForTokenClassification`,
      },
      prefix: "model",
      decoded: (m, c) => decoded(m, c, row),
      wordTable: (c) => (c.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight"),
      words(c) {
        if (!row.isBidirectional?.(c)) return c.vocab_size;
        throw new DiapasonError(
          "models/bad-config",
          "config.json says use_bidirectional_attention = true: such a network reads a text both ways and cannot write one.",
          "Choose a task of whole texts, such as sentence-similarity.",
        );
      },
      afterWords(m, c, logits) {
        const cap = row.caps?.(c).logits;
        return cap ? m.g.mul(m.g.op("Tanh", [m.g.mul(logits, 1 / cap)]), cap) : logits;
      },
      classifiers: Object.fromEntries(row.heads.map((kind) => [kind, "score"])),
    }),
  };
}

/** Hidden states after the last normalisation, [batch, tokens, width]. */
function decoded<C extends GatedConfig>(m: Network, c: C, row: GatedRow<C>): Value {
  const inputs = decoderInputs(m, { isBidirectional: row.isBidirectional?.(c) ?? false });
  const tables = new Map<string, RotaryTable>();
  const windows = new Map<number, Value>();
  const size = c.head_dim ?? headSize(c.hidden_size, c.num_attention_heads);
  const tableOf = ({ rope }: GatedLayer): RotaryTable => {
    const turned = 2 * rope.frequencies.length;
    if (turned !== size && !row.turnsParts)
      throw new DiapasonError(
        "models/bad-config",
        `config.json turns ${turned} of the ${size} elements of a head by its place (partial_rotary_factor); networks of type "${row.modelTypes[0]}" turn all of them.`,
        "Check that config.json is the model's own.",
      );
    const key = JSON.stringify(rope);
    const known = tables.get(key) ?? rotaryTable(m, inputs, rope);
    tables.set(key, known);
    return known;
  };
  const biasOf = ({ window }: GatedLayer): Value => {
    if (window === undefined) return inputs.bias;
    const known = windows.get(window) ?? inputs.biasWithin(window);
    windows.set(window, known);
    return known;
  };
  const words = m.embedding("embed_tokens", inputs.ids, c.vocab_size, c.hidden_size);
  let x = row.embeddingScale ? m.g.mul(words, row.embeddingScale(c)) : words;
  for (const i of range(c.num_hidden_layers)) {
    const own = row.layer(c, i);
    x = layer(m.at(`layers.${i}`), c, row, x, { inputs, table: tableOf(own), bias: biasOf(own), i });
  }
  return norm(m, "norm", x, c, row);
}

interface LayerInputs {
  readonly inputs: DecoderInputs;
  readonly table: RotaryTable;
  readonly bias: Value;
  readonly i: number;
}

const norm = <C extends GatedConfig>(m: Network, name: string, x: Value, c: C, row: GatedRow<C>): Value =>
  m.rmsNorm(name, x, c.rms_norm_eps, { isScaledFromOne: row.isScaledFromOne ?? false });

function layer<C extends GatedConfig>(m: Network, c: C, row: GatedRow<C>, x: Value, own: LayerInputs): Value {
  const { normalizes = "before" } = row;
  const names = normNames[normalizes];
  const normed = (name: string | undefined, value: Value) =>
    name === undefined ? value : norm(m, name, value, c, row);
  const attended = attention(m.at("self_attn"), c, row, normed(names.attention, x), own);
  const after = m.g.add(x, normed(names.attended, attended));
  const inner = units(m.at("mlp"), c, row, normed(names.units, after));
  return m.g.add(after, normed(names.gated, inner));
}

/** What the normalisations of a layer are called: of what attention and the gated units read, and of what they give. */
const normNames = {
  before: {
    attention: "input_layernorm",
    attended: undefined,
    units: "post_attention_layernorm",
    gated: undefined,
  },
  around: {
    attention: "input_layernorm",
    attended: "post_attention_layernorm",
    units: "pre_feedforward_layernorm",
    gated: "post_feedforward_layernorm",
  },
  after: {
    attention: undefined,
    attended: "post_attention_layernorm",
    units: undefined,
    gated: "post_feedforward_layernorm",
  },
} as const;

function attention<C extends GatedConfig>(
  m: Network,
  c: C,
  row: GatedRow<C>,
  x: Value,
  { table, bias, i }: LayerInputs,
): Value {
  const heads = c.num_attention_heads;
  const keyHeads = c.num_key_value_heads ?? heads;
  const size = c.head_dim ?? headSize(c.hidden_size, heads);
  const biases = row.biases(c);
  const widths = [heads, keyHeads, keyHeads].map((n) => n * size) as [number, number, number];
  const [q, k, v] = row.isFused
    ? parts(m, m.linear("qkv_proj", x, widths[0] + 2 * widths[1], { bias: biases.qkv }), widths)
    : ["q_proj", "k_proj", "v_proj"].map((name, n) => m.linear(name, x, widths[n]!, { bias: biases.qkv }));
  const normed = (when: GatedRow<C>["normalizesQueries"], name: string, value: Value) =>
    row.normalizesQueries === when ? norm(m, name, value, c, row) : value;
  const scale = row.scoreScale?.(c);
  const cap = row.caps?.(c).scores;
  const y = causalAttention(
    m,
    { q: normed("whole", "q_norm", q!), k: normed("whole", "k_norm", k!), v: v! },
    {
      layer: i,
      heads,
      keyHeads,
      bias,
      ...(scale !== undefined && { scale }),
      ...(cap && { softcap: cap }),
      prepare: (split, role) =>
        rotated(m, normed("heads", role === "query" ? "q_norm" : "k_norm", split), table),
    },
  );
  return m.linear("o_proj", y, c.hidden_size, { bias: biases.output });
}

function units<C extends GatedConfig>(m: Network, c: C, row: GatedRow<C>, x: Value): Value {
  const { units: bias } = row.biases(c);
  const wide = c.intermediate_size;
  const [gate, up] = row.isFused
    ? parts(m, m.linear("gate_up_proj", x, 2 * wide, { bias }), [wide, wide])
    : ["gate_proj", "up_proj"].map((name) => m.linear(name, x, wide, { bias }));
  const gated = m.g.mul(m.activation(row.activation(c), gate!), up!);
  return m.linear("down_proj", gated, c.hidden_size, { bias });
}

/** Columns of a value, one part after the other. */
function parts({ g }: Network, x: Value, widths: readonly number[]): Value[] {
  const end = numberAt(x, -1);
  let from = 0;
  return widths.map((width) => {
    const start = from;
    from += width;
    return width === end ? x : g.slice(x, [2], [start], [from]);
  });
}
