import { expect, test } from "vitest";
import { shellWord } from "./shell-word.ts";

test("paths with spaces and signs of the shell are quoted, others are left as they are", () => {
  expect(shellWord("runs/reviews-2")).toBe("runs/reviews-2");
  expect(shellWord("C:\\runs\\reviews")).toBe("C:\\runs\\reviews");
  expect(shellWord("my runs/x")).toBe("'my runs/x'");
  expect(shellWord("it's $HOME")).toBe("'it'\\''s $HOME'");
});
