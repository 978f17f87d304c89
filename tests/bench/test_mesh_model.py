"""The model of the embedded engine's time: what is counted of a file, and that planted constants are found again."""

from fractions import Fraction
from pathlib import Path

import pytest

from tests.bench.footage import media
from tests.clips import make_clip
from ugclab.bench.mesh_model import (
    ALONE,
    Cost,
    Passing,
    Pictures,
    Stitching,
    cost_of,
    expected_stitching,
    overlap,
    read_stitching,
    seconds_of,
    solve,
    steps_of,
)
from ugclab.errors import InputError
from ugclab.media.probe import probe
from ugclab.schema.media import MediaInfo
from ugclab.schema.plan import SegmentPlan


def planned(info: MediaInfo, words: str) -> SegmentPlan:
    return SegmentPlan.parse(words, info.duration, info.frame_rate)


def test_what_a_plan_asks_of_a_file(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "in.mp4", frames=90, rate=30, gop=30)
    info = probe(path)
    work = read_stitching(path, info, planned(info, "0-0.5:keep,0.5-1.5:swap,1.5-3:keep"))
    (read,) = work.passes
    assert read.lead + read.before == 15, "from the keyframe at 0, some of it what hangs together before the cut"
    assert read.after == 15, "from 1.5 s to the keyframe at 2 s"
    assert (work.bridged, work.encoded) == (read.before + 15, 0)
    assert read_stitching(path, info, planned(info, "0-3:swap")) == Stitching(passes=(Passing(),))


def test_a_bridge_between_two_swaps_is_made_once(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "in.mp4", frames=90, rate=30, gop=30)
    info = probe(path)
    work = read_stitching(path, info, planned(info, "0-0.4:swap,0.4-0.6:keep,0.6-1:swap,1-3:keep"))
    assert [(p.lead, p.before, p.after) for p in work.passes] == [(0, 0, 6), (18, 0, 0)]


def test_without_a_keyframe_the_kept_rest_is_encoded(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "in.mp4", frames=60, rate=30, gop=250)
    info = probe(path)
    plan = planned(info, "0-1:swap,1-2:keep")
    assert read_stitching(path, info, plan) == Stitching(passes=(Passing(),), encoded=30)
    assert expected_stitching(info, plan) == Stitching(passes=(Passing(),), encoded=30)


def test_from_the_probe_alone_keyframes_are_taken_as_evenly_spread() -> None:
    info = media()  # 900 frames, a keyframe every 300
    work = expected_stitching(info, planned(info, "0-5:swap,5-15:keep,15-20:swap,20-end:keep"))
    assert work == Stitching(passes=(Passing(after=150), Passing(lead=150, after=150)))
    hevc = info.model_copy(update={"video_codec": "hevc"})
    assert expected_stitching(hevc, planned(hevc, "0-5:swap,5-end:keep")).encoded == 750


@pytest.mark.parametrize(
    ("name", "value"),
    [("size_bytes", 40_000_000), ("width", 1920), ("duration", Fraction(60)), ("frame_rate", Fraction(60))],
)
def test_more_of_anything_takes_longer(name: str, value: object) -> None:
    known = dict.fromkeys(constants(), 0.01)
    info = media()
    more = info.model_copy(update={name: value, "frames": 1800 if name != "width" else 900})
    found = [
        sum(
            seconds_of(amounts, known)
            for steps in [steps_of(i, planned(i, "all"), expected_stitching(i, planned(i, "all")))]
            for amounts in (steps.start, *steps.analyse, *steps.swap, steps.stitch)
        )
        for i in (info, more)
    ]
    assert found[1] > found[0]


def constants() -> dict[str, float]:
    """One of every kind, from what any job asks for."""
    info = media()
    plan = planned(info, "0-5:swap,5-end:keep")
    steps = steps_of(info, plan, Stitching(passes=(Passing(lead=1, before=1, after=1),), encoded=1))
    names = sorted(
        {n for amounts in (steps.start, steps.avatar, *steps.analyse, *steps.swap, steps.stitch) for n in amounts}
    )
    return {name: 0.001 * (place + 1) for place, name in enumerate(names)}


def test_planted_constants_are_found_again() -> None:
    planted = constants()
    rows = []
    kinds = ((0.2, 0.01), (0.9, 0.02), (2.0, 0.2), (0.3, 0.3), (0.9, 0.001), (0.5, 0.05), (1.5, 0.01))
    for number, (mpx, mbit) in enumerate(kinds):
        pictures = Pictures(mpx=mpx, mbit=mbit)
        rows.append(pictures.swap(50 + 70 * number, Passing(lead=7 * number, after=11 * (number % 3) ** 2)))
    names = {name for row in rows for name in row}
    known = {name: planted[name] for name in names if "lead" in name}
    found = solve([(row, seconds_of(row, planted)) for row in rows], known)
    assert set(found) == names - set(known)
    for name, value in found.items():
        assert value == pytest.approx(planted[name], rel=1e-6), name


def test_nothing_takes_less_than_no_time() -> None:
    rows = [({"a": 1.0, "b": 1.0}, 1.0), ({"a": 1.0, "b": 2.0}, 0.8), ({"a": 1.0, "b": 3.0}, 0.7)]
    found = solve(rows, {})
    assert found["b"] == 0
    assert found["a"] == pytest.approx(0.8, abs=0.05)
    with pytest.raises(InputError, match="1 runs cannot decide 2 constants"):
        solve(rows[:1], {})


def test_what_one_thread_does_alone_does_not_overlap() -> None:
    known = {"mesh.swap_s": 0.003, "mesh.swap_mpx_s": 0.01, "mesh.swap_cores": 2.0}
    amounts = {"mesh.swap_s": 100.0, "mesh.swap_mpx_s": 100.0}
    assert "mesh.swap_s" in ALONE
    cost = cost_of("swap", amounts, known)
    assert (cost.wall_s, cost.cpu_s) == (pytest.approx(0.8), pytest.approx(1.3))


def test_a_busy_machine_does_not_hide_how_many_cores_there_are() -> None:
    known = {"mesh.swap_s": 0.003, "mesh.swap_mpx_s": 0.01}
    amounts = {"mesh.swap_s": 100.0, "mesh.swap_mpx_s": 100.0}
    quiet, busy = Cost(wall_s=0.8, cpu_s=1.3), Cost(wall_s=1.4, cpu_s=1.3)
    assert overlap([(amounts, quiet)] * 2 + [(amounts, busy)] * 4, known) == pytest.approx(2.0, rel=0.6)
    assert overlap([(amounts, quiet)] * 3, known) == pytest.approx(2.0)
    assert overlap([(amounts, Cost(wall_s=0.88, cpu_s=1.43))], known) == pytest.approx(2.0), "a tenth dearer"


def test_runs_that_share_little_tell_nothing_of_cores() -> None:
    known = {"mesh.stitch_s": 0.05, "mesh.encode_mpx_s": 0.01}
    copied = ({"mesh.stitch_s": 1.0, "mesh.encode_mpx_s": 1.0}, Cost(wall_s=0.06, cpu_s=0.06))
    coded = ({"mesh.stitch_s": 1.0, "mesh.encode_mpx_s": 100.0}, Cost(wall_s=0.55, cpu_s=1.05))
    assert overlap([copied] * 9 + [coded], known) == pytest.approx(2.0)
    assert overlap([copied] * 9, known) == pytest.approx(1.0)
