// Opens a fixture of an architecture and saves it as tune does, with its reference beside, for check-transformers.py.
//   npm run build && node tools/save-again.mjs FIXTURE OUT
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { openNetwork } from "../dist/models/open-network.node.js";
import { saveModel } from "../dist/models/save.node.js";

const [fixture, out] = process.argv.slice(2);
if (!fixture || !out) throw new Error("Name the folder of a fixture and the one to write.");
await saveModel(await openNetwork(fixture, { seed: 0 }), out);
copyFileSync(join(fixture, "reference.safetensors"), join(out, "reference.safetensors"));
