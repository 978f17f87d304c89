"""Which moments of a video are swapped and which are kept: "0-5:swap,5-15:keep" <-> data."""

import re
from collections.abc import Iterable
from enum import StrEnum
from fractions import Fraction
from math import ceil
from typing import Self

from pydantic import field_validator

from ugclab.errors import PlanError
from ugclab.schema.base import Frozen
from ugclab.schema.media import TimeRange


class Action(StrEnum):
    """What happens to a segment."""

    SWAP = "swap"
    KEEP = "keep"


DEFAULT = "0-5:swap,5-15:keep,15-20:swap,20-30:keep"
"""The plan for 30 s of footage; cut for less, and whatever comes after it is kept."""

ALL, FACES, FITTED = "all", "faces", "default"
"""Words that stand for a plan: everything, wherever a face is found, and DEFAULT fitted to the footage."""

FACE_GAP_S = Fraction(1, 2)
"""A face away for at most this long (a blink of the detector, a hand passing) does not end a segment."""
FACE_MIN_S = Fraction(2, 5)
"""A face seen for less than this is no segment: about ten frames, too short to be worth two cuts."""

_LONGEST_TEXT = 20_000  # characters: some hundreds of segments, and a bound on what a bad text can cost
_CLOCK = re.compile(r"(?:([0-9]{1,4}):)?([0-9]{1,5}):([0-9]{2})(\.[0-9]{1,9})?")
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_RATIO = re.compile(r"([0-9]{1,15})/([0-9]{1,15})")
_GRAMMAR = "write START-END:swap or START-END:keep, comma-separated, as in 0-5:swap,5-15:keep,15-end:swap"
_TIMES = "write seconds (5, 5.5), a clock (1:02.5, 00:01:02.500), a ratio of seconds (150/30) or end"


class Segment(Frozen):
    """A slice of time that is swapped or kept: the unit of cost and latency."""

    index: int
    range: TimeRange
    action: Action

    def __str__(self) -> str:
        return f"{format_time(self.range.start)}-{format_time(self.range.end)}:{self.action}"


class SegmentPlan(Frozen):
    """Segments in order, without overlap or gap, from 0 to the end of the footage."""

    segments: tuple[Segment, ...]

    @field_validator("segments")
    @classmethod
    def _tiles(cls, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
        if not segments:
            raise ValueError("a plan has at least one segment")
        at = Fraction(0)
        for index, segment in enumerate(segments):
            if segment.index != index or segment.range.start != at:
                raise ValueError(f"segment {index} does not follow the one before it")
            at = segment.range.end
        return segments

    @property
    def swaps(self) -> tuple[Segment, ...]:
        """The segments that are swapped."""
        return tuple(s for s in self.segments if s.action is Action.SWAP)

    @property
    def duration(self) -> Fraction:
        """Length of the footage in seconds."""
        return self.segments[-1].range.end

    def __str__(self) -> str:
        """The text that `parse` reads back into the same plan."""
        return ",".join(str(segment) for segment in self.segments)

    @classmethod
    def of(cls, pieces: Iterable[tuple[Fraction, Fraction, Action]]) -> Self:
        """Number consecutive (start, end, action) pieces."""
        return cls(
            segments=tuple(
                Segment(index=index, range=TimeRange(start=start, end=end), action=action)
                for index, (start, end, action) in enumerate(pieces)
            )
        )

    @classmethod
    def parse(cls, text: str, duration: Fraction, frame_rate: Fraction) -> Self:
        """Read a plan for footage of `duration` seconds; "all" and "default" are plans too.

        An end up to one frame beyond the footage is taken for its end; a plan that ends earlier keeps the rest.
        Raises PlanError, which names the segment and gives the footage's length.
        """
        word = text.strip().lower()
        if word == ALL:
            return cls.of([(Fraction(0), duration, Action.SWAP)])
        if word == FITTED:
            return cls._fit(_items(DEFAULT, Fraction(30)), duration, frame_rate)
        if word == FACES:
            raise PlanError("the plan 'faces' is made from what an engine finds", hint="it has no fixed segments")
        items = _items(text, duration)
        _check(items, duration, frame_rate)
        return cls._fit(items, duration, frame_rate)

    @classmethod
    def from_faces(cls, found: Iterable[TimeRange], duration: Fraction, frame_rate: Fraction) -> Self | None:
        """Swap wherever a face was found: gaps up to FACE_GAP_S closed, then ranges below FACE_MIN_S dropped.

        None where nothing is left to swap. Footage shorter than FACE_MIN_S needs a face for half of it.
        """
        closed: list[tuple[Fraction, Fraction]] = []
        for start, end in sorted((r.start, min(r.end, duration)) for r in found if r.start < duration):
            if closed and start - closed[-1][1] <= FACE_GAP_S:
                closed[-1] = (closed[-1][0], max(end, closed[-1][1]))
            else:
                closed.append((start, end))
        least = min(FACE_MIN_S, duration / 2)
        pieces: list[tuple[Fraction, Fraction, Action]] = []
        at = Fraction(0)
        for start, end in closed:
            if end - start < least:
                continue
            if start > at:
                pieces.append((at, start, Action.KEEP))
            pieces.append((start, end, Action.SWAP))
            at = end
        return cls._fit(pieces, duration, frame_rate) if pieces else None

    @classmethod
    def _fit(cls, pieces: list[tuple[Fraction, Fraction, Action]], duration: Fraction, frame_rate: Fraction) -> Self:
        """Cut what is beyond the end, keep what the pieces do not reach, leave no sliver without a frame."""
        fitted = [(start, min(end, duration), action) for start, end, action in pieces if start < duration]
        if len(fitted) > 1 and first_frame(fitted[-1][0], frame_rate) >= first_frame(duration, frame_rate):
            fitted.pop()  # a boundary between the last frame's time and the footage's end: nothing lies behind it
        start, end, action = fitted[-1]
        if action is Action.KEEP or first_frame(end, frame_rate) >= first_frame(duration, frame_rate):
            fitted[-1] = (start, duration, action)
        else:
            fitted.append((end, duration, Action.KEEP))
        return cls.of(fitted)


def first_frame(time: Fraction, frame_rate: Fraction) -> int:
    """Number of the first frame whose time is `time` or later, at a constant rate."""
    return ceil(time * frame_rate)


def parse_time(text: str, duration: Fraction) -> Fraction:
    """Read 5, 5.5, 1:02.5, 00:01:02.500, 150/30 or "end" as exact seconds. Raises PlanError."""
    text = text.strip().lower()
    if text == "end":
        return duration
    if _SECONDS.fullmatch(text):
        return Fraction(text)
    if (ratio := _RATIO.fullmatch(text)) and int(ratio[2]):
        return Fraction(int(ratio[1]), int(ratio[2]))
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = clock[1], int(clock[2]), int(clock[3])
        if seconds < 60 and (hours is None or minutes < 60):
            return int(hours or 0) * 3600 + minutes * 60 + seconds + Fraction(clock[4] or 0)
    raise PlanError(f"'{text[:40]}' is not a time", hint=_TIMES)


def format_time(time: Fraction) -> str:
    """Exact and as short as it gets: a decimal where there is one of up to nine places, num/den otherwise."""
    scaled = time * 10**9
    if scaled.denominator != 1:
        return f"{time.numerator}/{time.denominator}"
    whole, rest = divmod(scaled.numerator, 10**9)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".") if rest else str(whole)


def _items(text: str, duration: Fraction) -> list[tuple[Fraction, Fraction, Action]]:
    """Read the text's parts, not yet compared with each other or with the footage."""
    if len(text) > _LONGEST_TEXT:
        raise PlanError(f"the plan has {len(text)} characters", hint=f"at most {_LONGEST_TEXT} are read")
    if not text.strip():
        raise PlanError("the plan is empty", hint=f"{_GRAMMAR}; or default, all, faces")
    items = []
    for number, part in enumerate(text.split(",")):
        times, colon, action = part.rpartition(":")
        start, dash, end = times.partition("-")
        if not colon or not dash or action.strip().lower() not in set(Action):
            raise PlanError(f"segment {number} of the plan reads '{part.strip()[:40]}'", hint=_GRAMMAR)
        try:
            pair = parse_time(start, duration), parse_time(end, duration)
        except PlanError as error:
            raise PlanError(f"segment {number} of the plan: {error.message}", hint=error.hint) from error
        items.append((*pair, Action(action.strip().lower())))
    return items


def _check(items: list[tuple[Fraction, Fraction, Action]], duration: Fraction, frame_rate: Fraction) -> None:
    """Raise PlanError unless the items follow each other from 0 and lie within the footage."""
    length = f"the footage is {_shown(duration)} long"
    at = Fraction(0)
    for number, (start, end, action) in enumerate(items):
        name = f"segment {number} ({format_time(start)}-{format_time(end)}:{action})"
        if end <= start:
            raise PlanError(f"{name} has no length; {length}", hint="give it an end after its start")
        if start != at:
            fault = "overlaps the one before it, which ends" if start < at else "leaves a gap after"
            hint = (
                f"start it at {format_time(at)}" if start < at else f"add {format_time(at)}-{format_time(start)}:keep"
            )
            raise PlanError(f"{name} {fault} at {_shown(at)}; {length}", hint=hint)
        if end > duration + 1 / frame_rate:
            raise PlanError(f"{name} ends beyond the footage; {length}", hint="end it there, or write 'end'")
        if first_frame(min(end, duration), frame_rate) <= first_frame(start, frame_rate):
            raise PlanError(
                f"{name} is too short to hold a frame; {length}", hint=f"a frame lasts {float(1 / frame_rate):.4f} s"
            )
        at = end


def _shown(seconds: Fraction) -> str:
    return f"{float(seconds):.2f} s"
