import type { Graph, Value } from "../graph/ir.ts";
import { asFloat32, asStored, isConverted } from "../graph/passes/stored-types.ts";
import { sizeOf, type Tensor } from "../graph/tensor.ts";
import { pathOf } from "./block-names.ts";
import { sameTensor } from "./same-tensor.ts";

/** How the weights of a graph and those of a checkpoint correspond. */
export interface CheckpointMatch {
  /** Names (now the checkpoint's) whose tensor in the graph is the transpose of the checkpoint's. */
  readonly transposed: ReadonlySet<string>;
  readonly notes: readonly string[];
}

/**
 * Gives the weights of a graph the names that a checkpoint has for the same bytes, so that what is saved loads where
 * the checkpoint came from.
 *
 * A tensor counts as the same when it is equal byte by byte, or as a matrix after transposing. Where several tensors of
 * the checkpoint are equal (zeros, ones), the graph's own name or its node's path decides, else the name stays.
 */
export function nameAfterCheckpoint(
  graph: Graph,
  weights: readonly Value[],
  checkpoint: ReadonlyMap<string, Tensor>,
): CheckpointMatch {
  const bySize = new Map<number, string[]>();
  for (const [name, tensor] of checkpoint) {
    const size = sizeOf(tensor.dims);
    bySize.set(size, [...(bySize.get(size) ?? []), name]);
  }
  const stored = weights.find(isConverted)?.storedType;
  /** The checkpoint's tensor with the digits that the graph's file kept of it. */
  const tensorOf = (name: string): Tensor | undefined => {
    const tensor = checkpoint.get(name);
    return tensor && stored ? asFloat32(asStored(tensor, stored)) : tensor;
  };
  const claimed = new Set<string>();
  const transposed = new Set<string>();
  let unmatched = 0;
  const claim = (value: Value, name: string, kind: "equal" | "transposed") => {
    claimed.add(name);
    if (value.name !== name) graph.rename(value, name);
    if (kind === "transposed") transposed.add(name);
  };
  // Own names first, so that no other tensor takes them.
  const open = weights.filter((value) => {
    const tensor = tensorOf(value.name);
    const kind = tensor && sameTensor(tensor, value.constant!);
    if (kind) claim(value, value.name, kind);
    return !kind;
  });
  for (const value of open) {
    const same = (bySize.get(sizeOf(value.constant!.dims)) ?? []).flatMap((name) => {
      if (claimed.has(name) || graph.find(name)) return [];
      const kind = sameTensor(tensorOf(name)!, value.constant!);
      return kind ? [{ name, kind }] : [];
    });
    const module = pathOf(value.name, value.consumers[0]?.name ?? "")
      ?.split(".")
      .slice(0, -2)
      .join(".");
    const chosen =
      same.length === 1 ? same[0] : same.find(({ name }) => module && name.startsWith(`${module}.`));
    if (chosen) claim(value, chosen.name, chosen.kind);
    else unmatched++;
  }
  const notes =
    unmatched === 0
      ? []
      : [
          `${unmatched} of ${weights.length} weights are not in model.safetensors as they are (an export folds or merges some); they keep the graph's names.`,
        ];
  return { transposed, notes };
}

/** The matrix the checkpoint's way round. Elements of 16, 32 or 64 bits, which are moved as they are. */
export function transpose(tensor: Tensor): Tensor {
  const [rows, columns] = tensor.dims as readonly [number, number];
  const bytes = tensor.data.read();
  const width = bytes.byteLength / (rows * columns);
  const Elements = width === 2 ? Uint16Array : width === 8 ? Float64Array : Uint32Array;
  const source = new Elements(new Uint8Array(bytes).buffer);
  const target = new Elements(source.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) target[j * rows + i] = source[i * columns + j]!;
  const data = new Uint8Array(target.buffer);
  return { dtype: tensor.dtype, dims: [columns, rows], data: { length: data.length, read: () => data } };
}
