import type { Node, NodeName } from "./ir.ts";

/** What a node is called in the file: what it was before it was taken apart or spelled anew. */
export const nameInFile = (node: Node): NodeName => node.origin ?? node;

/** How errors call a node: the operator and the name that the file has. */
export function nodeText(node: Node): string {
  const { op, name } = nameInFile(node);
  return `${op}${name === "" ? "" : ` "${name}"`}`;
}

/** The same, where the error is about the operator itself, which may be a part of the one in the file. */
export const partText = (node: Node): string =>
  node.origin && node.origin.op !== node.op ? `${node.op} of ${nodeText(node)}` : nodeText(node);
