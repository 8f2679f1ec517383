import type { OptimizerKind } from "./runtime.ts";

interface Step {
  readonly rate: number;
  readonly weightDecay: number;
  /** What gradients are multiplied by. */
  readonly scale: number;
}
type Adam = Extract<OptimizerKind, { readonly kind: "adamw" | "adam" }>;
type Sgd = Extract<OptimizerKind, { readonly kind: "sgd" }>;

/** The numbers of a parameter's n-th step of Adam or AdamW; formulas and reasons are in tools/web-assembly/optimizer.ts. */
export function adamScalars(
  { kind, beta1, beta2, epsilon }: Adam,
  n: number,
  { rate, weightDecay, scale }: Step,
) {
  const [coupled, keep] = kind === "adam" ? [weightDecay, 1] : [0, 1 - rate * weightDecay];
  const correction = Math.sqrt(1 - beta2 ** n);
  return {
    rest1: 1 - beta1,
    beta2,
    rest2: 1 - beta2,
    epsilon: correction * epsilon,
    scale,
    coupled,
    keep,
    stepSize: (correction * rate) / (1 - beta1 ** n),
  };
}

/** The numbers of a parameter's n-th step of SGD. */
export function sgdScalars({ momentum, dampening }: Sgd, n: number, { rate, weightDecay, scale }: Step) {
  return {
    rate,
    scale,
    decay: weightDecay,
    momentum,
    kept: n === 1 ? 0 : momentum,
    added: n === 1 ? 1 : 1 - dampening,
  };
}
