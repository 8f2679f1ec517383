import type { TuneOptions } from "../options/tune.ts";

/** The two ways of the demo to the same task: from the letters' weights, or the same network from random ones. */
export type DemoArm = "pretrained" | "scratch";

/**
 * How each arm trains: as many steps on as many images, each at the rates that did best on validation images (found by
 * tools/demo/rates.mjs; never on test images).
 */
export const demoTraining: { readonly [A in DemoArm]: NonNullable<TuneOptions["stages"]> } = {
  pretrained: [
    { name: "head", blocks: "head", epochs: 10, learningRate: 1e-2 },
    { name: "top 2", blocks: "top:2", epochs: 10, learningRate: 1e-3 },
    { name: "top 4", blocks: "top:4", epochs: 10, learningRate: 1e-3 },
    { name: "all", blocks: "all", epochs: 10, learningRate: 1e-3 },
  ],
  scratch: [{ name: "all", blocks: "all", epochs: 40, learningRate: 8e-3, batchNorm: "training" }],
};

/** What is the same for both. */
export const demoSettings = {
  batchSize: 20,
  evaluateEvery: 10,
  // Neither arm is long enough to be worth resuming.
  checkpointEvery: 1_000_000,
  weightDecay: 0.05,
  augment: "light",
} as const satisfies Partial<TuneOptions>;
