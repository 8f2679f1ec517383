import { DiapasonError } from "../base/errors.ts";
import { staysInside } from "../base/stays-inside.ts";
import { repeatedKey } from "./json-keys.ts";

/** Which file of a folder holds which tensor: the `weight_map` of a checkpoint that lies in several files. */
export interface ShardIndex {
  /** Names of tensors to paths of files, which stay inside the folder; in the index's order. */
  readonly places: ReadonlyMap<string, string>;
  /** What the index says beside that, as text ("total_size"). */
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Reads `model.safetensors.index.json` or `pytorch_model.bin.index.json`.
 *
 * @throws formats/index-damaged, formats/index-outside
 */
export function readShardIndex(text: string): ShardIndex {
  const { weight_map: map, metadata } = parse(text);
  if (!isObject(map)) throw damaged("it has no weight_map");
  const places = new Map<string, string>();
  for (const [name, file] of Object.entries(map)) {
    if (typeof file !== "string" || file === "")
      throw damaged(`its weight_map places the tensor "${name}" in ${JSON.stringify(file)}`);
    if (!staysInside(file))
      throw new DiapasonError(
        "formats/index-outside",
        `The index places the tensor "${name}" in "${file}", which lies outside its folder.`,
        "Use a checkpoint whose files lie beside its index.",
      );
    places.set(name, file);
  }
  if (places.size === 0) throw damaged("its weight_map is empty");
  const said = isObject(metadata) ? Object.entries(metadata) : [];
  return {
    places,
    metadata: new Map(
      said.map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
    ),
  };
}

function parse(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw damaged("it is not JSON", cause);
  }
  if (!isObject(value)) throw damaged("it is not a JSON object");
  const twice = repeatedKey(text);
  if (twice !== undefined) throw damaged(`it has the key "${twice}" twice`);
  return value;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const damaged = (why: string, cause?: unknown): DiapasonError =>
  new DiapasonError(
    "formats/index-damaged",
    `This is not the index of a checkpoint: ${why}.`,
    "Download or save the checkpoint again; its index maps the name of each tensor to a file.",
    cause,
  );

/** How many tensors and bytes a file of a checkpoint takes, and its name. */
export interface Shard<T> {
  readonly file: string;
  readonly tensors: ReadonlyMap<string, T>;
}

/**
 * Splits tensors over files as transformers does: in order, a file is closed when the next tensor would take it over
 * `limitBytes`; a tensor that is larger has a file of its own. What fits in one file is `model.safetensors`, else
 * `model-00001-of-00003.safetensors` and so on.
 * Source: huggingface_hub, split_state_dict_into_shards_factory.
 */
export function shardsOf<T extends { readonly data: { readonly length: number } }>(
  tensors: ReadonlyMap<string, T>,
  limitBytes: number,
): Shard<T>[] {
  const groups: Map<string, T>[] = [];
  let group = new Map<string, T>();
  let filled = 0;
  for (const [name, tensor] of tensors) {
    const { length } = tensor.data;
    if (length > limitBytes) {
      groups.push(new Map([[name, tensor]]));
      continue;
    }
    if (filled + length > limitBytes) {
      groups.push(group);
      group = new Map();
      filled = 0;
    }
    group.set(name, tensor);
    filled += length;
  }
  if (group.size > 0 || groups.length === 0) groups.push(group);
  if (groups.length === 1) return [{ file: "model.safetensors", tensors: groups[0]! }];
  const number = (n: number) => String(n).padStart(5, "0");
  return groups.map((own, i) => ({
    file: `model-${number(i + 1)}-of-${number(groups.length)}.safetensors`,
    tensors: own,
  }));
}

/** The text of `model.safetensors.index.json`. */
export function writeShardIndex(
  shards: readonly Shard<{ readonly data: { readonly length: number } }>[],
): string {
  const entries = shards.flatMap(({ file, tensors }) => [...tensors.keys()].map((name) => [name, file]));
  const bytes = shards.flatMap(({ tensors }) => [...tensors.values()].map(({ data }) => data.length));
  const index = {
    metadata: { total_size: bytes.reduce((sum, n) => sum + n, 0) },
    weight_map: Object.fromEntries(entries.sort(([a], [b]) => (a! < b! ? -1 : 1))),
  };
  return `${JSON.stringify(index, null, 2)}\n`;
}
