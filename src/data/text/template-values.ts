import { Environment } from "@huggingface/jinja";

/** A value of the library: text, number, list, object, none, or what is not there. */
export interface Value {
  readonly type: string;
  readonly value: unknown;
  readonly builtins: ReadonlyMap<string, unknown>;
  __bool__(): { readonly value: boolean };
  toString(): string;
}

/** A value as the library has it, of one of JavaScript. */
export const asValue = (given: unknown): Value =>
  (new Environment() as unknown as { set(name: string, value: unknown): Value }).set("value", given);

const List = asValue([]).constructor as new (items: readonly Value[]) => Value;
const Text = asValue("").constructor as new (text: string) => Value;

/** A list of values. */
export const listOf = (items: readonly Value[]): Value => new List(items);

export const isText = (value: Value): value is Value & { readonly value: string } =>
  value.type === "StringValue";
export const isAbsent = ({ type }: Value): boolean => type === "UndefinedValue";
export const isNone = ({ type }: Value): boolean => type === "NullValue";
export const isTrue = (value: Value): boolean => value.__bool__().value;

/** What a value holds: the characters of a text, the items of a list, the keys of an object; nothing of what is not there. */
export function itemsOf(value: Value): readonly Value[] {
  const { value: held } = value;
  if (isAbsent(value)) return [];
  if (isText(value)) return Array.from(value.value, (character) => new Text(character));
  if (Array.isArray(held)) return held as Value[];
  if (held instanceof Map) return [...(held as Map<string, Value>).keys()].map(asValue);
  throw new Error(`a ${kindOf(value)} is no list`);
}

/** A field of an object, or an item of a list, at a path such as "a.b". */
export function memberOf(value: Value, path: string): Value {
  let at = value;
  for (const name of path.split(".")) {
    const { value: held } = at;
    const next =
      held instanceof Map
        ? (held as Map<string, Value>).get(name)
        : Array.isArray(held)
          ? (held as Value[])[Number(name)]
          : undefined;
    at = next ?? asValue(undefined);
  }
  return at;
}

/** A value as Python's `str` writes it. */
export const textOf = (value: Value): string => (isText(value) ? value.value : written(value));

/** As `repr` writes it. */
function written(value: Value): string {
  const { type, value: held } = value;
  if (isText(value)) return quoted(value.value);
  if (isAbsent(value)) return "";
  if (isNone(value)) return "None";
  if (typeof held === "boolean") return held ? "True" : "False";
  if (Array.isArray(held)) {
    const items = (held as Value[]).map(written);
    if (type !== "TupleValue") return `[${items.join(", ")}]`;
    return `(${items.join(", ")}${items.length === 1 ? "," : ""})`;
  }
  if (held instanceof Map)
    return `{${[...(held as Map<string, Value>)].map(([key, item]) => `${quoted(key)}: ${written(item)}`).join(", ")}}`;
  return value.toString();
}

const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inner = text.replace(/[\\\n\r\t]/g, (sign) => escapes[sign]!);
  return quote + (quote === "'" ? inner.replaceAll("'", "\\'") : inner) + quote;
}

const kinds: Readonly<Record<string, string>> = {
  StringValue: "text",
  IntegerValue: "whole number",
  FloatValue: "number",
  BooleanValue: "truth value",
  NullValue: "none",
  UndefinedValue: "value that is not there",
  ArrayValue: "list",
  TupleValue: "list",
  ObjectValue: "object",
};
/** What a value is called in messages. */
export const kindOf = ({ type }: Value): string => kinds[type] ?? type;

/** Whether two values are the same, as `==` of Python says. */
export function isSame(a: Value, b: Value): boolean {
  if (isText(a) !== isText(b) || isNone(a) !== isNone(b)) return false;
  const [x, y] = [a.value, b.value];
  if (Array.isArray(x) && Array.isArray(y))
    return x.length === y.length && x.every((item, i) => isSame(item as Value, y[i] as Value));
  if (x instanceof Map && y instanceof Map)
    return (
      x.size === y.size &&
      [...x].every(([key, item]) => y.has(key) && isSame(item as Value, y.get(key) as Value))
    );
  return typeof x === "boolean" || typeof y === "boolean" ? Number(x) === Number(y) : x === y;
}
