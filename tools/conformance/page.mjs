import { readFileSync } from "node:fs";
import { reasonOf } from "./reasons.mjs";

const lock = JSON.parse(readFileSync(new URL("../../package-lock.json", import.meta.url), "utf8"));
const runtime = lock.packages["node_modules/onnxruntime-node"].version;

/** The page of the documentation: a table by operator and opset. */
export function page(results, version) {
  const rows = [...groupBy(results, ({ operator, opset }) => `${operator} ${opset}`).values()].map(rowOf);
  rows.sort((a, b) => order(a.operator, b.operator) || a.opset - b.opset);
  const total = (check, status) => results.filter((result) => result[check].status === status).length;
  const line = (check) =>
    `${total(check, "passed")} passed, ${total(check, "failed")} failed, ${total(check, "refused")} refused, ${total(check, "none")} do not apply`;
  return `# Conformance

ONNX's own backend node cases (${results.length} of onnx ${version}), each read, written, run and differentiated. This page is made by

\`\`\`
npm run conformance -- DIR --write ${version}
\`\`\`

where DIR is the folder \`onnx/backend/test/data/node\` of the Python package \`onnx\` (1.22 is the last release that carries it).

- *Read and written*: ONNX Runtime ${runtime} computes exactly the same for what Diapason wrote as for the file; what it cannot
  run is read again and must be the same graph. ${line("roundTrip")}.
- *Values*: the stored outputs against ONNX Runtime on the graph that Diapason normalised, and against Diapason's float64
  kernels (relative 1e-3, as in ONNX's own test; 2e-2 for floats of 16 bits and fewer). ${line("values")}.
- *Gradient*: of every float input, against central differences in float64 at the case's own arrays, the other inputs being
  constants; where those lie on a kink, at a point beside it. ${line("gradient")}.

A dash: the check does not apply, for the reason given. Cases called "expanded", an operator's function body, count as the
operator's.

| operator | opset | cases | read and written | values | gradient | why not |
|---|---|---|---|---|---|---|
${rows.map(({ cells }) => `| ${cells.join(" | ")} |`).join("\n")}
`;
}

const order = (a, b) => a.includes(".") - b.includes(".") || (a < b ? -1 : a > b ? 1 : 0);

function groupBy(items, key) {
  const groups = new Map();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

function rowOf(results) {
  const [{ operator, opset }] = results;
  const cell = (check) => {
    const count = (status) => results.filter((result) => result[check].status === status).length;
    const parts = ["passed", "failed", "refused"].filter((status) => count(status) > 0);
    if (parts.length === 0) return "–";
    return parts
      .map((status) => (status === "passed" ? `${count(status)}` : `${count(status)} ${status}`))
      .join(", ");
  };
  const why = new Set();
  for (const check of ["values", "gradient"]) {
    // a reason for the rest of the cases tells nothing of an operator whose others passed
    const passes = results.some((result) => result[check].status === "passed");
    for (const { [check]: found } of results) {
      if (!found.reason || (passes && found.status === "none" && check === "gradient")) continue;
      why.add(reasonOf(operator, found.reason) ?? plain(found.reason));
    }
  }
  const cells = [
    operator,
    opset || "–",
    results.length,
    cell("roundTrip"),
    cell("values"),
    cell("gradient"),
    [...why].join("; "),
  ];
  return { operator, opset, cells };
}

/** A message without the names of its case. */
const plain = (text) =>
  text
    .replace(/^ONNX Runtime: .*(Could not find an implementation).*/s, "ONNX Runtime has no implementation")
    .replace(/^ONNX Runtime: (onnxruntime-node .*)/, "$1")
    .replace(/^ONNX Runtime: .*/s, "ONNX Runtime refuses the case")
    .replace(/"[^"]*"/g, "an input")
    .replaceAll("|", "\\|")
    .replace(/\.$/, "");
