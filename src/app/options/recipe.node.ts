import { readFile } from "node:fs/promises";
import { parseDocument } from "yaml";
import { DiapasonError } from "../../base/errors.ts";
import { nameOf } from "./parse.ts";

/**
 * The options of a recipe file (YAML or JSON), with `overrides` put over them.
 *
 * @throws app/bad-recipe when the file is missing, is not YAML, or is not a mapping.
 */
export async function readRecipe(
  path: string,
  overrides: Readonly<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  let recipe: unknown;
  try {
    const document = parseDocument(await readFile(path, "utf8"), { logLevel: "error" });
    // what YAML only warns of, as a tag that nobody knows, would be read as something else than was meant
    const [mistake] = [...document.errors, ...document.warnings];
    if (mistake) throw mistake;
    recipe = document.toJS();
  } catch (cause) {
    const reason =
      cause instanceof Error ? cause.message.split("\n")[0]!.replace(/[:.]+$/, "") : String(cause);
    throw new DiapasonError(
      "app/bad-recipe",
      `The recipe "${path}" cannot be read: ${reason}.`,
      "Check the path and the YAML.",
      cause,
    );
  }
  if (typeof recipe !== "object" || recipe === null || Array.isArray(recipe)) {
    throw new DiapasonError(
      "app/bad-recipe",
      `The recipe "${path}" holds ${recipe === null ? "nothing" : Array.isArray(recipe) ? "a list" : `a ${typeof recipe}`}; expected options by name.`,
      'Write lines such as "model: my-model" and "data: my-images".',
    );
  }
  const spelled = Object.entries(recipe).map(([key, value]) => [nameOf(key), value] as const);
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined);
  return Object.fromEntries([...spelled, ...given]);
}
