"""Which moments of a video are swapped and which are kept: "0-5:swap,5-15:keep" <-> data."""

from enum import StrEnum

from ugclab.schema.base import Frozen
from ugclab.schema.media import TimeRange


class Action(StrEnum):
    """What happens to a segment."""

    SWAP = "swap"
    KEEP = "keep"


class Segment(Frozen):
    """A slice of time that is swapped or kept: the unit of cost and latency."""

    index: int
    range: TimeRange
    action: Action


class SegmentPlan(Frozen):
    """Segments in order, without overlap or gap, from 0 to the end of the footage."""

    segments: tuple[Segment, ...]

    @property
    def swaps(self) -> tuple[Segment, ...]:
        """The segments that are swapped."""
        return tuple(s for s in self.segments if s.action is Action.SWAP)
