"""Frames as planes of code values: read in presentation order, written with their timestamps, in bounded stages."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ugclab.schema.media import Colour

Plane = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(slots=True)
class Frame:
    """One upright picture in planar 4:2:0, owned by whoever holds it: its planes may be written in place.

    `y` has shape (height, width), `u` and `v` (ceil(height / 2), ceil(width / 2)): uint8, or uint16 with the value in
    the low `colour.bit_depth` bits. The planes are views of one buffer, which the encoder takes without a further copy.
    """

    y: Plane
    u: Plane
    v: Plane
    pts: int
    """Timestamp in ticks of the source's video stream."""
    time: Fraction
    """Seconds from the footage's first instant: pts * time_base - start."""
    colour: Colour
    buffer: Any
    """The av.VideoFrame whose memory the planes are."""
    swapped: bool = False

    @property
    def width(self) -> int:
        """Pixels of a row of `y`."""
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        """Rows of `y`."""
        return int(self.y.shape[0])
