import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Shape } from "../../graph/dim.ts";
import { dataTypeOf } from "../../graph/element-types.ts";
import type { Value } from "../../graph/ir.ts";
import { type TypeProto, TypeProtoSchema, type ValueInfoProto } from "./onnx.generated.ts";

/** What the names of sizes in a file became. */
export class Symbols {
  readonly #byName = new Map<string, string>();
  readonly #taken = new Set<string>();

  /**
   * A symbol that the text of a dim may hold: exporters write spaces and operators into names. Two names stay two
   * symbols, as equal symbols mean equal sizes ("n + 1" and "n - 1" would both be "n_1").
   */
  of(name: string): string {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const base = name.replace(/[^\w.]+/g, "_").replace(/^(?![A-Za-z_])/, "_");
    let symbol = base;
    for (let n = 2; this.#taken.has(symbol); n++) symbol = `${base}_${n}`;
    this.#byName.set(name, symbol);
    this.#taken.add(symbol);
    return symbol;
  }
}

/** Gives a value the type and shape that the file states, where it has none yet. */
export function hint(value: Value, info: ValueInfoProto, symbols: Symbols): void {
  const type = info.type;
  if (!type) return;
  if (type.value.case !== "tensorType") {
    value.opaqueType = toBinary(TypeProtoSchema, type);
    return;
  }
  value.dtype ??= dataTypeOf(type.value.value.elemType);
  value.shape ??= shapeOf(type, symbols);
}

/** How a type that is no tensor is called: "sequence of float32", "optional sequence of int64", "map", "sparse". */
export function nameOfType(encoded: Uint8Array): string {
  return nameOf(fromBinary(TypeProtoSchema, encoded));
}

function nameOf({ value }: TypeProto): string {
  switch (value.case) {
    case "tensorType":
      return dataTypeOf(value.value.elemType) ?? "unknown";
    case "sequenceType":
      return `sequence of ${value.value.elemType ? nameOf(value.value.elemType) : "unknown"}`;
    case "optionalType":
      return `optional ${value.value.elemType ? nameOf(value.value.elemType) : "unknown"}`;
    case "mapType":
      return "map";
    case "sparseTensorType":
      return "sparse";
    default:
      return "unknown";
  }
}

function shapeOf(type: TypeProto, symbols: Symbols): Shape | undefined {
  if (type.value.case !== "tensorType" || !type.value.value.shape) return undefined;
  return type.value.value.shape.dim.map(({ value }, axis) => {
    const isSize = value.case === "dimValue" && value.value >= 0n && value.value < 2n ** 53n;
    if (isSize) return Number(value.value);
    return value.case === "dimParam" && value.value !== "" ? symbols.of(value.value) : `d${axis}?`;
  });
}
