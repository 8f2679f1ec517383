import { range, rankOf } from "../builder.ts";
import type { Value } from "../ir.ts";
import type { Composite, Expansions } from "./expansion.ts";

/** Each sample's update written from its own place on; in a circle, what passes the end goes to the begin. */
function tensorScatter({ g, x, has, attrs }: Composite<"TensorScatter">): Value {
  const [cache, update, places] = x;
  const { axis, mode } = attrs;
  const rank = rankOf(cache);
  const number = (value: number) => g.constant([value], "int64", []);
  const counted = g.op("Range", [number(0), g.squeeze(g.sizeOf(update, axis), [0]), number(1)]);
  const along = g.unsqueeze(counted, range(1, rank - axis));
  const at = has(2) ? g.add(along, g.unsqueeze(places, range(1, rank))) : along;
  const within = mode === "circular" ? g.op("Mod", [at, g.sizeOf(cache, axis)]) : at;
  return g.op("ScatterElements", [cache, g.expandLike(within, update), update], { axis });
}

export const indexing = { TensorScatter: tensorScatter } as const satisfies Expansions;
