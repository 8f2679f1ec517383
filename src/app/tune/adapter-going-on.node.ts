import { DiapasonError } from "../../base/errors.ts";
import { shellWord } from "../../base/shell-word.ts";
import { mergeAdapter, withAdapted } from "../../models/adapters/merge.ts";
import { loadPeftAdapter } from "../../models/adapters/peft.node.ts";
import type { Model } from "../../models/model.ts";
import type { TuneSettings } from "../options/tune.ts";
import { type AdapterTuning, tuningOf } from "./adapter.ts";

/** Options that say how an adapter begins, which one that is there does not. */
const ofBeginnings = ["rank", "alpha", "targetModules"] as const;

/**
 * Goes on with an adapter that was tuned before, on its base.
 *
 * @throws app/bad-option where the options ask for an adapter of another kind, and what loadPeftAdapter throws
 */
export async function adapterGoingOn(
  base: Model,
  folder: string,
  options: TuneSettings,
): Promise<AdapterTuning> {
  const { adapter: asked, adapterDropout: dropout } = options;
  const loaded = await loadPeftAdapter(folder, base, { dropout });
  const { method } = loaded.adapter;
  const named = ofBeginnings.find((name) => options[name] !== undefined);
  if ((asked !== "none" && asked !== method) || named)
    throw new DiapasonError(
      "app/bad-option",
      `"model" is an adapter (${method}), which is tuned on as it is; "${named ?? "adapter"}" asks for another.`,
      `Leave "${named ?? "adapter"}" out, or merge the adapter first: diapason export ${shellWord(folder)} --to merged --out FOLDER.`,
    );
  const adapted = { ...loaded, adapter: { ...loaded.adapter, base: withAdapted(loaded) } };
  return { ...tuningOf(adapted, options), start: mergeAdapter(adapted) };
}
