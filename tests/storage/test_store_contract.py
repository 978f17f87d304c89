"""What every store does, whatever it is made of: a folder, S3 in this process, an S3 server that checks signatures."""

import hashlib
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.storage.conftest import Backend
from ugclab.errors import InputError, StoreCorrupt
from ugclab.storage.store import LONGEST_URL_S, Store

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
CLIMBING = ["", ".", "..", "/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "a\\b", "a\0b", "a\nb", ".a", "a/.b"]
CLIMBING += ["x" * 201, "/".join(["x" * 100] * 10), "a\ud800"]


@pytest.fixture
def store(backend: Backend) -> Store:
    return backend.store


@pytest.fixture
def abc(tmp_path: Path) -> Path:
    path = tmp_path / "abc.bin"
    path.write_bytes(b"abc")
    return path


def test_what_is_put_is_read_listed_and_hashed(store: Store, abc: Path) -> None:
    stored = store.put_file("users/a/x.bin", abc)
    assert (stored.key, stored.size_bytes, stored.sha256) == ("users/a/x.bin", 3, ABC)
    assert store.put_bytes("users/b/y.bin", b"12345").size_bytes == 5
    assert store.read_bytes("users/a/x.bin") == b"abc"
    assert store.stat("users/a/x.bin") == stored
    assert store.exists("users/b/y.bin")
    assert [(s.key, s.size_bytes) for s in store.list()] == [("users/a/x.bin", 3), ("users/b/y.bin", 5)]
    assert [s.key for s in store.list("users/b")] == [s.key for s in store.list("users/b/")] == ["users/b/y.bin"]


def test_the_same_bytes_are_written_once(backend: Backend, abc: Path) -> None:
    first = backend.store.put_file("x/y.bin", abc)
    before = backend.written("x/y.bin")
    assert backend.store.put_file("x/y.bin", abc, sha256=ABC) == first
    assert backend.written("x/y.bin") == before
    abc.write_bytes(b"abd")  # as many bytes, but others
    assert backend.store.put_file("x/y.bin", abc).sha256 != ABC
    assert backend.store.read_bytes("x/y.bin") == b"abd"


def test_content_is_named_by_its_hash(backend: Backend, abc: Path) -> None:
    key = f"users/a/source/{ABC}.mp4"
    assert backend.store.put_content("users/a/source", abc, suffix=".mp4").key == key
    before = backend.written(key)
    assert backend.store.put_content("users/a/source", abc, suffix=".mp4").sha256 == ABC
    assert backend.written(key) == before
    assert [s.key for s in backend.store.list()] == [key]


def test_a_file_that_is_not_what_was_announced_is_not_stored(store: Store, abc: Path) -> None:
    with pytest.raises(StoreCorrupt, match="sha256"):
        store.put_file("x.bin", abc, sha256="0" * 64)
    assert not store.exists("x.bin")
    assert list(store.list()) == []


def test_a_file_comes_out_whole(store: Store, abc: Path, tmp_path: Path) -> None:
    stored = store.put_file("x.bin", abc)
    assert store.get_file("x.bin", tmp_path / "out.bin", sha256=ABC) == stored
    assert (tmp_path / "out.bin").read_bytes() == b"abc"


def test_damage_is_seen_and_nothing_comes_out(backend: Backend, abc: Path, tmp_path: Path) -> None:
    backend.store.put_file("x.bin", abc)
    backend.damage("x.bin")
    with pytest.raises(StoreCorrupt, match=r"x\.bin"):
        backend.store.get_file("x.bin", tmp_path / "out.bin", sha256=ABC)
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["abc.bin"]


def test_what_is_absent_is_a_key_error(store: Store, tmp_path: Path) -> None:
    store.put_bytes("folder/x", b"")
    for key in ("nothing", "folder", "folder/x/y"):
        for ask in (store.stat, store.read_bytes, lambda k: store.get_file(k, tmp_path / "out")):
            with pytest.raises(KeyError):
                ask(key)
        assert not store.exists(key)
        assert list(store.list(key)) == [] or key == "folder"
    assert not (tmp_path / "out").exists()


def test_empty_files(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    stored = store.put_file("a/empty.bin", tmp_path / "empty")
    assert stored.size_bytes == 0
    assert store.read_bytes("a/empty.bin") == b""
    assert store.get_file("a/empty.bin", tmp_path / "out") == stored
    assert (tmp_path / "out").read_bytes() == b""


@pytest.mark.parametrize(
    "name", ["Zoë à la plage.mp4", "映画 🎬.mp4", "a+b %41&c=d#e?f~'\"!*().mp4", "e\u0301.mp4", "x" * 200, " y "]
)
def test_names_in_any_script(store: Store, name: str, tmp_path: Path) -> None:
    key = f"users/a/{name}"
    store.put_bytes(key, b"abc")
    assert [s.key for s in store.list("users/a")] == [key]
    assert store.get_file(key, tmp_path / "out").sha256 == ABC
    assert store.delete_prefix(key) == 1
    assert not store.exists(key)


@pytest.mark.parametrize("key", CLIMBING, ids=ascii)
def test_a_key_cannot_leave_the_store(store: Store, key: str, abc: Path) -> None:
    asked: list[Callable[[], object]] = [
        lambda: store.put_bytes(key, b"x"),
        lambda: store.put_file(key, abc),
        lambda: store.read_bytes(key),
        lambda: store.stat(key),
        lambda: store.exists(key),
        lambda: store.get_file(key, abc),
        lambda: store.url(key, 60),
        lambda: store.upload_url(key, 60, media_type="video/mp4", size_bytes=1),
        lambda: store.delete_prefix(key),
        lambda: store.put_content(key, abc),
        lambda: list(store.list(key or "/")),
    ]
    for ask in asked:
        with pytest.raises(InputError):
            ask()
    assert abc.read_bytes() == b"abc"


def test_objects_come_in_the_order_of_their_keys(store: Store) -> None:
    names = ["a/b", "a-b", "a.txt", "Z", "ä", "a/a", "b", "🎬"]
    for name in names:
        store.put_bytes(f"o/{name}", b"")
    assert [s.key for s in store.list("o")] == sorted((f"o/{name}" for name in names), key=str.encode)


def test_a_prefix_is_deleted_and_nothing_beside_it(store: Store) -> None:
    for key in ("users/a/1", "users/a/deep/er/2", "users/ab/3", "users/a.txt"):
        store.put_bytes(key, b"x")
    assert store.delete_prefix("users/a/") == 2
    assert [s.key for s in store.list()] == ["users/a.txt", "users/ab/3"]
    assert store.delete_prefix("users/a") == 0
    assert store.delete_prefix("users/a.txt/") == 0
    assert store.exists("users/a.txt")
    assert store.delete_prefix("users/a.txt") == 1
    assert store.delete_prefix("users") == 1
    assert list(store.list()) == []


def test_deleting_leaves_nothing_that_was_begun(backend: Backend) -> None:
    backend.store.put_bytes("users/a/done.mp4", b"x")
    for key in ("users/a/half.mp4", "users/a/deep/half.mp4", "users/ab/half.mp4"):
        backend.begin(key)
    assert [s.key for s in backend.store.list()] == ["users/a/done.mp4"]
    assert backend.store.delete_prefix("users/a") == 1
    assert backend.begun() in (1, -1)
    assert backend.store.delete_prefix("users/ab/half.mp4") == 0
    assert backend.begun() in (0, -1)


def test_more_than_two_parts(store: Store, tmp_path: Path) -> None:
    data = random.Random(7).randbytes(17 << 20)
    (tmp_path / "big").write_bytes(data)
    stored = store.put_file("big.mp4", tmp_path / "big")
    assert (stored.size_bytes, stored.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert store.stat("big.mp4") == stored
    assert store.get_file("big.mp4", tmp_path / "out") == stored
    assert (tmp_path / "out").read_bytes() == data


# moto keeps an object in one buffer, which the next write closes under the first one's hands: not a store for threads
@pytest.mark.parametrize("backend", ["local", pytest.param("rclone", marks=pytest.mark.slow)], indirect=True)
def test_many_write_the_same_at_once(store: Store, abc: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: store.put_content("a", abc), range(24)))
    assert {s.sha256 for s in made} == {ABC}
    assert [s.key for s in store.list()] == [f"a/{ABC}"]
    assert store.read_bytes(f"a/{ABC}") == b"abc"


@pytest.mark.parametrize("expires_s", [0, -1, LONGEST_URL_S + 1])
def test_an_address_lives_between_a_second_and_a_week(store: Store, expires_s: int) -> None:
    with pytest.raises(InputError, match="7 days"):
        store.url("x.mp4", expires_s)
    with pytest.raises(InputError, match="7 days"):
        store.upload_url("x.mp4", expires_s, media_type="video/mp4", size_bytes=1)
