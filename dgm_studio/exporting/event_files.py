"""TensorBoard's event files: records (TFRecord) of messages (protocol buffers), written by hand.

TensorFlow's `core/util/event.proto` and `core/framework/summary.proto` say which field has which number; a record is
its length, the masked CRC-32C of that, the message, and the masked CRC-32C of it (TensorFlow, `lib/io/record_writer`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import BinaryIO

_VARINT, _64BIT, _BYTES, _32BIT = 0, 1, 2, 5  # wire types
_POLYNOMIAL = 0x82F63B78  # of CRC-32C (Castagnoli), reversed
_STRING = 7  # TensorFlow's DT_STRING


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    """Rotated and shifted, so that a CRC of data that holds CRCs means something."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _key(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _number(field: int, value: int) -> bytes:
    return _key(field, _VARINT) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _key(field, _BYTES) + _varint(len(data)) + data


class EventWriter:
    """Appends events to a file. Times are seconds since 1970."""

    def __init__(self, file: BinaryIO, time: float) -> None:
        self._file = file
        self._event(time, 0, _bytes(3, "brain.Event:2"))

    def scalar(self, tag: str, step: int, value: float, time: float) -> None:
        self._summary(time, step, _bytes(1, tag) + _key(2, _32BIT) + struct.pack("<f", value))

    def image(self, tag: str, step: int, png: bytes, size: tuple[int, int], time: float) -> None:
        """`size`: (width, height)."""
        image = _number(1, size[1]) + _number(2, size[0]) + _number(3, 3) + _bytes(4, png)
        self._summary(time, step, _bytes(1, tag) + _bytes(4, image))

    def text(self, tag: str, step: int, markdown: str, time: float) -> None:
        tensor = _number(1, _STRING) + _bytes(2, _bytes(2, _number(1, 1))) + _bytes(8, markdown)
        plugin = _bytes(1, _bytes(1, "text"))
        self._summary(time, step, _bytes(1, tag) + _bytes(9, plugin) + _bytes(8, tensor))

    def scalars(self, tag: str, values: Iterable[tuple[int, float, float]]) -> None:
        """(step, value, time) of one curve."""
        for step, value, time in values:
            self.scalar(tag, step, value, time)

    def _summary(self, time: float, step: int, value: bytes) -> None:
        self._event(time, step, _bytes(5, _bytes(1, value)))

    def _event(self, time: float, step: int, content: bytes) -> None:
        message = _key(1, _64BIT) + struct.pack("<d", time) + _number(2, step) + content
        length = struct.pack("<Q", len(message))
        self._file.write(length + struct.pack("<I", masked(crc32c(length))))
        self._file.write(message + struct.pack("<I", masked(crc32c(message))))
