import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";

export const cli = resolve(import.meta.dirname, "../../dist/cli/main.node.js");

/** What a command left behind. */
export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

export interface CommandOptions {
  readonly cwd: string;
  /** The user to run as, where one may choose. */
  readonly uid?: number;
  /** Variables beside those of the test. */
  readonly env?: NodeJS.ProcessEnv;
  /** Called with what the command has printed so far, and the process, whenever it prints. */
  readonly onOutput?: (text: string, child: ChildProcess) => void;
  /** The same for what it has printed on standard error. */
  readonly onNotice?: (text: string, child: ChildProcess) => void;
}

/** Runs the built command line as a user would. */
export function diapason(
  words: readonly string[],
  { cwd, uid, env, onOutput, onNotice }: CommandOptions,
): Promise<Outcome> {
  const child = spawn(process.execPath, [cli, ...words], {
    cwd,
    env: { ...process.env, ...env },
    ...(uid === undefined ? {} : { uid }),
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (text) => {
    out += text;
    onOutput?.(out, child);
  });
  child.stderr.on("data", (text) => {
    err += text;
    onNotice?.(err, child);
  });
  return new Promise((done, fail) => {
    child.on("error", fail);
    child.on("close", (code, signal) => done({ code, signal, out, err }));
  });
}
