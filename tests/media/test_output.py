"""Results are whole or absent, whatever goes wrong; the source is never written over."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.clips import make_clip
from tests.media.harness import mark, plan_of
from ugclab.errors import Cancelled, DiskFull, MediaError, OutputError, PlanError
from ugclab.media.encode import encode_segment
from ugclab.media.frames import read_frames
from ugclab.media.modes import StitchPlan, plan_stitch
from ugclab.media.output import whole_file
from ugclab.media.probe import probe
from ugclab.media.stitch import stitch
from ugclab.schema.job import StitchMode
from ugclab.schema.plan import Action

PLAN = plan_of(0, "0.5", 1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "in.mp4", frames=60, gop=10)


def ready(source: Path, **options: Any) -> tuple[StitchPlan, dict[int, Path]]:
    info = probe(source)
    plan = plan_stitch(source, info, PLAN, **options)
    path = source.with_name("segment.mp4")
    encode_segment(mark(read_frames(source, info, PLAN.swaps[0].range)), plan.target, path)
    return plan, {0: path}


def left(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


def test_the_source_is_refused_under_any_name(source: Path, tmp_path: Path) -> None:
    plan, files = ready(source)
    link = tmp_path / "link.mp4"
    link.symlink_to(source)
    (tmp_path / "hard.mp4").hardlink_to(source)
    before = source.read_bytes()
    for path in (source, link, tmp_path / "hard.mp4", tmp_path / "." / "in.mp4"):
        with pytest.raises(OutputError, match="the source itself"):
            stitch(plan, files, path)
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "words"), [("out.avi", "no container"), ("none/out.mp4", "does not exist"), ("out", "")]
)
def test_outputs_that_cannot_be(source: Path, tmp_path: Path, name: str, words: str) -> None:
    plan, files = ready(source)
    with pytest.raises(OutputError, match=words or "container"):
        stitch(plan, files, tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_may_not_be_written(source: Path, tmp_path: Path) -> None:
    plan, files = ready(source)
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(OutputError):
        stitch(plan, files, locked / "out.mp4")


@pytest.mark.parametrize("mode", [StitchMode.SMART, StitchMode.FULL])
def test_cancelled_leaves_nothing(source: Path, tmp_path: Path, mode: StitchMode) -> None:
    plan, files = ready(source, mode=mode)
    before = left(tmp_path)
    calls: list[int] = []
    with pytest.raises(Cancelled):
        stitch(plan, files, tmp_path / "out.mp4", cancelled=lambda: calls.append(1) or len(calls) > 20)
    assert left(tmp_path) == before
    with pytest.raises(Cancelled):
        encode_segment(read_frames(source, plan.info), plan.target, tmp_path / "s.mp4", cancelled=lambda: True)
    assert left(tmp_path) == before


def test_an_engine_that_fails_leaves_nothing(source: Path, tmp_path: Path) -> None:
    plan, _ = ready(source)
    before = left(tmp_path)

    def broken() -> Any:
        yield from list(read_frames(source, plan.info))[:3]
        raise RuntimeError("engine")

    with pytest.raises(RuntimeError, match="engine"):
        encode_segment(broken(), plan.target, tmp_path / "s.mp4")
    with pytest.raises(MediaError, match="without a frame"):
        encode_segment([], plan.target, tmp_path / "s.mp4")
    assert left(tmp_path) == before


def test_a_full_disk(source: Path) -> None:
    """/dev/full answers every write with ENOSPC: FFmpeg's own error is turned into ours, and nothing is left."""
    plan, files = ready(source)
    full = source.with_name("out.mp4")
    before = left(source.parent)

    class Here(type(full)):  # type: ignore[misc]
        def with_name(self, name: str) -> Path:
            path = Path(super().with_name(name))  # the temporary name becomes a link to the full device
            path.symlink_to("/dev/full")
            return path

    with pytest.raises(DiskFull):
        stitch(plan, files, Here(full))
    assert left(source.parent) == before


def test_the_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="invalid"), whole_file(path) as temporary:  # noqa: PT012 both belong together
        temporary.write_bytes(b"half")
        int("broken")
    assert path.read_bytes() == b"old"
    with whole_file(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert left(tmp_path) == {"a.bin"}


def test_segments_that_do_not_fit(source: Path, tmp_path: Path) -> None:
    plan, files = ready(source)
    with pytest.raises(MediaError, match="has no file"):
        stitch(plan, {}, tmp_path / "out.mp4")
    short = tmp_path / "short.mp4"
    encode_segment(list(read_frames(source, plan.info))[:7], plan.target, short)
    with pytest.raises(MediaError, match="7 frames, 15 are due"):
        stitch(plan, {0: short}, tmp_path / "out.mp4")
    other = plan.target.model_copy(update={"profile": "main"})
    encode_segment(list(read_frames(source, plan.info))[:15], other, short)
    with pytest.raises(MediaError, match="other settings"):
        stitch(plan, {0: short}, tmp_path / "out.mp4")
    files[0].write_bytes(b"")
    with pytest.raises(MediaError, match="is empty"):
        stitch(plan, files, tmp_path / "out.mp4")
    assert not [p for p in tmp_path.iterdir() if "out" in p.name]


def test_a_swap_without_a_frame(source: Path) -> None:
    with pytest.raises(PlanError, match="holds no frame"):
        plan_stitch(source, probe(source), plan_of(0, 5, 7, first=Action.KEEP))
