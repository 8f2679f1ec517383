import { sizeOf, type Tensor } from "../graph/tensor.ts";

/** Whether all elements are one number, as where weights were left out of an export. */
export function isUniform(tensor: Tensor): boolean {
  const words = wordsOf(tensor);
  return words.every((word) => word === words[0]);
}

/** Whether all elements of a float32 tensor are 0 or so far below that a Softmax sees nothing of them, and some are. */
export function isAttentionMask(tensor: Tensor): boolean {
  const words = wordsOf(tensor);
  const values = new Float32Array(words.buffer, words.byteOffset, words.length);
  return values.every((value) => value === 0 || value <= -1e4) && values.some((value) => value < 0);
}

/** Whether two float32 tensors hold the same bytes, as they are or with the two axes of a matrix swapped. */
export function sameTensor(a: Tensor, b: Tensor): "equal" | "transposed" | undefined {
  if (a.dtype !== b.dtype || sizeOf(a.dims) !== sizeOf(b.dims) || a.dims.length !== b.dims.length)
    return undefined;
  if (cornersOf(a) !== cornersOf(b)) return undefined;
  const left = wordsOf(a);
  const right = wordsOf(b);
  if (a.dims.every((size, i) => size === b.dims[i]) && left.every((word, i) => word === right[i]))
    return "equal";
  const [rows, columns] = a.dims;
  if (a.dims.length !== 2 || b.dims[0] !== columns || b.dims[1] !== rows) return undefined;
  for (let i = 0; i < rows!; i++)
    for (let j = 0; j < columns!; j++) if (left[i * columns! + j] !== right[j * rows! + i]) return undefined;
  return "transposed";
}

/** The bytes of a tensor of 32-bit elements as whole words, copied only where they are not aligned. */
export function wordsOf(tensor: Tensor): Uint32Array {
  const bytes = tensor.data.read();
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >>> 2);
}

/** The first and last word, which transposing leaves in place: most tensors differ there. */
function cornersOf(tensor: Tensor): string {
  const bytes = tensor.data.read();
  if (bytes.byteLength < 4) return "";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return `${view.getUint32(0)} ${view.getUint32(bytes.byteLength - 4)}`;
}
