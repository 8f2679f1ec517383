import { existsSync } from "node:fs";
import { copyFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { DiapasonError } from "../../base/errors.ts";
import { isPeftFolder, loadPeftAdapter, savePeftAdapter } from "../../models/adapters/peft.node.ts";
import { hubNameOf } from "../../models/hub/repo-id.ts";
import { type Download, located } from "../opening/located.node.ts";
import { loadAdapterBase } from "../opening/merged-folder.node.ts";
import type { Note } from "../progress.ts";
import { refuseExisting } from "../refuse-existing.node.ts";
import { openRuntime } from "../runtime.node.ts";
import type { VerbContext } from "../verb.ts";
import type { Exported } from "./events.ts";

type RuntimeOptions = Parameters<typeof openRuntime>[0];

interface AdapterExport extends RuntimeOptions {
  /** A base with `adapter`, an adapter, or a tuned model with one in its folder "adapter". */
  readonly model: string;
  readonly adapter?: string | undefined;
  readonly out?: string | undefined;
  readonly force: boolean;
}

/**
 * Writes an adapter alone, as PEFT reads it, after it was put on its base.
 *
 * @throws app/missing-option without a folder to write to, app/bad-option where there is no adapter, and what loading throws
 */
export async function* exportAdapter(
  settings: AdapterExport,
  context: VerbContext,
): AsyncGenerator<Download | Note | Exported, void> {
  const { model, out, force } = settings;
  if (out === undefined)
    throw new DiapasonError(
      "app/missing-option",
      "An adapter is a folder of its own, and none is named to write it to.",
      'Give "out", a folder for the adapter.',
    );
  const path = join(out, "adapter_model.safetensors");
  if (!force) refuseExisting(path);
  const inside = join(model, "adapter");
  const isTuned = !isPeftFolder(model) && isPeftFolder(inside);
  const found = yield* located(isTuned && !settings.adapter ? inside : model, context, { isApart: true });
  const { folder, base } = settings.adapter
    ? { folder: settings.adapter, base: found.name }
    : (found.adapter ?? {});
  if (folder === undefined || base === undefined)
    throw new DiapasonError(
      "app/bad-option",
      `"to" names adapter, and "${model}" is no adapter, nor has it one in its folder "adapter".`,
      'Tune the model with an adapter, or give one as "adapter" on its base.',
    );
  const runtime = await openRuntime(settings);
  try {
    const adapted = await loadPeftAdapter(folder, await loadAdapterBase(folder, found.path, runtime));
    await savePeftAdapter(out, adapted, { baseName: hubNameOf(base) ?? base });
    if (existsSync(join(folder, "config.json")))
      await copyFile(join(folder, "config.json"), join(out, "config.json"));
    yield { type: "exported", format: "adapter", path, bytes: (await stat(path)).size };
  } finally {
    await runtime.dispose();
  }
}
