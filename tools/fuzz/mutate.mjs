import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";

/** Numbers at which readers go wrong. */
const edges = [0, 1, -1, 2, 3, 127, 128, 255, 256, 65535, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 40];
const bigEdges = [...edges.map(BigInt), 2n ** 53n, 2n ** 62n, 2n ** 63n - 1n, -(2n ** 63n)];
const strings = [
  "",
  "..",
  "../../outside.bin",
  "/etc/hostname",
  "C:\\x",
  "x".repeat(5000),
  "\u0000",
  "__proto__",
  "constructor",
  "ai.onnx",
  "é\ud800",
];

export const pick = (rng, list) => list[rng.integer(list.length)];

/** Bytes with a few bits flipped, spans cut out, doubled, overwritten with edge values, or the end cut off. */
export function mutateBytes(source, rng) {
  let bytes = source;
  for (let i = 0; i <= rng.integer(3); i++) bytes = pick(rng, byteMutations)(bytes, rng);
  return bytes;
}

const byteMutations = [
  (bytes, rng) => withByte(bytes, rng, (byte) => byte ^ (1 << rng.integer(8))),
  (bytes, rng) => withByte(bytes, rng, () => pick(rng, [0, 1, 0x7f, 0x80, 0xff])),
  (bytes, rng) => bytes.slice(0, rng.integer(bytes.length + 1)),
  (bytes, rng) => {
    const [from, to] = span(bytes, rng);
    return joined(bytes.subarray(0, from), bytes.subarray(to));
  },
  (bytes, rng) => {
    const [from, to] = span(bytes, rng);
    return joined(bytes.subarray(0, to), bytes.subarray(from));
  },
  (bytes, rng) => {
    const at = rng.integer(bytes.length + 1);
    const varint = pick(rng, [
      [0xff, 0xff, 0xff, 0xff, 0x7f],
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
      [0x80],
      [0x0a, 0xff, 0x01],
    ]);
    return joined(bytes.subarray(0, at), Uint8Array.from(varint), bytes.subarray(at + rng.integer(8)));
  },
];

function withByte(bytes, rng, change) {
  if (bytes.length === 0) return bytes;
  const at = rng.integer(bytes.length);
  return bytes.with(at, change(bytes[at]));
}

function span(bytes, rng) {
  const from = rng.integer(bytes.length + 1);
  return [from, Math.min(bytes.length, from + rng.integer(64))];
}

export function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A message with a few of its fields, at any depth, changed; undefined where what came out cannot be written. */
export function mutateMessage(schema, message, rng) {
  const copy = structuredClone(message);
  for (let i = 0; i <= rng.integer(3); i++) changeOne(copy, rng);
  try {
    return toBinary(schema, create(schema, copy));
  } catch {
    return undefined;
  }
}

/** JSON with a few of its values, at any depth, changed. */
export function mutateJson(value, rng) {
  const holder = { value: structuredClone(value) };
  for (let i = 0; i <= rng.integer(3); i++) changeOne(holder, rng);
  return holder.value;
}

function changeOne(root, rng) {
  const places = [];
  collect(root, places);
  const [holder, key] = pick(rng, places) ?? [];
  if (!holder) return;
  const other = pick(rng, places);
  holder[key] = otherValue(holder[key], other[0][other[1]], rng);
}

/** Every [object, key] below an object. */
function collect(node, places) {
  for (const [key, value] of Object.entries(node)) {
    if (key.startsWith("$")) continue;
    places.push([node, key]);
    if (value && typeof value === "object" && !ArrayBuffer.isView(value)) collect(value, places);
  }
}

function otherValue(value, elsewhere, rng) {
  if (typeof elsewhere === typeof value && rng.integer(3) === 0) return structuredClone(elsewhere);
  if (typeof value === "bigint") return pick(rng, bigEdges);
  if (typeof value === "number") return pick(rng, [...edges, 0.5, Number.NaN]);
  if (typeof value === "string") return pick(rng, strings);
  if (value instanceof Uint8Array) return mutateBytes(value, rng);
  if (Array.isArray(value)) return otherList(value, rng);
  return pick(rng, [undefined, null, value, [], ""]);
}

function otherList(list, rng) {
  const at = rng.integer(list.length + 1);
  const some = list.length > 0 ? structuredClone(pick(rng, list)) : undefined;
  return pick(rng, [
    () => [],
    () => list.toSpliced(at, 1),
    () => (some === undefined ? list : list.toSpliced(at, 0, some)),
    () => list.toReversed(),
    () => (some === undefined ? list : new Array(300).fill(some)),
  ])();
}

export const jsonBytes = (value) => new TextEncoder().encode(JSON.stringify(value) ?? "");

/** Words that programs in texts are made of: where loops, sums and repeats grow. */
const words = [
  "range(1000000000)",
  "loop",
  "namespace(",
  "{% for x in range(99999) %}",
  "{% endfor %}",
  "~",
  " * 99999999",
];

/** A text with pieces cut out, doubled, swapped, or with words that make it expensive put in. */
export function mutateText(text, rng) {
  let made = text;
  for (let i = 0; i <= rng.integer(3); i++) {
    const [a, b] = [rng.integer(made.length + 1), rng.integer(made.length + 1)].sort((x, y) => x - y);
    const put = pick(rng, [...words, ...strings, made.slice(a, b), made.slice(a, b).repeat(20), ""]);
    made = made.slice(0, a) + put + made.slice(rng.integer(2) === 0 ? a : b);
  }
  return made;
}

/** Writes a file below a folder and gives its path. */
export function writeInto(folder, name, bytes) {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return path;
}
