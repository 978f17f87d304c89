"""The engine `wan-cli`: what the official scripts can do, in the pipeline, composited back into the source."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from ugclab.engines.base import Analysis, Image, Lack, Monitor, SegmentContext, Source
from ugclab.engines.clips.composing import composed
from ugclab.engines.clips.crop import choose
from ugclab.engines.clips.files import write_canvases
from ugclab.engines.clips.looking import Lookout, canvases, check_one_shot, sights
from ugclab.engines.clips.reference import framed
from ugclab.engines.clips.timing import sample
from ugclab.engines.mesh.following import WEIGHTS
from ugclab.engines.wan_cli import place as places
from ugclab.engines.wan_cli.commands import RATE, Files, check, commands, made, run
from ugclab.engines.wan_cli.narrowing import narrow_to_heads
from ugclab.engines.wan_cli.place import Place
from ugclab.errors import EngineUnavailable
from ugclab.media.frames import Frame
from ugclab.media.images import encode_png
from ugclab.schema.engine import EngineInfo, Licences
from ugclab.schema.job import ReplaceMode, SwapOptions
from ugclab.schema.media import TimeRange
from ugclab.settings import Settings
from ugclab.wan.manifest import REPLACEMENT, manifest

LICENCES = Licences(
    code="Apache-2.0", weights="Apache-2.0; its preprocessing: yolov10 AGPL-3.0, ViTPose and SAM 2 Apache-2.0"
)
"""As their publishers state them."""


class WanCli:
    """Wan2.2-Animate by its own commands: 54 GB are loaded for every segment."""

    info: ClassVar[EngineInfo] = EngineInfo(
        name="wan-cli",
        version="1",
        model_version=f"Wan2.2-Animate-14B {manifest().revision[:8]}",
        summary="Wan2.2-Animate by its official commands: a new head, or a new person; needs a GPU of 48 GB or more.",
        replaces="head",
        replaceable=(ReplaceMode.HEAD, ReplaceMode.PERSON),
        licences=LICENCES,
        commercial_use="unknown",
        weights=WEIGHTS,
        vram_gb={"512x512": 45.0, "832x480": 49.0, "1280x720": 60.0},
    )

    @classmethod
    def lacking(cls, settings: Settings) -> Lack | None:
        """What is missing here: scripts, their Python, the checkpoint, a GPU."""
        return (
            places.lacking_scripts(settings)
            or places.lacking_checkpoint(settings, REPLACEMENT)
            or places.lacking_gpu(settings)
        )

    @classmethod
    def ingredients(cls, settings: Settings) -> Mapping[str, str]:
        """What decides the bytes, but for the checkpoint: its revision is the model's version."""
        return {
            "area": settings.wan_area,
            "rate": str(settings.wan_rate),
            "steps": str(settings.wan_steps),
            "relight": str(settings.wan_relight),
        }

    def __init__(self) -> None:
        self._settings: Settings | None = None

    def furnish(self, settings: Settings) -> None:
        """Take the settings over."""
        self._settings = settings

    def setup(self, weights: Path) -> None:
        """Load what looks at the footage; the models themselves are loaded by the scripts, for every segment."""
        settings = self._settings
        lack = self.lacking(settings) if settings else Lack(reason="nobody furnished the engine", hint="registry.make")
        if settings is None or lack is not None:
            assert lack is not None  # noqa: S101 one of both holds
            raise EngineUnavailable(f"engine '{self.info.name}': {lack.reason}", hint=lack.hint)
        self._place = Place.of(settings)
        self._lookout = Lookout(weights)

    def analyse(
        self,
        source: Source,
        ranges: Sequence[TimeRange],
        avatar: Image,
        options: SwapOptions,
        workspace: Path,
        monitor: Monitor,
    ) -> Analysis:
        """Follow the heads, and check the commands that will be run, before any of them is."""
        found = self._lookout.analyse(source, ranges, avatar, options, workspace, monitor, self.info)
        # As for a picture of the area's own shape: what a segment's crop changes is its shape alone.
        sampling = sample([part.start for part in ranges], 0)
        pair = commands(self._place, Files(workspace), self._place.area, sampling, options.seed, look=False)
        warned = check(self._place, pair.preprocess, pair.generate)
        return found.model_copy(update={"warnings": (*found.warnings, *dict.fromkeys(warned))})

    def swap(self, segment: SegmentContext, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Write what the scripts read, run both, and put what they made back into the frames."""
        found = sights(segment)
        if not found:
            yield from frames
            return
        check_one_shot(found)
        info, mode = segment.source.info, segment.options.replace
        sampling = sample([sight.time for sight in found], self._place.rate)
        heads = np.stack([sight.head.box for sight in found])
        crop = choose(mode, (info.width, info.height), heads, self._place.area)
        files = Files(segment.workspace)
        write_canvases(files.video, canvases(segment, sampling.times, crop.see), crop.canvas, RATE)
        files.avatar.write_bytes(encode_png(framed(segment.avatar, crop.canvas)))
        pair = commands(self._place, files, crop.canvas, sampling, segment.options.seed)

        def narrow() -> None:
            if mode is ReplaceMode.HEAD:
                narrow_to_heads(files, crop, sampling, found)

        run(self._place, files, pair, sampling, segment.monitor, narrow)
        yield from composed(segment, frames, found, sampling, crop, made(files, crop.canvas, sampling))


ENGINES = (WanCli,)
