"""Pulling from a hub: only what is asked, resumed where it broke, verified; against a server on the loopback."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

huggingface_hub = pytest.importorskip("huggingface_hub", reason="extra 'wan' is not installed")

from tests.weights.hub import REPOSITORY, REVISION, Hub, serve  # noqa: E402
from ugclab.errors import DiskFull, WeightsCorrupt, WeightsError  # noqa: E402
from ugclab.wan.checkpoint import verify  # noqa: E402
from ugclab.weights import hf  # noqa: E402

CHUNK = 65_536
LARGE = bytes(range(256)) * 4000
FILES = {"config.json": b"{}", "big/weights.bin": LARGE, "sub/other.bin": b"x" * 2000, "never.txt": b"no"}
PATTERNS = ["config.json", "big/*", "sub/other.bin"]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve(Hub(dict(FILES))) as served:
        yield served


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries of huggingface_hub wait a second each: not in tests."""
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", CHUNK)  # 10 MB: what a break loses at most


def pull(hub: Hub, folder: Path, **options: object) -> hf.Pulled:
    return hf.pull(REPOSITORY, REVISION, PATTERNS, folder, endpoint=hub.endpoint, token=False, **options)  # type: ignore[arg-type]


def test_only_what_is_asked_for(hub: Hub, tmp_path: Path) -> None:
    seen: dict[str, int] = {}
    pulled = pull(hub, tmp_path, progress=lambda path, done, size: seen.update({path: done}))
    assert (tmp_path / "big/weights.bin").read_bytes() == LARGE
    assert not (tmp_path / "never.txt").exists()
    assert (pulled.kept, pulled.fetched_bytes) == (0, pulled.total_bytes)
    assert seen["big/weights.bin"] == len(LARGE)
    noted = json.loads((tmp_path / ".cache/ugclab/manifest.json").read_text())
    assert set(noted["files"]) == {"config.json", "big/weights.bin", "sub/other.bin"}
    assert len(noted["files"]["big/weights.bin"]["sha256"]) == 64
    assert len(noted["files"]["config.json"]["git_sha1"]) == 40
    assert not list(tmp_path.rglob("*.partial"))


def test_a_second_pull_fetches_nothing(hub: Hub, tmp_path: Path) -> None:
    pull(hub, tmp_path)
    hub.gets.clear()
    pulled = pull(hub, tmp_path)
    assert (pulled.kept, pulled.fetched_bytes, hub.gets) == (3, 0, [])


def test_files_from_elsewhere_are_verified_by_their_hash_and_kept(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "big/weights.bin").write_bytes(LARGE)
    (tmp_path / "config.json").write_bytes(b"[]")
    pull(hub, tmp_path)
    assert "big/weights.bin" not in hub.gets
    assert (tmp_path / "config.json").read_bytes() == b"{}"


def test_an_interrupted_pull_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    hub.cut["big/weights.bin"] = 300_000
    with pytest.raises(WeightsError, match="cannot be fetched"):
        pull(hub, tmp_path)
    partial = tmp_path / ".cache/ugclab/big/weights.bin.partial"
    assert partial.stat().st_size == 4 * CHUNK
    assert not (tmp_path / "big/weights.bin").exists()
    hub.cut.clear()
    hub.ranges.clear()
    pull(hub, tmp_path)
    assert hub.ranges == [("big/weights.bin", f"bytes={4 * CHUNK}-")]
    assert (tmp_path / "big/weights.bin").read_bytes() == LARGE


def test_other_bytes_than_announced_are_refused_and_removed(hub: Hub, tmp_path: Path) -> None:
    hub.swapped["big/weights.bin"] = LARGE[:-1] + b"?"
    with pytest.raises(WeightsCorrupt, match=r"big/weights\.bin came with another hash"):
        pull(hub, tmp_path)
    assert not (tmp_path / "big/weights.bin").exists()
    assert not list(tmp_path.rglob("weights.bin.partial"))


def test_a_repository_that_is_not_there(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be fetched"):
        hf.pull("team/other", REVISION, ["*"], tmp_path, endpoint=hub.endpoint, token=False)


def test_patterns_that_match_nothing(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no file that matches"):
        hf.pull(REPOSITORY, REVISION, ["gone/*"], tmp_path, endpoint=hub.endpoint, token=False)


def test_paths_outside_the_folder_are_refused(hub: Hub, tmp_path: Path) -> None:
    hub.files["big/../../escape"] = b"x"
    with pytest.raises(WeightsError, match="outside its folder"):
        pull(hub, tmp_path)


def test_a_full_disk_is_told_before_anything_is_fetched(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr(hf.shutil, "disk_usage", lambda folder: Usage)
    with pytest.raises(DiskFull, match="GiB are to be fetched"):
        pull(hub, tmp_path)
    assert hub.gets == []


def test_what_was_pulled_is_verified_by_its_record(hub: Hub, tmp_path: Path) -> None:
    pull(hub, tmp_path)
    (tmp_path / "config.json").write_bytes(b"{")
    report = verify(tmp_path, ("generate",))
    assert "config.json is cut off: 1 of 2 bytes" in {problem.what for problem in report.problems}
