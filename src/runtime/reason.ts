/** What ONNX Runtime says, without the places in its sources. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const [first] = text.split("\n");
  const said =
    / was false\. (.+)/.exec(first!)?.[1] ?? /CUDA failure \d+: ([^;]+)/.exec(first!)?.[1] ?? first!;
  return said.trim().replace(/\.$/, "");
}
