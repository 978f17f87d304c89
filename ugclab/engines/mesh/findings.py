"""What an analysis tells a person before anything is swapped: where the face is, and what will not look good."""

from collections.abc import Sequence
from enum import Enum
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ugclab.engines.base import RangeFaces
from ugclab.engines.mesh import glasses, palms
from ugclab.engines.mesh.choosing import Person
from ugclab.engines.mesh.composite import FADE_PITCH, FADE_YAW
from ugclab.engines.mesh.pose import FLATTENED
from ugclab.engines.mesh.records import Records
from ugclab.media.frames import first_tick
from ugclab.schema.media import MediaInfo, TimeRange

SMALL_FACE_PX = 64
"""Median widths below this leave little of an identity to see."""
MANY = 0.2
"""Share of a person's frames from which on a warning is worth reading."""


class Eyewear(Enum):
    """What will be seen of the glasses somebody wears in the footage."""

    KEPT = (
        "the person seems to wear glasses: as far as they are found they stay on, with the avatar's face behind them "
        "(--eyewear cover paints over them); footage without glasses looks better"
    )
    KEPT_WHOLE = (
        "the person seems to wear glasses whose rims are too faint to be cut out: they stay on with what is inside "
        "them, the avatar's face is around them; footage without glasses looks better"
    )
    COVERED = (
        "the person seems to wear glasses: they are painted over inside the face alone: stumps of the arms beside it "
        "stay, and what the lenses mirror and shade before the eyes; kept on they look better"
    )


def describe(
    span: TimeRange, info: MediaInfo, records: Records, cast: Sequence[Sequence[int]], *, turned: bool = False
) -> RangeFaces:
    """Count a range's frames with a face that can be worn, and where they are; turned ones only if `turned` is set."""
    low, high = first_tick(span.start, info), first_tick(span.end, info)
    inside = np.flatnonzero((records.stamps >= low) & (records.stamps < high))
    shown = np.zeros(len(records.stamps), bool)
    for tracks in cast:
        rows = records.rows_of(list(tracks))
        for first, last in records.runs(rows):
            shown[first : last + 1] = True
        if not turned:
            shown[records.index["frame"][rows[_turned(records, rows)]]] = False
    seen = inside[shown[inside]]
    notes = []
    missing = len(inside) - len(seen)
    if 0 < missing < len(inside):
        notes.append(
            f"{missing} of the {len(inside)} frames of {span} show no face that can be swapped: they stay as they are"
        )
    return RangeFaces(
        range=span,
        frames=len(inside),
        frames_with_face=len(seen),
        face_ranges=tuple(_ranges(inside, shown, records, info, span)),
        warnings=tuple(notes),
    )


def _turned(
    records: Records, rows: np.ndarray[tuple[int], np.dtype[np.intp]]
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    index = records.index[rows]
    turned: np.ndarray[tuple[int], np.dtype[np.bool_]] = (np.abs(index["yaw"]) >= FADE_YAW[1]) | (
        np.abs(index["pitch"]) >= FADE_PITCH[1]
    )
    return turned


def _ranges(
    inside: np.ndarray[tuple[int], np.dtype[np.intp]],
    shown: np.ndarray[tuple[int], np.dtype[np.bool_]],
    records: Records,
    info: MediaInfo,
    span: TimeRange,
) -> list[TimeRange]:
    def time(frame: int) -> Fraction:
        return _time(frame, records, info)

    found = []
    start: int | None = None
    for frame in (*inside.tolist(), None):
        if frame is not None and shown[frame]:
            start = frame if start is None else start
        elif start is not None:
            found.append(TimeRange(start=time(start), end=span.end if frame is None else time(frame)))
            start = None
    return found


def _time(frame: int, records: Records, info: MediaInfo) -> Fraction:
    return max(int(records.stamps[frame]) * info.time_base - info.start, Fraction(0))


def crowd(persons: Sequence[Person], cast: Sequence[Sequence[int]], records: Records) -> list[str]:
    """What is true whatever engine works: who else is seen, and how small the face is."""
    told = []
    wanted = {track for tracks in cast for track in tracks}
    others = [person for person in persons if person.track not in wanted]
    if others:
        one, many = "1 more face is seen and stays as it is", f"{len(others)} more faces are seen and stay as they are"
        seen = one if len(others) == 1 else many
        told.append(f"{seen}: choose another, or all of them, if it should be otherwise")
    for tracks in cast:
        rows = records.rows_of(list(tracks))
        index = records.index[rows]
        width = float(np.median(index["size"])) if len(index) else SMALL_FACE_PX
        if width < SMALL_FACE_PX:
            told.append(f"the face is only {width:.0f} px wide: little of the avatar will be seen")
    return told


def warnings(
    persons: Sequence[Person],
    cast: Sequence[Sequence[int]],
    records: Records,
    info: MediaInfo,
    eyewear: Sequence[Eyewear | None],
) -> list[str]:
    """What a viewer will notice, in sentences. `eyewear` is what becomes of each one's glasses; None: there are
    none."""
    told = crowd(persons, cast, records)
    for tracks, worn in zip(cast, eyewear, strict=True):
        rows = records.rows_of(list(tracks))
        index = records.index[rows]
        if not len(index):
            continue
        share = float((np.abs(index["yaw"]) > FADE_YAW[0]).mean())
        if share > MANY:
            told.append(
                f"the face is turned by more than {FADE_YAW[0] / FLATTENED:.0f} degrees in {share:.0%} of its frames: "
                "the swap fades out there"
            )
        hands = _hands(index, records, info)
        if hands:
            told.append(f"a hand is before the face at {hands}: the avatar is painted over it there")
        if worn is not None:
            told.append(worn.value)
    return told


def wears_glasses(index: NDArray[np.void], rims: float) -> bool:
    """Whether the person of these sightings wears glasses; `rims` is how clear rims are on him (eyewear.clearness)."""
    return glasses.worn(index["bridge"][np.abs(index["yaw"]) < glasses.MAX_YAW], rims)


def _hands(index: NDArray[np.void], records: Records, info: MediaInfo) -> str:
    """When hands were seen, as "1.2-2.4 s, 5.0-5.4 s": each look speaks for the frames around it, up to the next."""
    around = palms.LOOK_EVERY // 2
    stretches: list[list[int]] = []
    for frame in index["frame"][index["hand"]].tolist():
        if stretches and frame - stretches[-1][1] <= 2 * palms.LOOK_EVERY:
            stretches[-1][1] = frame
        else:
            stretches.append([frame, frame])
    known = index["frame"]
    parts = []
    for first, last in stretches:
        near = known[(known >= first - around) & (known <= last + around)]
        start, end = (float(_time(int(frame), records, info)) for frame in (near.min(), near.max()))
        parts.append(f"{start:.1f}-{end:.1f} s")
    return ", ".join(parts)
