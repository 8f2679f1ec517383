// The open fonts that letters are drawn from: packages of the npm registry, all under the SIL Open Font License 1.1.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import opentype from "opentype.js";

const folder = join(import.meta.dirname, "node_modules", "@fontsource");

/** Left out of training: what the model does on these is its accuracy on fonts it has never seen. */
export const heldOutFonts = ["handlee", "noto-serif", "pt-sans"];

/**
 * Every installed font: its name, package version, and the outline of a character as contours of points (y downwards,
 * 100 units to the em), or undefined where the font does not have it.
 */
export function openFonts() {
  return readdirSync(folder)
    .sort()
    .map((name) => {
      const files = readdirSync(join(folder, name, "files")).filter((file) =>
        file.endsWith("-400-normal.woff"),
      );
      const subsets = files.map((file) => {
        const bytes = readFileSync(join(folder, name, "files", file));
        return opentype.parse(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
      });
      const { version, license } = JSON.parse(readFileSync(join(folder, name, "package.json"), "utf8"));
      return { name, version, license, outline: (character) => outline(subsets, character) };
    });
}

function outline(subsets, character) {
  for (const font of subsets) {
    const glyph = font.charToGlyph(character);
    if (glyph.index === 0) continue;
    const contours = flatten(glyph.getPath(0, 0, 100).commands);
    if (contours.length > 0) return contours;
  }
  return undefined;
}

/** Curves as polygons: 8 points to a curve are finer than the 32 pixels a letter is drawn on. */
function flatten(commands) {
  const contours = [];
  let points = [];
  let [x, y] = [0, 0];
  const curve = (at) => {
    for (let i = 1; i <= 8; i++) points.push(at(i / 8, 1 - i / 8));
  };
  for (const c of commands) {
    const [x0, y0] = [x, y];
    if (c.type === "M") {
      points = [[c.x, c.y]];
      contours.push(points);
    } else if (c.type === "L") points.push([c.x, c.y]);
    else if (c.type === "Q")
      curve((t, s) => [
        s * s * x0 + 2 * s * t * c.x1 + t * t * c.x,
        s * s * y0 + 2 * s * t * c.y1 + t * t * c.y,
      ]);
    else if (c.type === "C") {
      const at = (t, s, a, b, d, e) => s ** 3 * a + 3 * s * s * t * b + 3 * s * t * t * d + t ** 3 * e;
      curve((t, s) => [at(t, s, x0, c.x1, c.x2, c.x), at(t, s, y0, c.y1, c.y2, c.y)]);
    }
    if (c.type !== "Z") [x, y] = [c.x, c.y];
  }
  return contours.filter((contour) => contour.length > 2);
}
