import { Command, Help } from "commander";
import type { Outline } from "../app/outlines.ts";

/** The command of a verb without its flags: what the list of commands shows. */
export function outlineCommand(verb: Outline): Command {
  const command = new Command(verb.name)
    .description(verb.summary)
    .allowExcessArguments(false)
    .configureHelp(helpLayout);
  const names = verb.positionals.map(({ option, many }) => `${option}${many ? "..." : ""}`);
  const places = names.map((name, i) => (verb.positionals[i]!.required ? `<${name}>` : `[${name}]`));
  command.usage(["[options]", ...places].join(" "));
  // Optional for the parser even where it is required: it may be given as a flag, and the verb says what is missing.
  for (const name of names) command.argument(`[${name}]`);
  return command;
}

/** A column of text narrower than this is no pleasure to read. */
const narrowest = 40;
const indent = 6;

/** A flag and what it means side by side; one below the other where the terminal is too narrow for that. */
function formatItem(this: Help, term: string, termWidth: number, description: string, helper: Help): string {
  const width = helper.helpWidth ?? 80;
  if (width - termWidth - 4 >= narrowest || !description)
    return Help.prototype.formatItem.call(this, term, termWidth, description, helper);
  const lines = helper.boxWrap(description, width - indent).split("\n");
  return [`  ${term}`, ...lines.map((line) => " ".repeat(indent) + line)].join("\n");
}

/** A command among others: its name and what it takes; that it has options goes without saying. */
const subcommandTerm = (command: Command): string =>
  `${command.name()} ${command.usage().replace("[options]", "").trim()}`.trim();

/** How help is laid out, also on narrow terminals. */
export const helpLayout = { formatItem, subcommandTerm, minWidthToWrap: 20 };

/** What help says, for programs: a command with its flags, or all commands. */
export interface HelpRecord {
  readonly type: "help";
  readonly command: string;
  readonly summary: string;
  readonly usage: string;
  /** As help spells them: "--epochs <number>". */
  readonly flags: readonly {
    readonly flag: string;
    readonly description: string;
    readonly choices?: readonly string[];
  }[];
  readonly commands?: readonly { readonly name: string; readonly summary: string }[];
}

export function helpRecord(command: Command): HelpRecord {
  const { parent, commands } = command;
  return {
    type: "help",
    command: command.name(),
    summary: command.description(),
    usage: `${parent ? `${parent.name()} ` : ""}${command.name()} ${command.usage()}`,
    flags: command.options.map(({ flags, description, argChoices }) => ({
      flag: flags,
      description,
      ...(argChoices && { choices: argChoices }),
    })),
    ...(commands.length > 0 && {
      commands: commands.map((one) => ({ name: one.name(), summary: one.description() })),
    }),
  };
}

/** Adds the flag that every command has, also before its name. */
export const withJson = (command: Command): Command =>
  command.option("--json", "one JSON object a line on standard output, human text on standard error");
