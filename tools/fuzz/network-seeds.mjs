import { readdirSync, readFileSync } from "node:fs";
import { parquetWriteBuffer } from "hyparquet-writer";

const fixtures = new URL("../../tests/fixtures/", import.meta.url);
const bytes = (path) => new Uint8Array(readFileSync(new URL(path, fixtures)));
const json = (path) => JSON.parse(readFileSync(new URL(path, fixtures), "utf8"));

/** Checkpoints of tiny networks of different families: config.json, and its weights. */
export const networkSeeds = [
  "bert",
  "gpt2",
  "llama-3",
  "gemma2",
  "vit",
  "resnet",
  "deberta-v3",
  "swin",
  "clip-vision",
  "modernbert",
].map((name) => ({
  config: json(`architectures/${name}/config.json`),
  weights: bytes(`architectures/${name}/model.safetensors`),
}));

/** The folder of the network that the adapters below are for. */
export const adapterBase = new URL("architectures/bert", fixtures).pathname;
export const adapterSeeds = ["lora", "dora", "ia3", "lora-patterns", "lora-embedding"].map((name) => ({
  config: json(`adapters/${name}/end/adapter_config.json`),
  weights: bytes(`adapters/${name}/end/adapter_model.safetensors`),
}));

/** Images of every kind that is decoded. */
export const imageSeeds = ["waves.jpg", "waves.png", ...imagesOf("modes/")].map((name) => [
  name.split(".").at(-1),
  bytes(`images/${name}`),
]);

function imagesOf(folder) {
  return readdirSync(new URL(`images/${folder}`, fixtures))
    .filter((name) => !name.endsWith(".json"))
    .map((name) => folder + name);
}

export const preprocessorSeed = {
  do_resize: true,
  size: { shortest_edge: 224 },
  resample: 3,
  do_center_crop: true,
  crop_size: { height: 224, width: 224 },
  do_rescale: true,
  rescale_factor: 0.00392156862745098,
  do_normalize: true,
  image_mean: [0.485, 0.456, 0.406],
  image_std: [0.229, 0.224, 0.225],
};

/** Rows as Parquet, with a column of numbers that stand for names, and one of lists. */
export const parquetSeed = new Uint8Array(
  parquetWriteBuffer({
    columnData: [
      { name: "text", data: ["a", "b, c", "é"] },
      { name: "label", data: [1n, 0n, 1n], type: "INT64" },
      { name: "score", data: [0.5, 1.5, 2.5], type: "DOUBLE" },
    ],
    kvMetadata: [
      {
        key: "huggingface",
        value: JSON.stringify({
          info: { features: { label: { names: ["bad", "good"], _type: "ClassLabel" } } },
        }),
      },
    ],
  }),
);

/** Chat templates of models, and one that loops and adds up. */
export const templateSeeds = [
  ...Object.values(json("chat-templates.json").templates).map(({ template }) => template),
  "{% for i in range(3) %}{% for m in messages %}{{ i * 2 }}{{ m.content[:i] | upper }}{% endfor %}{% endfor %}",
  "{% set ns = namespace(all=[]) %}{% for m in messages %}{% set ns.all = ns.all + ns.all + [m.role] %}{% endfor %}{{ ns.all | join('x') }}",
];

/** A recipe with most kinds of values, anchors among them. */
export const recipeSeed = new TextEncoder().encode(`# reviews
model: &model ./model
data: ./reviews.csv
task: text-classification
out: ./out
learning_rate: 3e-5
epochs: 2
batchSize: 8
adapter: lora
targetModules: [query, value]
seed: 7
schedule: cosine
`);
