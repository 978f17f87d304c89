"""One person of the footage, playing a segment with the avatar's face on, by whatever means it is drawn."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from ugclab.engines.base import SegmentContext
from ugclab.engines.mesh import appearance, pose, shape, smoothing
from ugclab.engines.mesh.avatar import Avatar
from ugclab.engines.mesh.composite import Wearer
from ugclab.engines.mesh.following import Part
from ugclab.engines.mesh.pose import Pose
from ugclab.engines.mesh.records import NO_FRAME, Records
from ugclab.engines.mesh.sampling import Picture
from ugclab.engines.mesh.spectacles import Spectacles
from ugclab.engines.mesh.topology import Floats
from ugclab.media.frames import Frame, first_tick

RAMP = 3
"""Frames over which a face that appears or leaves within analysed footage is faded in or out."""


class Worn(Protocol):
    """How a face is drawn over somebody's, frame by frame."""

    def wear(self, picture: Picture, points: Floats, pose: Pose, strength: float = 1.0) -> bool:
        """Change `picture` in place at landmarks `points` (468, 3); False, and untouched, where it cannot be worn."""


class Role:
    """Where one person is in each frame of a segment, and what he wears."""

    def __init__(self, part: Part, worn: Worn, segment: SegmentContext) -> None:
        records = Records(segment.analysis.folder)
        self._rest = part.rest
        self._wearer = worn
        self._stamps = records.stamps
        info = segment.source.info
        order = np.argsort(records.stamps, kind="stable")
        self._order, self._sorted = order, records.stamps[order]
        low, high = first_tick(segment.range.start, info), first_tick(segment.range.end, info)
        inside = np.flatnonzero((records.stamps >= low) & (records.stamps < high))
        rows = records.rows_of(part.tracks)
        frames = records.index["frame"][rows]
        self._seen = frozenset(frames.tolist())
        self._last_look: Floats | None = None
        self._runs = records.runs(rows)
        self._place: tuple[int, Floats] | None = None
        self._places: Iterator[tuple[int, Floats]] = iter(())
        if len(inside):
            near = (frames >= inside[0] - smoothing.REACH) & (frames <= inside[-1] + smoothing.REACH)
            self._places = smoothing.smooth(records.bridged(rows[near]))

    def play(self, frame: Frame) -> bool:
        """Put the face on in one frame, in order; False where there is none to put it on."""
        number = self._number(frame.pts)
        if number is None:
            return False
        while self._place is None or self._place[0] < number:
            self._place = next(self._places, None)
            if self._place is None:
                return False
        if self._place[0] != number:
            return False
        points = self._place[1]
        if not self._is_there(number, frame, points):
            return False
        return self._wearer.wear(frame, points, pose.fit(points, self._rest), self._ramp(number))

    def _is_there(self, number: int, frame: Frame, points: Floats) -> bool:
        """Whether a frame in which no face was found shows what the last one with a face did: a flash, or another
        picture for a moment, shows nobody to put it on, a blur does."""
        if number not in self._seen:
            before = self._last_look
            return before is None or appearance.likeness(before, appearance.look(frame, points)) >= appearance.OTHER
        if number + 1 not in self._seen:
            self._last_look = appearance.look(frame, points)
        return True

    def _number(self, pts: int) -> int | None:
        at = int(np.searchsorted(self._sorted, pts))
        return int(self._order[at]) if at < len(self._sorted) and self._sorted[at] == pts else None

    def _ramp(self, number: int) -> float:
        """Less than 1 just after a face came, and just before it goes; footage that begins or ends is no coming or
        going."""
        for first, last in self._runs:
            if first <= number <= last:
                came = first > 0 and self._stamps[first - 1] != NO_FRAME
                goes = last + 1 < len(self._stamps) and self._stamps[last + 1] != NO_FRAME
                rise = (number - first + 1) / (RAMP + 1) if came else 1.0
                fall = (last - number + 1) / (RAMP + 1) if goes else 1.0
                return min(rise, fall, 1.0)
        return 0.0


def wearer(avatar: Avatar, part: Part) -> Wearer:
    """The avatar's mesh, for one person's face."""
    worn = None if part.eyewear is None else Spectacles(part.eyewear, part.rest)
    delta = shape.identity_delta(avatar.shape, part.rest)
    return Wearer(avatar.texture, delta, worn, share=avatar.share, bare=avatar.bare)


def perform(roles: Sequence[Role], segment: SegmentContext, frames: Iterable[Frame]) -> Iterator[Frame]:
    """Let all of them play a segment: each frame once, in order, with its progress told."""
    total = max(round(segment.range.duration * segment.source.info.frame_rate), 1)
    for count, frame in enumerate(frames, 1):
        for role in roles:
            frame.swapped |= role.play(frame)
        segment.monitor.step(min(count, total), total)
        yield frame
