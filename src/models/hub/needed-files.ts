/** What a repository of models is asked for: its small files, and one kind of weights. */

/** Files that say how to build, feed and read a model. */
const descriptions: readonly RegExp[] = [
  /^(config|generation_config|preprocessor_config|processor_config|adapter_config)\.json$/,
  // Tokenizers.
  /^(tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|chat_template)\.json$/,
  /^(vocab|merges)\.txt$/,
  /^(spiece|spm|tokenizer|sentencepiece(\.bpe)?)\.model$/,
  /^(chat_template\.jinja|additional_chat_templates\/[\w.-]+\.jinja)$/,
  // A loss of the task custom that is a graph of its own.
  /^loss\/loss\.onnx$/,
  // Sentence encoders: how token vectors become one.
  /^(modules|sentence_bert_config|config_sentence_transformers)\.json$/,
  /^\d+_\w+\/config\.json$/,
  /^\d+_Dense\/(model\.safetensors|pytorch_model\.bin)$/,
];

/** Whether a file is one of the small ones that are always fetched. */
export const isDescription = (path: string): boolean => descriptions.some((pattern) => pattern.test(path));

/** A way that a repository may have its weights. `index`: the file that names the others. */
export interface WeightFiles {
  readonly kind: "checkpoint" | "adapter" | "onnx";
  readonly files: readonly string[];
  readonly index?: string;
}

/**
 * The kinds of weights among the files of a repository, the best of each first: safetensors before PyTorch's, one file
 * before several. Copies in other formats and of other tools are not among them.
 */
export function weightsAmong(paths: readonly string[]): WeightFiles[] {
  const has = new Set(paths);
  const found: WeightFiles[] = [];
  const only = (kind: WeightFiles["kind"], ...names: string[]) => {
    const name = names.find((one) => has.has(one));
    if (name !== undefined)
      found.push(name.endsWith(".index.json") ? { kind, files: [], index: name } : { kind, files: [name] });
  };
  only(
    "checkpoint",
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
  );
  if (has.has("adapter_config.json")) only("adapter", "adapter_model.safetensors", "adapter_model.bin");
  const onnx = ["onnx/model.onnx", "model.onnx"].find((name) => has.has(name));
  // Weights beside a graph lie in files that begin with its name: model.onnx_data, model.onnx.data, model.onnx_data_1.
  if (onnx)
    found.push({ kind: "onnx", files: paths.filter((path) => path === onnx || isBeside(path, onnx)) });
  return found;
}

const isBeside = (path: string, onnx: string): boolean =>
  path.startsWith(onnx) && /^[._]data(_\d+)?$/.test(path.slice(onnx.length));

/** Which of the kinds to fetch. `isKnown`: whether the model's type is one that is built from a checkpoint. */
export function chooseWeights(found: readonly WeightFiles[], isKnown: boolean): WeightFiles | undefined {
  const of = (kind: WeightFiles["kind"]) => found.find((one) => one.kind === kind);
  return isKnown ? (of("checkpoint") ?? of("onnx") ?? of("adapter")) : (of("onnx") ?? of("adapter"));
}
