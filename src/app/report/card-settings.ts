/** Settings that a reader of a card may want to know, each with the value at which it says nothing. */
const shown: Readonly<Record<string, unknown>> = {
  epochs: undefined,
  learningRate: undefined,
  headLearningRate: undefined,
  decay: undefined,
  schedule: undefined,
  adapter: "none",
  rank: undefined,
  alpha: undefined,
  optimizer: undefined,
  weightDecay: undefined,
  batchSize: undefined,
  accumulate: 1,
  augment: undefined,
  dropout: undefined,
  labelSmoothing: 0,
  batchNorm: undefined,
  maxTokens: undefined,
  metric: undefined,
  fix: undefined,
  seed: undefined,
};

/** What a model card says of how training was set, in a line. */
export const cardSettings = (recipe: Readonly<Record<string, unknown>>): string =>
  Object.entries(recipe)
    .filter(([name, value]) => Object.hasOwn(shown, name) && value !== shown[name])
    .map(([name, value]) => `${name} ${textOf(value)}`)
    .join(", ");

/** In one line, options by name too. */
function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(" ");
  if (typeof value !== "object" || value === null) return String(value);
  const parts = Object.entries(value).map(([name, part]) => `${name} ${textOf(part)}`);
  return `(${parts.join(", ")})`;
}
