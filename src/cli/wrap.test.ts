import { expect, test } from "vitest";
import { narrowTable, wrapItems, wrapText } from "./wrap.ts";

test("what is carried over stands under what follows the label, or two further in", () => {
  const wrapped = wrapText(
    [
      "Note    The head (147 classes) is replaced by a fresh one.",
      "Checked each of the 10 classes has train, validation, test images",
      "There is no such thing as a line that is too long for this.",
      "        1290 of 1290 parameters move, which is all of them",
    ].join("\n"),
    30,
  );
  expect(`\n${wrapped}\n`).toBe(`
Note    The head (147 classes)
        is replaced by a fresh
        one.
Checked each of the 10 classes
        has train, validation,
        test images
There is no such thing as a
  line that is too long for
  this.
        1290 of 1290
        parameters move, which
        is all of them
`);
});

test("columns are kept together where that leaves lines half full", () => {
  expect(wrapText("  epoch 2  step 10  train loss 1.896  accuracy 87.0 %", 40)).toBe(
    "  epoch 2  step 10  train loss 1.896\n    accuracy 87.0 %",
  );
});

test("a path is left whole, and lines that fit as they are", () => {
  const path = `Model   /${"folder/".repeat(8)}model.onnx`;
  expect(wrapText(path, 30)).toBe(path);
  expect(wrapText("  two\n\n  three  ", 30)).toBe("  two\n\n  three  ");
  expect(wrapText(`Cannot write "/${"folder/".repeat(5)}x" here.`, 30)).toBe(
    `Cannot write\n  "/${"folder/".repeat(5)}x"\n  here.`,
  );
});

test("items stand under each other, with commas between them", () => {
  expect(wrapItems("Blocks  ", ["stem 352", "layer1 19 k", "head 10"], 22)).toEqual([
    "Blocks  stem 352,",
    "        layer1 19 k,",
    "        head 10",
  ]);
});

test("a table that is too wide becomes a line for each row", () => {
  const table = "stage  moves        rate\nhead   head         0.01\nall    stem … head  0.001";
  expect(narrowTable(table, 25)).toBe(table);
  expect(narrowTable(table, 24)).toBe("head: moves head; rate 0.01\nall: moves stem … head; rate 0.001");
});
