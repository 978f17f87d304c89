"""Bridges that are made while their segment is read."""

from fractions import Fraction
from pathlib import Path

import pytest

from tests.clips import make_clip, read_number
from tests.media.harness import check, make, plan_of
from ugclab.errors import Cancelled, MediaError
from ugclab.media import bridges
from ugclab.media.bridges import made_bridges, read_segment
from ugclab.media.encode import encode_segment
from ugclab.media.frames import read_frames, stage
from ugclab.media.modes import StitchPlan, plan_stitch
from ugclab.media.probe import probe
from ugclab.media.stitch import stitch
from ugclab.schema.plan import Action, SegmentPlan

PLAN = plan_of(0, "0.5", "1.25", "1.6", 3)
"""0-15 and 37-48 of 90 frames are swapped; with a keyframe in 20 there are bridges on both sides."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "in.mp4", frames=90, gop=20)


def planned(source: Path, plan: SegmentPlan = PLAN) -> StitchPlan:
    return plan_stitch(source, probe(source), plan)


def bridged(plan: StitchPlan) -> set[int]:
    return {piece.first for piece in plan.pieces if piece.kind == "bridge"}


def test_every_bridge_is_made_by_one_of_the_segments(source: Path, tmp_path: Path) -> None:
    plan = planned(source)
    found: dict[int, Path] = {}
    for segment in PLAN.swaps:
        numbers = [read_number(frame.y) for frame in read_segment(plan, segment.index, tmp_path)]
        assert numbers == list(range(*{0: (0, 15), 2: (38, 48)}[segment.index]))
        fresh = made_bridges(plan, [tmp_path])
        assert len(fresh) > len(found), "each segment has a bridge beside it"
        found = fresh
    assert found.keys() == bridged(plan)
    for piece in plan.pieces:
        if piece.kind == "bridge":
            file = found[piece.first]
            numbers = [read_number(frame.y) for frame in read_frames(file, probe(file))]
            assert numbers == list(range(piece.first, piece.end))


def test_stitching_decodes_nothing_that_was_made(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a bridge is decoded again")

    monkeypatch.setattr("ugclab.media.stitch.read_frames", never)
    check(make(source, PLAN, tmp_path))


def test_a_bridge_between_two_segments_is_read_once(source: Path, tmp_path: Path) -> None:
    plan = planned(source, plan_of(0, "0.2", "0.4", "0.6", 3))
    assert [piece.kind for piece in plan.pieces][:4] == ["segment", "bridge", "segment", "bridge"]
    assert len(list(read_segment(plan, 2, tmp_path))) == 6
    assert made_bridges(plan, [tmp_path]).keys() == {18}
    assert len(list(read_segment(plan, 0, tmp_path))) == 6
    assert made_bridges(plan, [tmp_path]).keys() == {6, 18}


def test_what_nobody_asked_for_is_made_when_it_is_stitched(source: Path, tmp_path: Path) -> None:
    plan, files = planned(source), {}
    for segment in PLAN.swaps:
        files[segment.index] = tmp_path / f"{segment.index}.mp4"
        frames = list(read_frames(source, plan.info, segment.range))
        encode_segment(frames, plan.target, files[segment.index])
        taken = stage(read_segment(plan, segment.index, tmp_path), depth=1)
        assert next(taken).pts == frames[0].pts
        taken.close()
    some = made_bridges(plan, [tmp_path])
    assert some.keys() < bridged(plan)
    result = stitch(plan, files, tmp_path / "out.mp4", bridges=some)
    assert result.bridge_frames == sum(p.frames for p in plan.pieces if p.kind == "bridge")
    numbers = [read_number(frame.y) for frame in read_frames(result.path, probe(result.path))]
    assert numbers == list(range(90))


def test_bridges_of_another_plan_are_left_alone(source: Path, tmp_path: Path) -> None:
    plan = planned(source)
    assert list(read_segment(plan, 0, tmp_path))
    other = planned(source, plan_of(0, "0.5", "0.6", "1.6", 3))
    assert made_bridges(plan, [tmp_path]).keys() == {15}
    assert made_bridges(other, [tmp_path]) == {}


def test_a_bridge_that_does_not_fit(source: Path, tmp_path: Path) -> None:
    plan = planned(source)
    files = {}
    for segment in PLAN.swaps:
        files[segment.index] = tmp_path / f"{segment.index}.mp4"
        encode_segment(read_segment(plan, segment.index, tmp_path), plan.target, files[segment.index])
    wrong = made_bridges(plan, [tmp_path]) | {15: files[0]}
    with pytest.raises(MediaError, match=r"the bridge at frame 15 holds 15 frames, 5 are due"):
        stitch(plan, files, tmp_path / "out.mp4", bridges=wrong)


def test_a_job_that_is_cancelled_on_a_bridge_leaves_none(source: Path, tmp_path: Path) -> None:
    plan = planned(source)
    calls: list[int] = []
    with pytest.raises(Cancelled):
        list(read_segment(plan, 0, tmp_path, cancelled=lambda: calls.append(1) or len(calls) > 2))
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_kept_footage_first(source: Path, tmp_path: Path) -> None:
    plan = planned(source, plan_of(0, Fraction(1, 2), 3, first=Action.KEEP))
    assert [read_number(frame.y) for frame in read_segment(plan, 1, tmp_path)] == list(range(15, 90))
    assert bridges.made_bridges(plan, [tmp_path]).keys() == bridged(plan)
