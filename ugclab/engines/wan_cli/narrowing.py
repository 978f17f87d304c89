"""The preprocessing's mask is the whole person; where only the head is replaced, its two streams are written anew.

The model is then given the source's own body as background and draws a head onto it: neck and collar go on where they
were, instead of somebody else's clothes being drawn and cut away. Pose and face stay as the preprocessing made them.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ugclab.engines.base import Image
from ugclab.engines.clips.composing import drawn
from ugclab.engines.clips.crop import Crop
from ugclab.engines.clips.files import read_canvases, write_canvases
from ugclab.engines.clips.looking import Sight
from ugclab.engines.clips.timing import Sampling
from ugclab.engines.wan_cli.commands import BACKGROUND, MASK, RATE, Files
from ugclab.errors import EngineError


def narrow_to_heads(files: Files, crop: Crop, sampling: Sampling, found: Sequence[Sight]) -> None:
    """Write mask and background for the heads. Raises EngineError where the preprocessing left no streams."""
    at_time = {sight.time: sight for sight in found}
    masks = [drawn(at_time[time], crop) for time in dict.fromkeys(sampling.times)]
    order = {time: number for number, time in enumerate(dict.fromkeys(sampling.times))}

    def shown() -> Iterator[Image]:
        for time in sampling.times:
            yield np.repeat(masks[order[time]][..., None], 3, axis=2)

    def behind() -> Iterator[Image]:
        for picture, mask in zip(read_canvases(files.video, crop.canvas), shown(), strict=True):
            yield np.where(mask > 0, 0, picture).astype(np.uint8)

    for name, pictures in ((MASK, shown()), (BACKGROUND, behind())):
        target = files.streams / name
        if not target.is_file():
            raise EngineError(f"preprocess_data.py ended with exit code 0 and wrote no {name}", hint=_log(files))
        part = target.with_name(f"head-{name}")
        write_canvases(part, pictures, crop.canvas, RATE)
        part.replace(target)


def _log(files: Files) -> str:
    path: Path = files.log("preprocess")
    return f"look at what it said: {path.read_text(errors='replace')[-600:]}" if path.exists() else ""
