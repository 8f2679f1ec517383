/**
 * Whether a path fits a pattern as Hugging Face's datasets mean it: `*` and `?` within a name, `[a-z]` and `[!a-z]`, and `**` for
 * any number of folders. Names that begin with "." or "__" are matched only where the pattern has as many of them.
 */
export function fitsGlob(path: string, pattern: string): boolean {
  const [parts, wanted] = [path.split("/"), pattern.split("/")];
  for (const mark of [".", "__"]) {
    const count = (names: readonly string[]) => names.filter((name) => name.startsWith(mark)).length;
    if (count(parts) !== count(wanted)) return false;
  }
  return fitsFolders(parts, wanted);
}

/** By dynamic programming over the rest of both, so that no pattern takes long. */
function fitsFolders(parts: readonly string[], wanted: readonly string[]): boolean {
  let fits = Array.from({ length: parts.length + 1 }, (_, i) => i === parts.length);
  for (const [w, name] of [...wanted.entries()].reverse()) {
    const next: boolean[] = new Array(parts.length + 1).fill(false);
    for (let i = parts.length; i >= 0; i--)
      if (name === "**")
        // At the end something must be left for it, as a folder is no file.
        next[i] =
          (w === wanted.length - 1 ? i < parts.length && fits[parts.length]! : fits[i]!) ||
          (next[i + 1] ?? false);
      else next[i] = i < parts.length && fits[i + 1]! && fitsName(parts[i]!, name);
    fits = next;
  }
  return fits[0]!;
}

/** What one character of a name may be, or "*" for any number of any. */
type Step = "*" | ((character: string) => boolean);

function fitsName(name: string, pattern: string): boolean {
  const steps = stepsOf(pattern);
  let [at, i] = [0, 0];
  let star = -1;
  let from = 0;
  while (i < name.length) {
    const step = steps[at];
    if (step === "*") [star, from, at] = [at, i, at + 1];
    else if (step?.(name[i]!)) [at, i] = [at + 1, i + 1];
    else if (star >= 0) [at, from, i] = [star + 1, from + 1, from + 1];
    else return false;
  }
  return steps.slice(at).every((step) => step === "*");
}

function stepsOf(pattern: string): Step[] {
  const steps: Step[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const end = pattern[i] === "[" ? pattern.indexOf("]", i + 2) : -1;
    if (pattern[i] === "*") steps.push("*");
    else if (pattern[i] === "?") steps.push(() => true);
    else if (end > 0) {
      steps.push(inSet(pattern.slice(i + 1, end)));
      i = end;
    } else {
      const own = pattern[i]!;
      steps.push((character) => character === own);
    }
  }
  return steps;
}

/** The characters between brackets: single ones and ranges, or with "!" in front all others. */
function inSet(set: string): (character: string) => boolean {
  const isNot = set.startsWith("!");
  const spelled = isNot ? set.slice(1) : set;
  const ranges: (readonly [string, string])[] = [];
  for (let i = 0; i < spelled.length; i++) {
    const isRange = spelled[i + 1] === "-" && i + 2 < spelled.length;
    ranges.push([spelled[i]!, spelled[isRange ? i + 2 : i]!]);
    if (isRange) i += 2;
  }
  return (character) => ranges.some(([low, high]) => low <= character && character <= high) !== isNot;
}
