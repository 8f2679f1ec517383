import { DiapasonError } from "../../base/errors.ts";
import type { FedColumn } from "../../data/array-batches.node.ts";
import { isFedType } from "../../data/array-values.ts";
import { attributesOf } from "../../graph/attributes.ts";
import type { Value } from "../../graph/ir.ts";
import { described } from "../../tasks/target.ts";

/** How an input of the model is fed. @throws tasks/input-shape for types that arrays cannot have */
export function columnOf(input: Value): FedColumn {
  const { name, dtype } = input;
  const allowed = rowsReadBy(input);
  if (isFedType(dtype)) return { array: name, input: name, dtype, ...(allowed && { allowed }) };
  throw new DiapasonError(
    "tasks/input-shape",
    `The model's input ${described(input)} has a type that arrays are not fed as.`,
    "Export the model with an input of float32 or whole numbers.",
  );
}

/** The row numbers of the smallest table that ids are looked up in, and undefined for what is no id. */
function rowsReadBy(input: Value): FedColumn["allowed"] {
  const tables = input.consumers.flatMap((node): readonly NonNullable<FedColumn["allowed"]>[] => {
    const inner = node.op === "Cast" ? rowsReadBy(node.outputs[0]!) : undefined;
    if (inner) return [inner];
    const [table, ids] = node.inputs;
    if (node.op !== "Gather" || ids !== input || !table?.constant) return [];
    const rows = table.constant.dims[attributesOf(node, "Gather").axis];
    return rows ? [{ from: -rows, to: rows - 1, what: `row numbers of "${table.name}"` }] : [];
  });
  return tables.sort((a, b) => a.to - b.to)[0];
}
