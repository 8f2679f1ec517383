import { DiapasonError } from "../base/errors.ts";
import { lastPart } from "../base/last-part.ts";
import { bitsOf, type Tensor } from "../graph/tensor.ts";
import { listNames } from "./code-points.ts";
import type { DataFinding, SplitName } from "./dataset.ts";

/** Named arrays whose first axis counts the same examples. */
export interface ArraySet {
  /** File or folder they come from, for messages. */
  readonly source: string;
  readonly examples: number;
  readonly arrays: ReadonlyMap<string, Tensor>;
}

/** Some examples of a set, by their places along the first axis. */
export interface ArrayPart {
  readonly set: ArraySet;
  readonly rows: Uint32Array;
}

/** Named arrays in splits; all splits have the same names, types and sizes of an example. */
export interface ArrayDataset {
  readonly root: string;
  readonly splits: { readonly [S in SplitName]: ArrayPart };
  /** How the splits came about, for the user. */
  readonly origin: string;
  readonly findings: readonly DataFinding[];
}

/**
 * Arrays as a set of examples.
 * @throws data/unequal-arrays when they count different numbers of examples, data/bad-arrays when one counts none.
 */
export function arraySetOf(source: string, arrays: ReadonlyMap<string, Tensor>): ArraySet {
  const first = [...arrays][0];
  if (!first) throw badArrays(source, "it holds no array");
  for (const [name, { dtype, dims }] of arrays) {
    if (dims.length === 0)
      throw badArrays(source, `"${name}" is a single number; the first axis of an array counts examples`);
    if (bitsOf[dtype] < 8 || dtype.startsWith("complex"))
      throw badArrays(source, `"${name}" holds ${dtype}, which no graph is fed`);
  }
  const examples = first[1].dims[0]!;
  const other = [...arrays].find(([, { dims }]) => dims[0] !== examples);
  if (other)
    throw new DiapasonError(
      "data/unequal-arrays",
      `${source}: "${first[0]}" has ${examples} examples, "${other[0]}" has ${other[1].dims[0]}.`,
      "Give every array the same first axis: one row for each example.",
    );
  if (examples === 0)
    throw badArrays(source, `its arrays (${listNames([...arrays.keys()])}) have 0 examples`);
  return { source, examples, arrays };
}

const badArrays = (source: string, why: string): DiapasonError =>
  new DiapasonError(
    "data/bad-arrays",
    `${source}: ${why}.`,
    "Write arrays of numbers [examples, …] under the names of the graph's inputs and the loss's targets.",
  );

/** The name of an example, for messages. */
export const exampleName = ({ set, rows }: ArrayPart, i: number): string =>
  `${lastPart(set.source)}#${rows[i]}`;
