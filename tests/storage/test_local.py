"""What only a store of files can get wrong: links, full disks, folders in the way."""

import errno
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest

from ugclab.errors import DiskFull, InputError, OutputError, StoreError
from ugclab.storage.local import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def test_a_link_cannot_leave_the_store(store: LocalStore, tmp_path: Path) -> None:
    store.root.mkdir()
    (store.root / "out").symlink_to(tmp_path)
    asked: list[Callable[[], object]] = [
        lambda: store.put_bytes("out/x", b"x"),
        lambda: list(store.list("out")),
        lambda: store.delete_prefix("out"),
    ]
    for ask in asked:
        with pytest.raises(OutputError, match="leads out"):
            ask()


def test_a_write_that_fails_leaves_the_old_object_and_no_part(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_bytes("x.bin", b"old")
    (tmp_path / "new").write_bytes(b"new!")

    def full(source: BinaryIO, target: Path) -> str:
        target.write_bytes(b"n")
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr("ugclab.storage.local.copy_hashed", full)
    with pytest.raises(DiskFull, match="no space"):
        store.put_file("x.bin", tmp_path / "new")
    with pytest.raises(DiskFull, match="no space"):
        store.put_content("a", tmp_path / "new")
    assert [p.name for p in store.root.rglob("*") if p.is_file()] == ["x.bin"]
    assert store.read_bytes("x.bin") == b"old"


def test_an_object_is_no_folder(store: LocalStore) -> None:
    store.put_bytes("a/b", b"x")
    for key in ("a/b/c", "a/b/c/d"):
        with pytest.raises(InputError, match="under an object"):
            store.put_bytes(key, b"x")
    with pytest.raises(OutputError, match="is a folder"):
        store.put_bytes("a", b"x")


def test_what_cannot_be_deleted_is_said(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put_bytes("a/b", b"x")

    def refuse(path: Path, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("shutil.rmtree", refuse)
    with pytest.raises(StoreError, match="Permission denied"):
        store.delete_prefix("a")


def test_what_is_deleted_while_it_is_listed_is_no_error(store: LocalStore) -> None:
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            store.put_bytes("a/deep/er/x", b"x")
            store.delete_prefix("a")

    store.put_bytes("b/x", b"x")
    with ThreadPoolExecutor(1) as pool:
        churning = pool.submit(churn)
        try:
            for _ in range(200):
                assert "b/x" in [stored.key for stored in store.list()]
        finally:
            stop.set()
        churning.result()
