import { isSameShape, range, rankOf } from "../builder.ts";
import { dataTypeOf } from "../element-types.ts";
import type { Expansions } from "./expansion.ts";

export const normalized = {
  // y = x / (bias + α/size · Σ x² over `size` neighbouring channels)^β
  LRN: ({ g, x: [x], attrs: { alpha, beta, bias, size } }) => {
    const rank = rankOf(x);
    const before = Math.floor((size - 1) / 2);
    const pads = range(2 * rank).map((i) => (i === 1 ? before : i === rank + 1 ? size - 1 - before : 0));
    const squares = g.pad(g.square(x), pads);
    const shifted = range(size).map((from) =>
      g.slice(squares, [1], [from], [from + 1 === size ? Number.MAX_SAFE_INTEGER : from + 1 - size]),
    );
    const near = size === 1 ? g.square(x) : g.op("Sum", shifted);
    return g.div(x, g.pow(g.add(g.mul(near, alpha / size), bias), beta));
  },
  // y = x / ‖x‖ₚ, and 0 where the norm is 0
  LpNormalization: ({ g, x: [x], attrs: { axis, p } }) => {
    const norm = g.op(p === 1 ? "ReduceL1" : "ReduceL2", [x, g.ints([axis])], { keepdims: 1 });
    return g.div(x, g.where(g.equal(norm, 0), 1, norm));
  },
  // y = (x − mean) / (deviation + 1e-9)
  MeanVarianceNormalization: ({ g, x: [x], attrs: { axes } }) => {
    const centred = g.sub(x, g.mean(x, axes, true));
    return g.div(centred, g.add(g.sqrt(g.mean(g.square(centred), axes, true)), 1e-9));
  },
  // y = x / √(mean(x²) + ε) · scale, over the axes from `axis` on: the older operator of one number for each of these in
  // one pass, which gives what its gradient needs; its kernels give the deviation in float32
  RMSNormalization: ({ g, x: [x, scale], attrs: { axis, epsilon, stash_type } }) => {
    if (stash_type === 1 && isSameShape(scale.shape, x.shape?.slice(axis)))
      return g.op("SimplifiedLayerNormalization", [x, scale], { axis, epsilon, stash_type });
    const wide = g.cast(x, dataTypeOf(stash_type) ?? x);
    const axes = range(axis, rankOf(x));
    const deviation = g.sqrt(g.add(g.mean(g.square(wide), axes, true), epsilon));
    return g.mul(g.cast(g.div(wide, deviation), scale), scale);
  },
} as const satisfies Expansions;
