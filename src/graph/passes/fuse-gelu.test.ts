import { expect, test } from "vitest";
import { GraphBuilder } from "../builder.ts";
import { Graph, type Value } from "../ir.ts";
import { fuseGelu } from "./fuse-gelu.ts";
import { removeDead } from "./remove-dead.ts";

type Make = (g: GraphBuilder, x: Value) => Value;
const erf = (g: GraphBuilder, u: Value): Value => g.add(g.op("Erf", [u]), 1);

const opsAfter = (make: Make): string[] => {
  const graph = new Graph("gelu");
  const x = graph.addInput("x", "float32", [2, 3]);
  graph.addOutput(make(new GraphBuilder(graph), x));
  fuseGelu(graph);
  removeDead(graph);
  return graph.nodes.map(({ op }) => op);
};

test.each<[string, Make]>([
  ["x·(1 + erf)·½", (g, x) => g.mul(g.mul(x, erf(g, g.div(x, Math.SQRT2))), 0.5)],
  ["½·((1 + erf)·x), x·√½", (g, x) => g.mul(0.5, g.mul(erf(g, g.mul(x, Math.SQRT1_2)), x))],
  ["(½·x)·(1 + erf)", (g, x) => g.mul(g.mul(0.5, x), erf(g, g.div(x, Math.SQRT2)))],
  ["x·(½·(1 + erf)), rounded", (g, x) => g.mul(x, g.mul(erf(g, g.div(x, Math.SQRT2)), 0.5))],
])("%s becomes one operator", (_, make) => expect(opsAfter(make)).toEqual(["Gelu"]));

test.each<[string, Make]>([
  ["another scale", (g, x) => g.mul(g.mul(x, erf(g, g.div(x, 1.5))), 0.5)],
  ["another factor", (g, x) => g.mul(g.mul(x, erf(g, g.div(x, Math.SQRT2))), 0.6)],
  ["another argument", (g, x) => g.mul(g.mul(g.exp(x), erf(g, g.div(x, Math.SQRT2))), 0.5)],
  [
    "a part that is read elsewhere",
    (g, x) => {
      const half = g.mul(x, erf(g, g.div(x, Math.SQRT2)));
      return g.add(g.mul(half, 0.5), half);
    },
  ],
])("%s stays", (_, make) => expect(opsAfter(make)).not.toContain("Gelu"));
