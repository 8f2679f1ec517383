/** The page of the documentation: one row a graph. */
export function page(results) {
  const elements = (n) =>
    n >= 1e6 ? `${(n / 1e6).toFixed(1)} M` : n >= 1e3 ? `${Math.round(n / 1e3)} k` : `${n}`;
  const rows = results.map((r) => [
    r.name,
    r.repo,
    r.opset,
    r.nodes,
    r.inspected?.purpose ?? "–",
    r.inspected?.elements === undefined ? "–" : elements(r.inspected.elements),
    writtenText(r),
    gradientText(r),
  ]);
  const right = results.filter((r) => r.gradient?.verdict === "right").length;
  const refused = results.filter((r) => r.gradient?.refused).length;
  const none = results.filter((r) => r.gradient?.none).length;
  return `# Graphs from the wild

${results.length} ONNX files as people published them: policies, detectors, classifiers, voice detectors, networks of verification benchmarks,
from opset 8 on, by exporters old and new. Each is opened, shown by \`inspect\`, written back and run beside the original on the
same arrays, and the gradient of every weight is compared with central differences in float64. This page is made by

\`\`\`
npm run graphs -- DIR --write
\`\`\`

where DIR holds the files. ${right} have right gradients for every weight; ${none} have no weight that reaches a float output; ${refused === 0 ? "none is refused." : `${refused === 1 ? "one is" : `${refused} are`} refused, with the operator named.`}
The sizes of what is fed are small ones at which the graph runs.
*Written back*: "identical" is bit by bit; "draws": the graph draws random numbers, so that no two runs agree.

| graph | from | opset | nodes | seems to be | weights | written back | gradients |
|---|---|---|---|---|---|---|---|
${rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}
`;
}

function writtenText({ crashed, written }) {
  if (crashed) return crashed;
  if (written.failed || written.refused) return written.failed ?? written.refused;
  if (written.identical === true) return "identical";
  return written.identical === "draws"
    ? "draws"
    : `${written.changed.length} of ${written.outputs} outputs differ`;
}

function gradientText({ crashed, gradient }) {
  if (crashed) return crashed;
  if (gradient.none) return gradient.none;
  if (gradient.failed || gradient.refused)
    return (gradient.failed ?? gradient.refused).replaceAll("|", "\\|");
  const flat = gradient.flat > 0 ? `, ${gradient.flat} without effect at these inputs` : "";
  const wrong = gradient.wrong.length > 0 ? `, wrong: ${gradient.wrong.join(", ")}` : "";
  const filled = gradient.filled ? " (with random weights, as the file's are all one number)" : "";
  const beside = gradient.beside ? " (beside the file's own weights, which lie on kinks)" : "";
  return `${gradient.verdict}${filled}${beside}: ${gradient.parameters} tensors, ${gradient.error === 0 ? "no error above rounding" : `largest error ${gradient.error.toExponential(0)}`}${flat}${wrong}`;
}
