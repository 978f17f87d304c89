"""Read the header of a safetensors file, without its weights: an 8-byte length, then JSON.

Format: https://github.com/huggingface/safetensors#format. The header gives every tensor's place, so a file that was
cut off shows itself by its size alone.
"""

import json
import struct
from pathlib import Path

from ugclab.errors import WeightsCorrupt
from ugclab.schema.base import Frozen

LARGEST_HEADER = 100_000_000
"""Bytes; the reference implementation refuses more."""


class Header(Frozen):
    """Names of the tensors, the bytes their data takes, and the size the whole file must have."""

    tensors: dict[str, tuple[str, tuple[int, ...]]]
    data_bytes: int
    file_bytes: int


def read_header(path: Path) -> Header:
    """Read and check a header. Raises WeightsCorrupt where it cannot be one."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > LARGEST_HEADER:
                raise WeightsCorrupt(f"{path.name} is no safetensors file: its header would take {length} bytes")
            entries = json.loads(file.read(length))
        entries.pop("__metadata__", None)
        tensors = {name: (str(entry["dtype"]), tuple(entry["shape"])) for name, entry in entries.items()}
        data = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (
        OSError,
        struct.error,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        RecursionError,
    ) as error:
        raise WeightsCorrupt(f"{path.name} has no readable safetensors header", hint="fetch it again") from error
    return Header(tensors=tensors, data_bytes=data, file_bytes=8 + length + data)
