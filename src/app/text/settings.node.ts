import { labelsOf } from "../../models/config.ts";
import { readConfig } from "../../models/open-network.node.ts";
import { type LabelKind, problemTypes } from "../../tasks/label-loss.ts";

/** What a model's config.json says of how texts are read: what it was tuned with, its classes, what labels are. */
export interface KeptSettings {
  readonly maxTokens: number | undefined;
  readonly classes: readonly string[] | undefined;
  readonly labels: LabelKind | undefined;
  /** Whether it was tuned on pairs of texts. */
  readonly pairs: boolean;
}

export async function settingsOf(folder: string): Promise<KeptSettings> {
  const config = await readConfig(folder);
  const kept = config["diapason"] as { readonly maxTokens?: unknown; readonly pairs?: unknown } | undefined;
  const kinds = Object.keys(problemTypes) as LabelKind[];
  const labels = kinds.find((kind) => problemTypes[kind] === config["problem_type"]);
  return {
    maxTokens: typeof kept?.maxTokens === "number" ? kept.maxTokens : undefined,
    classes: labels === "number" ? undefined : labelsOf(config, folder),
    labels,
    pairs: kept?.pairs === true,
  };
}
