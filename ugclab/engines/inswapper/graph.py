"""What an ONNX file holds that its runtime does not give out: the matrix that InsightFace put beside the network.

inswapper_128.onnx carries `emap`, which turns a face's embedding into the network's input, as its last initializer;
no node uses it. An ONNX file is a Protocol Buffers message (onnx.proto of github.com/onnx/onnx); the few fields needed
are read here straight from the mapped file, so that neither the package onnx nor half a gigabyte of memory is needed.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ugclab.errors import WeightsError

Floats = NDArray[np.float32]

# Field numbers of onnx.proto.
MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALIZER = 1, 5
NODE_INPUT = 1
TENSOR_DIMS, TENSOR_TYPE, TENSOR_FLOATS, TENSOR_NAME, TENSOR_RAW = 1, 2, 4, 8, 9
TYPES: dict[int, np.dtype[np.floating[Any]]] = {1: np.dtype("<f4"), 10: np.dtype("<f2"), 11: np.dtype("<f8")}
"""TensorProto.DataType of floating-point numbers."""
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

REPLACE = "fetch the publisher's file anew: ugclab models pull inswapper"


@dataclass(frozen=True, slots=True)
class _Field:
    number: int
    value: int
    """Of a varint; otherwise 0."""
    start: int
    end: int
    """Where its bytes lie in the file."""


def read_emap(path: Path, size: int = 512) -> Floats:
    """The (size, size) matrix in the model file. Raises WeightsError where it is no such file, or has none."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _find(data, path.name, size)
    except (OSError, ValueError) as error:  # an empty file cannot be mapped
        raise WeightsError(f"the model file {path.name} cannot be read: {error}", hint=REPLACE) from error


def _find(data: mmap.mmap, name: str, size: int) -> Floats:
    last: tuple[int, int] | None = None
    used: set[bytes] = set()
    for graph in _fields(data, 0, len(data)):
        if graph.number != MODEL_GRAPH:
            continue
        for part in _fields(data, graph.start, graph.end):
            if part.number == GRAPH_INITIALIZER:
                last = (part.start, part.end)
            elif part.number == GRAPH_NODE:
                inputs = (f for f in _fields(data, part.start, part.end) if f.number == NODE_INPUT)
                used.update(data[f.start : f.end] for f in inputs)
    matrix, label = _tensor(data, *last) if last else (None, b"")
    if matrix is None or matrix.shape != (size, size) or label in used:
        raise WeightsError(
            f"{name} does not carry the matrix that turns a face into its input ({size}x{size}, its last initializer, "
            "used by no node): a graph that was exported or optimised again has lost it",
            hint=REPLACE,
        )
    if not np.isfinite(matrix).all():
        raise WeightsError(f"the matrix in {name} holds numbers that are none", hint=REPLACE)
    return matrix


def _tensor(data: mmap.mmap, start: int, end: int) -> tuple[Floats | None, bytes]:
    """A tensor's values and its name; None where it is of whole numbers, or lies in another file."""
    dims: list[int] = []
    kind, name, values = 0, b"", b""
    for field in _fields(data, start, end):
        if field.number == TENSOR_DIMS:
            dims += [field.value] if field.end == field.start else _packed(data, field.start, field.end)
        elif field.number == TENSOR_TYPE:
            kind = field.value
        elif field.number == TENSOR_NAME:
            name = data[field.start : field.end]
        elif field.number in (TENSOR_RAW, TENSOR_FLOATS):
            values += data[field.start : field.end]
    dtype = TYPES.get(kind)
    if dtype is None or len(values) != int(np.prod(dims, dtype=np.int64)) * dtype.itemsize:
        return None, name
    return np.frombuffer(values, dtype).reshape(dims).astype(np.float32), name


def _packed(data: mmap.mmap, at: int, end: int) -> list[int]:
    values = []
    while at < end:
        value, at = _varint(data, at)
        values.append(value)
    return values


def _fields(data: mmap.mmap, at: int, end: int) -> Iterator[_Field]:
    """The fields of one message. Raises ValueError where the bytes are none."""
    while at < end:
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        value, start = 0, at
        if wire == VARINT:
            value, at = _varint(data, at)
            start = at
        elif wire == BYTES:
            length, start = _varint(data, at)
            at = start + length
        elif wire in (FIXED32, FIXED64):
            at += 4 if wire == FIXED32 else 8
        else:
            raise ValueError("it is no ONNX file")
        if not number or at > end:
            raise ValueError("it is no ONNX file, or only a part of one")
        yield _Field(number, value, start, at)


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    """A number of up to 64 bits, low seven first, and where the next byte is."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("it is no ONNX file, or only a part of one")
