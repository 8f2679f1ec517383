import { type GraphBuilder, range, rankOf } from "../../graph/builder.ts";
import { knownNumbers } from "../../graph/infer.ts";
import type { Value } from "../../graph/ir.ts";
import type { Backward, GradRules } from "../rule.ts";

type Loss = "SoftmaxCrossEntropyLoss" | "NegativeLogLikelihoodLoss";

/** What a loss of labelled scores multiplies each label's log-probability by, and where that stands; [batch, 1, ...]. */
interface Labelled {
  /** Gradient of the loss times the label's weight, divided by all weights for a mean. */
  readonly factor: Value;
  /** Class numbers, int64; 0 for a label that does not count. */
  readonly place: Value;
}

function labelled(b: Backward<Loss>): Labelled {
  const { g, x, dy, attrs } = b;
  const [scores, labels, weights] = x;
  const classes = g.cast(labels, "int64");
  const counts =
    attrs.ignore_index === undefined ? undefined : g.op("Not", [g.equal(classes, attrs.ignore_index)]);
  const safe = counts ? g.where(counts, classes, 0) : classes;
  const own = b.has(2) ? g.op("Gather", [weights, safe]) : undefined;
  const kept = counts && g.cast(counts, scores);
  const weight = own && kept ? g.mul(own, kept) : (own ?? kept);
  const shared = attrs.reduction === "mean" ? g.div(dy, totalOf(b, weight, classes)) : dy;
  const perLabel = weight ? g.mul(shared, weight) : g.expandLike(shared, classes);
  return { factor: g.unsqueeze(perLabel, [1]), place: g.unsqueeze(safe, [1]) };
}

/** `values`, [batch, classes, ...], with `amounts`, [batch, 1, ...], added to one class of each label. */
const addAt = (g: GraphBuilder, values: Value, place: Value, amounts: Value): Value =>
  g.op("ScatterElements", [values, place, amounts], { axis: 1, reduction: "add" });

const totalOf = ({ g, dy }: Backward<Loss>, weight: Value | undefined, labels: Value): Value =>
  weight ? g.sum(weight, range(rankOf(weight))) : g.count(labels, dy);

/** dx = factor ⊙ (softmax(x) − 1 at the label), and dp − softmax(x)·Σ dp where the log-probabilities p are read too. */
function softmaxCrossEntropy(b: Backward<"SoftmaxCrossEntropyLoss">): Value {
  const { g, dys } = b;
  const probabilities = g.exp(b.output(1));
  const [dy, dp] = dys;
  const fromLoss = () => {
    const { factor, place } = labelled(b);
    const minusOnes = g.expandLike(g.scalar(-1, probabilities), place);
    return g.mul(factor, addAt(g, probabilities, place, minusOnes));
  };
  if (!dp) return fromLoss();
  const fromLog = g.sub(dp, g.mul(probabilities, g.sum(dp, [1], true)));
  return dy ? g.add(fromLoss(), fromLog) : fromLog;
}

/** The share of elements that a Dropout keeps; 0.5 where the node does not say. */
function keptShare({ g, node, dy }: Backward<"Dropout">): Value {
  const ratio = node.inputs[1];
  const [known] = ratio ? (knownNumbers(ratio) ?? []) : [0.5];
  return known === undefined ? g.sub(1, g.cast(ratio!, dy)) : g.scalar(1 - known, dy);
}

export const losses = {
  SoftmaxCrossEntropyLoss: { inputs: [softmaxCrossEntropy, null, null], outputs: [0, 1] },
  // loss = −Σ factor · x[label]
  NegativeLogLikelihoodLoss: [
    (b) => {
      const { g, x } = b;
      const { factor, place } = labelled(b);
      return addAt(g, g.zerosLike(x[0]), place, g.neg(factor));
    },
    null,
    null,
  ],
  // only what was kept has a gradient, scaled up as its value was; out of training everything is
  Dropout: [
    (b) => {
      const { g, node, dy } = b;
      const training = node.inputs[2];
      const [known] = training ? (knownNumbers(training) ?? []) : [0];
      if (known === 0) return dy;
      const kept = g.div(g.mul(dy, g.cast(b.output(1), dy)), keptShare(b));
      return known === 1 ? kept : g.where(training!, kept, dy);
    },
    null,
    null,
  ],
} satisfies Partial<GradRules>;
