import { expect, test } from "vitest";
import { withStandardInput } from "./standard-input.ts";

const verb = {
  positionals: [
    { option: "model", required: true },
    { option: "inputs", required: true, many: true },
  ],
};
async function* piped(...parts: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield typeof part === "string" ? new TextEncoder().encode(part) : part;
}

test('"-" stands for the lines of standard input, where they are asked for', async () => {
  const euro = new TextEncoder().encode("3 €\r\n\n");
  const options = { model: "-", inputs: ["first", "-", "last"], top: 3 };
  const read = await withStandardInput(
    verb,
    options,
    piped("one\ntw", "o\n", euro.subarray(0, 3), euro.subarray(3)),
  );
  expect(read).toEqual({ model: "-", inputs: ["first", "one", "two", "3 €", "last"], top: 3 });
  const untouched = { model: "m", inputs: ["a - b"] };
  const never = piped(Uint8Array.of(255));
  expect(await withStandardInput(verb, untouched, never)).toEqual(untouched);
});

test("nothing, and what is no text, are errors", async () => {
  const options = { inputs: ["-"] };
  await expect(withStandardInput(verb, options, piped(" \n\n"))).rejects.toMatchObject({
    code: "app/missing-option",
  });
  await expect(withStandardInput(verb, options, piped(Uint8Array.of(104, 255)))).rejects.toMatchObject({
    code: "app/bad-option",
    message: "Standard input is no text in UTF-8.",
  });
});
