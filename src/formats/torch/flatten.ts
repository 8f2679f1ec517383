import type { Tensor } from "../../graph/tensor.ts";
import { damaged, tooLarge } from "./mistakes.ts";
import { tensorOfView } from "./strided.ts";
import { isView, type PickleMap, type PickleValue, type View } from "./values.ts";

/** Where training scripts put a model's weights among other things, likeliest first. */
const usualKeys = [
  "state_dict",
  "model_state_dict",
  "model",
  "module",
  "net",
  "network",
  "params",
  "weights",
];

/** Prefixes that a wrapper puts before every name: DataParallel, torch.compile. */
const wrappers = ["module.", "_orig_mod."];

const deepest = 32;
const mostValues = 1_000_000;

/** The tensors of a file by name, and what it says beside them. */
export interface Flattened {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * The weights in what a file holds: a state_dict as it is; of a training script's dictionary the part under "state_dict",
 * "model" and the like; other nested containers under names joined with dots. A wrapper's prefix before all names is left
 * out.
 *
 * Numbers and texts at the outermost level ("epoch") become metadata; "diapason.from" is the key that was followed.
 * @throws formats/torch-damaged where there is no tensor, formats/torch-too-large
 */
export function flatten(value: PickleValue): Flattened {
  const metadata = new Map<string, string>();
  if (value instanceof Map)
    for (const [key, item] of value as PickleMap)
      if (typeof key === "string" && (typeof item === "string" || typeof item === "number"))
        metadata.set(key, String(item));
  const path: string[] = [];
  let chosen = value;
  for (let depth = 0; depth < deepest; depth++) {
    const key = keyOfWeights(chosen);
    if (key === undefined) break;
    path.push(key);
    chosen = (chosen as PickleMap).get(key)!;
  }
  if (path.length > 0) metadata.set("diapason.from", path.join("."));
  const tensors = new Map<string, Tensor>();
  for (const [name, view] of leavesOf(chosen)) {
    const own = name === "" ? "tensor" : name;
    if (tensors.has(own)) throw damaged(`two tensors in it have the name "${own}"`);
    tensors.set(own, tensorOfView(view));
  }
  if (tensors.size === 0) throw damaged("it holds no tensor");
  return { tensors: withoutWrapper(tensors), metadata };
}

/** The key under which a training script's dictionary has the weights; a state_dict itself holds no dictionaries. */
function keyOfWeights(value: PickleValue): string | undefined {
  if (!(value instanceof Map)) return undefined;
  const holding = (key: string) => {
    const item = (value as PickleMap).get(key);
    return item instanceof Map && !leavesOf(item).next().done;
  };
  return usualKeys.find(holding);
}

/** Every tensor with its path. Containers that hold themselves, or each other very often, end in an error. */
function* leavesOf(root: PickleValue): Generator<readonly [string, View]> {
  let seen = 0;
  function* walk(value: PickleValue, name: string, depth: number): Generator<readonly [string, View]> {
    if (++seen > mostValues || depth > deepest)
      throw tooLarge("Its containers lie in each other too deeply or too often");
    if (isView(value)) yield [name, value];
    else if (value instanceof Map)
      for (const [key, item] of value as PickleMap) yield* walk(item, joined(name, key), depth + 1);
    // A million numbers in a list, as of a random generator's state, need no walk.
    else if (Array.isArray(value))
      for (const [i, item] of value.entries())
        if (typeof item === "object") yield* walk(item as PickleValue, joined(name, i), depth + 1);
  }
  yield* walk(root, "", 0);
}

const joined = (name: string, key: PickleValue): string =>
  name === "" ? String(key) : `${name}.${String(key)}`;

function withoutWrapper(tensors: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> {
  const wrapper = wrappers.find((prefix) => [...tensors.keys()].every((name) => name.startsWith(prefix)));
  if (wrapper === undefined) return tensors;
  return withoutWrapper(new Map([...tensors].map(([name, tensor]) => [name.slice(wrapper.length), tensor])));
}
