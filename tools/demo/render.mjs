// Draws letters and signs the way the UCI digits were digitised: a 32 × 32 bitmap, counted in blocks of 4 × 4, which
// gives 8 × 8 numbers of 0 … 16. From the repository root, after `npm ci --prefix tools/demo` and `npm run build`:
//   node tools/demo/render.mjs [images of a class] -> temp/letters/{train,validation}.bin, classes.json
import { mkdirSync, writeFileSync } from "node:fs";
import sharp from "sharp";
import { random } from "../../dist/base/random.js";
import { alphabet } from "./alphabet.mjs";
import { heldOutFonts, openFonts } from "./fonts.mjs";

const side = 32;
const block = 4;
const columns = 32;
const seed = 1;
const perClass = Number(process.argv[2] ?? 500);

/** One polygon set, bent, slanted and turned at random, filling a square of 32 pixels from top to bottom. */
function place(contours, draw) {
  const between = (low, high) => low + (high - low) * draw.uniform();
  const [turn, slant, wide] = [between(-0.2, 0.2), between(-0.25, 0.35), between(0.75, 1.15)];
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  const waves = [0, 1].map(() => ({ size: between(0, 5), length: between(35, 90), phase: between(0, 6.28) }));
  const bend = (at, { size, length, phase }) => size * Math.sin(phase + (6.28 * at) / length);
  const points = contours.map((contour) =>
    contour.map(([a, b]) => {
      const [x, y] = [wide * (a + bend(b, waves[0])) - slant * b, b + bend(a, waves[1])];
      return [cos * x - sin * y, sin * x + cos * y];
    }),
  );
  const stroke = between(0.2, 4);
  const xs = points.flat().map(([x]) => x);
  const ys = points.flat().map(([, y]) => y);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const room = { width: between(22, 29) - stroke, height: between(30.5, 32) - stroke };
  // Like the digits, letters fill the height; a wide one is narrowed for it, to half its width at most.
  const down = Math.min(room.height / (bottom - top), (2 * room.width) / (right - left));
  const across = Math.min(down, room.width / (right - left));
  const x0 = side / 2 - 1 + between(-2, 2) - (across * (left + right)) / 2;
  const y0 = side / 2 + between(-0.5, 0.5) - (down * (top + bottom)) / 2;
  return {
    stroke,
    points: points.map((contour) => contour.map(([x, y]) => [x0 + across * x, y0 + down * y])),
  };
}

function path({ points, stroke }, cell) {
  const [x0, y0] = [(cell % columns) * side, Math.floor(cell / columns) * side];
  const inside = (v) => Math.min(side - stroke / 2, Math.max(stroke / 2, v));
  const shape = points.map(
    (c) =>
      `M${c.map(([x, y]) => `${(x0 + inside(x)).toFixed(2)} ${(y0 + inside(y)).toFixed(2)}`).join("L")}Z`,
  );
  return `<path d="${shape.join("")}" stroke-width="${stroke.toFixed(2)}"/>`;
}

/** Draws shapes on one sheet and counts the ink: 64 bytes for each. */
async function count(shapes) {
  const height = Math.ceil(shapes.length / columns) * side;
  const paths = shapes.map(path).join("");
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${columns * side}" height="${height}"><rect width="100%" height="100%"/><g fill="#fff" stroke="#fff" stroke-linejoin="round">${paths}</g></svg>`;
  const { data, info } = await sharp(Buffer.from(svg))
    .greyscale()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const counts = new Uint8Array(shapes.length * 64);
  for (let i = 0; i < shapes.length * side * side; i++) {
    const [cell, y, x] = [Math.floor(i / side ** 2), Math.floor((i % side ** 2) / side), i % side];
    const pixel = data[(Math.floor(cell / columns) * side + y) * info.width + (cell % columns) * side + x];
    if (pixel >= 128) counts[cell * 64 + Math.floor(y / block) * 8 + Math.floor(x / block)]++;
  }
  return counts;
}

/** Images of every class in turn, 65 bytes each: the class number, then the 64 counts. */
async function render(name, fonts, images) {
  const outlines = alphabet.map(({ characters }) =>
    characters.flatMap((character) => fonts.map((font) => font.outline(character)).filter(Boolean)),
  );
  const jobs = outlines.flatMap((drawings, label) =>
    drawings.length === 0 ? [] : Array.from({ length: images }, (_, i) => ({ label, drawings, i })),
  );
  const bytes = new Uint8Array(jobs.length * 65);
  for (let from = 0; from < jobs.length; from += 1024) {
    const part = jobs.slice(from, from + 1024);
    const shapes = part.map(({ label, drawings, i }) => {
      const draw = random(seed, name, label, i);
      return place(drawings[draw.integer(drawings.length)], draw);
    });
    const counts = await count(shapes);
    part.forEach(({ label }, i) => {
      bytes.set([label, ...counts.subarray(i * 64, i * 64 + 64)], (from + i) * 65);
    });
  }
  writeFileSync(`temp/letters/${name}.bin`, bytes);
  const drawn = outlines.filter((drawings) => drawings.length > 0).length;
  console.log(
    `${name}: ${jobs.length} images of ${drawn} of ${alphabet.length} classes from ${fonts.length} fonts`,
  );
}

const fonts = openFonts();
mkdirSync("temp/letters", { recursive: true });
writeFileSync("temp/letters/classes.json", JSON.stringify(alphabet.map(({ name }) => name)));
await render(
  "train",
  fonts.filter(({ name }) => !heldOutFonts.includes(name)),
  perClass,
);
await render(
  "validation",
  fonts.filter(({ name }) => heldOutFonts.includes(name)),
  20,
);
