"""One person of the footage, playing a segment with the avatar's face on."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ugclab.engines.base import SegmentContext
from ugclab.engines.mesh import appearance, pose, shape, smoothing
from ugclab.engines.mesh.avatar import Avatar
from ugclab.engines.mesh.composite import Wearer
from ugclab.engines.mesh.records import NO_FRAME, Records
from ugclab.engines.mesh.spectacles import Spectacles
from ugclab.engines.mesh.topology import Floats
from ugclab.media.frames import Frame, first_tick

RAMP = 3
"""Frames over which a face that appears or leaves within analysed footage is faded in or out."""


class Role:
    """Where one person is in each frame of a segment, and what he wears."""

    def __init__(
        self,
        records: Records,
        tracks: list[int],
        rest: Floats,
        avatar: Avatar,
        segment: SegmentContext,
        eyewear: NDArray[np.uint8] | None = None,
    ) -> None:
        """`rest` (468, 3) is the person's own face at rest, `eyewear` the Spectacles.cover of what he wears."""
        self._rest = rest
        worn = None if eyewear is None else Spectacles(eyewear, rest)
        delta = shape.identity_delta(avatar.shape, rest)
        self._wearer = Wearer(avatar.texture, delta, worn, bare=avatar.bare)
        self._stamps = records.stamps
        info = segment.source.info
        order = np.argsort(records.stamps, kind="stable")
        self._order, self._sorted = order, records.stamps[order]
        low, high = first_tick(segment.range.start, info), first_tick(segment.range.end, info)
        inside = np.flatnonzero((records.stamps >= low) & (records.stamps < high))
        rows = records.rows_of(tracks)
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
