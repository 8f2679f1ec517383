// AdamW over the 66 million parameters of a 6-layer encoder (768 wide, 30,522 tokens), milliseconds per pass:
//   npm run build && node bench/optimizer.mjs
// With DIAPASON_PYTHON=path/to/python that has PyTorch, torch.optim.AdamW on the same sizes and threads, in the same run.
import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { ParameterMemory } from "../dist/runtime/parameter-memory.js";

const width = 768;
const square = width * width;
const layer = [square, width, square, width, square, width, square, width, width, width].concat([
  4 * square,
  4 * width,
  4 * square,
  width,
  width,
  width,
]);
const sizes = [30522 * width, 512 * width, width, width, ...Array.from({ length: 6 }, () => layer).flat()];
const elements = sizes.reduce((sum, n) => sum + n, 0);
const warmup = 3;
const passes = 15;

const names = sizes.map((_, i) => `p${i}`);
const noise = (n, i) => Float32Array.from({ length: n }, (_, j) => Math.sin(i + j));
const arrays = sizes.map((n, i) => ({ name: names[i], dims: [n], kind: "parameter" }));
const memory = new ParameterMemory(arrays, false);
sizes.forEach((n, i) => void memory.view(names[i], "value").set(noise(n, i)));
names.forEach((name, i) => void memory.view(name, "gradient").set(noise(sizes[i], i + 0.5)));
const options = {
  optimizer: { kind: "adamw", beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
  updates: names.map((name) => ({ name, rate: 1e-4, weightDecay: 0.01 })),
  gradientScale: 1,
};
const times = [];
for (let pass = 0; pass < warmup + passes; pass++) {
  const start = performance.now();
  memory.update(options);
  times.push(performance.now() - start);
}

console.log(
  `${(elements / 1e6).toFixed(1)} million parameters in ${sizes.length} arrays, ${passes} passes, median (best) ms`,
);
const rows = [["Diapason, threads: 1, with the gradient's norm", times.slice(warmup)]];
const python = process.env.DIAPASON_PYTHON;
if (python) {
  const threads = availableParallelism();
  const input = JSON.stringify({ sizes, warmup, passes, threads });
  const output = execFileSync(python, [new URL("./optimizer-peer.py", import.meta.url).pathname], {
    input,
    encoding: "utf8",
  });
  const [version, ...lines] = output
    .trim()
    .split("\n")
    .map((line) => line.split(" "));
  for (const [variant, used, ...ms] of lines)
    rows.push([`PyTorch ${version[1]}, ${variant}, threads: ${used}, no norm`, ms.map(Number)]);
} else console.log("PyTorch is left out: DIAPASON_PYTHON is not set.");

for (const [name, ms] of rows) {
  const sorted = [...ms].sort((a, b) => a - b);
  const gigabytes = (28 * elements) / sorted[0] / 1e6;
  console.log(
    `${name}: ${sorted[passes >> 1].toFixed(1)} (${sorted[0].toFixed(1)}), ${gigabytes.toFixed(1)} GB/s at best`,
  );
}
