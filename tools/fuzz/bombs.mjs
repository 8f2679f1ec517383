import { joined } from "./mutate.mjs";

/** A length-delimited protobuf field. */
function field(number, body) {
  return joined(varint((number << 3) | 2), varint(body.length), body);
}

function varint(value) {
  const bytes = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Uint8Array.from([...bytes, rest]);
}

const text = (value) => new TextEncoder().encode(value);
const opset = field(8, Uint8Array.from([0x10, 21]));
const model = (graph) => joined(Uint8Array.from([0x08, 9]), field(7, graph), opset);

/** If in If in If …: `depth` graphs, each the attribute of a node of the one around it. */
function nested(depth) {
  const pieces = [];
  let length = 0;
  // from the inside out, as the headers need the lengths
  for (let i = 0; i < depth; i++) {
    for (const number of [6, 5, 1]) {
      const header = joined(varint((number << 3) | 2), varint(length));
      pieces.push(header);
      length += header.length;
    }
  }
  return model(joined(...pieces.reverse()));
}

/** An initializer that declares dims and holds no bytes. */
function declared(dims, type = 1) {
  const tensor = joined(
    ...dims.map((dim) => joined(Uint8Array.from([0x08]), bigVarint(dim))),
    Uint8Array.from([0x10, type]),
    field(8, text("w")),
  );
  return model(field(5, tensor));
}

function bigVarint(value) {
  const bytes = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Uint8Array.from([...bytes, Number(rest)]);
}

/** A node of one operator with an int64 constant as its only input. */
function sized(op, sizes) {
  const raw = new Uint8Array(BigInt64Array.from(sizes).buffer);
  const tensor = joined(Uint8Array.from([0x08, sizes.length, 0x10, 7]), field(8, text("s")), field(9, raw));
  const node = joined(field(1, text("s")), field(2, text("y")), field(4, text(op)));
  return model(joined(field(1, node), field(5, tensor), field(12, field(1, text("y")))));
}

/** Files that are made to be expensive: each a few bytes that ask for much. */
export const bombs = {
  "If nested 30 deep": nested(30),
  "If nested 200 deep": nested(200),
  "If nested 20,000 deep": nested(20_000),
  "a length beyond the file": Uint8Array.from([0x3a, 0xff, 0xff, 0xff, 0x7f, 1]),
  "a tensor of 2^62 elements": declared([2n ** 31n, 2n ** 31n]),
  "a tensor whose size overflows": declared([2n ** 32n, 2n ** 32n]),
  "a tensor of terabytes": declared([2n ** 42n]),
  "a tensor of negative size": declared([-1n]),
  "a tensor of zero by terabytes": declared([0n, 2n ** 60n]),
  "strings without end": declared([2n ** 40n], 8),
  "a shape of terabytes, filled": sized("ConstantOfShape", [2n ** 20n, 2n ** 20n]),
  "a shape of negative size, filled": sized("ConstantOfShape", [-5n]),
  "ten thousand nodes that read each other backwards": backwards(10_000),
};

/** Nodes in the worst order: each reads what the next one makes. */
function backwards(count) {
  const nodes = Array.from({ length: count }, (_, i) =>
    field(1, joined(field(1, text(`v${i + 1}`)), field(2, text(`v${i}`)), field(4, text("Relu")))),
  );
  return model(joined(...nodes, field(11, field(1, text(`v${count}`))), field(12, field(1, text("v0")))));
}
