"""The engine `wan-diffusers`: a resident pipeline, its streams from our own tracker, put back into the source."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from ugclab.engines.base import Analysis, Image, Lack, Monitor, SegmentContext, Source
from ugclab.engines.clips.composing import composed
from ugclab.engines.clips.crop import choose
from ugclab.engines.clips.looking import Lookout, check_one_shot, sights
from ugclab.engines.clips.reference import framed, scaled
from ugclab.engines.clips.timing import sample
from ugclab.engines.mesh.following import WEIGHTS
from ugclab.engines.wan_cli.place import AREAS, Place, lacking_checkpoint, lacking_gpu, lacking_scripts
from ugclab.engines.wan_diffusers.conditioning import streams
from ugclab.engines.wan_diffusers.loading import load
from ugclab.engines.wan_diffusers.official import official
from ugclab.engines.wan_diffusers.segment import generate
from ugclab.errors import EngineUnavailable
from ugclab.media.frames import Frame
from ugclab.schema.engine import EngineInfo, Licences
from ugclab.schema.job import ReplaceMode, SwapOptions
from ugclab.schema.media import TimeRange
from ugclab.settings import Settings
from ugclab.wan.diffusers_form import faults
from ugclab.wan.manifest import Use

PREPROCESSING: tuple[Use, ...] = ("preprocess", "replace")
"""What the official preprocessing needs of the official checkpoint, where it is used."""
FEW_STEPS = 10
"""Fewer without a distilled LoRA are undersampled (T17)."""


class WanDiffusers:
    """Wan2.2-Animate in this process, loaded once."""

    info: ClassVar[EngineInfo] = EngineInfo(
        name="wan-diffusers",
        version="1",
        model_version="Wan2.2-Animate-14B-Diffusers",
        summary="Wan2.2-Animate kept loaded: a new head, or a new person; needs a GPU of 24 GB or more.",
        replaces="head",
        replaceable=(ReplaceMode.HEAD, ReplaceMode.PERSON),
        licences=Licences(code="Apache-2.0", weights="Apache-2.0; a distilled LoRA has its own"),
        commercial_use="unknown",
        weights=WEIGHTS,
        extra="animate",
        vram_gb={"832x480": 44.0, "832x480, fp8": 27.0, "832x480, group offload": 13.3},
    )

    @classmethod
    def lacking(cls, settings: Settings) -> Lack | None:
        """What is missing here: the checkpoint, LoRAs, a GPU."""
        folder = settings.wan_diffusers_folder
        fault = next(faults(folder), None)
        if fault is not None:
            return Lack(
                reason=f"the checkpoint in diffusers' form is not whole in {folder}: {fault}",
                hint="ugclab models pull wan2.2-animate-diffusers fetches it (82 GB), or set UGCLAB_WAN_DIFFUSERS",
            )
        for path, way in (
            (settings.wan_relighting, "ugclab models pull wan2.2-animate fetches it, or set UGCLAB_WAN_RELIGHT=0"),
            (settings.wan_lora, "set UGCLAB_WAN_LORA to a file, or leave it empty: 20 steps"),
        ):
            if path is not None and not path.expanduser().is_file():
                return Lack(reason=f"the LoRA {path} is not there", hint=way)
        if settings.wan_repo and (lack := lacking_scripts(settings) or lacking_checkpoint(settings, PREPROCESSING)):
            return lack
        return None if settings.wan_cpu else lacking_gpu(settings)

    @classmethod
    def ingredients(cls, settings: Settings) -> Mapping[str, str]:
        """What decides the bytes; memory strategies do, too: fp8 rounds."""
        lora = settings.wan_lora
        return {
            "area": settings.wan_area,
            "rate": str(settings.wan_rate),
            "steps": str(settings.wan_steps),
            "relight": str(settings.wan_relight),
            "lora": f"{lora.name} {lora.stat().st_size}" if lora and lora.is_file() else "",
            "memory": settings.wan_memory,
            "streams": "official" if settings.wan_repo else "own",
        }

    def __init__(self) -> None:
        self._settings: Settings | None = None

    def furnish(self, settings: Settings) -> None:
        """Take the settings over."""
        self._settings = settings

    def setup(self, weights: Path) -> None:
        """Load tracker and pipeline; they stay."""
        if self._settings is None:
            raise EngineUnavailable(f"nobody furnished engine '{self.info.name}'", hint="make it by registry.make")
        if (lack := self.lacking(self._settings)) is not None:
            raise EngineUnavailable(f"engine '{self.info.name}': {lack.reason}", hint=lack.hint)
        try:
            self._resident = load(self._settings)
        except ImportError as error:
            raise EngineUnavailable(
                f"engine '{self.info.name}' needs {error.name}", hint="pip install 'ugclab[animate]'"
            ) from error
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
        """Follow the heads; refuse what our own streams cannot do, warn of settings that will not look good."""
        if options.replace is ReplaceMode.PERSON and not (self._settings and self._settings.wan_repo):
            raise EngineUnavailable(
                "our own tracker follows heads: whole persons need the official preprocessing",
                hint="set UGCLAB_WAN_REPO and UGCLAB_WAN_PYTHON, or use --replace head",
            )
        found = self._lookout.analyse(source, ranges, avatar, options, workspace, monitor, self.info)
        told = []
        if self._resident.steps < FEW_STEPS and "distilled" not in self._resident.merged:
            told.append(f"{self._resident.steps} steps without a step-distilled LoRA: the result is undersampled (T17)")
        return found.model_copy(update={"warnings": (*found.warnings, *told)})

    def swap(self, segment: SegmentContext, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Generate the segment's heads, and put them back into the frames."""
        settings = self._settings
        found = sights(segment)
        if settings is None or not found:
            yield from frames
            return
        check_one_shot(found)
        info = segment.source.info
        sampling = sample([sight.time for sight in found], settings.wan_rate)
        heads = np.stack([sight.head.box for sight in found])
        crop = choose(segment.options.replace, (info.width, info.height), heads, AREAS[settings.wan_area])
        shown = streams(segment, sampling, found, crop, self._resident.face_px)
        if settings.wan_repo:
            shown = official(Place.of(settings), segment, sampling, crop, shown)
        reference = scaled(framed(segment.avatar, crop.canvas), crop.canvas)
        seed, monitor = segment.options.seed, segment.monitor
        made = generate(self._resident, shown, reference, sampling, seed, settings.wan_area, monitor)
        yield from composed(segment, frames, found, sampling, crop, made)


ENGINES = (WanDiffusers,)
