import { z } from "zod";
import { DiapasonError, nearest } from "../../base/errors.ts";

type Issue = z.core.$ZodIssue;
type Schema = z.core.$ZodType;

/**
 * What a schema found wrong with options, as an error that names the nearest thing that would be right: the first that is
 * wrong, or else all that are missing.
 */
export function optionMistake(schema: z.ZodObject, given: unknown, found: readonly Issue[]): DiapasonError {
  const issues = found.map(meant);
  const wrong = issues.find((issue) => !isMissing(issue, given));
  if (!wrong) return missingOptions(schema, issues);
  if (wrong.code === "unrecognized_keys") return unknownOption(wrong.keys[0]!, keysAt(schema, wrong.path));
  const path = pathOf(wrong);
  const value = valueAt(given, wrong.path);
  return new DiapasonError(
    "app/bad-option",
    `"${path}" is ${shown(value)}; expected ${expected(wrong)}.`,
    fixOf(wrong, path, value),
  );
}

const pathOf = ({ path }: Issue): string => path.join(".") || "options";

const isMissing = (issue: Issue, given: unknown): boolean =>
  issue.code !== "unrecognized_keys" && valueAt(given, issue.path) === undefined;

function missingOptions(schema: z.ZodObject, issues: readonly Issue[]): DiapasonError {
  const help = "the help of the command";
  const names = issues.map((issue) => `"${pathOf(issue)}"`);
  if (names.length === 1)
    return new DiapasonError(
      "app/missing-option",
      `${names[0]} is not given.`,
      `Give ${names[0]}: ${descriptionAt(schema, issues[0]!.path) ?? `see ${help}`}.`,
    );
  return new DiapasonError(
    "app/missing-option",
    `${names.slice(0, -1).join(", ")} and ${names.at(-1)} are not given.`,
    `Give them; ${help} says what each takes.`,
  );
}

/** The error for a name that is not an option, naming the nearest one that is. */
export function unknownOption(name: string, known: readonly string[]): DiapasonError {
  const near = nearest(name, known);
  return new DiapasonError(
    "app/unknown-option",
    `There is no option "${name}".`,
    near ? `Did you mean "${near}"?` : `Use one of: ${known.join(", ")}.`,
  );
}

/** How much an issue says of what was meant; a value of another kind says least. */
const weight = (issue: Issue): number =>
  issue.path.length * 3 + (issue.code === "unrecognized_keys" ? 2 : issue.code === "invalid_type" ? 0 : 1);

/** Of a value that may have several forms, what is wrong with the form that comes nearest. */
function meant(issue: Issue): Issue {
  if (issue.code !== "invalid_union") return issue;
  const forms = issue.errors.flatMap((own) => own.slice(0, 1).map(meant));
  const best = Math.max(...forms.map(weight));
  const [first, ...others] = forms.filter((form) => weight(form) === best);
  if (!first) return issue;
  const path = [...issue.path, ...first.path];
  if (first.code !== "invalid_value") return { ...first, path };
  const choices = others.flatMap((other) => (other.code === "invalid_value" ? other.values : []));
  return { ...first, path, values: [...first.values, ...choices] };
}

const kinds: Readonly<Record<string, string>> = {
  number: "a number",
  int: "a whole number",
  string: "a text",
  boolean: "true or false",
  array: "a list",
  object: "options by name",
  record: "values by name",
};

function expected(issue: Issue): string {
  if (issue.code === "invalid_value") {
    const names = issue.values.map(String);
    return names.length === 1 ? names[0]! : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
  }
  if (issue.code === "invalid_type") return kinds[issue.expected] ?? issue.expected;
  if (issue.code === "too_small" && issue.origin !== "array" && issue.origin !== "string")
    return `${issue.inclusive ? "at least" : "more than"} ${issue.minimum}`;
  if (issue.code === "too_big" && issue.origin !== "array" && issue.origin !== "string")
    return `${issue.inclusive ? "at most" : "less than"} ${issue.maximum}`;
  if (issue.code === "too_small" && issue.origin === "array") return `a list of at least ${issue.minimum}`;
  return issue.message.replace(/^[^:]*: expected /, "");
}

function fixOf(issue: Issue, path: string, value: unknown): string {
  if (issue.code !== "invalid_value")
    return `Give "${path}" a value that fits; the help of the command lists what each option takes.`;
  const near = typeof value === "string" ? nearest(value, issue.values.map(String)) : undefined;
  return near ? `Did you mean "${near}"?` : "Write one of them.";
}

/** A value in a message; an alias of a recipe may hold itself. */
function shown(value: unknown): string {
  if (typeof value === "number") return String(value);
  try {
    const text = JSON.stringify(value) ?? String(value);
    return text.length > 200 ? `${text.slice(0, 200)}…` : text;
  } catch {
    return "a list or an object that holds itself";
  }
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], value);
}

/** The schemas that a value at the path may have: several where a union is on the way. */
function schemasAt(schema: Schema, path: readonly PropertyKey[]): Schema[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault)
    return schemasAt(schema.unwrap(), path);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((form) => schemasAt(form, path));
  const [key, ...rest] = path;
  if (key === undefined) return [schema];
  if (schema instanceof z.ZodArray) return schemasAt(schema.element, rest);
  if (schema instanceof z.ZodRecord) return schemasAt(schema.valueType, rest);
  const own = schema instanceof z.ZodObject ? schema.shape[String(key)] : undefined;
  return own ? schemasAt(own, rest) : [];
}

const keysAt = (schema: Schema, path: readonly PropertyKey[]): string[] =>
  schemasAt(schema, path).flatMap((own) => (own instanceof z.ZodObject ? Object.keys(own.shape) : []));

function descriptionAt(schema: z.ZodObject, path: readonly PropertyKey[]): string | undefined {
  const owners = schemasAt(schema, path.slice(0, -1));
  return owners
    .map((own) => (own instanceof z.ZodObject ? own.shape[String(path.at(-1))]?.description : undefined))
    .find(Boolean);
}
