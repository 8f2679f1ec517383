import { expect, test } from "vitest";
import { jsonText, parseJson } from "./json-numbers.ts";

test("whole numbers that were spelled as real ones stay so, through copies and changes of others", () => {
  const text =
    '{"a": 2.0, "b": 2, "c": 0.5, "d": {"theta": 160000.0, "e": [1, 1.0]}, "f": 1e3, "s": "3.0 \\"4.0\\""}';
  const value = parseJson(text) as Record<string, unknown>;
  expect(value).toMatchObject({ a: 2, b: 2, d: { theta: 160000, e: [1, 1] }, f: 1000, s: '3.0 "4.0"' });
  const copy = { ...value, b: 7, g: 1 };
  expect(JSON.parse(jsonText(copy))).toEqual({ ...JSON.parse(text), b: 7, g: 1 });
  expect(jsonText(copy).replaceAll(/\s+/g, "")).toBe(
    '{"a":2.0,"b":7,"c":0.5,"d":{"theta":160000.0,"e":[1,1.0]},"f":1000.0,"s":"3.0\\"4.0\\"","g":1}',
  );
});

test("a number that changed is spelled by its new value", () => {
  const value = parseJson('{"a": 2.0, "b": 3.0}') as Record<string, unknown>;
  expect(jsonText({ ...value, a: 2.5 }).replaceAll(/\s+/g, "")).toBe('{"a":2.5,"b":3.0}');
});

test("text without such numbers is what JSON.parse makes of it", () => {
  expect(Object.getOwnPropertySymbols(parseJson('{"a": 1.5, "b": "2.0"}'))).toEqual([]);
  expect(() => parseJson('{"a": 2.0')).toThrow(SyntaxError);
});
