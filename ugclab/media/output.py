"""Files that are whole or absent: written under another name in the same folder, then renamed."""

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ugclab.errors import DiskFull, OutputError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a name to write to; it becomes `path` if the block ends well, and is removed if not.

    Raises DiskFull and OutputError for what the system says about writing.
    """
    with unfinished(path) as part:
        yield part
        finish(part, path)


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Give a hidden name beside `path` to write to; it is gone after the block unless `finish` renamed it."""
    check_folder(path)
    temporary = path.with_name(f".{path.stem[:80]}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        with writing(path, temporary):
            yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def finish(part: Path, path: Path) -> None:
    """Make a fully written file `path`, in one step and on the disk."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(path)


def leftovers(path: Path) -> Iterator[Path]:
    """What is being written for `path`, or was when a process died."""
    name = re.compile(rf"\.{re.escape(path.stem[:80])}\.[0-9a-f]{{8}}\.part{re.escape(path.suffix)}")
    for other in path.parent.glob(".*"):
        if name.fullmatch(other.name):
            yield other


def check_folder(path: Path) -> None:
    """Raise OutputError unless a file can be written at `path`."""
    if not path.parent.is_dir():
        raise OutputError(f"the folder {path.parent} does not exist", hint="create it, or choose another one")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"nothing can be written to {path.parent}", hint="choose another folder")
    if path.is_dir():
        raise OutputError(f"{path} is a folder", hint="give a file name")


@contextmanager
def writing(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Turn what the system says while `path` is written, or `temporary` for it, into our errors."""
    try:
        yield
    except Exception as error:  # PyAV's errors carry errno and filename without being OSError
        number = getattr(error, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull(f"no space is left for {path}", hint="free some space, or choose another disk") from error
        if getattr(error, "filename", None) == str(temporary or path):
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"{path} cannot be written ({reason})", hint="choose another folder") from error
        raise
