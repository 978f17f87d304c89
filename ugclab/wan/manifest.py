"""What a checkpoint of Wan2.2-Animate-14B holds: the packaged manifest, and what a folder says of its own download."""

import hashlib
import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

from ugclab.schema.base import Frozen

Use = Literal["generate", "relight", "preprocess", "replace"]
REPLACEMENT: tuple[Use, ...] = ("generate", "relight", "preprocess", "replace")
RECORD = ".cache/ugclab/manifest.json"
"""Where a pull notes what it fetched: paths, sizes, hashes as the hub gave them."""


CHECKS = {
    "C1": "a file is missing",
    "C2": "a file is cut off, damaged, or a Git LFS pointer",
    "C3": "a safetensors header is unreadable, or does not fit the index",
    "C4": "a file's hash is not the hub's (only with --hashes)",
    "C5": "the pose model is a folder, and it is incomplete or a file",
    "C6": "a tokenizer is missing",
    "C7": "files no chosen use needs (a note)",
}
"""What a folder is checked for."""


class File(Frozen):
    """A file of the manifest. Without a size, `least_bytes` still tells a stub from a model."""

    path: str
    uses: tuple[Use, ...]
    size_bytes: int | None = None
    least_bytes: int = 1
    sha256: str = ""


class Tokenizer(Frozen):
    """A tokenizer's folder: one of the named files is needed, weights beside it are not."""

    path: str
    uses: tuple[Use, ...]
    any_of: tuple[str, ...]


class Folder(Frozen):
    """A model that is a folder."""

    path: str
    uses: tuple[Use, ...]
    files: int
    size_bytes: int


class Manifest(Frozen):
    """What a whole checkpoint holds, and the patterns that fetch the part a use needs."""

    schema_version: Literal[1] = 1
    repository: str
    revision: str
    source: str
    whole_bytes: int
    replacement_bytes: int
    files: tuple[File, ...]
    tokenizers: tuple[Tokenizer, ...]
    folders: tuple[Folder, ...]
    patterns: dict[Use, tuple[str, ...]]


class Record(Frozen):
    """A file as the hub described it."""

    size_bytes: int | None = None
    sha256: str = ""
    git_sha1: str = ""


@cache
def manifest() -> Manifest:
    """The packaged manifest. Read once: package data does not change."""
    text = resources.files("ugclab.wan.data").joinpath("checkpoint.json").read_text(encoding="utf-8")
    return Manifest.model_validate_json(text)


def patterns(uses: tuple[Use, ...] = REPLACEMENT) -> tuple[str, ...]:
    """The hub's allow-patterns for some uses."""
    return tuple(pattern for use in uses for pattern in manifest().patterns[use])


def matches(path: Path, sha256: str, git_sha1: str = "") -> bool:
    """Whether a file has the SHA-256 the hub gives for large files, or the git blob id it gives for small ones."""
    digest = hashlib.sha256() if sha256 else hashlib.sha1(usedforsecurity=False)
    if not sha256:
        digest.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest() == (sha256 or git_sha1)


def own_record(folder: Path) -> dict[str, Record]:
    """What a pull of ours noted of a folder: path -> file. Empty where there is no such note."""
    try:
        entries = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
        return {str(path): Record.model_validate(entry) for path, entry in entries.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def hub_etag(folder: Path, path: str) -> str:
    """The etag huggingface_hub noted for a file: the second line of its metadata."""
    try:
        lines = (folder / ".cache/huggingface/download" / f"{path}.metadata").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return lines[1].strip() if len(lines) > 1 else ""
