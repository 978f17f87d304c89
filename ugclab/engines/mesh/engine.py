"""The engine `mesh`: analyse follows every face once, swap wears the avatar on what was followed."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from ugclab.engines.base import Analysis, Image, Monitor, SegmentContext, Source
from ugclab.engines.mesh.avatar import Avatar, prepare
from ugclab.engines.mesh.following import WEIGHTS, Follower, chosen
from ugclab.engines.mesh.role import Role, perform, wearer
from ugclab.media.frames import Frame
from ugclab.schema.engine import EngineInfo, Licences
from ugclab.schema.job import SwapOptions
from ugclab.schema.media import TimeRange

WORN = "avatar.npz"


class MeshSwap:
    """Puts a face on by its mesh; real time on a CPU, no neural network draws a pixel."""

    info: ClassVar[EngineInfo] = EngineInfo(
        name="mesh",
        version="5",
        model_version="mediapipe face_landmark 468",
        summary="A 3-D face mesh of the avatar, warped onto the footage and lit by it; runs on any CPU.",
        replaces="face",
        licences=Licences(code="Apache-2.0", weights="Apache-2.0"),
        commercial_use="yes",
        weights=WEIGHTS,
    )

    def setup(self, weights: Path) -> None:
        """Load the models from the folder of model files."""
        self._follower = Follower(weights)

    def analyse(
        self,
        source: Source,
        ranges: Sequence[TimeRange],
        avatar: Image,
        options: SwapOptions,
        workspace: Path,
        monitor: Monitor,
    ) -> Analysis:
        """Follow all faces through the ranges and choose whom to swap."""
        worn = prepare(avatar, self._follower.detector, self._follower.landmarker)
        worn.save(workspace / WORN)
        return self._follower.analyse(source, ranges, options, workspace, monitor, self.info, worn.warnings)

    def swap(self, segment: SegmentContext, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Wear the avatar on every chosen face of the segment."""
        folder = segment.analysis.folder
        worn = Avatar.load(folder / WORN)
        parts = list(chosen(folder))
        return perform([Role(part, wearer(worn, part), segment) for part in parts], segment, frames)


ENGINES = (MeshSwap,)
