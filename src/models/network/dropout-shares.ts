import { z } from "zod";

/** Where training may leave something out of a network of texts. */
export const dropoutPlaces = ["embeddings", "attention", "feedforward", "classifier"] as const;
export type DropoutPlace = (typeof dropoutPlaces)[number];

/**
 * Shares of elements that training leaves out, 0 ≤ p < 1: of the embeddings, of what attention gives, of what a
 * feed-forward part gives, and of what a classifier reads.
 *
 * transformers drops attention's weights too. That is left out: their masks would be the largest of all, heads · tokens
 * numbers for each token, which the loop draws for every step.
 */
export type DropoutShares = Readonly<Record<DropoutPlace, number>>;

/** The same share everywhere. */
export const evenShares = (p: number): DropoutShares => ({
  embeddings: p,
  attention: p,
  feedforward: p,
  classifier: p,
});

/** A share in a config. 1 would leave nothing to learn from. */
export const dropoutShare = z.number().min(0).lt(1);

/** Shares of a config with one number for hidden states; its number for the classifier may be absent. */
export const hiddenShares = (
  hidden: number,
  classifier: number | null | undefined = hidden,
): DropoutShares => ({ ...evenShares(hidden), classifier: classifier ?? hidden });

const named: Readonly<Record<DropoutPlace, string>> = {
  embeddings: "of the embeddings",
  attention: "of what attention gives",
  feedforward: "of what feed-forward parts give",
  classifier: "of what the classifier reads",
};

/** "10 % of hidden states and 20 % of what the classifier reads". `shares`: of the places that a network has, none of them 0. */
export function sharesInWords(shares: ReadonlyMap<DropoutPlace, number>): string {
  const hidden = (["embeddings", "attention", "feedforward"] as const).map((place) => shares.get(place));
  const isEven = hidden.every((share) => share !== undefined && share === hidden[0]);
  const percent = (share: number) => `${Number((100 * share).toPrecision(3))} %`;
  const parts = dropoutPlaces.flatMap((place) => {
    const share = shares.get(place);
    if (share === undefined) return [];
    if (!isEven || place === "classifier") return [`${percent(share)} ${named[place]}`];
    return place === "embeddings" ? [`${percent(share)} of hidden states`] : [];
  });
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}
