import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";

/** Whether a path is a folder or lies in it, through links too. Between drives there is no relative path. */
export function isIn(path: string, folder: string): boolean {
  const inside = relative(realPath(folder), realPath(path));
  return inside !== ".." && !inside.startsWith(`..${sep}`) && !isAbsolute(inside);
}

/** A path without links, as far as there is something at it. */
function realPath(path: string): string {
  const place = resolve(path);
  if (existsSync(place)) return realpathSync(place);
  return dirname(place) === place ? place : join(realPath(dirname(place)), basename(place));
}
