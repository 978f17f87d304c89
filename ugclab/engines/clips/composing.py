"""The last step of every engine that makes clips: generated pictures back into the source's frames, one by one."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np

from ugclab.engines.base import Image, SegmentContext
from ugclab.engines.clips.composite import Compositor
from ugclab.engines.clips.crop import Crop
from ugclab.engines.clips.looking import Sight
from ugclab.engines.clips.timing import Sampling, retimed
from ugclab.engines.mesh.topology import Floats
from ugclab.media.frames import Frame
from ugclab.schema.job import ReplaceMode

SOFT = 0.012
"""How far a person's mask is widened, then faded, as a share of the canvas's shorter side: its edge comes from a lossy
video (T32)."""


def composed(
    segment: SegmentContext,
    frames: Iterable[Frame],
    found: Sequence[Sight],
    sampling: Sampling,
    crop: Crop,
    made: Iterable[Image],
) -> Iterator[Frame]:
    """Yield the segment's frames with the generated pictures in them; frames without a head pass as they are.

    `made` are canvases in the order of the sampling, (height, width, 4): RGB, and 255 where the model was to draw.
    """
    compositor = Compositor(crop)
    at_head = {sight.pts: sight for sight in found}
    starts = sorted(sampling.clip_starts())
    pictures = retimed(made, sampling, (sight.time for sight in found))
    clip, total = -1, max(round(segment.range.duration * segment.source.info.frame_rate), 1)
    for count, frame in enumerate(frames, 1):
        segment.monitor.step(min(count, total), total)
        sight = at_head.get(frame.pts)
        if sight is not None:
            picture = next(pictures)
            now = bisect_right(starts, max(bisect_right(sampling.times, sight.time) - 1, 0))
            mask = sight.strength * _mask(segment, sight, crop, picture)
            frame.swapped |= compositor.put(frame, picture, mask.astype(np.float32), new_clip=now != clip)
            clip = now
        yield frame


def drawn(sight: Sight, crop: Crop) -> Image:
    """(height, width) 255 where a head is to be drawn: all that its soft mask will show."""
    mask = sight.head.on(crop.to_canvas).mask((0, 0, *crop.canvas))
    return np.where(mask > 0, 255, 0).astype(np.uint8)


def _mask(segment: SegmentContext, sight: Sight, crop: Crop, picture: Image) -> Floats:
    """Alpha (height, width) on the canvas."""
    if segment.options.replace is ReplaceMode.HEAD:
        return sight.head.on(crop.to_canvas).mask((0, 0, *crop.canvas))
    return soft(picture[..., 3])


def soft(mask: Image) -> Floats:
    """A person's mask (height, width), 0 to 255, cut at the half, widened a little and faded: alpha, 0 to 1."""
    reach = max(2, round(SOFT * min(mask.shape)))
    hard = (mask > 127).astype(np.uint8)
    wide = cv2.dilate(hard, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
    alpha: Floats = cv2.GaussianBlur(wide.astype(np.float32), (0, 0), reach / 2)
    return alpha
