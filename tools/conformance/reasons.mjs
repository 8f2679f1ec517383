/** Why an operator's gradient is refused, each on purpose. */
const refused = {
  OptionalGetElement:
    "an optional has no gradient; what makes one and takes it apart in the same graph is folded",
  DynamicQuantizeLinear:
    "its scale is measured: it is a constant where its whole numbers go back to real ones",
  MelWeightMatrix: "it makes a table from settings, off the path of any weight",
};

/** Why an operator that is not differentiated has no gradient: the first that fits. */
const families = [
  [/^ai\.onnx\.preview\.FlexAttention$/, "a preview that ONNX Runtime 1.30 does not run"],
  [/^ai\.onnx\.preview\.training\./, "a step of an optimizer: what training does, not what is trained"],
  [/^ai\.onnx\.ml\.Binarizer$/, "the output does not change with it, or in steps"],
  [/^ai\.onnx\.ml\./, "a classical model or a table over labels, without weights to tune"],
  [/^(String|Regex|Tf)/, "works on text"],
  [/^ImageDecoder$/, "decodes files"],
];

/** Float inputs that change the output and still have no gradient: operator, names, why. */
const settings = [
  ["NegativeLogLikelihoodLoss", /^weight$/, "class weights are settings of the loss"],
  ["SoftmaxCrossEntropyLoss", /^w$/, "class weights are settings of the loss"],
  ["Resize", /^roi$/, "the region of a crop is a setting, as are scales"],
  ["RoiAlign", /^rois$/, "regions have no gradient, as in PyTorch"],
  ["RotaryEmbedding", /_cache$/, "tables of cosines and sines are settings"],
];

/** Why an input that changes the output has no gradient, or undefined where it should have one. */
export const settingReason = (operator, input) =>
  settings.find(([name, inputs]) => name === operator && inputs.test(input))?.[2];

/** A reason that an expert would accept, or undefined. */
export function reasonOf(operator, message) {
  const family = families.find(([pattern]) => pattern.test(operator));
  if (family) return family[1];
  if (/7 and later are understood/.test(message)) return "the file is of opset 1; 7 and later are understood";
  if (/is not a registered function|ValidateOpsetForDomain/.test(message))
    return "newer than the opsets that ONNX Runtime 1.30 runs";
  return refused[operator];
}
