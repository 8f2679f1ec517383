import { bug, DiapasonError } from "../../base/errors.ts";
import { openTokenizer } from "../../data/text/open-tokenizer.node.ts";
import { collate } from "../../data/text/text-batches.ts";
import { float32, sizeOf } from "../../graph/tensor.ts";
import type { Model } from "../../models/model.ts";
import { zeroShotHead } from "../../models/network/two-towers.ts";
import { openNetwork } from "../../models/open-network.node.ts";
import type { HostTensor, Runtime } from "../../runtime/runtime.ts";

/** Where the name of a class stands in a prompt. */
const hole = "{}";

export interface ZeroShotOptions {
  readonly labels: readonly string[];
  /** What is said of a class, with `{}` where its name stands. */
  readonly prompt: string;
  readonly seed: number;
}

/**
 * A classifier whose rows are what the network's own tower for texts makes of prompts about the classes: before the first
 * step its logits are the network's between images and these texts. `folder`: a checkpoint with both towers and a tokenizer.
 * @throws app/bad-option for a prompt without a place for the name, models/no-such-head, models/missing-weight
 */
export async function openZeroShot(
  folder: string,
  { labels, prompt, seed }: ZeroShotOptions,
  runtime: Runtime,
): Promise<Model> {
  if (!prompt.includes(hole))
    throw new DiapasonError(
      "app/bad-option",
      `The prompt ${JSON.stringify(prompt)} has no ${hole}, where the name of a class is to stand.`,
      'Write the prompt like "a photo of a {}.".',
    );
  const model = await openNetwork(folder, { head: "zero-shot-classification", labels, seed });
  const both = await openNetwork(folder, { head: "image-text", seed });
  const [lacking] = both.network!.fresh;
  if (lacking)
    throw new DiapasonError(
      "models/missing-weight",
      `${folder} has no weight "${lacking}", without which the names of classes cannot be read.`,
      "Use the checkpoint with both towers, or leave the option zeroShot out.",
    );
  const embeds = await embedded(
    both,
    folder,
    labels.map((name) => prompt.replaceAll(hole, () => name)),
    runtime,
  );
  const scale = Math.exp(numberIn(both, "logit_scale") ?? 0);
  const width = embeds.length / labels.length;
  const { graph } = model;
  graph.setConstant(
    graph.get(`${zeroShotHead}.weight`),
    float32(
      [labels.length, width],
      embeds.map((value) => value * scale),
    ),
  );
  const bias = numberIn(both, "logit_bias");
  if (bias !== undefined)
    graph.setConstant(
      graph.get(`${zeroShotHead}.bias`),
      float32([labels.length], new Float32Array(labels.length).fill(bias)),
    );
  const note = `The head begins with what the model makes of ${JSON.stringify(prompt)} for each of ${labels.length} classes.`;
  return { ...model, notes: [note] };
}

/** Normalised embeddings of texts, [texts, width] in rows. */
async function embedded(
  { graph }: Model,
  folder: string,
  texts: readonly string[],
  runtime: Runtime,
): Promise<Float32Array> {
  const places = graph.get("text_model.embeddings.position_embedding.weight").constant!.dims[0]!;
  const tokenizer = await openTokenizer(folder);
  try {
    const encoded = await tokenizer.encodeMany(texts, { maxLength: places });
    const examples = encoded.map(({ ids }, i) => ({ id: texts[i]!, ids }));
    // Without a mask padding is read, so there must be as much of it as there was in training.
    const multipleOf = graph.find("attention_mask") ? 1 : places;
    const batch = collate([...examples.keys()], { examples, padId: tokenizer.padId, multipleOf });
    const feeds = {
      input_ids: batch.inputIds,
      attention_mask: batch.attentionMask,
      pixel_values: blackImage(graph),
    };
    const executable = await runtime.compile(graph);
    try {
      const inputs = Object.fromEntries(Object.entries(feeds).filter(([name]) => graph.find(name)));
      const { text_embeds: found } = await executable.run(inputs, { outputs: ["text_embeds"] });
      return Float32Array.from(found!.data as Float32Array);
    } finally {
      await executable.dispose();
    }
  } finally {
    await tokenizer.close();
  }
}

/** What the tower for images is given where only the other's output is wanted. */
function blackImage(graph: Model["graph"]): HostTensor {
  const sizes = graph.get("pixel_values").shape?.slice(1) ?? bug("images have no shape");
  const dims = [1, ...sizes.map(Number)];
  return { dtype: "float32", dims, data: new Float32Array(sizeOf(dims)) };
}

function numberIn({ graph }: Model, name: string): number | undefined {
  const bytes = graph.find(name)?.constant?.data.read();
  return bytes && new Float32Array(Uint8Array.from(bytes).buffer)[0];
}
