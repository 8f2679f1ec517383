import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type TaskName, taskNames } from "./options.ts";

/** What a model was tuned for, as the config.json in its folder says; the first task of all where nothing says it. */
export async function taskOfModel(path: string, asked: TaskName | undefined): Promise<TaskName> {
  if (asked) return asked;
  // A folder that cannot be read, or a config that is broken, is told when the model is opened.
  const text = await readFile(join(path, "config.json"), "utf8").catch(() => "{}");
  return taskNames.find((name) => name === taskIn(text)) ?? taskNames[0];
}

function taskIn(text: string): unknown {
  try {
    return (JSON.parse(text) as { diapason?: { task?: unknown } } | null)?.diapason?.task;
  } catch {
    return undefined;
  }
}
