import { blackPixels, type Pixels } from "../pixels.ts";

/**
 * Maps a place of the result to a place of the source, both seen from the image's centre, in pixels:
 * sourceX = xx · x + xy · y + x0, sourceY = yx · x + yy · y + y0.
 */
export interface Affine {
  readonly xx: number;
  readonly xy: number;
  readonly x0: number;
  readonly yx: number;
  readonly yy: number;
  readonly y0: number;
}

const identity: Affine = { xx: 1, xy: 0, x0: 0, yx: 0, yy: 1, y0: 0 };

/** Turns the content anticlockwise. */
export function rotation(degrees: number): Affine {
  const angle = (degrees * Math.PI) / 180;
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  return { ...identity, xx: cos, xy: -sin, yx: sin, yy: cos };
}

/** Moves rows sideways by `amount` times their distance from the centre. */
export const shearX = (amount: number): Affine => ({ ...identity, xy: amount });
export const shearY = (amount: number): Affine => ({ ...identity, yx: amount });
/** Moves the content to the left or up by `pixels`, which may be a fraction. */
export const translateX = (pixels: number): Affine => ({ ...identity, x0: pixels });
export const translateY = (pixels: number): Affine => ({ ...identity, y0: pixels });

/** The image seen through an affine map, between pixels by bilinear interpolation; black outside. */
export function warpPixels(image: Pixels, map: Affine): Pixels {
  const { data, height, width, channels } = image;
  const warped = blackPixels(height, width, channels);
  const [centreX, centreY] = [(width - 1) / 2, (height - 1) / 2];
  let at = 0;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++, at += channels) {
      const [x, y] = [column - centreX, row - centreY];
      const sourceX = map.xx * x + map.xy * y + map.x0 + centreX;
      const sourceY = map.yx * x + map.yy * y + map.y0 + centreY;
      if (sourceX <= -1 || sourceY <= -1 || sourceX >= width || sourceY >= height) continue;
      const [left, top] = [Math.floor(sourceX), Math.floor(sourceY)];
      const [right, low] = [sourceX - left, sourceY - top];
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let dy = 0; dy < 2; dy++) {
          for (let dx = 0; dx < 2; dx++) {
            const [px, py] = [left + dx, top + dy];
            if (px < 0 || py < 0 || px >= width || py >= height) continue;
            sum += data[(py * width + px) * channels + c]! * (dx ? right : 1 - right) * (dy ? low : 1 - low);
          }
        }
        warped.data[at + c] = Math.round(sum);
      }
    }
  }
  return warped;
}
