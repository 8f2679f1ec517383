/** Why an operator's gradient is refused, each on purpose. */
const refused = {
  OptionalGetElement:
    "an optional has no gradient; what makes one and takes it apart in the same graph is folded",
  Scan: "opset 8 alone runs each example of a batch apart, with a length of its own; later ones have no spelling for it",
  DynamicQuantizeLinear:
    "its scale is measured: it is a constant where its whole numbers go back to real ones",
  MelWeightMatrix: "it makes a table from settings, off the path of any weight",
};

/** Why an operator that is not differentiated has no gradient: the first that fits. */
const families = [
  [/^ai\.onnx\.preview\.FlexAttention$/, "a preview that ONNX Runtime 1.30 does not run"],
  [/^ai\.onnx\.preview\.training\./, "a step of an optimizer: what training does, not what is trained"],
  [/^ai\.onnx\.ml\./, "a classical model or a table over labels, without weights to tune"],
  [/^(String|Regex|Tf)/, "works on text"],
  [/^ImageDecoder$/, "decodes files"],
];

/** A reason that an expert would accept, or undefined. */
export function reasonOf(operator, message) {
  const family = families.find(([pattern]) => pattern.test(operator));
  if (family) return family[1];
  if (/7 and later are understood/.test(message)) return "the file is of opset 1; 7 and later are understood";
  if (/is not a registered function|ValidateOpsetForDomain/.test(message))
    return "newer than the opsets that ONNX Runtime 1.30 runs";
  return refused[operator];
}
