"""A swapped segment and the bridges beside it, read in one go: the way from a keyframe to both is decoded once."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path

from ugclab.media.encode import encode_segment
from ugclab.media.frames import Frame, read_frames
from ugclab.media.modes import StitchPlan
from ugclab.media.pieces import Piece


def read_segment(
    plan: StitchPlan, segment: int, folder: Path, cancelled: Callable[[], bool] = lambda: False
) -> Iterator[Frame]:
    """Decode the frames of a swapped segment; the bridges beside it become files in `folder` on the way.

    The bridge after the segment is made once its last frame was taken and another one is asked for. One that is not
    made, since nobody asked, `stitch` makes itself. Raises as `read_frames` and `encode_segment` do.
    """
    mine = beside(plan, segment)
    starts = [int(plan.index.times[piece.first]) for piece in mine[1:]]

    def piece_at(pts: int) -> Piece:
        return mine[bisect_right(starts, pts)]

    part = plan.span(mine[0].first, mine[-1].end)
    decoded = read_frames(
        plan.source,
        plan.info,
        part,
        tone_map=plan.tone_map,
        borrow=lambda pts: _is_bridge(piece_at(pts)),  # nobody writes to them
    )
    for piece, frames in groupby(decoded, key=lambda frame: piece_at(frame.pts)):
        if _is_bridge(piece):
            encode_segment(frames, plan.bridge, _file(folder, piece), cancelled=cancelled)
        else:
            yield from frames


def made_bridges(plan: StitchPlan, folders: Iterable[Path]) -> dict[int, Path]:
    """The bridges of a plan that `read_segment` left in `folders`, by their first frame: give them to `stitch`."""
    places = [(piece.first, _file(folder, piece)) for folder in folders for piece in plan.pieces if _is_bridge(piece)]
    return {first: path for first, path in places if path.exists()}


def beside(plan: StitchPlan, segment: int) -> tuple[Piece, ...]:
    """The segment's piece, with the bridge after it, and that before it unless it belongs to another segment."""
    at = next(i for i, piece in enumerate(plan.pieces) if piece.kind == "segment" and piece.segment == segment)
    first, last = at, at
    if at > 0 and _is_bridge(plan.pieces[at - 1]) and (at == 1 or plan.pieces[at - 2].kind != "segment"):
        first = at - 1
    if at + 1 < len(plan.pieces) and _is_bridge(plan.pieces[at + 1]):
        last = at + 1
    return plan.pieces[first : last + 1]


def _is_bridge(piece: Piece) -> bool:
    return piece.kind == "bridge"


def _file(folder: Path, piece: Piece) -> Path:
    return folder / f"bridge-{piece.first}-{piece.end}.mp4"
