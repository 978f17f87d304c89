"""A store on a local disk: objects are files below one folder, whole or absent."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from ugclab.errors import InputError, OutputError, StoreError
from ugclab.media.output import finish, leftovers, unfinished, whole_file, writing
from ugclab.storage.store import (
    Stored,
    check_digest,
    checked_expiry,
    checked_folder,
    checked_key,
    copy_hashed,
    file_sha256,
)

_SWEEPS = 3
"""Times a folder is emptied: somebody may still be writing into it."""


class LocalStore:
    """Objects as files below `root`. No hash is recorded: who needs one kept has it in an Asset."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser()

    def path(self, key: str) -> Path:
        """Where an object lies, or would lie. Raises InputError for a key that leaves the store."""
        path = self.root / checked_key(key)
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise OutputError(f"{key!r} leads out of the store", hint="remove the symbolic link on its way")
        return path

    def put_file(self, key: str, path: Path, *, sha256: str = "") -> Stored:
        """Copy a local file in, atomically; the same bytes under the same key are not written again."""
        target = self._place(key)
        size = path.stat().st_size
        if target.is_file() and target.stat().st_size == size:
            digest = file_sha256(path)
            check_digest(path.name, digest, sha256)
            if self._holds(target, size, digest):
                return Stored(key=key, size_bytes=size, sha256=digest)
        with path.open("rb") as source, whole_file(target) as part:
            digest = copy_hashed(source, part)
            check_digest(path.name, digest, sha256)
            size = part.stat().st_size
        return Stored(key=key, size_bytes=size, sha256=digest)

    def put_content(self, folder: str, path: Path, *, suffix: str = "") -> Stored:
        """Copy a local file in under the name of its hash, which is taken while copying."""
        top = str(checked_folder(folder))
        with path.open("rb") as source, unfinished(self._place(f"{top}/content")) as part:
            digest = copy_hashed(source, part)
            size = part.stat().st_size
            key = f"{top}/{digest}{suffix}"
            target = self._place(key)
            if not self._holds(target, size, digest):
                finish(part, target)
        return Stored(key=key, size_bytes=size, sha256=digest)

    def put_bytes(self, key: str, data: bytes) -> Stored:
        """Write bytes, atomically."""
        with whole_file(self._place(key)) as part:
            part.write_bytes(data)
        return Stored(key=key, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())

    def _place(self, key: str) -> Path:
        path = self.path(key)
        with writing(path):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError) as error:
                raise InputError(f"{key!r} lies under an object", hint="choose another key") from error
        return path

    @staticmethod
    def _holds(path: Path, size_bytes: int, sha256: str) -> bool:
        return path.is_file() and path.stat().st_size == size_bytes and file_sha256(path) == sha256

    def read_bytes(self, key: str) -> bytes:
        """All bytes of one object. Raises KeyError."""
        with self._opened(key) as file:
            return file.read()

    def get_file(self, key: str, path: Path, *, sha256: str = "") -> Stored:
        """Copy an object out. Raises KeyError, and StoreCorrupt where it is not what `sha256` says."""
        with self._opened(key) as source, whole_file(path) as part:
            digest = copy_hashed(source, part)
            check_digest(key, digest, sha256)
            size = part.stat().st_size
        return Stored(key=key, size_bytes=size, sha256=digest)

    def stat(self, key: str) -> Stored:
        """Size and sha256 of one object. Raises KeyError."""
        with self._opened(key) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return Stored(key=key, size_bytes=file.tell(), sha256=digest)

    def exists(self, key: str) -> bool:
        """Whether an object of that key is there."""
        return self.path(key).is_file()

    def _opened(self, key: str) -> BufferedReader:
        try:
            return self.path(key).open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise KeyError(key) from error
        except OSError as error:
            raise StoreError(f"{key} cannot be read ({error.strerror})", hint="see to the folder's rights") from error

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Finished objects under a folder, in order of their keys."""
        top = self.path(str(checked_folder(prefix))) if prefix else self.root
        found = []
        for folder, _, names in os.walk(top):  # it passes over what vanishes meanwhile
            for name in names:
                path = Path(folder, name)
                with suppress(FileNotFoundError):
                    if not name.startswith("."):  # a dot: not finished yet
                        key = path.relative_to(self.root).as_posix()
                        found.append(Stored(key=key, size_bytes=path.stat().st_size))
        yield from sorted(found, key=lambda stored: stored.key.encode(errors="surrogateescape"))

    def delete_prefix(self, prefix: str) -> int:
        """Delete one object, or a folder, with all that was begun there; what is already gone is no error."""
        top = self.path(str(checked_folder(prefix)))
        count = 0
        try:
            if not prefix.endswith("/"):
                for path in leftovers(top):
                    path.unlink(missing_ok=True)
                if top.is_file():
                    top.unlink(missing_ok=True)
                    count = 1
            for _ in range(_SWEEPS):
                if not top.is_dir():
                    break
                count += sum(1 for _ in self.list(prefix))
                shutil.rmtree(top, ignore_errors=True)
            else:
                shutil.rmtree(top)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StoreError(
                f"{prefix} could not be deleted whole ({error.strerror})", hint="see to the folder's rights, then again"
            ) from error
        return count

    def url(self, key: str, expires_s: int, *, download_name: str = "") -> None:
        """None: a file has no address."""
        self.path(key)
        checked_expiry(expires_s)

    def upload_url(self, key: str, expires_s: int, *, media_type: str, size_bytes: int) -> None:
        """None: nobody can write here from outside."""
        self.path(key)
        checked_expiry(expires_s)
