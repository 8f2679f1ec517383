import type { Model } from "../model.ts";

/** Today's name in transformers of a module or a weight: a checkpoint may have an older one. */
export function toldAs({ network }: Pick<Model, "network">): (path: string) => string {
  const rules = network?.architecture.modules ?? [];
  return (path) => rules.reduce((text, [from, to]) => text.replace(from, to), path);
}
