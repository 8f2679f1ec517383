import type { ByteCursor } from "./byte-cursor.ts";
import { knownGlobal } from "./globals.ts";
import { damaged, refused, tooLarge } from "./mistakes.ts";
import { isGlobal, isView, type PickleMap, type PickleSet, type PickleValue } from "./values.ts";

/** Instructions that a pickle may have; the largest checkpoints take some hundred thousand. */
const mostInstructions = 20_000_000;
/** Lists, tuples, dictionaries and tensors that a pickle may make. */
const mostObjects = 4_000_000;
/** Bytes of a pickle at most; a tensor takes some 200. */
export const longestPickle = 256e6;
/** Bytes of a whole number. Python writes longer ones in time that grows with their square. */
const longestNumber = 64;

/** What a pickle calls by an id of its own: the storages of its tensors. */
export type PersistentValue = (id: PickleValue) => PickleValue;

/** The state of reading a pickle. */
interface Machine {
  readonly bytes: ByteCursor;
  readonly persistent: PersistentValue;
  readonly stack: PickleValue[];
  /** Heights of the stack at the marks that are open. */
  readonly marks: number[];
  readonly memo: Map<number, PickleValue>;
  objects: number;
}

/**
 * Reads a pickle of protocol 2 to 5 that holds tensors, numbers, texts and containers of them.
 *
 * It is a description of values, read by a machine that knows nothing but these: a name of Python that is not in the
 * table of known ones ends the reading, and so does every instruction that makes objects of classes.
 * Source: the comments of Python's pickletools.
 * @throws formats/torch-refused, formats/torch-damaged, formats/torch-too-large
 */
export function unpickle(bytes: ByteCursor, persistent: PersistentValue): PickleValue {
  const machine: Machine = { bytes, persistent, stack: [], marks: [], memo: new Map(), objects: 0 };
  const start = bytes.at;
  for (let count = 0; count < mostInstructions; count++) {
    const at = bytes.at;
    const code = bytes.byte();
    if (code === stop) return pop(machine);
    const instruction = instructions.get(code);
    if (!instruction) throw damaged(`the byte ${code} at ${at} is no instruction that tensors need`);
    instruction(machine);
    if (machine.objects > mostObjects || bytes.at - start > longestPickle) break;
  }
  throw tooLarge("Its description of tensors is longer, or makes more objects, than one of weights");
}

const stop = ".".charCodeAt(0);

function pop({ stack, marks }: Machine): PickleValue {
  if (stack.length <= (marks.at(-1) ?? 0)) throw damaged("it takes a value that it never made");
  return stack.pop()!;
}

function top({ stack, marks }: Machine): PickleValue {
  if (stack.length <= (marks.at(-1) ?? 0)) throw damaged("it looks at a value that it never made");
  return stack.at(-1)!;
}

/** What lies above the last mark, which goes with it. */
function popMark({ stack, marks }: Machine): PickleValue[] {
  const height = marks.pop();
  if (height === undefined) throw damaged("it goes back to a mark that it never set");
  return stack.splice(height);
}

function push(machine: Machine, value: PickleValue): void {
  if (typeof value === "object" && value !== null) machine.objects++;
  machine.stack.push(value);
}

function popTuple(machine: Machine, size: number): void {
  const items = Array.from({ length: size }, () => pop(machine)).reverse();
  push(machine, items);
}

function append(machine: Machine, items: readonly PickleValue[]): void {
  const list = top(machine);
  if (!Array.isArray(list)) throw damaged("it appends to what is no list");
  for (const item of items) list.push(item);
}

function setItems(machine: Machine, items: readonly PickleValue[]): void {
  const map = top(machine);
  if (!(map instanceof Map) || items.length % 2 !== 0)
    throw damaged("it sets an entry of what is no dictionary");
  for (let i = 0; i < items.length; i += 2) (map as PickleMap).set(items[i]!, items[i + 1]!);
}

function addItems(machine: Machine, items: readonly PickleValue[]): void {
  const set = top(machine);
  if (!(set instanceof Set)) throw damaged("it adds to what is no set");
  for (const item of items) (set as PickleSet).add(item);
}

function mapOf(items: readonly PickleValue[]): PickleMap {
  if (items.length % 2 !== 0) throw damaged("it makes a dictionary of a key without a value");
  const map: PickleMap = new Map();
  for (let i = 0; i < items.length; i += 2) map.set(items[i]!, items[i + 1]!);
  return map;
}

function remember({ memo }: Machine, id: number, value: PickleValue): void {
  memo.set(id, value);
}

function recall(machine: Machine, id: number): void {
  const value = machine.memo.get(id);
  if (value === undefined) throw damaged(`it refers to value ${id}, which it never made`);
  machine.stack.push(value);
}

function call(machine: Machine): void {
  const args = pop(machine);
  const callee = pop(machine);
  if (!isGlobal(callee) || !callee.call || !Array.isArray(args))
    throw damaged(`it calls ${isGlobal(callee) ? callee.name : "what cannot be called"}`);
  push(machine, callee.call(args, callee.name));
}

/** Attributes that Python would set, such as an OrderedDict's `_metadata`: they hold no weights. */
function setState(machine: Machine): void {
  pop(machine);
  const target = top(machine);
  if (!(target instanceof Map) && !isView(target)) throw damaged("it sets the state of what has none");
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const utf8 = new TextDecoder("utf-8", { fatal: true });

function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw damaged("a text in it is not UTF-8", cause);
  }
}

/** A text that Python 2 wrote as bytes: UTF-8 where it is, else a letter a byte. */
function oldTextOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return new TextDecoder("latin1").decode(bytes);
  }
}

const uint8 = ({ bytes }: Machine) => bytes.byte();
const uint16 = ({ bytes }: Machine) => view(bytes.take(2)).getUint16(0, true);
const int32 = ({ bytes }: Machine) => view(bytes.take(4)).getInt32(0, true);
const uint32 = ({ bytes }: Machine) => view(bytes.take(4)).getUint32(0, true);
const uint64 = ({ bytes }: Machine) => Number(view(bytes.take(8)).getBigUint64(0, true));

/** A text's or a number's bytes, after their length. */
function content({ bytes }: Machine, length: number): Uint8Array {
  if (length > longestPickle) throw tooLarge(`Its description of tensors has a text of ${length} bytes`);
  return bytes.take(length);
}

/** A whole number in two's complement, little-endian: an ordinary number where it is exact. */
function wholeNumber(bytes: Uint8Array): number | bigint {
  if (bytes.length > longestNumber) throw tooLarge(`It holds a whole number of ${bytes.length} bytes`);
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  if (bytes.length > 0 && bytes.at(-1)! >= 128) value -= 1n << BigInt(8 * bytes.length);
  return fitting(value);
}

const fitting = (value: bigint): number | bigint =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;

function writtenNumber(line: Uint8Array): number | bigint {
  const text = textOf(line).replace(/L$/, "");
  if (text.length > 2 * longestNumber || !/^[+-]?\d+$/.test(text)) throw damaged("a number in it is none");
  return fitting(BigInt(text));
}

function global(machine: Machine, module: string, name: string): void {
  const known = knownGlobal(`${module}.${name}`);
  if (!known) throw refused(`${module}.${name}`);
  push(machine, known);
}

function stackGlobal(machine: Machine): void {
  const name = pop(machine);
  const module = pop(machine);
  if (typeof name !== "string" || typeof module !== "string")
    throw damaged("a name of Python in it is no text");
  global(machine, module, name);
}

/** By their letters in pickletools; those that make objects of classes are not there, nor are extensions. */
const instructions: ReadonlyMap<number, (machine: Machine) => void> = new Map(
  Object.entries<(machine: Machine) => void>({
    "\x80": (m) => {
      const version = uint8(m);
      if (version > 5) throw damaged(`it is a pickle of protocol ${version}; 2 to 5 are known`);
    },
    "\x95": (m) => void uint64(m), // A frame's length, which only helps to read ahead.
    "(": (m) => void m.marks.push(m.stack.length),
    "0": (m) => void pop(m),
    "1": (m) => void popMark(m),
    "2": (m) => void m.stack.push(top(m)),
    N: (m) => push(m, null),
    "\x88": (m) => push(m, true),
    "\x89": (m) => push(m, false),
    I: (m) => {
      const line = m.bytes.line();
      const text = textOf(line);
      push(m, text === "00" ? false : text === "01" ? true : writtenNumber(line));
    },
    J: (m) => push(m, int32(m)),
    K: (m) => push(m, uint8(m)),
    M: (m) => push(m, uint16(m)),
    L: (m) => push(m, writtenNumber(m.bytes.line())),
    "\x8a": (m) => push(m, wholeNumber(content(m, uint8(m)))),
    "\x8b": (m) => push(m, wholeNumber(content(m, uint32(m)))),
    F: (m) => push(m, Number(textOf(m.bytes.line()))),
    G: (m) => push(m, view(m.bytes.take(8)).getFloat64(0, false)),
    T: (m) => push(m, oldTextOf(content(m, uint32(m)))),
    U: (m) => push(m, oldTextOf(content(m, uint8(m)))),
    X: (m) => push(m, textOf(content(m, uint32(m)))),
    "\x8c": (m) => push(m, textOf(content(m, uint8(m)))),
    "\x8d": (m) => push(m, textOf(content(m, uint64(m)))),
    B: (m) => push(m, content(m, uint32(m)).slice()),
    C: (m) => push(m, content(m, uint8(m)).slice()),
    "\x8e": (m) => push(m, content(m, uint64(m)).slice()),
    "]": (m) => push(m, []),
    a: (m) => {
      const item = pop(m);
      append(m, [item]);
    },
    e: (m) => append(m, popMark(m)),
    l: (m) => push(m, popMark(m)),
    ")": (m) => push(m, []),
    t: (m) => push(m, popMark(m)),
    "\x85": (m) => popTuple(m, 1),
    "\x86": (m) => popTuple(m, 2),
    "\x87": (m) => popTuple(m, 3),
    "}": (m) => push(m, new Map()),
    d: (m) => push(m, mapOf(popMark(m))),
    s: (m) => {
      const value = pop(m);
      const key = pop(m);
      setItems(m, [key, value]);
    },
    u: (m) => setItems(m, popMark(m)),
    "\x8f": (m) => push(m, new Set()),
    "\x90": (m) => addItems(m, popMark(m)),
    "\x91": (m) => push(m, new Set(popMark(m))),
    c: (m) => {
      const module = textOf(m.bytes.line());
      global(m, module, textOf(m.bytes.line()));
    },
    i: (m) => {
      const module = textOf(m.bytes.line());
      throw refused(`${module}.${textOf(m.bytes.line())}`);
    },
    "\x93": stackGlobal,
    R: call,
    "\x81": call,
    b: setState,
    Q: (m) => push(m, m.persistent(pop(m))),
    p: (m) => remember(m, Number(writtenNumber(m.bytes.line())), top(m)),
    q: (m) => remember(m, uint8(m), top(m)),
    r: (m) => remember(m, uint32(m), top(m)),
    "\x94": (m) => remember(m, m.memo.size, top(m)),
    g: (m) => recall(m, Number(writtenNumber(m.bytes.line()))),
    h: (m) => recall(m, uint8(m)),
    j: (m) => recall(m, uint32(m)),
  }).map(([letter, instruction]) => [letter.charCodeAt(0), instruction]),
);
