import { expect, test } from "vitest";
import {
  canonical,
  ceilQuotient,
  type Dim,
  difference,
  floorQuotient,
  product,
  quotient,
  substitute,
  sum,
  symbolsOf,
} from "./dim.ts";

/** The size after a convolution with kernel 3, stride 2 and padding 1. */
const halved = (size: Dim): Dim => sum([floorQuotient(difference(size, 1), 2), 1]);

test.each<[string, Dim | undefined, Dim | undefined]>([
  ["a product sorts its factors behind the number", product(["tokens", 2, "batch"]), "2*batch*tokens"],
  ["a product multiplies sums out", product(["batch", sum(["tokens", 1])]), "batch*tokens+batch"],
  ["a sum merges equal terms", sum(["a", "b", "a", 3, -1]), "2*a+b+2"],
  ["a difference of equals is 0", difference(sum(["a", 1]), sum([1, "a"])), 0],
  ["a negative term", difference("a", product([2, "b"])), "a-2*b"],
  ["quotient of products", quotient("2*batch*tokens", "2*tokens"), "batch"],
  ["quotient of sums", quotient(product(["batch", "tokens+1"]), "tokens+1"), "batch"],
  ["quotient that leaves a rest", quotient("tokens+1", "tokens"), undefined],
  ["quotient of a symbol by a number", quotient("tokens", 2), undefined],
  ["quotient by 0", quotient(0, 0), undefined],
  ["rounding down takes out what divides", floorQuotient("4*a+3", 2), "2*a+1"],
  ["rounding down cancels common factors", floorQuotient("4*a+3", 6), "(2*a+1)/3"],
  ["a strided convolution", halved("h"), "(h+1)/2"],
  ["two strided convolutions merge", halved(halved("h")), "(h+3)/4"],
  ["rounding up", ceilQuotient("a", 2), "(a+1)/2"],
  ["rounding numbers down", floorQuotient(-7, 2), -4],
  ["a quotient as a factor", product([2, halved("h"), "b"]), "2*((h+1)/2)*b"],
  ["text is brought to one form", canonical("b*2 * ((h-1)/2+1)"), "2*((h+1)/2)*b"],
  ["text that is no expression is a symbol", canonical("past seq"), "past seq"],
  ["a symbol becomes a number", substitute(halved(halved("h")), new Map([["h", 225]])), 57],
  ["a symbol becomes another", substitute("a*b+a", new Map([["a", "z"]])), "b*z+z"],
  ["a quotient of symbols", substitute(floorQuotient("a", "b"), new Map([["b", 2]])), "a/2"],
])("%s", (_, found, expected) => expect(found).toBe(expected));

test("the symbols of a dim", () => expect(symbolsOf("2*((h+1)/2)*b+h")).toEqual(["h", "b"]));

test("every canonical text reads back as itself", () => {
  for (const text of ["a-2*b", "2*((h+1)/2)*b+h", "-((-a)/2)", "(2*a+1)/3", "a/b", "(a+1)/(b*c+2)"])
    expect(canonical(text)).toBe(text);
});
