"""The protocol of a face engine: set up once, analyse a source once, swap each segment.

It fits an engine that works on frames, one that needs a file and a subprocess, and one on another machine.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ugclab.errors import Cancelled
from ugclab.media.frames import Frame
from ugclab.schema.base import Frozen
from ugclab.schema.engine import EngineInfo
from ugclab.schema.job import SwapOptions
from ugclab.schema.media import MediaInfo, TimeRange
from ugclab.settings import Settings
from ugclab.storage.artefacts import LOCAL_SCOPE

Image = NDArray[np.uint8]
"""A picture: uint8 RGB of shape (height, width, 3)."""


@dataclass(frozen=True, slots=True)
class Source:
    """Footage on a local disk, probed."""

    path: Path
    info: MediaInfo


class RangeFaces(Frozen):
    """What one analysed range shows of the face that will be swapped."""

    range: TimeRange
    frames: int
    frames_with_face: int
    face_ranges: tuple[TimeRange, ...] = ()
    """Where the face is found, in footage time: what `--plan faces` is made of."""
    warnings: tuple[str, ...] = ()


class Analysis(Frozen):
    """What an engine found out about the whole clip. Kept as an artefact: the engine's own data lies in `folder`."""

    schema_version: Literal[1] = 1
    engine: str
    engine_version: str
    ranges: tuple[RangeFaces, ...]
    warnings: tuple[str, ...] = ()
    folder: Path
    """The engine's own files; the pipeline may move the folder as a whole between analyse and swap."""


@dataclass(frozen=True, slots=True)
class Monitor:
    """How running work tells how far it is, and learns that it must stop."""

    report: Callable[[int, int], None] = lambda done, total: None
    """Called with (frames done, frames in all), as often as the engine likes."""
    cancelled: Callable[[], bool] = lambda: False

    def step(self, done: int, total: int) -> None:
        """Report, and raise Cancelled if the work is no longer wanted."""
        self.report(done, total)
        if self.cancelled():
            raise Cancelled("cancelled")


class Elsewhere(Frozen):
    """What another machine did for a segment, as it says itself: it goes into the measurement of the step."""

    engine: str
    """That ran there, and its versions; empty where it does not say."""
    engine_version: str = ""
    model_version: str = ""
    machine: str = "another machine"
    cost_usd: float = 0.0
    """Beside what this machine costs meanwhile."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SegmentContext:
    """All an engine may need to swap one segment."""

    source: Source
    range: TimeRange
    avatar: Image
    analysis: Analysis
    options: SwapOptions
    workspace: Path
    """An empty folder for this segment only, removed afterwards."""
    monitor: Monitor = Monitor()
    scope: str = LOCAL_SCOPE
    """The project's folder in a store: what an engine puts there for others goes with the project."""
    fresh: bool = False
    """Nothing that an earlier run has made is wanted."""
    tell: Callable[[Elsewhere], None] = lambda done: None
    """Called by an engine that has had the segment done on another machine, once, when it is done."""


@runtime_checkable
class FaceEngine(Protocol):
    """Puts the avatar's face into footage. Made without arguments by the registry; heavy imports happen in `setup`."""

    info: ClassVar[EngineInfo]

    def setup(self, weights: Path) -> None:
        """Load models from the folder of verified model files, once; they stay loaded for every segment and job.

        Raises EngineUnavailable or WeightsError with what to type.
        """

    def analyse(
        self,
        source: Source,
        ranges: Sequence[TimeRange],
        avatar: Image,
        options: SwapOptions,
        workspace: Path,
        monitor: Monitor,
    ) -> Analysis:
        """Look at the ranges before anything is swapped: which face, the clip's statistics, where it is missing.

        `workspace` is an existing empty folder for the engine's own files; it becomes `Analysis.folder`.
        Raises AvatarError, FaceAmbiguous. A range without the face is no error here: its count says so.
        """

    def swap(self, segment: SegmentContext, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield the frames of `segment.range` in order: same count, same pts, same size.

        A frame in which the face was changed has `swapped` set; one without a face is passed on as it is.
        """


class Lack(Frozen):
    """What an engine misses on this machine, and what to do about it."""

    reason: str
    hint: str
    passing: bool = False
    """It may be there a moment later: shown to who looks, but no reason to refuse a job."""


@runtime_checkable
class Furnished(Protocol):
    """An engine that an operator sets up: a checkout, a checkpoint, a GPU. The registry asks and tells it."""

    @classmethod
    def lacking(cls, settings: Settings) -> Lack | None:
        """What is missing for a run, looked for without importing anything heavy; None where nothing is."""

    @classmethod
    def ingredients(cls, settings: Settings) -> Mapping[str, str]:
        """What of the settings decides the bytes of a result: part of every artefact's key."""

    def furnish(self, settings: Settings) -> None:
        """Take the settings over, before `setup`."""
