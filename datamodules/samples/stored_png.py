"""PNG files without compression: the same bytes on every machine.

What zlib compresses to depends on its version (Pillow's wheels carry zlib-ng), also at level 0; stored blocks that are
written here depend on nothing.
"""

import struct
import zlib

import numpy as np

_BLOCK = 65535
_GREY, _RGB = 0, 2


def encode_png(pixels: np.ndarray) -> bytes:
    """A PNG file (RFC 2083) of uint8 pixels (height, width) or (height, width, 3), with stored blocks (RFC 1951)."""
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    # Each row begins with its filter: 0 is none.
    raw = np.concatenate((np.zeros((height, 1), dtype=np.uint8), rows), axis=1).tobytes()
    blocks = [raw[start : start + _BLOCK] for start in range(0, len(raw), _BLOCK)]
    stored = b"".join(
        struct.pack("<BHH", number == len(blocks) - 1, len(block), _BLOCK - len(block)) + block
        for number, block in enumerate(blocks)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, _GREY if pixels.ndim == 2 else _RGB, 0, 0, 0)
    data = b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(raw))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
