import { float32, type Tensor } from "../../graph/tensor.ts";
import { transpose } from "../checkpoint.ts";
import { type AdaptedLayer, type AdaptedModel, type ArraysByName, currentOf, transposed } from "./adapted.ts";
import type { Layer } from "./layers.ts";
import { pairOf } from "./low-rank.ts";
import { adapterMethods } from "./methods.ts";
import { toldAs } from "./module-names.ts";
import { tiedTable, untied } from "./untied.ts";

/** What stands before every name in PEFT's file. */
export const peftPrefix = "base_model.model.";

/** What PEFT's two files hold of an adapter. */
export interface PeftFiles {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** The kind of task that PEFT's config names, by what a network gives. */
const taskTypes: { readonly [head: string]: string } = {
  "sequence-classification": "SEQ_CLS",
  "token-classification": "TOKEN_CLS",
  "causal-lm": "CAUSAL_LM",
  features: "FEATURE_EXTRACTION",
};

/**
 * An adapter as PEFT writes it; undefined for a method that PEFT does not have.
 *
 * PiSSA becomes a plain LoRA of twice the rank: what the pair has become, less what it was, which fits the untouched base.
 * `values`: what training made of the parameters. `baseName`: where the base model is found.
 */
export function peftFiles(
  model: AdaptedModel,
  values: ArraysByName,
  baseName: string,
): PeftFiles | undefined {
  const { adapter } = model;
  const { peft } = adapterMethods[adapter.method];
  if (!peft) return undefined;
  const tensors = new Map<string, Tensor>();
  const told = toldAs(model);
  for (const layer of adapter.layers)
    for (const [key, tensor] of tensorsOf(model, layer, values))
      tensors.set(`${peftPrefix}${told(key)}`, tensor);
  // PEFT wraps an adapted layer, whose bias lies a level deeper then
  const wrapped = new Map(
    adapter.layers.map(({ layer }) => [layer.bias?.name, `${layer.module}.base_layer.bias`]),
  );
  const biases = adapter.biases.map((name) => [wrapped.get(name) ?? name, name] as const);
  for (const [written, name] of [...savedOf(model), ...biases]) {
    const held = float32(model.graph.get(name).constant!.dims, currentOf(model, name, values));
    const key = `${peftPrefix}${told(written)}`;
    tensors.set(key, model.transposed.has(name) ? transpose(held) : held);
  }
  return {
    config: { ...common(model, baseName, peft.type), ...configs[peft.type](model, peft.flags) },
    tensors,
  };
}

function* tensorsOf(
  model: AdaptedModel,
  adapted: AdaptedLayer,
  values: ArraysByName,
): Generator<readonly [string, Tensor]> {
  const { takenOut, tensors, rank, layer } = adapted;
  const of = (name: string) => currentOf(model, name, values);
  if (takenOut) {
    const { a, b } = pairOf(adapted, of);
    const both = new Float32Array(2 * a.length);
    both.set(a);
    both.set(takenOut.a, a.length);
    const sides = new Float32Array(2 * b.length);
    for (let o = 0; o < layer.outSize; o++)
      for (let k = 0; k < rank; k++) {
        sides[2 * rank * o + k] = b[rank * o + k]!;
        sides[2 * rank * o + rank + k] = -takenOut.b[rank * o + k]!;
      }
    yield [tensors[0]!.key, float32([2 * rank, layer.inSize], both)];
    yield [tensors[1]!.key, float32([layer.outSize, 2 * rank], sides)];
    return;
  }
  for (const { parameter, key, dims, isTransposed } of tensors) {
    const held = of(parameter);
    yield [key, float32(dims, isTransposed ? transposed(held, dims[1]!, dims[0]!) : held)];
  }
}

function common(model: AdaptedModel, baseName: string, type: string): Record<string, unknown> {
  const { layers, spared, base } = model.adapter;
  const told = toldAs(model);
  const pathsOf = (list: readonly AdaptedLayer[]) => list.map(({ layer }) => told(layer.module));
  const own = pathsOf(layers.filter(({ isFeedforward }) => !isFeedforward));
  const scaled = pathsOf(layers.filter(({ isFeedforward }) => isFeedforward));
  const names = base.parameters.map(({ name }) => told(name));
  // PEFT looks at every module, those that hold others too
  const adapted = new Set([...own, ...scaled]);
  const others = [...spared.map(told), ...holdersOf(names)].filter((path) => !adapted.has(path));
  const feedforward = endsOf(scaled, [...others, ...own]);
  const saved = [...savedOf(model)].map(([written]) => told(written));
  const modules = wholeModules(saved, names);
  return {
    peft_type: type,
    task_type: taskTypes[model.network?.head ?? ""] ?? null,
    auto_mapping: null,
    base_model_name_or_path: baseName,
    revision: null,
    inference_mode: true,
    target_modules: [...new Set([...endsOf(own, others), ...feedforward])],
    ...(type === "IA3" && { feedforward_modules: feedforward }),
    exclude_modules: null,
    modules_to_save: modules.length > 0 ? modules : null,
    fan_in_fan_out: layers.some(({ layer }) => isStoredInFirst(model, layer)),
    peft_version: "0.21.0",
  };
}

const configs: {
  readonly [T in "LORA" | "IA3"]: (
    model: AdaptedModel,
    flags: Readonly<Record<string, boolean>>,
  ) => Record<string, unknown>;
} = {
  LORA(model, flags) {
    const { adapter } = model;
    const told = toldAs(model);
    const { rank, alpha, dropout, bias, layers, isRankStabilized } = adapter;
    const factor = layers.some(({ takenOut }) => takenOut) ? 2 : 1;
    // of a rank as many times as large the scale stays what it was
    const ofAlpha = isRankStabilized ? Math.sqrt(factor) : factor;
    const ranks = layers
      .filter((layer) => layer.rank !== rank)
      .map((l) => [told(l.layer.module), l.rank * factor]);
    const alphas = layers
      .filter((layer) => layer.alpha !== alpha)
      .map((l) => [told(l.layer.module), l.alpha * ofAlpha]);
    return {
      r: rank * factor,
      lora_alpha: alpha * ofAlpha,
      lora_dropout: dropout,
      bias,
      init_lora_weights: true,
      rank_pattern: Object.fromEntries(ranks),
      alpha_pattern: Object.fromEntries(alphas),
      layers_to_transform: null,
      layers_pattern: null,
      use_rslora: isRankStabilized,
      ...flags,
    };
  },
  IA3: () => ({ init_ia3_weights: true }),
};

/** Whether a checkpoint has a layer's weight [in, out], as transformers' Conv1D does. */
const isStoredInFirst = (
  { transposed: turned, network }: AdaptedModel,
  { kind, weight, isOutFirst }: Layer,
) => network !== undefined && kind === "linear" && isOutFirst === turned.has(weight.name);

/** Every module that a parameter is in, at any depth. */
const holdersOf = (parameters: readonly string[]): ReadonlySet<string> =>
  new Set(
    parameters.flatMap((name) => {
      const words = name.split(".");
      return words.slice(1).map((_, i) => words.slice(0, i + 1).join("."));
    }),
  );

/**
 * What is tuned as a whole, as names in the file and in the model: a table of words that makes the logits too is written as both,
 * since PEFT takes the two apart.
 */
function* savedOf({
  adapter: { saved, statistics, base },
}: AdaptedModel): Generator<readonly [string, string]> {
  const tied = saved.length > 0 ? tiedTable(base)?.weight.name : undefined;
  for (const name of saved) {
    yield [name, name];
    const apart = name === tied ? untied(base) : undefined;
    if (apart) yield [apart.own, name];
  }
  for (const name of statistics) yield [name, name];
}

/**
 * The outermost modules of which every parameter is among `saved`: PEFT takes a classifier of two layers as one module, and
 * names it itself.
 */
export function wholeModules(saved: readonly string[], all: readonly string[]): readonly string[] {
  const isSaved = new Set(saved);
  const modules = saved.map((name) => {
    const words = name.split(".");
    const outer = words
      .slice(0, -1)
      .map((_, i) => words.slice(0, i + 1).join("."))
      .find((path) => all.every((one) => isSaved.has(one) || !one.startsWith(`${path}.`)));
    return outer ?? name;
  });
  return [...new Set(modules)];
}

/** The shortest ends of some paths, in whole words, that are not the end of any other path. */
export function endsOf(modules: readonly string[], others: readonly string[]): readonly string[] {
  const isEnd = (end: string) => (path: string) => path === end || path.endsWith(`.${end}`);
  const ends = modules.map((module) => {
    const words = module.split(".");
    for (let from = words.length - 1; from > 0; from--) {
      const end = words.slice(from).join(".");
      if (!/^\d+$/.test(end) && !others.some(isEnd(end))) return end;
    }
    return module;
  });
  return [...new Set(ends)].filter((end) => !ends.some((other) => other !== end && isEnd(other)(end)));
}
