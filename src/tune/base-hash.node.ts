import { createHash } from "node:crypto";
import type { Graph } from "../graph/ir.ts";

/** SHA-256, in hexadecimal, of a graph's operators and constants: two graphs with the same one compute the same. */
export function baseHash(graph: Graph): string {
  const hash = createHash("sha256");
  for (const node of graph.nodes)
    hash.update(`${node.domain}.${node.op}(${node.inputs.map((input) => input?.name ?? "")})\n`);
  for (const { name, constant } of graph.initializers) {
    hash.update(`${name} ${constant!.dtype} [${constant!.dims}]\n`);
    if (constant!.strings) hash.update(JSON.stringify(constant!.strings));
    else hash.update(constant!.data.read());
  }
  return hash.digest("hex");
}
