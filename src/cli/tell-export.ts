import type { Exported } from "../app/index.node.ts";
import { bytes, measured } from "../app/numbers.ts";
import type { Told } from "./tell-tune.ts";

/** Tells which files were written of a model, and what each loses. */
export const exportTeller = {
  exported: ({ path, bytes: size, dtype, quality }: Exported): Told => {
    const head = `Wrote   ${path}  ${bytes(size)}${dtype ? `  (dtype "${dtype}" in transformers.js)` : ""}`;
    if (!quality) return { line: head };
    const changes = Object.entries(quality.before).map(
      ([name, before]) =>
        `${name} ${measured(name, before)} → ${measured(name, quality.after[name] ?? Number.NaN)}`,
    );
    return { line: `${head}\n        ${changes.join(", ")}  (${quality.split} of ${quality.data})` };
  },
};
