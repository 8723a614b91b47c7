"""The parts of an HDF5 file that carry a checksum, so that one can lie in them and make the checksum right again."""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEADER, SUPERBLOCK = b"OHDR", b"\x89HDF"
SEARCHED = (SUPERBLOCK, b"OCHK", b"FRHP", b"FHIB", b"BTHD", b"BTLF", b"BTIN")
DIRECT_BLOCK, CHECKSUM_AT = b"FHDB", 17  # of a fractal heap, with its checksum in front
LONGEST = 640  # bytes
WORD = 0xFFFFFFFF


@dataclass(frozen=True)
class Block:
    """Bytes `start` to `stop`, and where the four bytes of their checksum are: behind them or among them."""

    start: int
    stop: int
    checksum: int

    def mend(self, content: bytearray) -> None:
        """Make the checksum right again."""
        content[self.checksum : self.checksum + 4] = self.sum(content)

    def sum(self, content: bytes | bytearray) -> bytes:
        data = bytearray(content[self.start : self.stop])
        if self.checksum < self.stop:
            data[self.checksum - self.start : self.checksum - self.start + 4] = bytes(4)
        return lookup3(bytes(data)).to_bytes(4, "little")


def blocks(content: bytes) -> list[Block]:
    """Every block whose checksum is right."""
    found = []
    for start in range(len(content) - 8):
        four = content[start : start + 4]
        if four == HEADER:
            stop = _end_of_header(content, start)
            found += _matching(content, [Block(start, stop, stop)])
        elif four in SEARCHED:
            found += _matching(content, [Block(start, stop, stop) for stop in range(start + 8, start + LONGEST)])
        elif four == DIRECT_BLOCK:
            lengths = (512 << n for n in range(8))
            found += _matching(content, [Block(start, start + n, start + CHECKSUM_AT) for n in lengths])
    return found


def _end_of_header(content: bytes, start: int) -> int:
    """By the HDF5 file format, IV.A.1.b: flags say which fields stand before the length, and how wide it is."""
    flags = content[start + 5]
    size = start + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    return size + width + int.from_bytes(content[size : size + width], "little")


def _matching(content: bytes, candidates: list[Block]) -> list[Block]:
    for block in candidates:
        if content[block.checksum : block.checksum + 4] == block.sum(content):
            return [block]
    return []


def lookup3(data: bytes) -> int:
    """Bob Jenkins' hash of that name (2006), with which HDF5 protects its metadata."""
    a = b = c = (0xDEADBEEF + len(data)) & WORD
    words = struct.unpack(f"<{-(-len(data) // 12) * 3}I", data + bytes(-len(data) % 12))
    for i in range(0, len(words), 3):
        a, b, c = (a + words[i]) & WORD, (b + words[i + 1]) & WORD, (c + words[i + 2]) & WORD
        if i + 3 < len(words):
            for turn in (4, 6, 8, 16, 19, 4):
                a, b, c = b, (c + b) & WORD, ((a - c) & WORD) ^ _turned(c, turn)
    for turn in (14, 11, 25, 16, 4, 14, 24):
        a, b, c = b, ((c ^ b) - _turned(b, turn)) & WORD, a
    return b


def _turned(word: int, by: int) -> int:
    return (word << by | word >> 32 - by) & WORD
