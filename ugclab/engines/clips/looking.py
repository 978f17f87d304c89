"""Looking at footage for an engine that makes clips: whose head, where it is in each frame, what will not look good.

The faces are followed by the embedded engine's tracker, which needs no GPU: a segment without a face, an avatar
without one and the wrong person are found out before a model is loaded.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ugclab.engines.base import Analysis, Image, Monitor, SegmentContext, Source
from ugclab.engines.clips.head import Head, calmed, of_face
from ugclab.engines.mesh import choosing, findings, smoothing
from ugclab.engines.mesh.avatar import find_face
from ugclab.engines.mesh.following import Follower, chosen
from ugclab.engines.mesh.records import Records
from ugclab.engines.mesh.topology import Floats
from ugclab.errors import FaceAmbiguous, InputError
from ugclab.media.frames import Frame, first_tick, read_frames
from ugclab.schema.engine import EngineInfo
from ugclab.schema.job import ReplaceMode, SwapOptions
from ugclab.schema.media import TimeRange

FADE = 3
"""Frames over which a head that comes or goes within a segment is faded in or out."""


@dataclass(frozen=True, slots=True)
class Sight:
    """The head in one frame."""

    pts: int
    time: Fraction
    face: Floats
    """Landmarks (468, 3), px, smoothed over time."""
    head: Head
    strength: float
    """Below 1 just after the head came and before it goes."""


class Lookout:
    """The tracker's models, loaded."""

    def __init__(self, weights: Path) -> None:
        """Load them from the folder of model files."""
        self._follower = Follower(weights)

    def analyse(
        self,
        source: Source,
        ranges: Sequence[TimeRange],
        avatar: Image,
        options: SwapOptions,
        workspace: Path,
        monitor: Monitor,
        info: EngineInfo,
    ) -> Analysis:
        """As FaceEngine.analyse, for the engine `info`: turned heads count, since the model draws them."""
        _, told = find_face(avatar, self._follower.detector, self._follower.landmarker)
        self._follower.analyse(source, ranges, options, workspace, monitor, info)
        records, cast = Records(workspace), people(workspace)
        if len(cast) > 1:
            raise FaceAmbiguous(
                f"{len(cast)} people are meant, and '{info.name}' replaces one at a time",
                hint="choose one by --face left, right, index:N or like:PHOTO, and run it again on the result",
            )
        persons = choosing.people(records.index, {})
        if options.replace is ReplaceMode.PERSON and len(persons) > 1:
            raise FaceAmbiguous(
                f"the footage shows {len(persons)} people, and the model would take the largest, frame by frame",
                hint="use --replace head, or footage of one person",
            )
        return Analysis(
            engine=info.name,
            engine_version=info.version,
            ranges=tuple(findings.describe(span, source.info, records, cast, turned=True) for span in ranges),
            warnings=(*told, *findings.crowd(persons, cast, records)),
            folder=workspace,
        )


def people(folder: Path) -> list[list[int]]:
    """The tracks of each person who is meant, from an analysis's folder."""
    return [part.tracks for part in chosen(folder)]


def sights(segment: SegmentContext) -> list[Sight]:
    """The head in every frame of a segment that shows it, in order."""
    folder, info = segment.analysis.folder, segment.source.info
    records = Records(folder)
    low, high = first_tick(segment.range.start, info), first_tick(segment.range.end, info)
    found: dict[int, tuple[int, Floats, float]] = {}
    for tracks in people(folder)[:1]:
        rows = records.rows_of(tracks)
        # By the footage's order, whatever order the ranges were analysed in; neighbours beyond the segment smooth it.
        inside = np.flatnonzero((records.stamps >= low) & (records.stamps < high))
        if not len(inside):
            continue
        first, last = int(inside[0]) - smoothing.REACH, int(inside[-1]) + smoothing.REACH
        frames = records.index["frame"][rows]
        near = rows[(frames >= first) & (frames <= last)]
        runs = records.runs(near)
        for number, points in smoothing.smooth(records.bridged(near)):
            pts = int(records.stamps[number])
            if low <= pts < high:
                found[pts] = number, points, _strength(number, runs, inside)
    stamps = sorted(found)
    heads = calmed([of_face(found[pts][1]) for pts in stamps], [found[pts][0] for pts in stamps])
    return [
        Sight(pts, pts * info.time_base - info.start, found[pts][1], head, found[pts][2])
        for pts, head in zip(stamps, heads, strict=True)
    ]


def check_one_shot(found: Sequence[Sight]) -> None:
    """Raise InputError where a head jumps across the picture: two shots are no clip, and a window for both is none."""
    for before, after in pairwise(found):
        if np.hypot(after.head.x - before.head.x, after.head.y - before.head.y) > 3 * before.head.across:
            raise InputError(
                f"the head jumps at {float(after.time):.2f} s: the segment holds a cut",
                hint="end a segment there, and begin another: clips are generated of one shot each",
            )


def canvases(segment: SegmentContext, times: Sequence[Fraction], see: Callable[[Frame], Image]) -> Iterator[Image]:
    """What the model is shown: the frames at rising `times`, as `see` makes canvases of them; a repeated one again."""
    wanted = Counter(times)
    frames = read_frames(
        segment.source.path, segment.source.info, segment.range, tone_map=segment.options.tone_map, borrow=True
    )
    for frame in frames:
        segment.monitor.step(0, 1)
        for _ in range(wanted[frame.time]):
            yield see(frame)


def _strength(number: int, runs: Sequence[tuple[int, int]], inside: NDArray[np.intp]) -> float:
    """What a frame's head is worth beside the edge of its stretch; a segment's own edge is no coming or going."""
    for first, last in runs:
        if first <= number <= last:
            rise = (number - first + 1) / (FADE + 1) if first > inside[0] else 1.0
            fall = (last - number + 1) / (FADE + 1) if last < inside[-1] else 1.0
            return min(rise, fall, 1.0)
    return 1.0
