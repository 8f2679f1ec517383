import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { HeadKind } from "../../models/architecture.ts";
import { architectureOf } from "../../models/architectures/table.ts";
import { headOf } from "../../models/network/build-network.ts";
import { type TaskName, taskNames } from "../options/common.ts";

/** What a head is for: when the model is tuned, and when it is run as it is. */
const tasksOfHeads: { readonly [H in HeadKind]: { readonly tune: TaskName; readonly run: TaskName } } = {
  // An encoder as it was pretrained is mostly to become a classifier; as it is it gives vectors, or fills in.
  features: { tune: "text-classification", run: "sentence-similarity" },
  "masked-lm": { tune: "text-classification", run: "fill-mask" },
  "sequence-classification": { tune: "text-classification", run: "text-classification" },
  "token-classification": { tune: "token-classification", run: "token-classification" },
  "causal-lm": { tune: "causal-lm", run: "causal-lm" },
  "image-classification": { tune: "image-classification", run: "image-classification" },
  "image-text": { tune: "image-classification", run: "image-classification" },
  "zero-shot-classification": { tune: "image-classification", run: "image-classification" },
};

/**
 * The task that was asked for; else the one that a model was tuned for, as its config.json says; else the one that its
 * head is for; else the first of all.
 */
export async function taskOfModel(
  path: string,
  asked: TaskName | undefined,
  use: "tune" | "run" = "run",
): Promise<TaskName> {
  if (asked) return asked;
  // A folder that cannot be read, or a config that is broken, is told when the model is opened.
  const text = await readFile(join(path, "config.json"), "utf8").catch(() => "{}");
  const config = parsed(text);
  const kept = (config["diapason"] as { readonly task?: unknown } | null | undefined)?.task;
  return taskNames.find((name) => name === kept) ?? taskOfHead(config, use) ?? taskNames[0];
}

function taskOfHead(config: Readonly<Record<string, unknown>>, use: "tune" | "run"): TaskName | undefined {
  const type = config["model_type"];
  const architecture = typeof type === "string" ? architectureOf(type) : undefined;
  if (!architecture) return undefined;
  const readsText = "sequence-classification" in architecture.heads || "causal-lm" in architecture.heads;
  const head = headOf(architecture, config);
  return head === "features" && !readsText ? "image-classification" : tasksOfHeads[head][use];
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
