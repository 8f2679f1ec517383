import type { ErrorCode } from "../../base/error-codes.ts";

/** What a repository of the Hub holds. */
export type RepoType = "model" | "dataset";

/** What differs between repositories of models and of data. */
export interface RepoKind {
  /** As the addresses of the Hub's API have it, with an "s" behind it. */
  readonly type: RepoType;
  /** What one is called, for the user. */
  readonly noun: string;
  /** In front of the id in the address of its page and of its files. */
  readonly pages: "" | "datasets/";
  /** The option that names one. */
  readonly option: "model" | "data";
  /** The error where neither a path nor a repository is found. */
  readonly absent: ErrorCode;
  /** What else may be given, for the user. */
  readonly instead: string;
  readonly example: string;
}

export const repoKinds: { readonly [T in RepoType]: RepoKind } = {
  model: {
    type: "model",
    noun: "model",
    pages: "",
    option: "model",
    absent: "models/not-found",
    instead: "the path of an .onnx file or of a model's folder",
    example: "sentence-transformers/all-MiniLM-L6-v2",
  },
  dataset: {
    type: "dataset",
    noun: "data set",
    pages: "datasets/",
    option: "data",
    absent: "data/not-found",
    instead: "the path of a file of rows or of a folder of data",
    example: "stanfordnlp/sst2",
  },
};
