"""Finished pieces of work, kept by a hash of everything that decides their bytes, so that nothing is done twice.

An artefact is a folder `users/<user>/projects/<project>/<kind>/<key>/` with the step's files and `manifest.json`: it
belongs to a project and goes with it. It appears by one rename, complete or
not at all, is checked against its hashes whenever it is taken up again, and goes when the folder of artefacts outgrows
its cap, the least recently used first. Whoever uses an artefact holds a shared lock on its `.lease` file; the kernel
drops it with the process, so two processes may work, and be killed, at any time.

Where the store is elsewhere, finished artefacts are copied there too: a machine that takes a job over finds what the
dead one had finished.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ugclab.errors import OutputError, StoreError
from ugclab.media.output import writing
from ugclab.storage.local import LocalStore
from ugclab.storage.store import Store, file_sha256

LOCAL_SCOPE = "users/local/projects/default"
"""The project of whoever works at the command line."""

MIRRORED = "metadata/artefacts"
"""Folder of a project in the store where other machines find its artefacts."""

_LOG = logging.getLogger(__name__)
_LEASE, _MANIFEST, _WORK = ".lease", "manifest.json", "work"


def canonical_key(parts: Mapping[str, Any]) -> str:
    """Hash a JSON-able document; the order of its fields does not matter. Anything that is not JSON is an error."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Artefact:
    """A finished piece of work on the local disk."""

    folder: Path
    result: Mapping[str, Any]
    """What the step said about it: JSON."""


class Artefacts:
    """One project's artefacts, in use until the `with` block ends; then the cap over all projects is enforced."""

    def __init__(
        self, store: LocalStore, cap_mb: int, scope: str = LOCAL_SCOPE, *, mirror: Store | None = None
    ) -> None:
        self._store = store
        self._mirror = mirror
        self.scope = scope
        """The project's folder."""
        self._cap_bytes = cap_mb * 2**20
        self._held = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._store.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"work cannot be kept in {self._store.root}: {error.strerror}",
                hint="set UGCLAB_DATA_DIR to another folder",
            ) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._held.close()
        with suppress(OSError):  # a full or vanished disk must not hide what went wrong before
            self.evict()

    def workspace(self) -> Path:
        """Make an empty folder on the artefacts' disk; it goes with the `with` block, after a crash with the next."""
        with writing(self._store.root), self._locked():
            folder = self._store.path(f"{_WORK}/{uuid.uuid4().hex}")
            folder.mkdir(parents=True)
            lease = folder.with_name(folder.name + _LEASE)
            lease.touch()
            self._held.callback(_remove_work, folder, lease)
            self._held.enter_context(_shared_lock(lease))
        return folder

    def find(self, kind: str, key: str) -> Artefact | None:
        """Take up a finished artefact; None where there is none, or where its files are not what was written."""
        return self._find_here(kind, key) or self._find_there(kind, key)

    def _find_there(self, kind: str, key: str) -> Artefact | None:
        """Take up what another machine finished."""
        if self._mirror is None:
            return None
        try:
            manifest = json.loads(self._mirror.read_bytes(self._away(kind, key, _MANIFEST)))
            work = self.workspace()
            for name, digest in manifest["files"].items():
                (work / name).parent.mkdir(parents=True, exist_ok=True)
                self._mirror.get_file(self._away(kind, key, name), work / name, sha256=digest)
            return self._keep_here(kind, key, work, manifest["result"], replace=True)
        except KeyError:
            return None
        except (StoreError, ValueError) as error:
            _LOG.warning("artefact %s cannot be had from the store: %s", key[:12], error)
            return None

    def _copy_there(self, kind: str, key: str, artefact: Artefact) -> None:
        """Copy an artefact out, its manifest last; without it the other machine would only do the work again."""
        if self._mirror is None:
            return
        try:
            manifest = json.loads((artefact.folder / _MANIFEST).read_bytes())
            for name in (*manifest["files"], _MANIFEST):
                self._mirror.put_file(self._away(kind, key, name), artefact.folder / name)
        except StoreError as error:
            _LOG.warning("artefact %s cannot be copied to the store: %s", key[:12], error)

    def _away(self, kind: str, key: str, name: str) -> str:
        return f"{self.scope}/{MIRRORED}/{kind}/{key}/{name}"

    def _find_here(self, kind: str, key: str) -> Artefact | None:
        folder = self._store.path(f"{self.scope}/{kind}/{key}")
        lease = folder / _LEASE
        held = ExitStack()
        try:
            file = held.enter_context(_shared_lock(lease))
            os.utime(lease, ns=(time.time_ns(),) * 2)  # the kernel's own clock for this has ticks of 4 ms
            if os.fstat(file).st_ino != lease.stat().st_ino:  # evicted and remade while we waited for the lock
                raise FileNotFoundError(lease)
            manifest = json.loads((folder / _MANIFEST).read_bytes())
            whole = all(file_sha256(folder / name) == digest for name, digest in manifest["files"].items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            whole, manifest = False, {}
        if not whole:
            held.close()
            return None
        self._held.push(held)
        return Artefact(folder, manifest["result"])

    def keep(self, kind: str, key: str, work: Path, result: Mapping[str, Any], *, replace: bool = False) -> Artefact:
        """Make the finished folder `work` the artefact of that key, and take it up.

        Where another process was faster its artefact is taken, unless `replace` is set. An old one that somebody is
        using stays, and then `work` itself serves this run. Raises DiskFull, OutputError.
        """
        artefact = self._keep_here(kind, key, work, result, replace=replace)
        self._copy_there(kind, key, artefact)
        return artefact

    def _keep_here(self, kind: str, key: str, work: Path, result: Mapping[str, Any], *, replace: bool) -> Artefact:
        target = self._store.path(f"{self.scope}/{kind}/{key}")
        with writing(target):
            files = {p.relative_to(work).as_posix(): p for p in sorted(work.rglob("*")) if p.is_file()}
            manifest = {
                "schema_version": 1,
                "size_bytes": sum(p.stat().st_size for p in files.values()),
                "files": {name: file_sha256(path) for name, path in files.items()},
                "result": result,
            }
            (work / _MANIFEST).write_text(json.dumps(manifest, indent=1))
            (work / _LEASE).touch()
            target.parent.mkdir(parents=True, exist_ok=True)
            if not replace and (faster := self._find_here(kind, key)):
                return faster
            with self._locked():
                if not target.exists() or self._discard(target):
                    work.rename(target)
                    # Taken up before the lock goes: another process's eviction would be faster than `find`.
                    self._held.enter_context(_shared_lock(target / _LEASE))
                    return Artefact(target, result)
        return self._find_here(kind, key) or Artefact(work, result)

    def evict(self) -> None:
        """Delete what crashed runs left, then the least recently used artefacts above the cap that nobody holds."""
        with self._locked():
            for path in (self._store.root / _WORK).glob("*"):
                folder = path.with_name(path.name.removesuffix(_LEASE))
                lease = folder.with_name(folder.name + _LEASE)
                with _claimed(lease) as free:
                    if free:
                        _remove_work(folder, lease)
            found = []
            for lease in self._store.root.glob(f"users/*/projects/*/*/*/{_LEASE}"):
                try:
                    size = int(json.loads((lease.parent / _MANIFEST).read_bytes())["size_bytes"])
                except (OSError, ValueError, KeyError, TypeError):
                    self._discard(lease.parent)
                else:
                    found.append((lease.stat().st_mtime_ns, lease.parent, size))
            excess = sum(size for _, _, size in found) - self._cap_bytes
            for _, folder, size in sorted(found):
                if excess <= 0:
                    break
                if self._discard(folder):
                    excess -= size

    def _discard(self, folder: Path) -> bool:
        """Delete an artefact unless somebody holds it. A reader sees it whole or not at all."""
        trash = self._store.path(f"{_WORK}/{uuid.uuid4().hex}")
        trash.parent.mkdir(exist_ok=True)
        with _claimed(folder / _LEASE) as free:
            if not free:
                return False
            folder.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)
        return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time makes and deletes folders; nobody computes while holding this."""
        with (self._store.root / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


@contextmanager
def _shared_lock(lease: Path) -> Iterator[int]:
    descriptor = os.open(lease, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _claimed(lease: Path) -> Iterator[bool]:
    """Whether nobody holds the lease, and nobody will while the block runs: a reader waits, and then finds it gone.

    A folder without a lease was never finished.
    """
    try:
        descriptor = os.open(lease, os.O_RDONLY)
    except FileNotFoundError:
        yield True
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = True
        except BlockingIOError:
            free = False
        yield free
    finally:
        os.close(descriptor)


def _remove_work(folder: Path, lease: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lease.unlink(missing_ok=True)
