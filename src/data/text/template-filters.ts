import { testFilter } from "./template-tree.ts";
import {
  asValue,
  isAbsent,
  isNone,
  isSame,
  isText,
  isTrue,
  itemsOf,
  kindOf,
  listOf,
  memberOf,
  textOf,
  type Value,
} from "./template-values.ts";

/** Arguments of a filter or a method: in their order, and by name. */
export interface Arguments {
  readonly list: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}
type Filter = (value: Value, given: Arguments) => Value;
type Test = (value: Value, other: Value) => boolean;

const argument = ({ list, named }: Arguments, place: number, name: string): Value | undefined =>
  list[place] ?? named.get(name);

const characters = "[\\p{White_Space}\\u001c-\\u001f]";
const signs = (given: Value | undefined): string =>
  given === undefined || isNone(given)
    ? characters
    : `[${[...textOf(given)].map((sign) => `\\u{${sign.codePointAt(0)!.toString(16)}}`).join("")}]`;
const cut = (text: string, given: Value | undefined, sides: "both" | "left" | "right"): string => {
  if (given !== undefined && given.value === "") return text;
  const set = signs(given);
  const left = sides === "right" ? text : text.replace(new RegExp(`^${set}+`, "u"), "");
  return sides === "left" ? left : cutEnd(left, new RegExp(set, "u"));
};
/** By hand: a pattern that ends in `+$` tries every run of the text. */
function cutEnd(text: string, sign: RegExp): string {
  const all = Array.from(text);
  let end = all.length;
  while (end > 0 && sign.test(all[end - 1]!)) end--;
  return all.slice(0, end).join("");
}

const capitalized = (text: string): string => {
  const [first = "", ...rest] = text;
  return first.toUpperCase() + rest.join("").toLowerCase();
};
const title = (text: string): string => text.replace(/[^-\s({[<]+/g, capitalized);

function numberOf(value: Value): number {
  const { value: held } = value;
  if (typeof held === "number" || typeof held === "boolean") return Number(held);
  throw new Error(`a ${kindOf(value)} stands where a number belongs`);
}

const compare = (a: Value, b: Value): number => {
  if (isText(a) && isText(b)) return a.value < b.value ? -1 : Number(a.value > b.value);
  return numberOf(a) - numberOf(b);
};
const contains: Test = (value, other) =>
  isText(other) ? other.value.includes(textOf(value)) : itemsOf(other).some((item) => isSame(item, value));

/** Tests beside the library's, and those that it has otherwise than Jinja. */
const tests: Readonly<Record<string, Test>> = {
  eq: isSame,
  "==": isSame,
  equalto: isSame,
  sameas: isSame,
  ne: (a, b) => !isSame(a, b),
  "!=": (a, b) => !isSame(a, b),
  lt: (a, b) => compare(a, b) < 0,
  lessthan: (a, b) => compare(a, b) < 0,
  "<": (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  "<=": (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  greaterthan: (a, b) => compare(a, b) > 0,
  ">": (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
  ">=": (a, b) => compare(a, b) >= 0,
  in: contains,
  divisibleby: (a, b) => numberOf(a) % numberOf(b) === 0,
  defined: (value) => !isAbsent(value),
  undefined: isAbsent,
  none: isNone,
  string: isText,
  boolean: ({ value }) => typeof value === "boolean",
  true: ({ value }) => value === true,
  false: ({ value }) => value === false,
  number: ({ value }) => typeof value === "number" || typeof value === "boolean",
  integer: ({ type }) => type === "IntegerValue",
  float: ({ type }) => type === "FloatValue",
  odd: (value) => Math.abs(numberOf(value) % 2) === 1,
  even: (value) => numberOf(value) % 2 === 0,
  mapping: ({ value }) => value instanceof Map,
  sequence: ({ value }) => typeof value === "string" || Array.isArray(value) || value instanceof Map,
  iterable: (value) =>
    isAbsent(value) || isText(value) || Array.isArray(value.value) || value.value instanceof Map,
  upper: (value) => isText(value) && value.value === value.value.toUpperCase() && /\p{L}/u.test(value.value),
  lower: (value) => isText(value) && value.value === value.value.toLowerCase() && /\p{L}/u.test(value.value),
};

/** @throws Error that names a test that is not known */
export function testNamed(name: string): Test {
  if (Object.hasOwn(tests, name)) return tests[name]!;
  throw new Error(`it uses the test "${name}", which is not known`);
}

const none = asValue(undefined);
const said = (value: Value | undefined): string => textOf(value ?? none);

/** Items for which a test holds, or does not. `from`: what of an item is tested. */
const chosen = (
  value: Value,
  holds: boolean,
  test: Value | undefined,
  other: Value,
  from: (item: Value) => Value,
) => {
  const says = test === undefined ? isTrue : testNamed(textOf(test));
  return listOf(itemsOf(value).filter((item) => says(from(item), other) === holds));
};
const chosenBy =
  (holds: boolean): Filter =>
  (value, { list: [path, test, other = none] }) =>
    chosen(value, holds, test, other, (item) => memberOf(item, textOf(path ?? none)));

const text =
  (how: (text: string, given: Arguments) => unknown): Filter =>
  (value, given) =>
    asValue(how(textOf(value), given));
const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&#34;",
  "'": "&#39;",
};
const escaped = text((written) => written.replace(/[&<>"']/g, (sign) => entities[sign]!));

const fallback: Filter = (value, given) => {
  const isLoose = argument(given, 1, "boolean");
  const isMissing = isAbsent(value) || (isLoose !== undefined && isTrue(isLoose) && !isTrue(value));
  return isMissing ? (argument(given, 0, "default_value") ?? asValue("")) : value;
};
const length: Filter = (value) => asValue((isText(value) ? [...value.value] : itemsOf(value)).length);
const extreme =
  (sign: number): Filter =>
  (value) =>
    itemsOf(value).reduce(
      (best, item) => (sign * compare(item, best) > 0 ? item : best),
      itemsOf(value)[0] ?? none,
    );

/**
 * Filters that the library lacks for some kinds of values, or has otherwise than Jinja in Python.
 * Source: jinja2, filters.py.
 */
const filters: Readonly<Record<string, Filter>> = {
  string: text((written) => written),
  trim: text((written, given) => cut(written, argument(given, 0, "chars"), "both")),
  upper: text((written) => written.toUpperCase()),
  lower: text((written) => written.toLowerCase()),
  capitalize: text(capitalized),
  title: text(title),
  escape: escaped,
  e: escaped,
  replace(value, given) {
    const [from, to, most] = [0, 1, 2].map((place) =>
      argument(given, place, ["old", "new", "count"][place]!),
    );
    let left = most && !isNone(most) ? numberOf(most) : Number.POSITIVE_INFINITY;
    return asValue(textOf(value).replaceAll(said(from), (found) => (left-- > 0 ? said(to) : found)));
  },
  wordcount: text((written) => written.match(/[\p{L}\p{N}_]+/gu)?.length ?? 0),
  default: fallback,
  d: fallback,
  length,
  count: length,
  list: (value) => (Array.isArray(value.value) ? value : listOf(itemsOf(value))),
  first: (value) => itemsOf(value)[0] ?? none,
  last: (value) => itemsOf(value).at(-1) ?? none,
  reverse: (value) =>
    isText(value) ? asValue([...value.value].reverse().join("")) : listOf([...itemsOf(value)].reverse()),
  join(value, given) {
    const path = argument(given, 1, "attribute");
    const between = textOf(argument(given, 0, "d") ?? asValue(""));
    if (isText(value) && !path) return asValue([...value.value].join(between));
    return asValue(
      itemsOf(value)
        .map((item) => textOf(path ? memberOf(item, textOf(path)) : item))
        .join(between),
    );
  },
  map(value, { list: [name, ...others], named }) {
    const path = named.get("attribute");
    if (path) {
      const missing = named.get("default");
      return listOf(
        itemsOf(value).map((item) => {
          const found = memberOf(item, textOf(path));
          return isAbsent(found) && missing ? missing : found;
        }),
      );
    }
    const filter = filterNamed(textOf(name ?? none));
    if (!filter) throw new Error(`it maps by the filter "${textOf(name ?? none)}", which is not known`);
    return listOf(itemsOf(value).map((item) => filter(item, { list: others, named })));
  },
  select: (value, { list: [test, other = none] }) => chosen(value, true, test, other, (item) => item),
  reject: (value, { list: [test, other = none] }) => chosen(value, false, test, other, (item) => item),
  selectattr: chosenBy(true),
  rejectattr: chosenBy(false),
  sum: (value, given) =>
    asValue(
      itemsOf(value).reduce(
        (sum, item) => {
          const path = argument(given, 0, "attribute");
          return sum + numberOf(path ? memberOf(item, textOf(path)) : item);
        },
        numberOf(argument(given, 1, "start") ?? asValue(0)),
      ),
    ),
  max: extreme(1),
  min: extreme(-1),
};

/** A filter; undefined: the library may have it. */
export function filterNamed(name: string): Filter | undefined {
  if (Object.hasOwn(filters, name)) return filters[name];
  for (const isNegated of [true, false]) {
    const prefix = testFilter("", isNegated);
    if (!name.startsWith(prefix)) continue;
    const test = testNamed(name.slice(prefix.length));
    return (value, { list: [other = none] }) => asValue(test(value, other) !== isNegated);
  }
  return undefined;
}

const lines = /\r\n|[\n\v\f\r\u0085\u2028\u2029]/;

/** Methods of texts that the library lacks, or reads without their arguments. Source: Python, `str`. */
const methods: Readonly<Record<string, (text: string, given: readonly Value[]) => unknown>> = {
  strip: (text, [signs]) => cut(text, signs, "both"),
  lstrip: (text, [signs]) => cut(text, signs, "left"),
  rstrip: (text, [signs]) => cut(text, signs, "right"),
  capitalize: capitalized,
  count: (text, [part]) => text.split(said(part)).length - 1,
  find: (text, [part]) => placeOf(text, text.indexOf(said(part))),
  rfind: (text, [part]) => placeOf(text, text.lastIndexOf(said(part))),
  rsplit: (text, [by, most]) => splitEnd(text, said(by), most ? numberOf(most) : -1),
  splitlines: (text) =>
    text === "" ? [] : text.replace(new RegExp(`(?:${lines.source})$`), "").split(lines),
  removeprefix: (text, [part]) => (text.startsWith(said(part)) ? text.slice(said(part).length) : text),
  removesuffix: (text, [part]) =>
    said(part) !== "" && text.endsWith(said(part)) ? text.slice(0, -said(part).length) : text,
  isdigit: (text) => /^\p{Nd}+$/u.test(text),
  isalpha: (text) => /^\p{L}+$/u.test(text),
  isalnum: (text) => /^[\p{L}\p{Nd}]+$/u.test(text),
  isspace: (text) => new RegExp(`^${characters}+$`, "u").test(text),
  isupper: (text) => tests["upper"]!(asValue(text), none),
  islower: (text) => tests["lower"]!(asValue(text), none),
  join: (text, [items = none]) => (isText(items) ? [...items.value] : itemsOf(items).map(textOf)).join(text),
};

/** Places count characters, not halves of them. */
const placeOf = (text: string, at: number): number => (at < 0 ? -1 : [...text.slice(0, at)].length);

function splitEnd(text: string, by: string, most: number): readonly string[] {
  const parts = by === "" ? text.trim().split(/\s+/) : text.split(by);
  if (most < 0 || parts.length <= most + 1) return parts;
  const kept = parts.length - most;
  return [parts.slice(0, kept).join(by), ...parts.slice(kept)];
}

/**
 * A method of a text; undefined: the library has it.
 * @throws Error that names one that is not known
 */
export function methodOf(value: Value, name: string): ((given: readonly Value[]) => Value) | undefined {
  if (!isText(value)) return undefined;
  if (Object.hasOwn(methods, name)) return (given) => asValue(methods[name]!(value.value, given));
  if (value.builtins.has(name)) return undefined;
  throw new Error(`it calls the method "${name}" of a ${kindOf(value)}, which is not known`);
}
