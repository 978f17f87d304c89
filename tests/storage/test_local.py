"""The local store: whole files or none, no way out of it, and errors that say what to do."""

import errno
from pathlib import Path

import pytest

from ugclab.errors import DiskFull, InputError, OutputError
from ugclab.storage.local import LocalStore, check_writable, output_errors, writing


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


def test_a_write_that_fails_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_text("old")

    def fail() -> None:
        with writing(target) as part:
            assert part.suffix == ".mp4"
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]
    assert target.read_text() == "old"


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    def fail() -> None:
        with output_errors(tmp_path / "x"):
            try:
                raise OSError(errno.ENOSPC, "no space")
            except OSError as error:
                raise ValueError("an encoder's own error") from error

    with pytest.raises(DiskFull, match="no space left"):
        fail()


def test_an_output_that_cannot_be_written_is_refused_early(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        check_writable(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        check_writable(tmp_path / "file" / "out.mp4")
    check_writable(tmp_path / "new" / "out.mp4")
    assert not list((tmp_path / "new").iterdir())
