import { type Command, Option } from "commander";
import { z } from "zod";
import type { Verb } from "../app/verb.ts";
import { outlineCommand, withJson } from "./help.ts";

/** A property of an options schema as JSON Schema describes it. */
interface Property {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly description?: string;
  readonly items?: Property;
  readonly additionalProperties?: Property | boolean;
  readonly anyOf?: readonly Property[];
}

/**
 * The command of a verb: one flag per option that fits on a command line, in kebab-case, with the help of its
 * description. Options that are lists of objects are left to the recipe file.
 */
export function commandOf(
  verb: Verb,
  act: (verb: Verb, options: Record<string, unknown>) => Promise<void>,
): Command {
  const command = outlineCommand(verb);
  for (const [name, property] of Object.entries(propertiesOf(verb))) {
    const option = optionOf(name, property);
    if (option) command.addOption(option);
  }
  withJson(command);
  command.action(async (...args: unknown[]) => {
    const given: Record<string, unknown> = {};
    verb.positionals.forEach(({ option }, i) => {
      const isGiven = Array.isArray(args[i]) ? args[i].length > 0 : args[i] !== undefined;
      if (isGiven) given[option] = args[i];
    });
    const { json: _, ...flags } = command.opts();
    await act(verb, { ...flags, ...given });
  });
  return command;
}

/** Camel case to the command line's kebab-case: "learningRate" to "--learning-rate". */
export const flagOf = (name: string): string =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

function propertiesOf(verb: Verb): Record<string, Property> {
  const schema = z.toJSONSchema(verb.options, { io: "input" }) as { properties?: Record<string, Property> };
  return schema.properties ?? {};
}

function optionOf(name: string, property: Property): Option | undefined {
  const choices = property.enum ?? property.anyOf?.find((p) => p.enum)?.enum;
  const kind = choices ? "string" : property.type;
  const help = `${property.description ?? ""}${property.default === undefined || property.default === false || typeof property.default === "object" ? "" : ` (default: ${property.default})`}`;
  const flag = flagOf(name);
  if (kind === "boolean") return new Option(flag, help);
  if (kind === "string") {
    const option = new Option(`${flag} <value>`, help);
    // Shown in the help; the schema refuses what is none of them, with the nearest one named.
    return choices ? option.choices([...choices]).argParser((text) => text) : option;
  }
  if (kind === "number" || kind === "integer")
    return new Option(`${flag} <number>`, help).argParser(numberOf);
  if (kind === "array" && (property.items?.type === "number" || property.items?.type === "integer")) {
    return new Option(`${flag} <numbers>`, `${help} (separated by commas)`).argParser((text) =>
      text.split(",").map(numberOf),
    );
  }
  const values = property.additionalProperties;
  if (kind === "object" && typeof values === "object" && values.type === "integer")
    return new Option(`${flag} <name=number...>`, help).argParser(
      (text, before: Record<string, unknown> | undefined) => ({ ...before, ...named(text) }),
    );
  const lists = [property, ...(property.anyOf ?? [])];
  if (lists.some(({ type, items }) => type === "array" && items?.type === "string"))
    return new Option(`${flag} <values...>`, help);
  return undefined;
}

/** `NAME=NUMBER` as an entry; what has no such form becomes one for the schema to refuse by name. */
function named(text: string): Record<string, number | string> {
  const at = text.lastIndexOf("=");
  return at < 0 ? { [text]: "" } : { [text.slice(0, at)]: numberOf(text.slice(at + 1)) };
}

/** The number a text spells, or the text itself for the schema to refuse by name. */
function numberOf(text: string): number | string {
  const value = Number(text);
  return text.trim() === "" || Number.isNaN(value) ? text : value;
}
