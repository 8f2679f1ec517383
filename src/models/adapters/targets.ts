import { DiapasonError } from "../../base/errors.ts";
import type { Layer } from "./layers.ts";
import type { AdapterSpec, ModulePattern } from "./spec.ts";

/** The word for every linear layer but the head. */
export const allLinear = "all-linear";

/** Whether a module's path fits a pattern. @throws models/bad-adapter for an expression that is none. */
export function fits(pattern: ModulePattern, module: string): boolean {
  if (typeof pattern === "string") return expression(`^(?:${pattern})$`, pattern).test(module);
  return pattern.some((name) => module === name || module.endsWith(`.${name}`));
}

/** Whether a layer fits a pattern by either of its names. @throws models/bad-adapter for an expression that is none. */
export const fitsLayer = (pattern: ModulePattern, layer: Pick<Layer, "module" | "told">): boolean =>
  pathsOf(layer).some((path) => fits(pattern, path));

const pathsOf = ({ module, told }: Pick<Layer, "module" | "told">): readonly string[] =>
  told === undefined ? [module] : [module, told];

/** The value that a table by patterns has for a layer: PEFT's `rank_pattern` and `alpha_pattern`. */
export function ofPattern<T>(
  table: Readonly<Record<string, T>> | undefined,
  layer: Pick<Layer, "module" | "told">,
  otherwise: T,
): T {
  const found = Object.entries(table ?? {}).find(([key]) =>
    pathsOf(layer).some((path) => expression(`^(?:.*\\.)?(?:${key})$`, key).test(path)),
  );
  return found ? found[1] : otherwise;
}

function expression(source: string, shown: string): RegExp {
  try {
    // Python's named groups are spelled (?P<name>…)
    return new RegExp(source.replaceAll("(?P<", "(?<"), "u");
  } catch (cause) {
    throw new DiapasonError(
      "models/bad-adapter",
      `The module pattern "${shown}" is not a regular expression.`,
      "Give names of modules, or an expression that JavaScript reads as Python does.",
      cause,
    );
  }
}

/** Whether a module's number, as its path counts, is among those asked for. */
function isAmongLayers(
  { layersToTransform, layersPattern }: Pick<AdapterSpec, "layersToTransform" | "layersPattern">,
  module: string,
): boolean {
  if (!layersToTransform || layersToTransform.length === 0) return true;
  const patterns = layersPattern?.length ? layersPattern : undefined;
  const found = patterns
    ? patterns.map((p) => expression(`^(?:.*?\\.)?${p}\\.(\\d+)\\.`, p).exec(module)).find((m) => m)
    : /\.[^.]*\.(\d+)\./.exec(`.${module}`);
  return found ? layersToTransform.includes(Number(found[1])) : false;
}

/**
 * The layers that a spec targets.
 *
 * `spare`: layers that a general pattern leaves out: the head and modules tuned as a whole.
 * @throws models/bad-adapter when a pattern matches nothing.
 */
export function chooseLayers(
  layers: readonly Layer[],
  spec: AdapterSpec,
  { pattern, spare }: { readonly pattern: ModulePattern; readonly spare: (layer: Layer) => boolean },
): readonly Layer[] {
  const { excludeModules } = spec;
  const chosen = layers.filter((layer) => {
    if (excludeModules && fitsLayer(excludeModules, layer)) return false;
    if (pattern === allLinear) return layer.kind === "linear" && !layer.isShared && !spare(layer);
    const isAmong = pathsOf(layer).some((path) => isAmongLayers(spec, path));
    return fitsLayer(pattern, layer) && !spare(layer) && isAmong;
  });
  if (chosen.length > 0) return chosen;
  const shown = typeof pattern === "string" ? `"${pattern}"` : pattern.map((name) => `"${name}"`).join(", ");
  const some = layers.filter((layer) => !spare(layer)).map(({ module }) => module);
  if (some.length === 0)
    throw new DiapasonError(
      "models/bad-adapter",
      "The model has no layer that an adapter can be put on: no MatMul, Gemm, Conv or table of real numbers whose weight is a constant and which is no head.",
      "Tune its weights themselves: leave out the adapter.",
    );
  throw new DiapasonError(
    "models/bad-adapter",
    `No layer of the model fits the target modules ${shown}; its layers are ${listed(some)}.`,
    'Name modules by the end of their path, or give "all-linear".',
  );
}

const listed = (names: readonly string[]): string =>
  names.length === 0
    ? "none"
    : names.length > 8
      ? `${names.slice(0, 7).join(", ")} and ${names.length - 7} more`
      : names.join(", ");
