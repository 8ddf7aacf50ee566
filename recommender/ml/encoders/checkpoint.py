"""Read a TensorFlow checkpoint without TensorFlow: a sorted table of names, and plain floats.

Format: LevelDB's table (docs/table_format.md), whose values are BundleEntryProto messages
(tensorflow/core/protobuf/tensor_bundle.proto). Only what musicnn needs: one shard, float32,
uncompressed blocks; anything else raises ValueError.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MAGIC = 0xDB4775248B80FB57
FOOTER = 48
FLOAT = 1


def read_checkpoint(index: Path, data: Path) -> dict[str, NDArray[np.float32]]:
    """Return every float32 tensor by name. Raises: ValueError when a file is not what it claims."""
    table, floats = index.read_bytes(), data.read_bytes()
    if len(table) < FOOTER or int.from_bytes(table[-8:], "little") != MAGIC:
        raise ValueError(f"{index.name} is not the index of a checkpoint")
    at = 0
    footer = table[-FOOTER:]
    for _ in range(2):  # skip the handle of the meta index
        _, at = _varint(footer, at)
    offset, at = _varint(footer, at)
    size, _ = _varint(footer, at)
    tensors = {}
    for _, handle in _entries(_block(table, offset, size)):
        start, after = _varint(handle, 0)
        length, _ = _varint(handle, after)
        for key, value in _entries(_block(table, start, length)):
            if key:  # the empty key holds the header
                tensors[key.decode()] = _tensor(value, floats)
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _block(table: bytes, offset: int, size: int) -> bytes:
    if table[offset + size] != 0:
        raise ValueError("the index is compressed; only plain ones are read")
    return table[offset : offset + size]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, value); each key shares a beginning with the one before."""
    end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")  # the restart points follow
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + own]
        at += own
        yield key, block[at : at + length]
        at += length


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, value) of a protocol buffer."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag & 7 == 0:
            number, at = _varint(message, at)
            yield tag >> 3, number
        elif tag & 7 == 2:
            length, at = _varint(message, at)
            yield tag >> 3, message[at : at + length]
            at += length
        elif tag & 7 == 5:
            at += 4  # a checksum
        else:
            raise ValueError(f"the index holds a field of wire type {tag & 7}")


def _tensor(entry: bytes, floats: bytes) -> NDArray[np.float32] | None:
    facts = {1: 0, 3: 0, 4: 0, 5: 0}  # type, shard, offset, size in bytes
    shape: list[int] = []
    for number, value in _fields(entry):
        if isinstance(value, int):
            facts[number] = value
        elif number == 2:
            for _, dimension in _fields(value):
                assert isinstance(dimension, bytes)  # noqa: S101 - by the format
                shape.append(int(dict(_fields(dimension)).get(1, 0)))
    if facts[1] != FLOAT:
        return None
    raw = floats[facts[4] : facts[4] + facts[5]]
    if facts[3] != 0 or len(raw) != 4 * int(np.prod(shape)):
        raise ValueError("the checkpoint's data are cut off or in several files")
    return np.frombuffer(raw, dtype="<f4").reshape(shape)
