import { DiapasonError } from "../../base/errors.ts";
import { cutWindows, packExamples } from "../../data/text/pack-examples.ts";
import { type Int64Rows, ignored, type TokenExample } from "../../data/text/text-batches.ts";
import type { TextRow } from "../../data/text/text-dataset.ts";
import type { JobContext, TextJob } from "./job.ts";
import { languageTokens } from "./language-tokens.ts";
import {
  judgedByPerplexity,
  labelled,
  labelsInput,
  type TokenLabelled,
  type TokenLosses,
  tokenLoss,
} from "./token-loss-job.ts";

/** Tokens of an example that are told from others: the first of a row is told from nothing. */
const countOf = ({ labels }: TokenLabelled): number => labelled(labels.subarray(1));

/** What examples were made of. */
interface Made {
  readonly texts: number;
  /** Texts that were longer. */
  readonly cut: number;
  /** Texts that are left out, because what is to be learnt of them was cut off. */
  readonly mute: number;
}

/**
 * The next token, over plain text, prompts with completions, or conversations. `ends`: tokens at which the model stops
 * writing.
 */
export function languageJob(
  context: JobContext,
  ends: ReadonlySet<number>,
): TextJob<TokenLabelled, TokenLosses> {
  const made = new WeakMap<readonly TokenLabelled[], Made>();
  const encode = async (rows: readonly TextRow[], packs: boolean): Promise<TokenLabelled[]> => {
    const { examples, ...how } = await encodeRows(context, rows, packs);
    made.set(examples, how);
    return examples;
  };
  return {
    head: "causal-lm",
    labels: undefined,
    network: { positions: "given", segments: true },
    config: {},
    ...tokenLoss(context.labelSmoothing),
    ...judgedByPerplexity(countOf, "cross-entropy of the next token", context.tokenizer),
    encode: (rows, { packs = false } = {}) => encode(rows, packs),
    encodeUnlabelled: (rows) => encode(rows, false),
    textsIn: (examples) => made.get(examples) ?? { texts: examples.length, cut: 0 },
    targets: ({ labels }) => (labels ? { [labelsInput]: shifted(labels) } : {}),
    countOf,
    say: () => [],
    checks: (examples) => checksOf(context, ends, examples, made.get(examples)),
  };
}

/** Labels one place to the left, so that each lies where it is to be told: label t + 1 at token t. */
export function shifted({ dims, data }: Int64Rows): Int64Rows {
  const width = dims[1]!;
  const moved = data.slice();
  moved.copyWithin(0, 1);
  for (let end = width - 1; end < moved.length; end += width) moved[end] = BigInt(ignored);
  return { dtype: "int64", dims, data: moved };
}

/** Rows as tokens, long ones cut into windows; with `packs` short ones put together in rows. */
async function encodeRows(
  { tokenizer, maxTokens, turns }: JobContext,
  rows: readonly TextRow[],
  packs: boolean,
): Promise<Made & { readonly examples: TokenLabelled[] }> {
  if (rows.length === 0) return { examples: [], texts: 0, cut: 0, mute: 0 };
  const windows: TokenExample[] = [];
  let longer = 0;
  for (const tokens of await languageTokens(tokenizer, rows, turns)) {
    if (tokens.ids.length <= maxTokens) windows.push(tokens);
    else if (tokens.labels) {
      longer++;
      windows.push(cut(tokens, maxTokens));
    } else for (const part of cutWindows(tokens.id, tokens.ids, { length: maxTokens })) windows.push(part);
  }
  const some = windows.filter(({ ids }) => ids.length > 1);
  const usable = some.filter(({ labels }) => !labels || labelled(labels.subarray(1)) > 0);
  const mute = some.length - usable.length;
  if (usable.length === 0) throw nothingLeft(rows, mute, maxTokens);
  const whole = ({ ids }: TokenExample) => ({ segments: new Int32Array(ids.length).fill(1) });
  const placed = packs
    ? packExamples(usable, maxTokens)
    : usable.map((example) => ({ ...example, ...whole(example) }));
  const examples = placed.map((example) => ({
    isTruncated: false,
    ...example,
    labels: toldLabels(example),
  }));
  return { examples, texts: some.length, cut: longer, mute };
}

/** Labels of an example without that of its first token: where padding stands before it, that would be told from padding. */
function toldLabels({ ids, labels = ids }: TokenExample): Int32Array {
  const told = labels.slice();
  told[0] = ignored;
  return told;
}

function nothingLeft(rows: readonly TextRow[], mute: number, maxTokens: number): DiapasonError {
  const from = `${rows.length === 1 ? "The row" : `The ${rows.length} rows from`} ${rows[0]!.id}${rows.length === 1 ? "" : " on"}`;
  return mute > 0
    ? new DiapasonError(
        "data/no-text",
        `${from} hold nothing to be learnt within the first ${maxTokens} tokens: the answers come later.`,
        "Read more tokens (maxTokens), or shorten what comes before the answers.",
      )
    : new DiapasonError(
        "data/no-text",
        `${from} hold no two tokens in a row.`,
        "Give texts of more than one token.",
      );
}

const cut = ({ id, ids, labels }: TokenExample, length: number): TokenExample => ({
  id,
  ids: ids.slice(0, length),
  ...(labels && { labels: labels.slice(0, length) }),
});

/** How much carries loss, and whether the end of a text is learnt. */
function checksOf(
  { tokenizer, maxTokens }: JobContext,
  stops: ReadonlySet<number>,
  examples: readonly TokenLabelled[],
  made: Made | undefined,
) {
  const mute = made?.mute ?? 0;
  const used = (made?.texts ?? examples.length) - mute;
  const names = [...stops].map((id) => tokenizer.tokenOf(id) ?? String(id));
  const tokens = examples.reduce((sum, { ids }) => sum + ids.length, 0);
  const told = examples.reduce((sum, example) => sum + countOf(example), 0);
  const learnt = [...stops].filter((id) => examples.some(({ labels }) => labels.includes(id)));
  const ends = examples.filter(({ labels }) => learnt.some((id) => labels.includes(id))).length;
  const share = told / Math.max(1, tokens);
  return [
    ...(mute > 0
      ? [
          {
            what: "mute",
            found: `${mute} training texts are left out: the first ${maxTokens} tokens hold nothing that is to be learnt`,
            isFine: false,
          },
        ]
      : []),
    ...(used > examples.length
      ? [
          {
            what: "packed",
            found: `${used} training texts lie in ${examples.length} rows of at most ${maxTokens} tokens, which do not see each other`,
            isFine: true,
          },
        ]
      : []),
    {
      what: "loss",
      found: `${(100 * share).toFixed(1)} % of ${tokens} training tokens carry loss`,
      isFine: share > 0.02,
    },
    {
      what: "end",
      found:
        stops.size === 0
          ? "the tokenizer has no end-of-sequence token, so the model does not learn to stop"
          : ends > 0
            ? `the end-of-sequence token ${learnt.map((id) => tokenizer.tokenOf(id)).join(" or ")} is learnt, in ${ends} of ${examples.length} rows`
            : `the end-of-sequence token ${names.join(" or ")} is never learnt: as is right for one long text, and wrong for answers`,
      isFine: ends > 0,
    },
  ];
}
