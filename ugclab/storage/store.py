"""What a store is: immutable bytes under keys such as "artefacts/swap/3f…/segment.mkv"."""

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from ugclab.errors import InputError
from ugclab.schema.base import Frozen


class Stored(Frozen):
    """One object of a store."""

    key: str
    size_bytes: int
    sha256: str = ""
    """Hex digest; empty where listing does not compute it."""


class Store(Protocol):
    """Where bytes live. A key is a relative POSIX path; what lies under it is whole or absent, never half-written."""

    def put_file(self, key: str, path: Path) -> Stored:
        """Copy a local file in. Raises OutputError, DiskFull."""

    def put_bytes(self, key: str, data: bytes) -> Stored:
        """Write bytes. Raises OutputError, DiskFull."""

    def read_bytes(self, key: str) -> bytes:
        """All bytes of one object. Raises KeyError."""

    def stat(self, key: str) -> Stored:
        """Size and sha256. Raises KeyError."""

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Objects under a folder, in order of their keys, without their hashes."""

    def delete_prefix(self, prefix: str) -> int:
        """Delete the object or folder of that name and say how many objects went; an empty prefix is refused."""


def checked_key(key: str) -> PurePosixPath:
    """Read a key. Raises InputError for one that is empty, absolute, or climbs out of the store."""
    path = PurePosixPath(key)
    if not key or key != str(path) or path.is_absolute() or ".." in path.parts or any(c in key for c in "\\\0"):
        raise InputError(f"{key!r} is not a name in a store", hint="use a relative path without '..' or backslashes")
    return path


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
