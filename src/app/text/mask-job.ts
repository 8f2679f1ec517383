import { DiapasonError } from "../../base/errors.ts";
import { random } from "../../base/random.ts";
import { ignored } from "../../data/text/text-batches.ts";
import type { TextRow } from "../../data/text/text-dataset.ts";
import { softmax } from "../../tasks/classification-metrics.ts";
import { textOf } from "./encode.ts";
import { excerpt } from "./excerpt.ts";
import type { JobContext, TextJob } from "./job.ts";
import { startOf } from "./judging.ts";
import {
  judgedByPerplexity,
  labelled,
  labelsInput,
  type TokenLabelled,
  type TokenLosses,
  tokenLoss,
} from "./token-loss-job.ts";

/** Share of tokens that are to be told, and what becomes of those: a mask, another token, or what it was. */
const toldShare = 0.15;
const maskedShare = 0.8;
const replacedShare = 0.1;

/** Tokens that are hidden, from those around them: how an encoder goes on with its pretraining. Source: Devlin et al. 2019, §3.1. */
export function maskJob(context: JobContext): TextJob<TokenLabelled, TokenLosses> {
  const { tokenizer, labelSmoothing, seed } = context;
  const mask =
    tokenizer.special.mask ??
    fail(
      "The tokenizer has no mask token, so nothing can be hidden.",
      "Use a model that was pretrained to fill masks, such as BERT or RoBERTa.",
    );
  const isKept = (id: number) => tokenizer.specialIds.has(id);
  /** A text with other tokens hidden in each epoch. */
  const hidden = (example: TokenLabelled, epoch: number): TokenLabelled => {
    const stream = random(seed, "mask", epoch, example.id);
    const ids = example.ids.slice();
    const labels = new Int32Array(ids.length).fill(ignored);
    const places = [...ids.keys()].filter((t) => !isKept(ids[t]!));
    const told = places.filter(() => stream.uniform() < toldShare);
    // A short text would else often be read for nothing.
    if (told.length === 0 && places.length > 0) told.push(places[stream.integer(places.length)]!);
    for (const t of told) {
      labels[t] = ids[t]!;
      const fate = stream.uniform();
      if (fate < maskedShare) ids[t] = mask.id;
      else if (fate < maskedShare + replacedShare) ids[t] = stream.integer(tokenizer.size);
    }
    return { ...example, ids, labels };
  };
  return {
    head: "masked-lm",
    labels: undefined,
    config: {},
    ...tokenLoss(labelSmoothing),
    ...judgedByPerplexity(({ labels }) => labelled(labels), "cross-entropy of hidden tokens", tokenizer),
    encode: (rows) => encodeRows(context, rows),
    async encodeUnlabelled(rows) {
      const found = await encodeRows(context, rows);
      for (const { id } of rows)
        if (!found.some((part) => part.id.startsWith(id) && part.ids.includes(mask.id)))
          fail(
            `${JSON.stringify(excerpt(id))} hides nothing.`,
            `Write ${mask.token} where a word is to be told.`,
          );
      return found;
    },
    epoch: (examples, epoch) => examples.map((example) => hidden(example, epoch)),
    targets: ({ labels }) => (labels ? { [labelsInput]: labels } : {}),
    countOf: ({ labels }) => labelled(labels),
    say(batch, outputs, top) {
      const { data, dims } = outputs["logits"]!;
      const size = dims.at(-1)!;
      return batch.examples.flatMap(({ id, ids }, i) =>
        [...ids.keys()]
          .filter((t) => ids[t] === mask.id)
          .map((t) => {
            const from = (i * batch.tokens + startOf(batch, i, tokenizer) + t) * size;
            const shares = softmax((data as Float32Array).subarray(from, from + size));
            const best = [...shares.keys()].sort((a, b) => shares[b]! - shares[a]!).slice(0, top);
            return {
              type: "prediction" as const,
              path: id,
              labels: best.map((token) => ({
                label: tokenizer.decode([token], { keepSpecial: true }).trim(),
                probability: shares[token]!,
              })),
            };
          }),
      );
    },
  };
}

/** Texts cut into windows, each with the special tokens that the tokenizer puts around a text. */
async function encodeRows(
  { tokenizer, maxTokens }: JobContext,
  rows: readonly TextRow[],
): Promise<TokenLabelled[]> {
  const plain = await tokenizer.encodeMany(rows.map(textOf), { addSpecial: false });
  const { cls, sep } = tokenizer.special;
  const room = maxTokens - (cls ? 1 : 0) - (sep ? 1 : 0);
  if (room < 1)
    throw new DiapasonError(
      "data/bad-option",
      `${maxTokens} tokens of a text are read at a time, and the special tokens around them leave no room for any other.`,
      "Read more tokens (maxTokens).",
    );
  return plain.flatMap(({ ids }, i) => {
    const count = Math.ceil(ids.length / room);
    return Array.from({ length: count }, (_, n): TokenLabelled => {
      const part = ids.subarray(n * room, (n + 1) * room);
      const whole = Int32Array.of(...(cls ? [cls.id] : []), ...part, ...(sep ? [sep.id] : []));
      return {
        id: count === 1 ? rows[i]!.id : `${rows[i]!.id} part ${n + 1}`,
        ids: whole,
        labels: new Int32Array(whole.length).fill(ignored),
        isTruncated: false,
      };
    });
  });
}

function fail(found: string, fix: string): never {
  throw new DiapasonError("data/no-token", found, fix);
}
