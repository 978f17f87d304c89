"""A store on a local disk, and the two things every local write needs: atomicity and errors that say what to do."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ugclab.errors import DiskFull, OutputError
from ugclab.storage.store import Stored, checked_key, file_sha256

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_PART = ".part-"  # in the name of every file that is not finished yet


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn what the disk says while `path` is written, by us or by a library, into OutputError and DiskFull."""
    try:
        yield
    except Exception as error:
        if full := find_errno(error, _FULL):
            raise DiskFull(
                f"{path}: {os.strerror(full).lower()}", hint="free some space, or write somewhere else"
            ) from error
        if isinstance(error, OSError) and error.errno:
            raise OutputError(f"cannot write {path}: {os.strerror(error.errno).lower()}") from error
        raise


def find_errno(error: BaseException, wanted: set[int]) -> int:
    """The first of the wanted errno values in an exception or in what caused it; 0 if there is none."""
    seen: BaseException | None = error
    while seen is not None:
        number = getattr(seen, "errno", None)
        if isinstance(number, int) and number in wanted:
            return number
        seen = seen.__cause__ or seen.__context__
    return 0


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; it becomes `path` at the end, and vanishes when anything goes wrong.

    The suffix is kept, since muxers choose the container by it. Raises OutputError, DiskFull.
    """
    part = path.with_name(f".{path.stem[:100]}{_PART}{os.getpid()}-{os.urandom(4).hex()}{path.suffix}")
    try:
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield part
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raise OutputError now, rather than after minutes of work, if `path` could not be written."""
    if path.is_dir():
        raise OutputError(f"{path} is a folder", hint="name a file")
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass


class LocalStore:
    """Objects as files below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser()

    def path(self, key: str) -> Path:
        """Where an object lies, or would lie. Raises InputError for a key that leaves the store."""
        path = self.root / checked_key(key)
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise OutputError(f"{key!r} leads out of the store", hint="remove the symbolic link on its way")
        return path

    def put_file(self, key: str, path: Path) -> Stored:
        """Copy a local file in, atomically."""
        with writing(self.path(key)) as part:
            shutil.copyfile(path, part)
        return self.stat(key)

    def put_bytes(self, key: str, data: bytes) -> Stored:
        """Write bytes, atomically."""
        with writing(self.path(key)) as part:
            part.write_bytes(data)
        return self.stat(key)

    def read_bytes(self, key: str) -> bytes:
        """All bytes of one object. Raises KeyError."""
        try:
            return self.path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError) as error:
            raise KeyError(key) from error

    def stat(self, key: str) -> Stored:
        """Size and sha256 of one object. Raises KeyError."""
        path = self.path(key)
        if not path.is_file():
            raise KeyError(key)
        return Stored(key=key, size_bytes=path.stat().st_size, sha256=file_sha256(path))

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Finished objects under a folder, in order of their keys."""
        top = self.path(prefix) if prefix else self.root
        for path in sorted(top.rglob("*")):
            if path.is_file() and _PART not in path.name:
                yield Stored(key=path.relative_to(self.root).as_posix(), size_bytes=path.stat().st_size)

    def delete_prefix(self, prefix: str) -> int:
        """Delete one object, or a folder with all in it; what is already gone is no error."""
        top = self.path(prefix)
        if top.is_file():
            top.unlink(missing_ok=True)
            return 1
        count = sum(1 for _ in self.list(prefix))
        shutil.rmtree(top, ignore_errors=True)
        return count
