"""A store on a local disk: objects are files below one folder, whole or absent."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from ugclab.errors import OutputError
from ugclab.media.output import whole_file, writing
from ugclab.storage.store import Stored, checked_key, file_sha256


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
        target = self._place(key)
        with whole_file(target) as part:
            shutil.copyfile(path, part)
        return self.stat(key)

    def put_bytes(self, key: str, data: bytes) -> Stored:
        """Write bytes, atomically."""
        target = self._place(key)
        with whole_file(target) as part:
            part.write_bytes(data)
        return self.stat(key)

    def _place(self, key: str) -> Path:
        path = self.path(key)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

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
            if path.is_file() and not path.name.startswith("."):  # a dot: not finished yet
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
