"""The engine `inswapper`: the mesh's tracking finds the face, InsightFace's network draws the avatar's in its place."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from ugclab.engines.base import Analysis, Image, Monitor, SegmentContext, Source
from ugclab.engines.inswapper.graph import read_emap
from ugclab.engines.inswapper.identity import LATENT, RECOGNISED_PX, Identity, recognise
from ugclab.engines.inswapper.painter import SIDE, Painter
from ugclab.engines.inswapper.runtime import Device, Network, choose, visible_gpus
from ugclab.engines.mesh import following
from ugclab.engines.mesh.avatar import find_face
from ugclab.engines.mesh.role import Role, perform
from ugclab.engines.mesh.spectacles import Spectacles
from ugclab.media.frames import Frame
from ugclab.schema.engine import EngineInfo, Licences
from ugclab.schema.job import SwapOptions
from ugclab.schema.media import TimeRange

RECOGNITION = "insightface/w600k_r50.onnx"
SWAPPER = "insightface/inswapper_128.onnx"
WHO = "identity.npy"


class InSwapper:
    """Draws the avatar's face by a network, 128 px wide; on a GPU where there is one, else on the CPU."""

    info: ClassVar[EngineInfo] = EngineInfo(
        name="inswapper",
        version="2",
        model_version="inswapper_128, w600k_r50",
        summary="InsightFace's swapping network, 128 px, painted into the face; CPU or CUDA; for research only.",
        replaces="face",
        licences=Licences(
            code="Apache-2.0",
            weights="InsightFace: non-commercial research only; MediaPipe: Apache-2.0",
        ),
        commercial_use="no",
        weights=(*following.WEIGHTS, RECOGNITION, SWAPPER),
        extra="inswapper",
    )

    def __init__(self, device: Device = "auto", gpus: Callable[[], int] = visible_gpus) -> None:
        """`auto` is the GPU where there is one; it is then an error, not a slow run, if it cannot be used."""
        self._device: Device = device
        self._gpus = gpus

    def setup(self, weights: Path) -> None:
        """Load the models from the folder of model files. Raises EngineUnavailable, WeightsError."""
        provider = choose(self._device, self._gpus)
        self._emap = read_emap(weights / SWAPPER, LATENT)
        crop = (1, 3, SIDE, SIDE)
        self._swapper = Network(weights / SWAPPER, (crop, (1, LATENT)), crop, provider)
        seen = (1, 3, RECOGNISED_PX, RECOGNISED_PX)
        self._recognition = Network(weights / RECOGNITION, (seen,), (1, LATENT), provider)
        self._follower = following.Follower(weights)

    def analyse(
        self,
        source: Source,
        ranges: Sequence[TimeRange],
        avatar: Image,
        options: SwapOptions,
        workspace: Path,
        monitor: Monitor,
    ) -> Analysis:
        """Recognise the avatar, follow all faces through the ranges and choose whom to swap."""
        points, told = find_face(avatar, self._follower.detector, self._follower.landmarker)
        recognise(avatar, points, self._recognition).save(workspace / WHO)
        return self._follower.analyse(source, ranges, options, workspace, monitor, self.info, told)

    def swap(self, segment: SegmentContext, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Draw the avatar on every chosen face of the segment."""
        folder = segment.analysis.folder
        latent = Identity.load(folder / WHO).latent(self._emap)
        roles = []
        for part in following.chosen(folder):
            worn = None if part.eyewear is None else Spectacles(part.eyewear, part.rest)
            roles.append(Role(part, Painter(self._swapper, latent, worn), segment))
        return perform(roles, segment, frames)


ENGINES = (InSwapper,)
