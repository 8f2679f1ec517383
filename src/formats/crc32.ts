/** The checksum of 32 bits by a polynomial, its bits in reverse: of every value of a byte what it adds. */
function checksum(polynomial: number): (bytes: Uint8Array) => number {
  const table = Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    return value;
  });
  return (bytes) => {
    let crc = 0xffffffff;
    for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ table[(crc ^ bytes[i]!) & 255]!;
    return (crc ^ 0xffffffff) >>> 0;
  };
}

/** The checksum of zip archives. node:zlib has one from Node 20.15 on. */
export const crc32 = checksum(0xedb88320);

/** The checksum of TFRecords, by Castagnoli's polynomial, which node:zlib has not. */
export const crc32c = checksum(0x82f63b78);
