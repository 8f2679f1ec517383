/**
 * Finds the repeated parts of a network from the names of its parameters: "layer1.0" in "layer1.0.conv1.weight".
 *
 * A name is a path of segments. A segment that holds a number is *counted* when a sibling differs from it only in that
 * number (layer1, layer2, …). The path up to a counted segment names a group; the deepest level of counting whose
 * groups still hold several matrices is the level of blocks.
 */

/** A parameter as naming sees it: its path and whether it is a matrix or kernel. */
export interface NamedParameter {
  readonly name: string;
  /** Path of module names with the parameter's own name last: "layer1.0.conv1.weight". */
  readonly path: string;
  readonly isMatrix: boolean;
}

const mostBlocks = 60;

/** Whether a name says nothing of where its tensor belongs: a number, or what an exporter made up. */
export const isAnonymous = (name: string): boolean =>
  /^[_\d]*$/.test(name) ||
  /^(onnx::|val_|node_|tensor_|const|transpose|reshape|_v_)\w*?_?\d+(:0)?$/i.test(name);

/**
 * The module path of a parameter: its own name, else the path of the node that reads it.
 *
 * Node paths repeat the container's name ("/layer1/layer1.0/conv1/Conv"); the repetition is taken out.
 */
export function pathOf(name: string, nodeName: string): string | undefined {
  if (!isAnonymous(name)) return name.replaceAll("/", ".").replace(/:\d+$/, "");
  const scopes = nodeName.split("/").filter((scope) => scope !== "");
  if (scopes.length < 2) return undefined;
  const path: string[] = [];
  for (const scope of scopes) {
    if (path.length > 0 && scope.startsWith(`${path.at(-1)}.`)) path.pop();
    path.push(scope);
  }
  return `${path.join(".")}.${name.replace(/\W/g, "_")}`;
}

/** The group of each parameter that belongs to a repeated part, or undefined when the names show no repetition. */
export function groupByName(parameters: readonly NamedParameter[]): ReadonlyMap<string, string> | undefined {
  const deep = parameters.some(({ path }) => path.includes("."));
  const separator = deep ? "." : "_";
  const levels = countedPrefixes(parameters, separator);
  const matrices = parameters.filter((p) => p.isMatrix).length;
  const deepest = Math.max(0, ...[...levels.values()].map((prefixes) => prefixes.length));
  for (let level = deepest; level >= 1; level--) {
    const groups = new Map<string, string>();
    const sizes = new Map<string, number>();
    for (const { name, isMatrix } of parameters) {
      const prefixes = levels.get(name)!;
      const group = prefixes[Math.min(level, prefixes.length) - 1];
      if (group === undefined) continue;
      groups.set(name, group);
      sizes.set(group, (sizes.get(group) ?? 0) + (isMatrix ? 1 : 0));
    }
    const withMatrix = [...sizes.values()].filter((size) => size > 0).sort((a, b) => a - b);
    const median = withMatrix[Math.floor(withMatrix.length / 2)] ?? 0;
    const covered = withMatrix.reduce((a, b) => a + b, 0);
    if (withMatrix.length < 2 || withMatrix.length > mostBlocks || covered * 2 < matrices) continue;
    if (median >= 2 || level === 1) return groups;
  }
  return undefined;
}

/** For each parameter the prefixes of its path that end in a counted segment, shortest first. */
function countedPrefixes(parameters: readonly NamedParameter[], separator: string): Map<string, string[]> {
  const families = new Map<string, Set<string>>();
  const candidates = new Map<string, { readonly prefix: string; readonly family: string }[]>();
  for (const { name, path } of parameters) {
    const segments = path.split(separator);
    const found = segments.slice(0, -1).flatMap((segment, i) => {
      if (!/\d/.test(segment)) return [];
      const parent = segments.slice(0, i).join(separator);
      const prefix = segments.slice(0, i + 1).join(separator);
      const family = `${parent}${separator}${segment.replace(/\d+/g, "#")}`;
      families.set(family, (families.get(family) ?? new Set()).add(prefix));
      return [{ prefix, family }];
    });
    candidates.set(name, found);
  }
  return new Map(
    [...candidates].map(([name, found]) => [
      name,
      found.filter(({ family }) => families.get(family)!.size > 1).map(({ prefix }) => prefix),
    ]),
  );
}
