"""Artefacts: complete or absent, checked, evicted by use, safe between processes."""

import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugclab.storage.artefacts import Artefacts, canonical_key
from ugclab.storage.local import LocalStore

MB = 2**20


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "artefacts")


def made(artefacts: Artefacts, key: str, data: bytes = b"data", *, replace: bool = False) -> Path:
    work = artefacts.workspace()
    (work / "segment.bin").write_bytes(data)
    return artefacts.keep("swap", key, work, {"size": len(data)}, replace=replace).folder


def test_what_is_kept_is_found_in_a_later_run(store: LocalStore) -> None:
    with Artefacts(store, 10) as artefacts:
        assert artefacts.find("swap", "k") is None
        made(artefacts, "k")
    with Artefacts(store, 10) as artefacts:
        found = artefacts.find("swap", "k")
        assert found
        assert (found.folder / "segment.bin").read_bytes() == b"data"
        assert found.result == {"size": 4}


def test_damage_is_noticed_and_repaired(store: LocalStore) -> None:
    with Artefacts(store, 10) as artefacts:
        folder = made(artefacts, "k")
    (folder / "segment.bin").write_bytes(b"dat")
    with Artefacts(store, 10) as artefacts:
        assert artefacts.find("swap", "k") is None
        assert (made(artefacts, "k") / "segment.bin").read_bytes() == b"data"


def test_what_is_just_being_kept_is_not_evicted(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the manifest's writing and the rename the folder looks like an artefact that nobody holds."""
    find = Artefacts.find

    def evict_meanwhile(self: Artefacts, kind: str, key: str) -> object:
        Artefacts(store, 0).evict()
        return find(self, kind, key)

    with Artefacts(store, 10) as artefacts:
        with monkeypatch.context() as patch:
            patch.setattr(Artefacts, "find", evict_meanwhile)
            work = artefacts.workspace()
            (work / "segment.bin").write_bytes(b"data")
            kept = artefacts.keep("swap", "k", work, {})
        assert (kept.folder / "segment.bin").read_bytes() == b"data"


def test_a_manifest_of_nonsense_is_no_artefact(store: LocalStore) -> None:
    with Artefacts(store, 10) as artefacts:
        folder = made(artefacts, "k")
        (folder / "manifest.json").write_text("[]")
        assert artefacts.find("swap", "k") is None


def test_the_least_recently_used_go_first(store: LocalStore) -> None:
    with Artefacts(store, 2) as artefacts:
        for key in ("a", "b"):
            made(artefacts, key, bytes(MB))
    with Artefacts(store, 2) as artefacts:
        artefacts.find("swap", "a")
        made(artefacts, "c", bytes(MB))
    with Artefacts(store, 2) as artefacts:
        assert [key for key in "abc" if artefacts.find("swap", key)] == ["a", "c"]


def test_nothing_in_use_is_evicted(store: LocalStore) -> None:
    with Artefacts(store, 0) as first:
        folder = made(first, "k")
        with Artefacts(store, 0) as second:
            second.evict()
        assert folder.exists()
    assert not folder.exists()


def test_a_cap_of_zero_leaves_nothing(store: LocalStore) -> None:
    with Artefacts(store, 0) as artefacts:
        made(artefacts, "k")
    assert list(store.list("swap")) == []
    assert list(store.list("work")) == []


def test_fresh_work_replaces_but_never_under_a_reader(store: LocalStore) -> None:
    with Artefacts(store, 10) as artefacts:
        made(artefacts, "k", b"old")
    with Artefacts(store, 10) as reader:
        found = reader.find("swap", "k")
        assert found
        with Artefacts(store, 10) as artefacts:
            fresh = made(artefacts, "k", b"new", replace=True)
            assert (fresh / "segment.bin").read_bytes() in {b"new", b"old"}
            assert (found.folder / "segment.bin").read_bytes() == b"old"
    with Artefacts(store, 10) as artefacts:
        assert (made(artefacts, "k", b"new", replace=True) / "segment.bin").read_bytes() == b"new"


def test_what_a_killed_run_left_is_cleared(store: LocalStore) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_die_at_work, args=(store.root,))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert list((store.root / "work").iterdir())
    with Artefacts(store, 10):
        pass
    assert not list((store.root / "work").iterdir())


def _die_at_work(root: Path) -> None:
    import os

    artefacts = Artefacts(LocalStore(root), 10)
    with artefacts:
        (artefacts.workspace() / "half").write_bytes(b"half")
        os._exit(9)


@pytest.mark.slow
def test_two_processes_may_make_find_and_evict_at_once(store: LocalStore) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_churn, args=(store.root, seed)) for seed in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [p.exitcode for p in processes] == [0, 0]


def _churn(root: Path, seed: int) -> None:
    import random

    chance = random.Random(seed)
    for _ in range(150):
        key = str(chance.randrange(6))
        with Artefacts(LocalStore(root), 1) as artefacts:
            found = artefacts.find("swap", key)
            folder = found.folder if found else made(artefacts, key, key.encode() * (MB // 3))
            assert (folder / "segment.bin").read_bytes() == key.encode() * (MB // 3)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.lists(s, max_size=3), max_leaves=5
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5))
def test_a_key_does_not_depend_on_the_order_of_fields(parts: dict[str, object]) -> None:
    assert canonical_key(parts) == canonical_key(dict(reversed(parts.items())))
    assert canonical_key(parts) != canonical_key({**parts, "one more": 1})
