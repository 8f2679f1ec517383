import { lastPart } from "../../base/last-part.ts";
import { hubNameOf } from "../../models/hub/repo-id.ts";

/** What a model card's metadata say of the model and the data that were used, where they are the Hub's. */
export function cardSources({ model, data }: { readonly model: string; readonly data: string }): {
  readonly base_model?: string;
  readonly datasets?: readonly string[];
} {
  const [base, dataset] = [hubNameOf(model), hubNameOf(data)];
  return {
    ...(base !== undefined && { base_model: base }),
    ...(dataset !== undefined && { datasets: [dataset] }),
  };
}

/** The data that a card's scores are on, as the Hub reads it. `kind`: what they are called where they are not the Hub's. */
export function cardDataset(
  { data, split }: { readonly data: string; readonly split: string },
  kind: string,
  { dataConfig }: Readonly<Record<string, unknown>>,
): Readonly<Record<string, string>> {
  const name = hubNameOf(data);
  return {
    name: name ?? lastPart(data),
    type: name ?? kind,
    ...(typeof dataConfig === "string" && { config: dataConfig }),
    split,
  };
}

/** What a model is called in a card: its id, or the name of its folder or file. */
export const sourceName = (model: string): string => hubNameOf(model) ?? lastPart(model);
