import { bug } from "../../base/errors.ts";
import { collate, type TextBatch, type TokenExample } from "../../data/text/text-batches.ts";
import type { TextTokenizer } from "../../data/text/tokenizer.ts";
import type { HostTensor } from "../../runtime/runtime.ts";
import type { EncodedText } from "./job.ts";
import { tokenFeeds } from "./judging.ts";

/** An example of several texts, such as two that mean the same. Its own tokens are those of the longest. */
export interface TextGroup extends EncodedText {
  readonly parts: readonly TokenExample[];
}

/** A group of texts; of the longest the batches are told, which are made of groups of like length. */
export function groupOf(
  id: string,
  parts: readonly (TokenExample & { readonly isTruncated: boolean })[],
): TextGroup {
  const [first = bug("a group has no text"), ...rest] = parts;
  const { ids } = rest.reduce(
    (longest, part) => (part.ids.length > longest.ids.length ? part : longest),
    first,
  );
  return { id, ids, parts, isTruncated: parts.some(({ isTruncated }) => isTruncated) };
}

/** The texts of groups in one batch, [groups · texts] rows. */
export function collateGroups(
  groups: readonly TextGroup[],
  { padId, paddingSide }: Pick<TextTokenizer, "padId" | "paddingSide">,
): TextBatch {
  const examples = groups.flatMap(({ parts }) => parts);
  return collate([...examples.keys()], { examples, padId, side: paddingSide });
}

/** Rows [groups · texts, tokens] as [groups, texts, tokens]. */
export const grouped = (tensor: HostTensor, groups: number): HostTensor => ({
  ...tensor,
  dims: [groups, tensor.dims[0]! / groups, ...tensor.dims.slice(1)],
});

/** What the tokens of groups are fed as: int64 [groups, texts, tokens]. */
export const groupFeeds = (batch: TextBatch, groups: number): Readonly<Record<string, HostTensor>> =>
  Object.fromEntries(
    Object.entries(tokenFeeds(batch)).map(([name, tensor]) => [name, grouped(tensor, groups)]),
  );
