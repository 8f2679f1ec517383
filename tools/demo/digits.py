"""Writes models/digits from the copy of the UCI digits in scikit-learn.

One PNG sheet of 60 columns of 8 × 8 images, row by row in scikit-learn's order, and labels.csv with one class a line.
A pixel is the count of ink, 0 … 16, scaled to 0 … 255 and rounded, from which the count can be told again.
Made with scikit-learn 1.9.1 and numpy 2.4.6; needs no other package. Nothing here is random.
"""

import struct
import zlib
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

COLUMNS = 60
folder = Path("models/digits")


def png(pixels: np.ndarray) -> bytes:
    """A grey 8-bit image [height, width] as PNG."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = pixels.shape
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")


digits = load_digits()
count = len(digits.images)
rows = -(-count // COLUMNS)
cells = np.zeros((rows * COLUMNS, 8, 8), np.uint8)
cells[:count] = np.round(digits.images * 255 / 16)
sheet = cells.reshape(rows, COLUMNS, 8, 8).transpose(0, 2, 1, 3).reshape(rows * 8, COLUMNS * 8)
folder.mkdir(parents=True, exist_ok=True)
(folder / "digits.png").write_bytes(png(sheet))
(folder / "labels.csv").write_text("label\n" + "".join(f"{label}\n" for label in digits.target))
print(f"{count} images")
