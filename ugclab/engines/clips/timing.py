"""Which frames of a segment are generated, in clips of which length, and how the source's own frames come out again.

A model is given a plain sequence of pictures: picture i shows the footage at `Sampling.times[i]`. Where the footage is
not faster than what is generated, each of its frames is one of them, whatever its rate and however it varies: then
nothing is retimed. Otherwise the two nearest generated pictures are blended, or the nearest one is taken.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ugclab.engines.base import Image
from ugclab.errors import EngineError
from ugclab.wan.arithmetic import fewest_clips

FASTEST = 30
"""Frames a second the model is asked for at most: what its own preprocessing takes by default."""
LEAST = 5
"""Frames of the shortest clip (4n+1, n = 1); a single picture, as in a preview, is given five times."""
SLACK = Fraction(11, 10)
"""A camera's 30 frames a second are not seldom 30.3: so much above the asked rate is still taken frame by frame."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """What is generated of a segment."""

    times: tuple[Fraction, ...]
    """Of each generated picture, in seconds of footage, rising; a repeated one stands for filling up."""
    exact: bool
    """Every source frame with a face is one of them: nothing has to be interpolated."""
    clips: int
    clip_length: int
    """Frames of each clip, 4n+1."""
    wasted: int
    """Frames that are generated to fill up the last clip, and thrown away."""

    def clip_starts(self, overlap: int = 1) -> frozenset[int]:
        """Indices of the pictures at which a clip begins; `overlap` pictures are shared by neighbours."""
        step = self.clip_length - overlap
        return frozenset([0, *range(self.clip_length, len(self.times), step)])


def sample(times: Sequence[Fraction], rate: int = 0) -> Sampling:
    """Choose what is generated of the source frames at rising `times`: `rate` pictures a second, or each frame for 0.

    A pause in `times` (frames without a face) is left out. Raises EngineError where there is no frame.
    """
    if not times:
        raise EngineError("a segment without a face cannot be generated", hint="choose other times")
    shortest = Fraction(1, rate or FASTEST) / SLACK
    mean = (times[-1] - times[0]) / max(len(times) - 1, 1)
    exact = mean >= shortest or len(times) < LEAST
    chosen = list(times) if exact else _thinned(times, Fraction(1, rate or FASTEST))
    chosen += [chosen[-1]] * (LEAST - len(chosen))
    count, length = fewest_clips(len(chosen))
    return Sampling(tuple(chosen), exact, count, length, count * (length - 1) + 1 - len(chosen))


def _thinned(times: Sequence[Fraction], step: Fraction) -> list[Fraction]:
    """The frame nearest to each tick of the generated rate, and the last one: what is between can be interpolated."""
    chosen, at = [times[0]], 0
    for tick in range(1, math.ceil((times[-1] - times[0]) / step)):
        due = times[0] + tick * step
        while at + 1 < len(times) and abs(times[at + 1] - due) <= abs(times[at] - due):
            at += 1
        if times[at] > chosen[-1]:
            chosen.append(times[at])
    return chosen if chosen[-1] == times[-1] else [*chosen, times[-1]]


def retimed(
    made: Iterable[Image], sampling: Sampling, times: Iterable[Fraction], *, blend: bool = True
) -> Iterator[Image]:
    """The picture of each source frame at rising `times`, from the generated ones in their order.

    Two generated pictures are held at a time. With `blend` a time between two of them gets their mixture, else the
    nearer one. Raises EngineError where fewer pictures come than were asked for.
    """
    pictures = iter(made)
    known = sampling.times
    at, left = 0, _next(pictures, 0, len(known))
    right: Image | None = None
    for time in times:
        while at + 1 < len(known) and known[at + 1] <= time:
            at += 1
            left, right = (right if right is not None else _next(pictures, at, len(known))), None
        if sampling.exact or at + 1 >= len(known) or time <= known[at]:
            yield left
            continue
        if right is None:
            right = _next(pictures, at + 1, len(known))
        share = float((time - known[at]) / (known[at + 1] - known[at]))
        if not blend:
            yield left if share < 0.5 else right
        else:
            mixed = left.astype(np.float32) * (1 - share) + right.astype(np.float32) * share
            yield np.rint(mixed).astype(np.uint8)


def _next(pictures: Iterator[Image], index: int, total: int) -> Image:
    picture = next(pictures, None)
    if picture is None:
        raise EngineError(f"only {index} of {total} frames were generated", hint="look at the log, and try again")
    return picture
