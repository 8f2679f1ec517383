import { bug, DiapasonError, nearest } from "../../base/errors.ts";
import type { Graph } from "../../graph/ir.ts";
import { removeDead } from "../../graph/passes/remove-dead.ts";
import { sizeOf, type Tensor } from "../../graph/tensor.ts";
import type { Architecture, Head, HeadKind } from "../architecture.ts";
import { architectureOf, knownModelTypes } from "../architectures/table.ts";
import { classCount, labelsOf, type ModelConfig, withLabels } from "../config.ts";
import type { Block, Model, Parameter } from "../model.ts";
import { type DropoutShares, evenShares } from "./dropout-shares.ts";
import { Network, type NetworkOptions } from "./network.ts";
import { networkWeights } from "./network-weights.ts";

export interface BuildOptions extends Omit<NetworkOptions, "classes" | "dropout"> {
  /** Hugging Face's config.json. */
  readonly config: ModelConfig;
  /** The checkpoint's tensors by name; undefined for a network that begins fresh. */
  readonly tensors: ReadonlyMap<string, Tensor> | undefined;
  /** Where they come from, for messages. */
  readonly source: string;
  /** What the network is to give. Default: what the config says it was made for. */
  readonly head?: HeadKind | undefined;
  /** Classes of a classifier. Where they are given the head is new, unless the config has the same ones. */
  readonly labels?: readonly string[] | undefined;
  /** For fresh weights. */
  readonly seed: number;
  /** What training leaves out: as much as the config says, or this share in every place. Default: nothing. */
  readonly dropout?: number | "config" | undefined;
}

/** Weights that no network reads: tables that older versions stored, copies of tied weights, and biases that others replaced. */
const neverRead =
  /position_ids$|inv_freq$|^lm_head\.weight$|decoder\.(?:weight|bias)$|(?:predictions|lm_head)\.bias$/;

/** Counters of BatchNormalization's training, which every class of transformers with that layer has. */
const counters = /num_batches_tracked$/;

/**
 * The network of a config.json over the weights of a checkpoint, with shapes, blocks and parameters.
 *
 * Nothing is copied: a weight of float32 stays where the checkpoint has it.
 * @throws models/unknown-architecture, models/no-such-head, models/bad-config, models/missing-weight,
 * models/weight-shape, models/weight-type, models/no-dropout
 */
export function buildNetwork(options: BuildOptions): Model {
  const { config, tensors, source, seed } = options;
  const architecture = findArchitecture(config, source);
  const kind = options.head ?? headOf(architecture, config);
  const head = architecture.heads[kind];
  if (!head)
    throw new DiapasonError(
      "models/no-such-head",
      `Networks of type "${config["model_type"]}" have no head for ${kind}; they have one for ${Object.keys(architecture.heads).join(", ")}.`,
      "Choose another task, or a model of another type.",
    );
  const className = namedClass(head, config) ?? head.className;
  const parsed = parseArchitectureConfig(architecture, config, source);
  const known = labelsOf(config, source) ?? placeholders(config, source);
  const isClassifier = kind.endsWith("classification");
  const labels = options.labels ?? known;
  const isNew = options.labels !== undefined && known.join("\n") !== options.labels.join("\n");
  const weights = networkWeights({
    tensors,
    source,
    prefix: architecture.prefix,
    bare: kind === "features",
    newClasses: isNew ? labels.length : undefined,
    seed,
    deviation: typeof config["initializer_range"] === "number" ? config["initializer_range"] : 0.02,
    ...(architecture.renames && { renames: architecture.renames }),
    ...(architecture.optional && { optional: architecture.optional }),
  });
  const dropout = sharesOf(options, architecture.dropout?.(parsed, kind), source);
  const m = Network.start(`${config["model_type"]}`, weights, {
    ...options,
    dropout,
    classes: labels.length,
  });
  head.build(m, parsed);
  removeDead(m.graph);
  const kept = new Map([counters, architecture.kept ?? /(?!)/].flatMap((names) => [...weights.keep(names)]));
  const unused = weights.unused();
  refuseMoreLayers(unused, { architecture, blocks: architecture.blocks(parsed), source });
  const notes = notesOn(weights.fresh, unused, tensors !== undefined);
  return {
    ...describeNetwork(m.graph, architecture, parsed, kind),
    labels: isClassifier ? labels : undefined,
    transposed: new Set(),
    notes,
    config: { ...(isClassifier ? withLabels(config, labels) : config), architectures: [className] },
    source,
    network: {
      architecture,
      head: kind,
      className,
      fresh: weights.fresh,
      imageSize: options.imageSize,
      kept,
      dropout: m.dropout,
    },
  };
}

/**
 * Refuses a checkpoint with weights of layers beyond those of its config: a network cut short gives other answers than
 * the one that was trained. `blocks`: paths of the body's parts.
 * @throws models/bad-config
 */
function refuseMoreLayers(
  unused: readonly string[],
  {
    architecture: { prefix },
    blocks,
    source,
  }: { readonly architecture: Architecture; readonly blocks: readonly string[]; readonly source: string },
): void {
  const body = prefix === "" ? "" : `${prefix}.`;
  const stems = new Set(blocks.flatMap((path) => /^(.*\.)\d+$/.exec(path)?.[1] ?? []));
  for (const stem of stems) {
    const has = blocks.filter((path) => path.startsWith(stem)).length;
    for (const name of unused) {
      const path = [body + stem, stem].find((start) => name.startsWith(start));
      const layer = path === undefined ? undefined : /^\d+\./.exec(name.slice(path.length))?.[0];
      if (layer === undefined || Number.parseInt(layer, 10) < has) continue;
      throw new DiapasonError(
        "models/bad-config",
        `config.json of ${source} makes ${has} layer${has === 1 ? "" : "s"} of "${stem.slice(0, -1)}", and the checkpoint has more: "${name}".`,
        "Give config.json the number of layers that the checkpoint has, or take the layers beyond it out.",
      );
    }
  }
}

/** What training is to leave out. `own`: what the config says, undefined where the architecture drops nothing. */
function sharesOf(
  { dropout = 0, config }: Pick<BuildOptions, "dropout" | "config">,
  own: DropoutShares | undefined,
  source: string,
): DropoutShares | undefined {
  if (dropout === "config") return own;
  if (dropout === 0) return undefined;
  if (own) return evenShares(dropout);
  throw new DiapasonError(
    "models/no-dropout",
    `Dropout of ${dropout} is asked for, and networks of type "${config["model_type"]}" (${source}) are built without it.`,
    "Leave dropout out; encoders of texts, GPT-2 and GPT-NeoX have places for it.",
  );
}

/** What a graph that an architecture built holds: parameters in blocks, by their paths. */
function describeNetwork(
  graph: Graph,
  architecture: Architecture,
  config: object,
  kind: HeadKind,
): Pick<Model, "graph" | "parameters" | "blocks" | "input" | "output"> {
  const stem = kind === "features" || architecture.prefix === "" ? "" : `${architecture.prefix}.`;
  const paths = architecture.blocks(config).map((path) => ({ path, start: `${stem}${path}.` }));
  const groups = new Map<string, { parameters: string[]; buffers: string[] }>();
  for (const name of [...paths.map(({ path }) => path), "head"])
    groups.set(name, { parameters: [], buffers: [] });
  const parameters: Parameter[] = [];
  for (const value of graph.initializers) {
    const { name, constant } = value;
    if (constant?.dtype !== "float32" || !isWeight(name)) continue;
    const path = paths.find(
      ({ path, start }) => name.startsWith(start) || name === stem + path || name.startsWith(`${path}.`),
    )?.path;
    const group = groups.get(path ?? "head")!;
    if (/running_(?:mean|var)$/.test(name)) group.buffers.push(name);
    else {
      group.parameters.push(name);
      parameters.push({ name, value, elements: sizeOf(constant.dims), decays: constant.dims.length > 1 });
    }
  }
  const blocks: Block[] = [...groups]
    .filter(([, { parameters: own }]) => own.length > 0)
    .map(([name, group]) => ({ name, ...group }));
  const input = graph.inputs[0] ?? bug("a network has no input");
  const output = graph.outputs[0] ?? bug("a network has no output");
  return { graph, parameters, blocks, input, output };
}

/** Constants that a builder makes for itself have no path. */
const isWeight = (name: string): boolean => !/^constant(?:_\d+)?$/.test(name);

function findArchitecture(config: ModelConfig, source: string): Architecture {
  const type = config["model_type"];
  const found = typeof type === "string" ? architectureOf(type) : undefined;
  if (found) return found;
  const near = typeof type === "string" ? nearest(type, knownModelTypes) : undefined;
  throw new DiapasonError(
    "models/unknown-architecture",
    `${source} is a model of type ${JSON.stringify(type)}; networks are built for ${knownModelTypes.join(", ")}.`,
    near
      ? `Did its config.json mean "${near}"? Otherwise export the model to ONNX, which needs no architecture.`
      : "Export the model to ONNX and give that file: any graph can be tuned.",
  );
}

/** The head that the config names by its class, else the bare body. */
export function headOf(architecture: Architecture, config: ModelConfig): HeadKind {
  const kinds = Object.entries(architecture.heads) as [HeadKind, ClassNames][];
  return kinds.find(([, head]) => namedClass(head, config))?.[0] ?? "features";
}

type ClassNames = Pick<Head<object>, "className" | "otherClassNames">;

/** The class of transformers that the config names, where it has this head. */
function namedClass(
  { className, otherClassNames = [] }: ClassNames,
  config: ModelConfig,
): string | undefined {
  const names: readonly unknown[] = Array.isArray(config["architectures"]) ? config["architectures"] : [];
  return [className, ...otherClassNames].find((name) => names.includes(name));
}

/**
 * The fields of a config.json that an architecture reads.
 * @throws models/bad-config naming the field
 */
export function parseArchitectureConfig(
  architecture: Architecture,
  config: ModelConfig,
  source: string,
): object {
  const parsed = architecture.config.safeParse(config);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join(".") ?? "";
  const value = issue?.path.reduce<unknown>(
    (at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
    config,
  );
  throw new DiapasonError(
    "models/bad-config",
    `config.json of ${source} has ${value === undefined ? `no ${field}` : `${field} = ${JSON.stringify(value)}`}: ${issue?.message}.`,
    "Check that config.json is the model's own; a variant of the network that this field asks for is not built.",
  );
}

/** As many class names as `num_labels` says; two where nothing does, as in transformers. */
const placeholders = (config: ModelConfig, source: string): readonly string[] =>
  Array.from({ length: classCount(config, source) ?? 2 }, (_, i) => `LABEL_${i}`);

const shown = (names: readonly string[]): string =>
  `${names.slice(0, 4).join(", ")}${names.length > 4 ? ` and ${names.length - 4} more` : ""}`;

const noteOnFresh = (fresh: ReadonlySet<string>): string =>
  `Not in the checkpoint, so they begin fresh: ${shown([...fresh])}.`;

/** The same model, of which some weights that the checkpoint lacked came from elsewhere. */
export function withFound(model: Model, found: ReadonlySet<string>): Model {
  const { network } = model;
  if (!network || ![...network.fresh].some((name) => found.has(name))) return model;
  const fresh = new Set([...network.fresh].filter((name) => !found.has(name)));
  const told = noteOnFresh(network.fresh);
  const notes = model.notes.flatMap((note) =>
    note !== told ? [note] : fresh.size > 0 ? [noteOnFresh(fresh)] : [],
  );
  return { ...model, notes, network: { ...network, fresh } };
}

function notesOn(fresh: ReadonlySet<string>, unused: readonly string[], hasCheckpoint: boolean): string[] {
  if (!hasCheckpoint) return ["The network begins with random weights."];
  const left = unused.filter((name) => !neverRead.test(name));
  return [
    ...(fresh.size > 0 ? [noteOnFresh(fresh)] : []),
    ...(left.length > 0 ? [`Of the checkpoint the task has no use for: ${shown(left)}.`] : []),
  ];
}
