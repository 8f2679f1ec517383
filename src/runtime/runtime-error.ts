import { DiapasonError } from "../base/errors.ts";

/** What ONNX Runtime threw, as an error that names the node where its message does. */
export function asRuntimeError(error: unknown, during: "compile" | "run"): DiapasonError {
  if (error instanceof DiapasonError) return error;
  const text = error instanceof Error ? error.message : String(error);
  if (/bad_alloc|failed to allocate|out of memory|BFCArena/i.test(text)) {
    return new DiapasonError(
      "runtime/out-of-memory",
      `There was not enough memory to ${during} the graph: ${firstLine(text)}`,
      "Use a smaller batch, move fewer blocks, or close other programs.",
      error,
    );
  }
  const missing = /(?:No Op registered for|Could not find an implementation for) ([^\s(]+)/.exec(text)?.[1];
  if (missing) {
    return new DiapasonError(
      "runtime/no-kernel",
      `ONNX Runtime has no implementation of ${missing} on this device: ${firstLine(text)}`,
      "Use another device, or a model without this operator.",
      error,
    );
  }
  return during === "compile"
    ? new DiapasonError(
        "runtime/refused",
        `ONNX Runtime refused the graph: ${firstLine(text)}`,
        "Check the model with onnx.checker; if it is valid, report this.",
        error,
      )
    : new DiapasonError(
        "runtime/failed",
        `ONNX Runtime failed while running the graph: ${firstLine(text)}`,
        "Check the shapes of what is fed.",
        error,
      );
}

const firstLine = (text: string): string => text.split("\n")[0]!.trim();
