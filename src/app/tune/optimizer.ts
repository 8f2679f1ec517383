import type { OptimizerKind } from "../../runtime/runtime.ts";
import { adamw } from "../../tune/options.ts";

/** The optimizer an option names, with its field's usual constants (betas 0.9 and 0.999, epsilon 1e-8). */
export function optimizerOf(options: {
  readonly optimizer: "adamw" | "adam" | "sgd";
  readonly momentum: number;
  readonly nesterov: boolean;
}): OptimizerKind {
  return options.optimizer === "sgd"
    ? { kind: "sgd", momentum: options.momentum, dampening: 0, nesterov: options.nesterov }
    : { ...adamw, kind: options.optimizer };
}
