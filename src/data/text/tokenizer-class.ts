import { bpeStyleOf, llamaParts } from "./sentencepiece-bpe.ts";

type Part = Readonly<Record<string, unknown>>;

/** Classes of transformers whose fields in tokenizer_config.json go before the normaliser of tokenizer.json. */
const lowering: ReadonlySet<string> = new Set([
  ...["Bert", "DistilBert", "Electra", "Funnel", "LayoutLM", "Lxmert", "MPNet", "MobileBert", "SqueezeBert"],
]);
/** Classes whose `add_prefix_space` goes before that of tokenizer.json. */
const spacing: ReadonlySet<string> = new Set(["GPT2", "Roberta", "Bart", "Longformer"]);

/** The class of models whose tokenizer_config.json names none, by their `model_type`. */
const classOfType: Readonly<Record<string, string>> = {
  bert: "Bert",
  distilbert: "DistilBert",
  electra: "Electra",
  mobilebert: "MobileBert",
  mpnet: "MPNet",
  gpt2: "GPT2",
  roberta: "Roberta",
};

/**
 * tokenizer.json as the class of the tokenizer reads it: some classes of transformers have fields in tokenizer_config.json that go
 * before what the file says, also where they are absent and the class has a default. Itself where nothing changes.
 */
export function asItsClass(tokenizer: Part, config: Part, modelType: string | undefined): Part {
  const named = config["tokenizer_class"];
  const name =
    typeof named === "string"
      ? named.replace(/Tokenizer(?:Fast)?$/, "")
      : Object.hasOwn(classOfType, modelType ?? "")
        ? classOfType[modelType!]!
        : "";
  const { normalizer, pre_tokenizer: cut } = tokenizer as Readonly<Record<string, Part | null | undefined>>;
  if (lowering.has(name) && normalizer?.["type"] === "BertNormalizer")
    return changed(tokenizer, "normalizer", {
      lowercase: config["do_lower_case"] ?? true,
      strip_accents: config["strip_accents"] ?? null,
      handle_chinese_chars: config["tokenize_chinese_chars"] ?? true,
    });
  if (spacing.has(name) && cut?.["type"] === "ByteLevel")
    return changed(tokenizer, "pre_tokenizer", { add_prefix_space: config["add_prefix_space"] ?? false });
  const model = tokenizer["model"] as Part | undefined;
  if (bpeStyleOf(config, modelType ?? "") === "llama" && model?.["merges"] && !isByteLevel(cut)) {
    const { model: settings, ...parts } = llamaParts(config);
    return { ...tokenizer, ...parts, model: { ...model, ...settings, ignore_merges: false } };
  }
  return tokenizer;
}

/** Such files are read as they are, whatever the class. */
const isByteLevel = (cut: Part | null | undefined): boolean =>
  cut?.["type"] === "ByteLevel" || ((cut?.["pretokenizers"] as Part[] | undefined) ?? []).some(isByteLevel);

/** The tokenizer with other fields in a part of it; itself where they are the same. */
function changed(tokenizer: Part, name: string, fields: Part): Part {
  const part = tokenizer[name] as Part;
  const isSame = Object.entries(fields).every(([key, value]) => (part[key] ?? null) === value);
  return isSame ? tokenizer : { ...tokenizer, [name]: { ...part, ...fields } };
}
