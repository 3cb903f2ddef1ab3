"""Damage to the bytes of any file."""

from __future__ import annotations

from .choices import Choices


def mutated_bytes(choices: Choices, content: bytes, other: bytes) -> bytes:
    """``content`` with bytes flipped, cut off, left out, doubled, or replaced by a part of ``other``."""
    data = bytearray(content)
    kind = choices.pick(("flip", "flip", "truncate", "drop", "double", "splice", "overwrite", "append", "empty"))
    if not data or kind == "empty":
        return b""
    place = choices.whole(0, len(data) - 1)
    size = min(choices.pick((1, 4, 16, 64, 1024)), len(data) - place)
    if kind == "flip":
        for _ in range(choices.pick((1, 2, 8, 64))):
            data[choices.whole(0, len(data) - 1)] ^= 1 << choices.whole(0, 7)
    elif kind == "truncate":
        del data[place:]
    elif kind == "drop":
        del data[place : place + size]
    elif kind == "double":
        data[place:place] = data[place : place + size] * choices.pick((1, 2, 100))
    elif kind == "overwrite":
        data[place : place + size] = bytes([choices.pick((0, 0xFF, 0x7F, 0x80))]) * size
    elif kind == "append":
        data += bytes(choices.array().integers(0, 256, size, dtype="uint8"))
    else:
        start = choices.whole(0, max(0, len(other) - 1))
        data[place:] = other[start:]
    return bytes(data)
