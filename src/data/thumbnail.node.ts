/** Longest side of a thumbnail, in pixels. */
const side = 160;

/** A small copy of a picture as a PNG or JPEG data URI, for reports. Small pictures are left as they are. */
export async function readThumbnail(path: string): Promise<string> {
  const { default: sharp } = await import("sharp");
  const image = sharp(path).rotate().resize(side, side, { fit: "inside", withoutEnlargement: true });
  const { width = 0, height = 0 } = await sharp(path).metadata();
  const isSmall = Math.max(width, height) <= 64;
  const bytes = isSmall ? await image.png().toBuffer() : await image.jpeg({ quality: 80 }).toBuffer();
  return `data:image/${isSmall ? "png" : "jpeg"};base64,${bytes.toString("base64")}`;
}
