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

/** The next token, over plain text, prompts with completions, or conversations. */
export function languageJob(context: JobContext): TextJob<TokenLabelled, TokenLosses> {
  return {
    head: "causal-lm",
    labels: undefined,
    network: { positions: "given", segments: true },
    config: {},
    ...tokenLoss(context.labelSmoothing),
    ...judgedByPerplexity(countOf, "cross-entropy of the next token"),
    encode: (rows) => encodeRows(context, rows),
    encodeUnlabelled: (rows) => encodeRows(context, rows),
    targets: ({ labels }) => (labels ? { [labelsInput]: shifted(labels) } : {}),
    countOf,
    say: () => [],
    checks: (examples) => checksOf(context, examples),
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

/** Rows as tokens, long ones cut into windows, short ones put together in rows. */
async function encodeRows(context: JobContext, rows: readonly TextRow[]): Promise<TokenLabelled[]> {
  const { maxTokens, packs = true } = context;
  if (rows.length === 0) return [];
  const windows: TokenExample[] = [];
  for (const tokens of await languageTokens(context.tokenizer, rows)) {
    if (tokens.ids.length <= maxTokens) windows.push(tokens);
    else if (tokens.labels) windows.push({ ...cut(tokens, maxTokens), isTruncated: true } as TokenLabelled);
    else windows.push(...cutWindows(tokens.id, tokens.ids, { length: maxTokens }));
  }
  const usable = windows.filter(({ ids }) => ids.length > 1);
  if (usable.length === 0)
    throw new DiapasonError(
      "data/no-text",
      `The ${rows.length} rows from ${rows[0]!.id} on hold no two tokens in a row.`,
      "Give texts of more than one token.",
    );
  return (packs ? packExamples(usable, maxTokens) : usable).map((example) => ({
    isTruncated: false,
    ...example,
    labels: example.labels ?? example.ids,
  }));
}

const cut = ({ id, ids, labels }: TokenExample, length: number): TokenExample => ({
  id,
  ids: ids.slice(0, length),
  ...(labels && { labels: labels.slice(0, length) }),
});

/** How much carries loss, and whether the end of a text is learnt. */
function checksOf({ tokenizer }: JobContext, examples: readonly TokenLabelled[]) {
  const eos = tokenizer.special.eos;
  const tokens = examples.reduce((sum, { ids }) => sum + ids.length, 0);
  const told = examples.reduce((sum, example) => sum + countOf(example), 0);
  const ends = eos ? examples.filter(({ labels }) => labels.includes(eos.id)).length : 0;
  const share = told / Math.max(1, tokens);
  return [
    {
      what: "loss",
      found: `${(100 * share).toFixed(1)} % of ${tokens} training tokens carry loss`,
      isFine: share > 0.02,
    },
    {
      what: "end",
      found: !eos
        ? "the tokenizer has no end-of-sequence token, so the model does not learn to stop"
        : ends > 0
          ? `the end-of-sequence token ${eos.token} is learnt, in ${ends} of ${examples.length} rows`
          : `the end-of-sequence token ${eos.token} is never learnt: as is right for one long text, and wrong for answers`,
      isFine: ends > 0,
    },
  ];
}
