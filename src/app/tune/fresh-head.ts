import { DiapasonError } from "../../base/errors.ts";
import type { Model } from "../../models/model.ts";

/**
 * Refuses to ask a classifier whose head nobody has tuned: what it says is drawn by lot.
 * @throws models/no-classifier
 */
export function refuseFreshHead({ network, source }: Model): void {
  const [name] = network?.fresh ?? [];
  if (!network?.head.endsWith("classification") || name === undefined) return;
  throw new DiapasonError(
    "models/no-classifier",
    `"${source}" has no ${network.className}: its checkpoint lacks "${name}", so that every answer would be a guess.`,
    'Tune it first, with "diapason tune", or name what its own head is for with --task.',
  );
}
