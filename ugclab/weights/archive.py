"""Model files in one archive: packed on a machine that has them, unpacked on one without a network.

The archive is a plain tar: first a manifest with every file's size, hash and licence, then the files in its order, and
nothing else. The same files give the same bytes. Neither way reads the archive twice or holds a file in memory.

A file of the catalogue must be the catalogue's, whatever the manifest says. For one of a checkpoint there is only the
manifest's word: so `pack` returns the whole archive's hash, to be compared by whoever carries it.
"""

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Literal, Protocol

from pydantic import Field, ValidationError, field_validator

from ugclab.errors import DiskFull, LicenceNotAccepted, OutputError, WeightsCorrupt, WeightsError
from ugclab.media.output import whole_file, writing
from ugclab.schema.base import Frozen, first_fault
from ugclab.weights.catalog import CATALOG, ModelFile
from ugclab.weights.fetch import CHUNK_BYTES, Deadline, Progress
from ugclab.weights.hf import CACHE, noted
from ugclab.weights.hub import FETCH_BUDGET_S, locked, unaccepted, verify

MANIFEST = "ugclab-models.json"
_LARGEST_MANIFEST = 8 << 20
_NOTE = f"{CACHE}/manifest.json"
"""What was fetched into a checkpoint's folder, with the publisher's hashes: it travels along, for `models verify`."""


class Packed(Frozen):
    """One file of an archive."""

    name: str = Field(description="its path below the folder of model files, or below its checkpoint's")
    checkpoint: str = Field("", description="the checkpoint it belongs to; empty for a file of the catalogue")
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str
    terms: str = Field("", description="what somebody must accept before it is used; never counted as accepted")

    @field_validator("name", "checkpoint")
    @classmethod
    def _inside(cls, value: str) -> str:
        parts = PurePosixPath(value).parts
        if value and (value != "/".join(parts) or value.startswith("/") or ".." in parts or set(value) & {"\\", "\0"}):
            raise ValueError("a path that stays inside its folder is expected")
        return value

    @property
    def member(self) -> str:
        """Its name in the tar."""
        return f"checkpoints/{self.checkpoint}/{self.name}" if self.checkpoint else f"files/{self.name}"


class Manifest(Frozen):
    """What an archive holds, in its order."""

    schema_version: Literal[1] = 1
    files: tuple[Packed, ...]


class Checkpoint(Frozen):
    """A folder of model files that were fetched from a hub as one."""

    name: str
    folder: Path
    licence: str


def pack(
    names: Iterable[str],
    folder: Path,
    archive: Path,
    *,
    checkpoints: Iterable[Checkpoint] = (),
    on_progress: Progress = lambda name, done, total: None,
    catalog: Mapping[str, ModelFile] = CATALOG,
) -> tuple[Manifest, str]:
    """Write files of the catalogue and whole checkpoints to `archive`; return what it holds, and its own sha256.

    Raises WeightsError for what is not here, WeightsCorrupt for what is not whole, and what `whole_file` does.
    """
    sources: list[tuple[Packed, Path]] = []
    states = verify(sorted(set(names)), folder, catalog=catalog)
    if wrong := [f"{state.name} ({state.state})" for state in states if state.state != "ok"]:
        raise WeightsError(f"cannot be packed: {', '.join(wrong)}", hint="fetch them first: ugclab models pull")
    for state in states:
        file = catalog[state.name]
        packed = Packed.model_validate(
            {key: getattr(file, key) for key in ("name", "size_bytes", "sha256", "licence", "terms")}
        )
        sources.append((packed, state.path))
    for checkpoint in sorted(checkpoints, key=lambda one: one.name):
        sources += _of_checkpoint(checkpoint)
    if not sources:
        raise WeightsError("there is nothing to pack", hint="name engines or files: ugclab models list")
    manifest = Manifest(files=tuple(packed for packed, _ in sources))
    with whole_file(archive) as part:
        with part.open("wb") as raw:
            hashed = _Hashed(raw)
            with tarfile.open(fileobj=hashed, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
                text = manifest.model_dump_json(indent=1).encode()
                tar.addfile(_plain(MANIFEST, len(text)), io.BytesIO(text))
                for packed, path in sources:
                    _add(tar, packed, path, on_progress)
        digest = hashed.digest.hexdigest()
    return manifest, digest


def read_manifest(archive: Path) -> Manifest:
    """What an archive says that it holds; nothing of that is verified yet. Raises WeightsCorrupt for anything else."""
    with _opened(archive) as tar:
        return _manifest(tar)


def unpack(
    archive: Path,
    folder: Path,
    *,
    checkpoints: Mapping[str, Path],
    accepted: bool = False,
    on_progress: Progress = lambda name, done, total: None,
    catalog: Mapping[str, ModelFile] = CATALOG,
) -> Manifest:
    """Verify an archive and put its files into `folder`, and those of checkpoints into their own folders.

    Nothing is put anywhere before all is verified; then each file appears whole. Raises LicenceNotAccepted before
    anything is written where a file has terms, is not here yet, and nobody `accepted` them; WeightsCorrupt for an
    archive that is cut off, damaged, or holds other than it should; DiskFull before it writes what would not fit.
    """
    with _opened(archive) as tar:
        manifest = _manifest(tar)
        _check(manifest, checkpoints, catalog)
        here = [packed.name for packed in manifest.files if not packed.checkpoint]
        if not accepted and (bound := unaccepted(here, folder, catalog=catalog)):
            listed = ", ".join(file.name for file in bound)
            raise LicenceNotAccepted(
                f"{listed} cannot be unpacked before somebody accepts: {bound[0].terms}",
                hint=f"if that holds for you: ugclab models import {archive} --accept-licence",
            )
        roots = {name: path for name, path in checkpoints.items() if any(p.checkpoint == name for p in manifest.files)}
        roots[""] = folder
        with writing(folder), _staged(manifest, roots) as stages:
            for packed in manifest.files:
                _take(tar, packed, stages[packed.checkpoint] / packed.name, on_progress)
            if (extra := tar.next()) is not None:
                raise _wrong(f"it holds {extra.name!r}, which its manifest does not name")
            with locked(folder, Deadline.after(FETCH_BUDGET_S)):
                for packed in manifest.files:
                    target = roots[packed.checkpoint] / packed.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    (stages[packed.checkpoint] / packed.name).replace(target)
    return manifest


class _Written(Protocol):
    def write(self, data: bytes, /) -> int: ...


class _Hashed:
    """A file that hashes what is written to it."""

    def __init__(self, file: _Written) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._file.write(data)


class _HashedReading:
    """A file that hashes what is read from it."""

    def __init__(self, file: IO[bytes], packed: Packed, on_progress: Progress) -> None:
        self._file, self._packed, self._on_progress = file, packed, on_progress
        self._done = 0
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        self._done += len(data)
        if data:
            self._on_progress(self._packed.member, self._done, self._packed.size_bytes)
        return data


def _plain(name: str, size_bytes: int) -> tarfile.TarInfo:
    """A header that says nothing of who packed, where and when."""
    info = tarfile.TarInfo(name)
    info.size = size_bytes
    info.mode = 0o644
    return info


def _add(tar: tarfile.TarFile, packed: Packed, path: Path, on_progress: Progress) -> None:
    with path.open("rb") as file:
        reading = _HashedReading(file, packed, on_progress)
        try:
            tar.addfile(_plain(packed.member, packed.size_bytes), reading)
        except OSError as error:
            if error.errno is None:  # tarfile's word for a file that ends early
                raise WeightsCorrupt(f"{path} is cut off", hint="fetch it anew: ugclab models pull") from error
            raise
        if reading.digest.hexdigest() != packed.sha256:
            raise WeightsCorrupt(f"{path} is damaged, or changed meanwhile", hint="verify it: ugclab models verify")


def _of_checkpoint(checkpoint: Checkpoint) -> Iterator[tuple[Packed, Path]]:
    """The files that were noted when a checkpoint was fetched, and the note itself."""
    found = noted(checkpoint.folder)
    if not found:
        raise WeightsError(
            f"{checkpoint.folder} has no record of what was fetched",
            hint=f"ugclab models pull {checkpoint.name} makes it, and fetches nothing that is there and whole",
        )
    for name, entry in sorted([*found.items(), (_NOTE, {})]):
        path = checkpoint.folder / name
        if not path.is_file() or path.stat().st_size != entry.get("size_bytes", path.stat().st_size):
            raise WeightsCorrupt(f"{path} is missing or cut off", hint=f"ugclab models pull {checkpoint.name}")
        digest = entry.get("sha256")  # large ones; verified while they are packed
        if not digest:
            content = path.read_bytes()
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
            if entry.get("git_sha1", blob) != blob:
                raise WeightsCorrupt(f"{path} is damaged", hint=f"ugclab models pull {checkpoint.name}")
            digest = hashlib.sha256(content).hexdigest()
        size = path.stat().st_size
        yield (
            Packed(name=name, checkpoint=checkpoint.name, size_bytes=size, sha256=digest, licence=checkpoint.licence),
            path,
        )


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r|") as tar:
            yield tar
    except tarfile.TarError as error:
        raise _wrong(f"{archive} is cut off or damaged, or no archive of ours ({error})") from error
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        if error.filename == str(archive):
            raise WeightsError(f"{archive} cannot be read: {error.strerror}", hint="check its path") from error
        raise


def _manifest(tar: tarfile.TarFile) -> Manifest:
    first = tar.next()
    if first is None or first.name != MANIFEST or not first.isreg() or first.size > _LARGEST_MANIFEST:
        raise _wrong(f"it does not begin with {MANIFEST}")
    text = _content(tar, first).read(first.size)
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        where, what = first_fault(error)
        raise _wrong(f"its manifest is damaged, or newer than this version: {where}: {what}") from error
    names = [packed.member for packed in manifest.files]
    if len(set(names)) != len(names) or not names:
        raise _wrong("its manifest names nothing, or something twice")
    return manifest


def _check(manifest: Manifest, checkpoints: Mapping[str, Path], catalog: Mapping[str, ModelFile]) -> None:
    """Refuse what is none of ours."""
    for packed in manifest.files:
        if packed.checkpoint:
            if packed.checkpoint not in checkpoints:
                raise _wrong(f"no checkpoint is called {packed.checkpoint!r}")
            continue
        known = catalog.get(packed.name)
        if known is None:
            raise _wrong(f"{packed.name!r} is no model file of this version")
        if (known.size_bytes, known.sha256) != (packed.size_bytes, packed.sha256):
            raise _wrong(f"its {packed.name} is another file than the one this version uses")


@contextmanager
def _staged(manifest: Manifest, roots: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    """Hidden folders beside the final places, on their disks; gone after the block."""
    stages: dict[str, Path] = {}
    try:
        for name, root in roots.items():
            root.mkdir(parents=True, exist_ok=True)
            needed = sum(packed.size_bytes for packed in manifest.files if packed.checkpoint == name)
            if needed > (free := shutil.disk_usage(root).free):
                raise DiskFull(
                    f"{needed / 2**30:.1f} GiB are to be unpacked, and {root} has {free / 2**30:.1f} GiB left",
                    hint="free some, or set UGCLAB_CACHE_DIR",
                )
            stages[name] = Path(tempfile.mkdtemp(prefix=".import-", dir=root))
        yield stages
    except PermissionError as error:
        raise OutputError(
            f"{error.filename} cannot be written", hint="set UGCLAB_CACHE_DIR to another folder"
        ) from error
    finally:
        for stage in stages.values():
            shutil.rmtree(stage, ignore_errors=True)


def _take(tar: tarfile.TarFile, packed: Packed, target: Path, on_progress: Progress) -> None:
    """The next member, which must be this file, to `target`."""
    info = tar.next()
    if info is None:
        raise _wrong(f"it ends before {packed.member}")
    if info.name != packed.member or info.size != packed.size_bytes:
        raise _wrong(f"it holds {info.name!r} of {info.size} bytes where {packed.member} should be")
    if not info.isreg():
        raise _wrong(f"{info.name!r} is no plain file")
    target.parent.mkdir(parents=True, exist_ok=True)
    reading = _HashedReading(_content(tar, info), packed, on_progress)
    with target.open("xb") as out:
        while chunk := reading.read(CHUNK_BYTES):
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    if reading.digest.hexdigest() != packed.sha256:
        raise _wrong(f"{packed.member} has the wrong hash")


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(info)
    if content is None:
        raise _wrong(f"{info.name!r} is no plain file")
    return content


def _wrong(what: str) -> WeightsCorrupt:
    return WeightsCorrupt(
        f"the archive cannot be used: {what}", hint="nothing was unpacked; carry it over anew, and compare its sha256"
    )
