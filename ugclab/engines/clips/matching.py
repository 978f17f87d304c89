"""Colour of what is generated held to the source's: measured where both show the same, beside the mask.

The model draws the surroundings again as it was given them, so they say how far its colours have wandered. Drift comes
clip by clip, each clip being drawn from the last picture of the one before: the measure starts anew with each clip and
is steadied within it.
"""

from dataclasses import dataclass

import numpy as np

from ugclab.engines.mesh.topology import Floats

STEADY = 0.15
"""Share a further frame has in the running measure of a clip: about seven frames are averaged."""
GAIN, SHIFT = 0.25, 40.0
"""Corrections are at most so large, as a share and in 8-bit code values: what is further off is another picture, not
another colour."""
LEAST = 200
"""Pixels from which on surroundings say something."""
FLAT = 3.0
"""Standard deviation of luma below which a plain wall tells no contrast."""


@dataclass(frozen=True, slots=True)
class Correction:
    """source = gain * generated + shift, for y, u and v in 8-bit code values."""

    gain: Floats
    shift: Floats

    def apply(self, values: Floats) -> Floats:
        """Correct (height, width, 3)."""
        corrected: Floats = values * self.gain + self.shift
        return corrected


NONE = Correction(np.ones(3, np.float32), np.zeros(3, np.float32))


def measure(source: Floats, made: Floats, outside: Floats) -> Correction | None:
    """Compare (height, width, 3) YUV canvases where `outside` (height, width) is above a half; None where little is.

    Means and spreads of luma, means of chroma: few numbers, which no detail the model drew otherwise can bend.
    """
    beside = outside > 0.5
    if beside.sum() < LEAST:
        return None
    here, there = source[beside], made[beside]
    # What differs most was drawn otherwise (a hand, a strand of hair) and says nothing of colour.
    off = np.abs(here[:, 0] - there[:, 0] - np.median(here[:, 0] - there[:, 0]))
    kept = off <= np.quantile(off, 0.8)
    here, there = here[kept], there[kept]
    spread = float(there[:, 0].std())
    gain = float(here[:, 0].std()) / spread if spread > FLAT else 1.0
    gains = np.array([np.clip(gain, 1 - GAIN, 1 + GAIN), 1.0, 1.0], np.float32)
    shifts = (here.mean(0) - gains * there.mean(0)).astype(np.float32)
    # A gain turns about the middle of what was measured, not about black.
    return Correction(gains, np.clip(shifts, -SHIFT - 255 * GAIN, SHIFT + 255 * GAIN).astype(np.float32))


class Matcher:
    """The running correction of a segment's clips."""

    def __init__(self) -> None:
        self._now: Correction | None = None

    def meet(self, source: Floats, made: Floats, outside: Floats, *, new_clip: bool) -> Correction:
        """Look at the next frame; a new clip forgets what was. Arguments as in `measure`."""
        found = measure(source, made, outside)
        before = None if new_clip and found is not None else self._now
        if found is None:
            return before or NONE
        if before is not None:
            found = Correction(
                before.gain + np.float32(STEADY) * (found.gain - before.gain),
                before.shift + np.float32(STEADY) * (found.shift - before.shift),
            )
        self._now = found
        return found
