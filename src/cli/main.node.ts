#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { openVerb } from "../app/open-verb.node.ts";
import { outlines, type VerbName } from "../app/outlines.ts";
import type { Verb } from "../app/verb.ts";
import { version } from "../app/version.ts";
import { asWriteError } from "../base/atomic-file.node.ts";
import { DiapasonError, nearest } from "../base/errors.ts";
import { removeTemporaryFolders } from "../base/temporary-folder.node.ts";
import { helpLayout, helpRecord, outlineCommand, withJson } from "./help.ts";
import { consolePrinter } from "./printer.node.ts";
import { exitCodeOf, systemMistake } from "./render.ts";
import { withStandardInput } from "./standard-input.ts";

/** Flags that other tools have for what one of ours does. */
const flagsElsewhere: Readonly<Record<string, string>> = {
  "--freeze": "--plan",
  "--unfreeze": "--plan",
  "--batch": "--batch-size",
  "--lr": "--learning-rate",
};

/** What asks a verb to stop: Ctrl-C, a scheduler or service manager, a terminal that closes. */
const interrupts = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type Interrupt = (typeof interrupts)[number];
const interrupted = 130;
/** The command and what follows it, without the flag that may also stand before. */
const words = process.argv.slice(2).filter((word) => word !== "--json");
const printer = consolePrinter({ json: process.argv.includes("--json") });

for (const [stream, name] of [
  [process.stdout, "standard output"],
  [process.stderr, "standard error"],
] as const)
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") return leave("SIGINT"); // Whoever reads may have read enough, as "head" does.
    if (error.code === "EIO" && stream.isTTY) return; // The terminal is gone: SIGHUP says so, and the step is to end as it should.
    const mistake = asWriteError(error, name);
    if (stream !== process.stderr) printer.error(mistake);
    process.exit(exitCodeOf(mistake));
  });

const program = new Command("diapason")
  .description(
    "Fine-tune pretrained neural networks: any ONNX graph, trained on stock ONNX Runtime, with npm alone.",
  )
  .version(version)
  .exitOverride()
  .configureOutput({
    writeErr: () => {},
    writeOut: (text) =>
      printer.asked(text, text.trim() === version ? { type: "version", version } : helpRecord(program)),
  })
  .configureHelp(helpLayout)
  .showHelpAfterError(false);
withJson(program);
for (const outline of Object.values(outlines)) {
  const isMeant = outline.name === verbNamed(words[0] === "help" ? words[1] : words[0]);
  const command = (isMeant ? await commandWithFlags(outline.name) : outlineCommand(outline))
    .exitOverride()
    .configureOutput({ writeErr: () => {}, writeOut: (text) => printer.asked(text, helpRecord(command)) });
  program.addCommand(command);
}

try {
  if (words.length > 0) await program.parseAsync();
  else program.outputHelp();
} catch (error) {
  const mistake = error instanceof CommanderError ? mistakeOf(error) : systemMistake(error);
  if (mistake) {
    printer.error(mistake);
    process.exitCode = exitCodeOf(mistake);
  }
}

/** Only the verb that is meant is loaded. */
async function commandWithFlags(name: VerbName): Promise<Command> {
  const { commandOf } = await import("./command.ts");
  return commandOf(await openVerb(name), act);
}

/** Runs a verb to its end; Ctrl-C asks it to stop and write what must not be lost, a second one ends at once. */
async function act(verb: Verb, given: Record<string, unknown>): Promise<void> {
  const options = await withStandardInput(verb, given, process.stdin);
  const abort = new AbortController();
  let isHungUp = false;
  const onInterrupt = (signal: Interrupt) => {
    if (abort.signal.aborted) return leave(signal);
    isHungUp = signal === "SIGHUP";
    printer.note("Stopping after this step; press Ctrl-C again to leave at once.");
    abort.abort();
  };
  for (const signal of interrupts) process.on(signal, onInterrupt);
  try {
    let isEmpty = true;
    for await (const event of verb.run(options, { signal: abort.signal })) {
      isEmpty = false;
      printer.event(event);
    }
    if (isEmpty && verb.nothing && !abort.signal.aborted) printer.note(verb.nothing);
  } catch (error) {
    if (error !== abort.signal.reason) throw error;
  } finally {
    printer.end();
    for (const signal of interrupts) process.off(signal, onInterrupt);
  }
  // Node aborts where it is to restore a terminal that is gone
  if (isHungUp) leave("SIGHUP");
  else if (abort.signal.aborted) process.exitCode = interrupted;
}

/**
 * Ends the process as the signal does where nobody listens for it. `process.exit` would end threads first, and one that is
 * inside ONNX Runtime then aborts the process.
 */
function leave(signal: Interrupt): void {
  removeTemporaryFolders();
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/** A mistake on the command line as one of our errors; undefined for --help and --version, which are none. */
function mistakeOf(error: CommanderError): DiapasonError | undefined {
  if (error.exitCode === 0) return undefined;
  const text = error.message.replace(/^error: /, "").split("\n")[0]!;
  // "help" with a command that there is not
  const isHelp = error.code === "commander.help";
  const quoted = (isHelp ? words[1] : /'([^']*)'/.exec(text)?.[1]) ?? "";
  if (
    isHelp ||
    error.code === "commander.unknownCommand" ||
    (error.code === "commander.excessArguments" && !currentVerb())
  ) {
    const names = Object.keys(outlines);
    const near = nearest(quoted, names);
    return new DiapasonError(
      "app/unknown-command",
      `There is no command "${quoted}".`,
      near ? `Did you mean "diapason ${near}"?` : `Use one of: ${names.join(", ")}.`,
    );
  }
  if (error.code === "commander.unknownOption") {
    const flags = currentCommand().options.map((o) => o.long ?? "");
    const ours = flagsElsewhere[quoted] ?? "";
    const near = flags.includes(ours) ? ours : nearest(quoted, flags);
    return new DiapasonError(
      "app/unknown-option",
      `There is no flag "${quoted}".`,
      near ? `Did you mean "${near}"?` : `See ${helpCommand()} for the flags there are.`,
    );
  }
  return new DiapasonError(
    "app/bad-option",
    `${text[0]!.toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`,
    `See ${helpCommand()}.`,
  );
}

/** What shows the flags there are, in quotes. */
function helpCommand(): string {
  return `"${["diapason", currentVerb() ?? [], "--help"].flat().join(" ")}"`;
}

function verbNamed(word: string | undefined): VerbName | undefined {
  return Object.values(outlines).find(({ name }) => name === word)?.name;
}

function currentVerb(): VerbName | undefined {
  return verbNamed(words[0]);
}

function currentCommand(): Command {
  return program.commands.find((command) => command.name() === currentVerb()) ?? program;
}
