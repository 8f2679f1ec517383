import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { DiapasonError } from "../../base/errors.ts";
import { hubNameOf } from "../../models/hub/repo-id.ts";
import type { ExportSettings } from "../export.node.ts";
import { evaluateOptions, type RunSplit } from "../judging.ts";
import type { Download } from "../opening/located.node.ts";
import { type LocatedData, locatedData } from "../opening/located-data.node.ts";
import type { Note, Progress } from "../progress.ts";
import { readRun } from "../run-record.node.ts";
import type { VerbContext } from "../verb.ts";

/** What an export measures by what is lost. */
export interface Examples {
  /** Undefined where there are none to be judged by. */
  readonly data: LocatedData | undefined;
  /** What `evaluate` is told beside the model. */
  readonly given: Readonly<Record<string, unknown>>;
  /** How the run split them that the model is of. */
  readonly ofRun?: RunSplit | undefined;
  readonly notes: readonly string[];
}

/** Options of `evaluate` that are not about one call of it. */
const lasting = Object.keys(evaluateOptions.shape).filter(
  (name) => !["model", "data", "task", "split", "predictions", "force", "batchSize"].includes(name),
);

/** The examples that were asked for, else those of the run that made the model in `path`, if they can still be had. */
export async function* examplesFor(
  settings: ExportSettings,
  path: string,
  context: VerbContext,
): AsyncGenerator<Download | Note | Progress, Examples> {
  const { split, batchSize } = settings;
  const chosen = picked(settings, lasting);
  const told = { ...(split && { split }), batchSize };
  const folder = settings.run ?? join("runs", basename(resolve(path)));
  const recipe = existsSync(join(folder, "recipe.yaml")) ? (await readRun(folder)).recipe : undefined;
  const made = recipe && resolve(String(recipe["out"])) === resolve(path) ? recipe : undefined;
  const ofRun = made && splitOfRun(made);
  if (settings.data) {
    const data = yield* locatedData({ ...settings, data: settings.data }, context);
    const isSame = resolve(String(made?.["data"])) === resolve(data.name);
    return { data, given: { ...chosen, ...told }, ...(isSame && { ofRun }), notes: [] };
  }
  const unmeasured = (why: string): Examples => ({
    data: undefined,
    given: {},
    notes: [`What is lost is not measured: ${why}. Give --data to measure it.`],
  });
  if (!recipe) return unmeasured(`there is no run in ${folder}`);
  if (!made) return unmeasured(`the run in ${folder} made another model`);
  const { data: named, dataConfig } = made;
  if (typeof named !== "string" || !(existsSync(named) || hubNameOf(named)))
    return unmeasured(`${named} is not there any more`);
  const config = typeof dataConfig === "string" ? dataConfig : undefined;
  try {
    const data = yield* locatedData({ data: named, dataConfig: config }, context);
    return { data, given: { ...picked(made, lasting), ...chosen, ...told }, ofRun, notes: [] };
  } catch (error) {
    if (!(error instanceof DiapasonError) || existsSync(named)) throw error;
    return unmeasured(`the data of its run cannot be had: ${error.message.replace(/\.$/, "")}`);
  }
}

/** What decided which examples a run held out. */
function splitOfRun({ seed, validationShare, limit }: Readonly<Record<string, unknown>>): RunSplit {
  return {
    seed: Number(seed),
    validationShare: Number(validationShare),
    ...(typeof limit === "number" && { limit }),
  };
}

const picked = (from: Readonly<Record<string, unknown>>, names: readonly string[]) =>
  Object.fromEntries(names.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]])));
