import { parseEquation } from "../einsum-equation.ts";
import { type Kernel, shapeMismatch } from "./kernel.ts";
import { ndArray, settle } from "./nd-array.ts";
import { offsets, range, stridesOf } from "./offsets.ts";

/** Stands in a list of labels for an axis under "...", counted from the last one. */
const ellipsisLabel = (fromLast: number): string => `...${fromLast}`;

/** The labels of one term for so many axes under its ellipsis. */
function labelsOf(term: string, underEllipsis: number): string[] {
  const [before = "", after] = term.split("...");
  const hidden = after === undefined ? [] : range(underEllipsis).map((i) => ellipsisLabel(underEllipsis - i));
  return [...before, ...hidden, ...(after ?? "")];
}

/** A sum over products of elements, for every assignment of numbers to the labels of the output. */
export const einsum: Kernel<"Einsum"> = ({ inputs, attributes }) => {
  const arrays = inputs.filter((input) => input !== undefined);
  const { terms: written, output: asked } = parseEquation(attributes.equation);
  const mistake = (what: string) =>
    shapeMismatch(
      `Einsum "${attributes.equation}" of ${arrays.map((x) => `[${x.dims}]`).join(" · ")}`,
      what,
      "Give every operand as many letters as it has axes, and each letter one size.",
    );
  if (written.length !== arrays.length)
    mistake(`there are ${written.length} terms and ${arrays.length} operands`);
  const hidden = written.map((term, i) =>
    term.includes("...") ? arrays[i]!.dims.length - (term.length - 3) : 0,
  );
  const terms = written.map((term, i) => labelsOf(term, hidden[i]!));
  const sizes = new Map<string, number>();
  for (const [i, labels] of terms.entries()) {
    if (labels.length !== arrays[i]!.dims.length) mistake(`"${written[i]}" does not name every axis once`);
    for (const [axis, label] of labels.entries()) {
      const size = arrays[i]!.dims[axis]!;
      const known = sizes.get(label) ?? 1;
      if (known !== 1 && size !== 1 && known !== size)
        mistake(`"${label}" has the sizes ${known} and ${size}`);
      if (known === 1) sizes.set(label, size);
    }
  }
  const output = labelsOf(asked, Math.max(...hidden));
  const summed = [...sizes.keys()].filter((label) => !output.includes(label));
  const dimsOf = (labels: readonly string[]) =>
    labels.map((label) => sizes.get(label) ?? mistake(`"${label}" is in the output only`));
  const walks = arrays.map((x, i) => {
    const strides = stridesOf(x.dims);
    // A letter that stands twice walks along the diagonal; an axis of size 1 is repeated.
    const along = (label: string) =>
      terms[i]!.reduce((n, mine, axis) => (mine === label && x.dims[axis] !== 1 ? n + strides[axis]! : n), 0);
    const walk = (labels: readonly string[]) => offsets(dimsOf(labels), labels.map(along));
    return { data: x.data, outer: walk(output), inner: walk(summed) };
  });
  const data = new Float64Array(walks[0]!.outer.length).map((_, at) => {
    let total = 0;
    for (let k = 0; k < walks[0]!.inner.length; k++) {
      let product = 1;
      for (const { data, outer, inner } of walks) product *= data[outer[at]! + inner[k]!]!;
      total += product;
    }
    return total;
  });
  return [settle(ndArray(arrays[0]!.dtype, dimsOf(output), data))];
};
