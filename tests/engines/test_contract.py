"""What every face engine promises, run over each that is registered and over the tint engine, a process and a file.

An engine that cannot run here skips with its reason.
"""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.engines.remote.conftest import Peer
from tests.engines.tint import Tint
from tests.engines.wan import standin, tiny
from tests.face_clips import face_box, face_patch, number_of
from ugclab.engines import registry
from ugclab.engines.base import Analysis, FaceEngine, Image, Monitor, SegmentContext, Source
from ugclab.engines.inswapper.engine import InSwapper
from ugclab.engines.remote.engine import Remote
from ugclab.engines.wan_cli.engine import WanCli
from ugclab.engines.wan_diffusers.engine import WanDiffusers
from ugclab.errors import AvatarError, Cancelled, UgclabError
from ugclab.media.frames import Frame, read_frames
from ugclab.media.probe import probe
from ugclab.schema.job import SwapOptions
from ugclab.schema.media import TimeRange
from ugclab.settings import Settings
from ugclab.weights import hub

TINY = "inswapper with tiny networks"
ENGINES = {engine.info.name: engine for engine in (*registry.catalogue(), Tint)} | {TINY: partial(InSwapper, "cpu")}
OVER_THERE = "remote, with tint on a second process"
STANDINS = {
    "wan-cli with a stand-in": (WanCli, lambda folder, settings, patch: standin.furnish(folder, settings)),
    "wan-diffusers, tiny": (WanDiffusers, tiny.furnish),
}
"""Engines that need what no test machine has, and what furnishes them with something of the same form."""
FIRST, SECOND = TimeRange(start=Fraction(0), end=Fraction(1)), TimeRange(start=Fraction(6, 5), end=Fraction(2))
PAUSE = range(20, 30)  # frames of the clip without a face, of which the first range holds five
OPTIONS = SwapOptions(seed=7)


@dataclass(frozen=True)
class Bench:
    """An engine that was set up once, a source, and its analysis."""

    engine: FaceEngine
    source: Source
    avatar: Image
    analysis: Analysis
    folder: Path

    def context(self, part: TimeRange, name: str, **changes: object) -> SegmentContext:
        workspace = self.folder / name
        workspace.mkdir()
        fields = {"analysis": self.analysis, "options": OPTIONS, **changes}
        return SegmentContext(source=self.source, range=part, avatar=self.avatar, workspace=workspace, **fields)

    def read(self, part: TimeRange) -> list[Frame]:
        return list(read_frames(self.source.path, self.source.info, part))

    def swap(self, part: TimeRange, name: str, **changes: object) -> list[Frame]:
        return list(self.engine.swap(self.context(part, name, **changes), iter(self.read(part))))


def real(kind: registry.Engine, settings: Settings) -> Path:
    """The folder of the engine's model files, fetched if they may be. Raises UgclabError."""
    registry.require(kind, settings)
    hub.ensure(kind.info.weights, settings.weights_dir, offline=settings.offline)
    return settings.weights_dir


def tiny_networks(folder: Path) -> Path:
    """A folder of model files made by the tests; skips where what makes them is not installed."""
    from tests.engines.inswapper.networks import stand_in

    return stand_in(folder)


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def peers() -> Iterator[list[Peer]]:
    """Other machines that were started; gone afterwards."""
    started: list[Peer] = []
    yield started
    for peer in started:
        peer.kill()


@pytest.fixture(
    scope="module",
    params=[
        *sorted(ENGINES),
        *(pytest.param(name, marks=pytest.mark.slow) for name in sorted([*STANDINS, OVER_THERE])),
    ],
)
def bench(
    request: pytest.FixtureRequest,
    clip: Path,
    tmp_path_factory: pytest.TempPathFactory,
    patch: pytest.MonkeyPatch,
    peers: list[Peer],
) -> Bench:
    folder = tmp_path_factory.mktemp("engine")
    if request.param == OVER_THERE:
        peer = Peer(folder / "peer", request.getfixturevalue("plugin_dir")).start()
        peers.append(peer)
        settings = peer.settings(Settings(), remote_engine="tint")
        engine = registry.make(Remote, settings)
    elif request.param in STANDINS:
        kind, furnished = STANDINS[request.param]
        settings = furnished(folder, Settings(), patch)
        engine = registry.make(kind, settings)
    else:
        settings, engine = Settings(), ENGINES[request.param]()
    try:
        weights = tiny_networks(folder / "weights") if request.param == TINY else real(type(engine), settings)
    except UgclabError as error:
        pytest.skip(f"{request.param}: {error}")
    engine.setup(weights)
    source = Source(clip, probe(clip))
    (folder / "analysis").mkdir()
    picture = face_patch(256)
    analysis = engine.analyse(source, (FIRST, SECOND), picture, OPTIONS, folder / "analysis", Monitor())
    return Bench(engine, source, picture, analysis, folder)


@pytest.fixture(scope="module")
def swapped(bench: Bench) -> list[Frame]:
    return bench.swap(FIRST, "first")


def test_its_card_is_complete(bench: Bench) -> None:
    info = bench.engine.info
    assert info.name
    assert info.version
    assert info.summary
    assert info.licences.code
    assert isinstance(bench.engine, FaceEngine)


def test_the_analysis_counts_frames_and_faces(bench: Bench) -> None:
    first, second = bench.analysis.ranges
    assert [r.range for r in bench.analysis.ranges] == [FIRST, SECOND]
    assert (first.frames, second.frames) == (25, 20)
    assert abs(first.frames_with_face - 20) <= 2  # a detector may be a frame late
    assert second.frames_with_face >= 19
    for part in bench.analysis.ranges:
        for shown in part.face_ranges:
            assert part.range.start <= shown.start < shown.end <= part.range.end + Fraction(1, 25)
    share = sum((r.duration for r in first.face_ranges), Fraction(0)) / FIRST.duration
    assert abs(share - Fraction(4, 5)) <= Fraction(1, 10)


def test_the_analysis_travels_as_json(bench: Bench) -> None:
    assert Analysis.model_validate_json(bench.analysis.model_dump_json()) == bench.analysis


def test_same_count_same_pts_same_size(bench: Bench, swapped: list[Frame]) -> None:
    before = bench.read(FIRST)
    assert [f.pts for f in swapped] == [f.pts for f in before]
    assert [f.time for f in swapped] == [f.time for f in before]
    assert [(f.width, f.height, f.u.shape, f.y.dtype) for f in swapped] == [
        (f.width, f.height, f.u.shape, f.y.dtype) for f in before
    ]
    assert [number_of(f.y) for f in swapped] == list(range(25))


def test_faces_are_changed_and_said_to_be(bench: Bench, swapped: list[Frame]) -> None:
    assert sum(f.swapped for f in swapped) >= 18
    for before, after in zip(bench.read(FIRST), swapped, strict=True):
        assert after.swapped == any(
            not np.array_equal(a, b) for a, b in ((before.y, after.y), (before.u, after.u), (before.v, after.v))
        )


def test_planes_outside_the_face_are_untouched(bench: Bench, swapped: list[Frame]) -> None:
    for before, after in zip(bench.read(FIRST), swapped, strict=True):
        left, top, size = face_box(number_of(before.y))
        for name, scale in (("y", 1), ("u", 2), ("v", 2)):
            outside = getattr(before, name) != getattr(after, name)
            # coding smears the patch a little over its edge, and with it what is taken for face
            margin = 8 // scale
            outside[
                top // scale - margin : (top + size) // scale + margin,
                left // scale - margin : (left + size) // scale + margin,
            ] = False
            assert not outside.any(), (name, before.pts)


def test_frames_without_a_face_are_untouched(bench: Bench, swapped: list[Frame]) -> None:
    for before, after in zip(bench.read(FIRST), swapped, strict=True):
        if number_of(before.y) in PAUSE and number_of(before.y) > PAUSE.start + 1:
            assert not after.swapped
            assert all(np.array_equal(getattr(before, p), getattr(after, p)) for p in "yuv")


def test_the_same_seed_gives_the_same_bytes(bench: Bench, swapped: list[Frame]) -> None:
    again = bench.swap(FIRST, "again")
    for a, b in zip(swapped, again, strict=True):
        assert all(np.array_equal(getattr(a, p), getattr(b, p)) for p in "yuv")


def test_two_segments_with_one_setup_and_the_analysis_moved(bench: Bench) -> None:
    moved = bench.folder / "moved"
    shutil.copytree(bench.analysis.folder, moved)
    kept = bench.analysis.folder.rename(bench.folder / "hidden")
    try:
        analysis = bench.analysis.model_copy(update={"folder": moved})
        frames = bench.swap(SECOND, "second", analysis=analysis)
    finally:
        kept.rename(bench.analysis.folder)
    assert len(frames) == 20
    assert sum(f.swapped for f in frames) >= 18


def test_a_part_of_an_analysed_range_can_be_swapped(bench: Bench) -> None:
    """`--plan faces` analyses everything once and swaps parts of it."""
    part = TimeRange(start=Fraction(1, 5), end=Fraction(3, 5))
    frames = bench.swap(part, "part")
    assert [number_of(f.y) for f in frames] == list(range(5, 15))
    assert sum(f.swapped for f in frames) >= 9


def test_it_works_on_a_stream(bench: Bench) -> None:
    """A frame comes out before the last one has gone in: memory stays flat in the length of the video."""
    given = 0

    def counted() -> Iterator[Frame]:
        nonlocal given
        for frame in bench.read(FIRST):
            given += 1
            yield frame

    frames = bench.engine.swap(bench.context(FIRST, "stream"), counted())
    next(frames)
    assert given <= 16
    frames.close()  # type: ignore[attr-defined]


def test_it_reports_and_can_be_cancelled(bench: Bench) -> None:
    reports: list[tuple[int, int]] = []
    stop = threading.Event()

    def report(done: int, total: int) -> None:
        reports.append((done, total))
        if done >= 3:
            stop.set()

    threads = threading.active_count()
    with pytest.raises(Cancelled):
        bench.swap(FIRST, "cancelled", monitor=Monitor(report, stop.is_set))
    assert reports
    assert threading.active_count() <= threads


def test_an_analysis_can_be_cancelled(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        bench.engine.analyse(bench.source, (FIRST,), bench.avatar, OPTIONS, tmp_path, Monitor(cancelled=lambda: True))


def test_an_avatar_without_a_face_is_an_avatar_error(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(AvatarError) as caught:
        bench.engine.analyse(bench.source, (FIRST,), np.full((256, 256, 3), 90, np.uint8), OPTIONS, tmp_path, Monitor())
    assert caught.value.hint


def test_a_range_without_a_face_is_counted_not_raised(bench: Bench, tmp_path: Path) -> None:
    empty = TimeRange(start=Fraction(21, 25), end=Fraction(29, 25))
    (found,) = bench.engine.analyse(bench.source, (empty,), bench.avatar, OPTIONS, tmp_path, Monitor()).ranges
    assert (found.frames, found.frames_with_face, found.face_ranges) == (8, 0, ())
