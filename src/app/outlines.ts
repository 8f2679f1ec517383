/** A positional argument of the command line, and the option it fills. */
export interface Positional {
  readonly option: string;
  readonly required: boolean;
  /** Takes all remaining arguments. */
  readonly many?: boolean;
}

/** What a list of verbs says of one: known without loading what it runs on. */
export interface Outline {
  readonly name: string;
  readonly summary: string;
  readonly positionals: readonly Positional[];
  /** What the command line says where nothing came. */
  readonly nothing?: string;
}

/** Everything a user can do, in the order the help lists it. */
export const outlines = {
  tune: {
    name: "tune",
    summary: "fine-tune a model on your own data",
    positionals: [{ option: "recipe", required: false }],
  },
  resume: {
    name: "resume",
    summary: "go on with an interrupted run",
    positionals: [{ option: "run", required: true }],
  },
  evaluate: {
    name: "evaluate",
    summary: "judge a model on labelled data",
    positionals: [{ option: "model", required: true }],
  },
  predict: {
    name: "predict",
    summary: "say what images show or texts are, or what a graph gives for arrays",
    positionals: [
      { option: "model", required: true },
      { option: "inputs", required: true, many: true },
    ],
  },
  export: {
    name: "export",
    summary: "write a model for other runtimes: float16, int8, 4 bits; say what each form loses",
    positionals: [{ option: "model", required: true }],
  },
  inspect: {
    name: "inspect",
    summary: "show blocks, parameters and the cost of a plan",
    positionals: [{ option: "model", required: true }],
  },
  gradcheck: {
    name: "gradcheck",
    summary: "check the gradients of your own graph numerically",
    positionals: [{ option: "model", required: true }],
  },
  runs: {
    name: "runs",
    summary: "list the runs of a folder",
    positionals: [{ option: "folder", required: false }],
    nothing: 'There is no run in that folder; "diapason tune" makes one in runs/.',
  },
  report: {
    name: "report",
    summary: "write the report of a run",
    positionals: [{ option: "run", required: true }],
  },
  push: {
    name: "push",
    summary: "upload a tuned model to the Hugging Face Hub",
    positionals: [
      { option: "folder", required: true },
      { option: "to", required: true },
    ],
  },
  demo: {
    name: "demo",
    summary: "tune the embedded model on handwritten digits, and train it from scratch beside",
    positionals: [{ option: "out", required: false }],
  },
} as const satisfies { readonly [verb: string]: Outline };

export type VerbName = keyof typeof outlines;
