import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { decodeImage } from "../../src/data/decode-image.node.ts";
import { openTextRows } from "../../src/data/text/open-text-rows.node.ts";
import { openTokenizer } from "../../src/data/text/open-tokenizer.node.ts";
import { openCheckpoint } from "../../src/formats/checkpoint.node.ts";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/file.node.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph } from "../../src/graph/ir.ts";
import { float32 } from "../../src/graph/tensor.ts";

const scratch = mkdtempSync(join(tmpdir(), "diapason-pointers-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const pointer = `version https://git-lfs.github.com/spec/v1
oid sha256:53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
size 90868376
`;

function pointerAt(name: string): { readonly folder: string; readonly path: string } {
  const folder = mkdtempSync(join(scratch, "clone-"));
  writeFileSync(join(folder, name), pointer);
  return { folder, path: join(folder, name) };
}

const rows = { seed: 0, validationShare: 0 };

/** What git leaves of large files where it is cloned without LFS, the most usual broken download there is. */
test.each<[string, (at: ReturnType<typeof pointerAt>) => Promise<unknown>, string]>([
  ["model.safetensors", ({ folder }) => openCheckpoint(folder), "formats/safetensors-damaged"],
  ["pytorch_model.bin", ({ folder }) => openCheckpoint(folder), "formats/torch-damaged"],
  ["model.onnx", ({ path }) => loadOnnx(path), "formats/onnx-damaged"],
  ["tokenizer.json", ({ folder }) => openTokenizer(folder), "data/bad-tokenizer"],
  ["train.csv", ({ folder }) => openTextRows(folder, rows), "data/bad-text"],
  ["train.txt", ({ folder }) => openTextRows(folder, rows), "data/bad-text"],
  ["train.jsonl.gz", ({ folder }) => openTextRows(folder, rows), "data/bad-text"],
  ["train.parquet", ({ folder }) => openTextRows(folder, rows), "data/bad-text"],
  ["cat.png", ({ path }) => decodeImage(path, 3), "data/broken-image"],
])("%s is told to be a pointer", async (name, read, code) => {
  await expect(read(pointerAt(name))).rejects.toMatchObject({
    code,
    message: expect.stringMatching(/pointer of Git LFS.*git lfs pull/),
  });
});

test("weights beside a graph too", async () => {
  const graph = new Graph("g", [["", 21]]);
  const x = graph.addInput("x", "float32", ["batch", 64]);
  const weight = graph.addInitializer("w", float32([64, 64], new Float32Array(4096)));
  graph.addOutput(new GraphBuilder(graph).matmul(x, weight));
  const { folder } = pointerAt("notes.md");
  await saveOnnx(graph, join(folder, "model.onnx"), { externalAboveBytes: 0 });
  writeFileSync(join(folder, "model.onnx_data"), pointer);
  await expect(loadOnnx(join(folder, "model.onnx"))).rejects.toMatchObject({
    code: "formats/onnx-external-missing",
    message: expect.stringMatching(/"model\.onnx_data" holds no weights: it is a pointer of Git LFS/),
  });
});
