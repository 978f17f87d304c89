"""Files that are whole or absent: written under another name in the same folder, then renamed."""

import errno
import os
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
    check_folder(path)
    temporary = path.with_name(f".{path.stem[:80]}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        with writing(path, temporary):
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


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
