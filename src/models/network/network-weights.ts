import { DiapasonError } from "../../base/errors.ts";
import { random } from "../../base/random.ts";
import { asFloat32, roundedFrom } from "../../graph/passes/stored-types.ts";
import { type ByteSource, type DataType, float32, sizeOf, type Tensor } from "../../graph/tensor.ts";

/** How a weight begins that no checkpoint gives: normal numbers of the config's deviation for a matrix. */
export type Fresh = "matrix" | "zeros" | "ones";

/** A weight as a graph takes it: float32, with the type that the file has where that is another. */
export interface TakenWeight {
  readonly tensor: Tensor;
  readonly storedType: DataType | undefined;
}

/** Elements of a weight that may begin fresh beside a checkpoint: heads are smaller. */
const mostFresh = 2 ** 27;

/** The weights of a checkpoint, under the names that an architecture has for them. */
export interface NetworkWeights {
  /**
   * The weight of a name, or a fresh one where the checkpoint may lack it.
   * @throws models/missing-weight, models/weight-shape, models/weight-type
   */
  take(name: string, dims: readonly number[], fresh: Fresh): TakenWeight;
  has(name: string): boolean;
  /** Names of the weights that began fresh. */
  readonly fresh: ReadonlySet<string>;
  /** Tensors of the checkpoint that nothing took. */
  unused(): readonly string[];
  /**
   * Takes tensors of the checkpoint's body that no network reads, but that are to be saved with it. `pattern`: of names
   * without the prefix. Result: by the names that the network has for its body.
   */
  keep(pattern: RegExp): ReadonlyMap<string, Tensor>;
}

export interface WeightsOptions {
  /** The checkpoint's tensors; undefined for a network that begins fresh altogether. */
  readonly tensors: ReadonlyMap<string, Tensor> | undefined;
  /** Where they come from, for messages. */
  readonly source: string;
  /** The body's path, with which a bare checkpoint dispenses. */
  readonly prefix: string;
  /** Whether the network itself is the body alone, its weights without the prefix. */
  readonly bare: boolean;
  /** Spellings that older checkpoints have, and what they are called now. */
  readonly renames?: readonly (readonly [RegExp, string])[];
  /** Weights of the body that the checkpoint may lack; matched without the prefix. */
  readonly optional?: RegExp;
  /**
   * How many classes a head must tell that the checkpoint's does not: weights outside the body that count classes, or have
   * other sizes than the network wants, begin fresh. Undefined where the head is the checkpoint's own.
   */
  readonly newClasses: number | undefined;
  readonly seed: number;
  /** Standard deviation of fresh matrices. */
  readonly deviation: number;
}

/** What DataParallel and torch.compile put before every name. */
const wrappers = ["module.", "_orig_mod."];

/** Opens the weights of a checkpoint for an architecture. */
export function networkWeights(options: WeightsOptions): NetworkWeights {
  const { tensors, source, prefix, bare, renames = [], optional, newClasses, seed, deviation } = options;
  const stem = prefix === "" ? "" : `${prefix}.`;
  const inBody = (name: string) =>
    bare ? name : name.startsWith(stem) ? name.slice(stem.length) : undefined;
  const places = new Map<string, string>();
  const given = [...(tensors?.keys() ?? [])];
  const wrapper = wrappers.find((start) => given.every((name) => name.startsWith(start)))?.length ?? 0;
  for (const name of given)
    places.set(
      renames.reduce((text, [from, to]) => text.replace(from, to), name.slice(wrapper)),
      name,
    );
  const isPrefixed = stem !== "" && [...places.keys()].some((name) => name.startsWith(stem));
  const taken = new Set<string>();
  const fresh = new Set<string>();
  /** The checkpoint's own name of a weight. A bare checkpoint lacks the prefix, one with a head has it. */
  const placeOf = (name: string): string | undefined => {
    const body = inBody(name);
    if (body === undefined || stem === "") return places.get(name);
    return places.get(isPrefixed ? stem + body : body);
  };
  const begin = (name: string, dims: readonly number[], kind: Fresh): TakenWeight => {
    if (tensors && sizeOf(dims) > mostFresh)
      throw new DiapasonError(
        "models/bad-config",
        `${source} has no weight "${name}", and its config.json makes it [${dims.join(", ")}]: too large to begin fresh beside a checkpoint.`,
        "Check that config.json belongs to these weights.",
      );
    fresh.add(name);
    return { tensor: freshTensor(name, dims, kind, { seed, deviation }), storedType: undefined };
  };
  return {
    fresh,
    has: (name) => placeOf(name) !== undefined,
    keep(pattern) {
      const found = new Map<string, Tensor>();
      for (const [name, place] of places) {
        const tensor = tensors?.get(place);
        if (!tensor || taken.has(place) || (isPrefixed && !name.startsWith(stem))) continue;
        const body = isPrefixed ? name.slice(stem.length) : name;
        if (!pattern.test(body)) continue;
        taken.add(place);
        found.set(bare ? body : stem + body, tensor);
      }
      return found;
    },
    unused: () => [...places].filter(([, name]) => !taken.has(name)).map(([, name]) => name),
    take(name, dims, kind) {
      const body = inBody(name);
      const place = placeOf(name);
      const isRenewed = body === undefined && newClasses !== undefined && dims[0] === newClasses;
      const tensor = place === undefined || isRenewed ? undefined : tensors?.get(place);
      if (!tensor || place === undefined) {
        if (!tensors || body === undefined || optional?.test(body)) return begin(name, dims, kind);
        throw new DiapasonError(
          "models/missing-weight",
          `${source} has no weight "${name}" [${dims.join(", ")}], which the network of its config.json needs.`,
          "Download the checkpoint again, or check that config.json belongs to it.",
        );
      }
      taken.add(place);
      if (tensor.dims.length !== dims.length || tensor.dims.some((size, i) => size !== dims[i])) {
        if (body === undefined && newClasses !== undefined) return begin(name, dims, kind);
        throw new DiapasonError(
          "models/weight-shape",
          `"${place}" is [${tensor.dims.join(", ")}] in ${source}; its config.json makes it [${dims.join(", ")}].`,
          "Check that config.json belongs to these weights.",
        );
      }
      return inFloat32(place, tensor, source);
    },
  };
}

const converted: ReadonlySet<DataType> = new Set(["float16", "bfloat16", "float64"]);

/** A tensor as float32; one of half precision or of 64 bits is converted when it is read. */
function inFloat32(name: string, tensor: Tensor, source: string): TakenWeight {
  if (tensor.dtype === "float32") return { tensor, storedType: undefined };
  if (converted.has(tensor.dtype)) {
    const taken: Tensor = { dtype: "float32", dims: tensor.dims, data: lazily(tensor, asFloat32) };
    return { tensor: roundedFrom(taken, tensor), storedType: tensor.dtype };
  }
  throw new DiapasonError(
    "models/weight-type",
    `"${name}" holds ${tensor.dtype} in ${source}; a network is tuned from float32, float16, bfloat16 or float64.`,
    "Use a checkpoint that is not quantised.",
  );
}

/** The bytes of a converted tensor, converted when they are asked for and kept only as long as somebody holds them. */
function lazily(tensor: Tensor, convert: (tensor: Tensor) => Tensor): ByteSource {
  let last: WeakRef<Uint8Array> | undefined;
  return {
    length: sizeOf(tensor.dims) * 4,
    read() {
      const kept = last?.deref();
      if (kept) return kept;
      const bytes = convert(tensor).data.read();
      last = new WeakRef(bytes);
      return bytes;
    },
  };
}

function freshTensor(
  name: string,
  dims: readonly number[],
  kind: Fresh,
  { seed, deviation }: { readonly seed: number; readonly deviation: number },
): Tensor {
  const values = new Float32Array(sizeOf(dims));
  if (kind === "ones") values.fill(1);
  if (kind === "matrix") {
    const stream = random(seed, "weight", name);
    for (let i = 0; i < values.length; i++) values[i] = stream.normal() * deviation;
  }
  return float32(dims, values);
}
