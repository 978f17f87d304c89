"""The local store: whole files or none, no way out of it, and errors that say what to do."""

import errno
from pathlib import Path

import pytest

from ugclab.errors import DiskFull, InputError, OutputError
from ugclab.storage.local import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def test_what_is_put_is_read_listed_and_hashed(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "in.bin").write_bytes(b"abc")
    stored = store.put_file("users/a/x.bin", tmp_path / "in.bin")
    store.put_bytes("users/b/y.bin", b"12345")
    assert stored.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert store.read_bytes("users/a/x.bin") == b"abc"
    assert [(s.key, s.size_bytes) for s in store.list()] == [("users/a/x.bin", 3), ("users/b/y.bin", 5)]
    assert [s.key for s in store.list("users/b")] == ["users/b/y.bin"]


def test_a_prefix_is_deleted_and_nothing_beside_it(store: LocalStore) -> None:
    for key in ("users/a/1", "users/a/2", "users/ab/3"):
        store.put_bytes(key, b"x")
    assert store.delete_prefix("users/a") == 2
    assert [s.key for s in store.list()] == ["users/ab/3"]
    assert store.delete_prefix("users/a") == 0
    with pytest.raises(InputError):
        store.delete_prefix("")


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "a\\b", "a/", "a\0b", "."])
def test_a_key_cannot_leave_the_store(store: LocalStore, key: str) -> None:
    with pytest.raises(InputError):
        store.put_bytes(key, b"x") if key != "." else store.path("./.")


def test_a_link_cannot_leave_the_store(store: LocalStore, tmp_path: Path) -> None:
    store.root.mkdir()
    (store.root / "out").symlink_to(tmp_path)
    with pytest.raises(OutputError, match="leads out"):
        store.put_bytes("out/x", b"x")


def test_what_is_absent_is_a_key_error(store: LocalStore) -> None:
    for ask in (store.stat, store.read_bytes):
        with pytest.raises(KeyError):
            ask("nothing")
    assert list(store.list("nothing")) == []


def test_a_write_that_fails_leaves_the_old_object_and_no_part(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_bytes("x.bin", b"old")
    (tmp_path / "new").write_bytes(b"new")

    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"n")
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(DiskFull, match="no space"):
        store.put_file("x.bin", tmp_path / "new")
    assert [p.name for p in store.root.iterdir()] == ["x.bin"]
    assert store.read_bytes("x.bin") == b"old"
