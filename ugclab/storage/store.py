"""What a store is: immutable bytes under keys such as "users/ann/projects/ad/renders/01J….mp4".

The same calls do the same on a local disk (local.py) and on S3 (s3.py): one contract suite holds both to it.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from pydantic import Field

from ugclab.errors import InputError, StoreCorrupt
from ugclab.schema.base import Frozen

MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
    ".ts": "video/mp2t",
    ".flv": "video/x-flv",
    ".mpg": "video/mpeg",
    ".wmv": "video/x-ms-asf",
    ".ogv": "video/ogg",
    ".mxf": "application/mxf",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".heic": "image/heic",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".gif": "image/gif",
    ".pnm": "image/x-portable-anymap",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".json": "application/json",
    ".txt": "text/plain",
}
"""What a key's suffix says of its bytes. The standard library's table differs from one machine to the next."""

LONGEST_KEY, LONGEST_PART = 900, 200
"""Bytes: S3 takes 1024 with the prefix, a file system 255 a name, and an unfinished file's name is longer by 15."""

LONGEST_URL_S = 7 * 24 * 3600
"""What signature version 4 allows."""


class Stored(Frozen):
    """One object of a store."""

    key: str
    size_bytes: int
    sha256: str = ""
    """Hex digest; empty in listings, and for an object that somebody else put on S3."""


class Upload(Frozen):
    """Leave to write one object over HTTP: `PUT url` with exactly these headers and as many bytes as were announced."""

    url: str
    headers: dict[str, str] = Field(description="signed with the address: without them it is refused")


class Store(Protocol):
    """Where bytes live. A key is a relative POSIX path; what lies under it is whole or absent, never half-written.

    Every method raises InputError for a key that is none, StoreError where a store is set up wrongly, and
    StoreUnavailable where it does not answer, for now.
    """

    def put_file(self, key: str, path: Path, *, sha256: str = "") -> Stored:
        """Copy a local file in; the same bytes under the same key are not written again.

        `sha256` is what the file must be. Raises StoreCorrupt where it is not, or no longer; OutputError, DiskFull;
        OSError for a `path` that cannot be read.
        """

    def put_content(self, folder: str, path: Path, *, suffix: str = "") -> Stored:
        """Copy a local file in under the name of its hash, `{folder}/{sha256}{suffix}`. Raises as `put_file`."""

    def put_bytes(self, key: str, data: bytes) -> Stored:
        """Write bytes. Raises OutputError, DiskFull."""

    def read_bytes(self, key: str) -> bytes:
        """All bytes of one object. Raises KeyError, and StoreCorrupt where the store knows what they were."""

    def get_file(self, key: str, path: Path, *, sha256: str = "") -> Stored:
        """Copy an object out to `path`, which is then whole or absent; its hash is in what is returned.

        Raises KeyError, StoreCorrupt where the bytes are not those of `sha256` or those that were put there,
        OutputError, DiskFull.
        """

    def stat(self, key: str) -> Stored:
        """Size and sha256. Raises KeyError."""

    def exists(self, key: str) -> bool:
        """Whether an object of that key is there."""

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Objects under a folder, in the order of their keys' UTF-8, without their hashes."""

    def delete_prefix(self, prefix: str) -> int:
        """Delete the object or folder of that name and say how many objects went; an empty prefix is refused.

        A slash at its end means the folder only: S3 is faster with it.
        Also goes what `list` does not show: unfinished files and uploads, old versions.
        """

    def url(self, key: str, expires_s: int, *, download_name: str = "") -> str | None:
        """Address anybody may read the object at for a while, 7 days at most; None where the store has none.

        `download_name` is what a browser saves it as, instead of showing it.
        """

    def upload_url(self, key: str, expires_s: int, *, media_type: str, size_bytes: int) -> Upload | None:
        """Leave for anybody to write this object, of exactly that size, for a while; None where the store has none."""


def checked_key(key: str) -> PurePosixPath:
    """Read a key. Raises InputError for one that is empty, absolute, hidden, too long, or climbs out of the store."""
    path = PurePosixPath(key)
    try:
        sizes = [len(part.encode()) for part in path.parts]
    except UnicodeEncodeError:  # half a surrogate pair
        sizes = []
    wrong = (
        not sizes
        or key != str(path)
        or path.is_absolute()
        or any(part.startswith(".") for part in path.parts)  # "..", and names kept for unfinished files
        or any(c == "\\" or c < " " or c == "\x7f" for c in key)
        or max(sizes) > LONGEST_PART
        or sum(sizes) + len(sizes) > LONGEST_KEY
    )
    if wrong:
        shown = key if len(key) <= 80 else key[:80] + "…"
        raise InputError(
            f"{shown!r} is not a name in a store",
            hint="use a relative path without '..', leading dots, backslashes or control characters",
        )
    return path


def checked_folder(prefix: str) -> PurePosixPath:
    """Read the key of a folder, with or without a slash at its end. Raises InputError."""
    return checked_key(prefix.removesuffix("/"))


def checked_expiry(expires_s: int) -> int:
    """Seconds an address may live. Raises InputError."""
    if not 1 <= expires_s <= LONGEST_URL_S:
        raise InputError("an address lives between a second and 7 days", hint="ask for a shorter time")
    return expires_s


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_hashed(source: BinaryIO, target: Path) -> str:
    """Write what an open file holds to `target`, and return the hex digest of what was written."""
    digest = hashlib.sha256()
    with target.open("wb") as out:
        while block := source.read(1 << 20):
            digest.update(block)
            out.write(block)
    return digest.hexdigest()


def check_digest(name: str, found: str, *expected: str) -> None:
    """Raise StoreCorrupt unless a digest is the expected one; an empty one expects nothing."""
    if any(digest and digest != found for digest in expected):
        raise StoreCorrupt(
            f"{name} has not the bytes it should have: its sha256 is {found[:12]}…, not "
            f"{next(d for d in expected if d and d != found)[:12]}…",
            hint="it was changed or damaged: delete it, then put it there again",
        )
