import { expect, test } from "vitest";
import { textPlot } from "./text-plot.ts";

test("curves over one axis, the first in front, the second ending early", () => {
  const plot = textPlot(
    [
      {
        mark: "a",
        name: "rising",
        points: [
          [0, 0],
          [10, 1],
        ],
      },
      {
        mark: "b",
        name: "flat",
        points: [
          [0, 0.5],
          [5, 0.5],
        ],
      },
    ],
    "s",
    { width: 10, height: 4 },
  );
  expect(`\n${plot}\n`).toBe(`
 100 % │         aa
       │       aa
  50 % │bbbbaaa
       │  aa
   0 % │aa
       └───────────
        0      10.0  s
        a rising
        b flat
`);
});
