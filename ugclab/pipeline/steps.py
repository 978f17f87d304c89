"""The steps of a job, each a function of its own: what it needs comes in, an artefact and its cost come out."""

import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ugclab.engines import registry
from ugclab.engines.base import Analysis, Elsewhere, FaceEngine, Furnished, Monitor, SegmentContext, Source
from ugclab.engines.registry import Engine
from ugclab.errors import Cancelled, EngineError, InputError
from ugclab.media.bridges import read_segment
from ugclab.media.encode import EncodedSegment, encode_segment
from ugclab.media.frames import Frame, read_frames, stage
from ugclab.media.images import frame_rgb, read_image
from ugclab.media.modes import StitchPlan
from ugclab.media.pieces import snap
from ugclab.media.probe import probe
from ugclab.media.stitch import DISCLOSURE
from ugclab.media.watermark import watermark
from ugclab.pipeline import plan as plans
from ugclab.pipeline.contact_sheet import MOST_ROWS, Moment, columns_for, contact_sheet, moments_of
from ugclab.pipeline.instants import frame_at as frame_at
from ugclab.pipeline.instants import just_after
from ugclab.pipeline.measure import Cost, measured
from ugclab.pipeline.plan import Ingredients, SwapRequest, analysis_key, check_share, segment_key
from ugclab.pipeline.relay import Relay
from ugclab.schema.engine import EngineInfo
from ugclab.schema.media import MediaInfo, TimeRange
from ugclab.schema.plan import Segment, SegmentPlan
from ugclab.schema.report import Measurement
from ugclab.settings import Settings
from ugclab.storage.artefacts import LOCAL_SCOPE, Artefact, Artefacts
from ugclab.storage.local import LocalStore
from ugclab.storage.store import Store, file_sha256
from ugclab.weights import hub
from ugclab.weights.catalog import CATALOG


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: a step, its segment if it has one, and frames (or bytes) done of all."""

    step: str
    segment: int | None
    done: int
    total: int


@dataclass(slots=True)
class Workshop:
    """What the steps of one job share: where artefacts go, who listens, what was measured and warned of."""

    settings: Settings
    artefacts: Artefacts
    kind: Engine
    on_progress: Callable[[Progress], None]
    cancelled: Callable[[], bool]
    fresh: bool = False
    measurements: list[Measurement] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    loaded: FaceEngine | None = None

    @property
    def info(self) -> EngineInfo:
        """The engine's card."""
        return self.kind.info

    def monitor(self, step: str, segment: int | None = None) -> Monitor:
        """What an engine tells and asks while it works on a step."""
        return Monitor(lambda done, total: self.on_progress(Progress(step, segment, done, total)), self.cancelled)

    def check(self) -> None:
        """Raise Cancelled if the job is no longer wanted."""
        if self.cancelled():
            raise Cancelled("cancelled")

    @contextmanager
    def step(self, name: str, segment: int | None = None, *, engine: bool = False) -> Iterator[Cost]:
        """Announce a step, measure it, and note the measurement if it succeeds."""
        self.check()
        self.on_progress(Progress(name, segment, 0, 0))
        with measured() as cost:
            yield cost
        self.measurements.append(
            cost.measurement(
                name,
                segment=segment,
                engine=self.info if engine else None,
                usd_per_hour=self.settings.usd_per_hour,
            )
        )

    def find(self, kind: str, key: str) -> Artefact | None:
        """An earlier run's artefact, unless the job asked for fresh ones."""
        return None if self.fresh else self.artefacts.find(kind, key)

    def warn(self, message: str) -> None:
        """Note a warning once."""
        if message not in self.warnings:
            self.warnings.append(message)

    def engine(self) -> FaceEngine:
        """The engine, its model files fetched and loaded on first use: a job that reuses everything never waits."""
        if self.loaded is None:
            with self.step("setup", engine=True):
                self._fetch_weights()
                engine = registry.make(self.kind, self.settings)
                engine.setup(self.settings.weights_dir)
            self.loaded = engine
        return self.loaded

    def _fetch_weights(self) -> None:
        def report(name: str, done: int, total: int) -> None:
            self.check()
            self.on_progress(Progress("fetch", None, done, total))

        hub.ensure(
            self.info.weights,
            self.settings.weights_dir,
            offline=self.settings.offline,
            mirror=self.settings.weights_mirror,
            on_progress=report,
            on_warning=self.warn,
        )


@contextmanager
def open_workshop(
    name: str,
    settings: Settings,
    on_progress: Callable[[Progress], None],
    cancelled: Callable[[], bool],
    *,
    fresh: bool = False,
    engine: FaceEngine | None = None,
    scope: str = LOCAL_SCOPE,
    mirror: Store | None = None,
) -> Iterator[Workshop]:
    """Find the engine, refuse it if it cannot run here, and open the project's artefacts. Raises EngineError."""
    kind = type(engine) if engine is not None else registry.find(name)
    if kind.info.name != name:
        raise InputError(f"engine '{kind.info.name}' was passed where '{name}' is asked for")
    registry.require(kind, settings)
    with Artefacts(LocalStore(settings.artefacts_dir), settings.artefact_cap_mb, scope, mirror=mirror) as artefacts:
        yield Workshop(settings, artefacts, kind, on_progress, cancelled, fresh, loaded=engine)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What was given, looked at: nothing of it changes during the job."""

    source: Source
    avatar: NDArray[np.uint8]
    ingredients: Ingredients


def read_inputs(workshop: Workshop, request: SwapRequest) -> Inputs:
    """Probe the source, read the avatar, hash both. Raises MediaError, AvatarError."""
    plans.check_replace(workshop.info, request.options)
    with workshop.step("probe") as cost:
        info = probe(request.source)
        avatar = read_image(request.avatar)
        photo = request.options.face.photo
        ingredients = Ingredients(
            source_sha256=file_sha256(request.source),
            avatar_sha256=file_sha256(request.avatar),
            photo_sha256=hashed_photo(photo) if photo else "",
            engine=workshop.info,
            weights={name: CATALOG[name].sha256 for name in workshop.info.weights},
            options=request.options,
            furnished=kind.ingredients(workshop.settings) if issubclass(kind := workshop.kind, Furnished) else {},
        )
        cost.frames = info.frames
    return Inputs(Source(request.source, info), avatar, ingredients)


def hashed_photo(photo: str) -> str:
    """Hash of the picture behind `--face like:PHOTO`. Raises AvatarError where it is none."""
    read_image(Path(photo))
    return file_sha256(Path(photo))


def analyse(workshop: Workshop, inputs: Inputs, ranges: Sequence[TimeRange]) -> tuple[Analysis, str]:
    """Have the engine look at the ranges, or take up an earlier analysis; returns it with its key."""
    key = analysis_key(inputs.ingredients, ranges)
    artefact = workshop.find("analysis", key)
    if artefact is None:
        workshop.engine()  # set up before this step's clock starts
    with workshop.step("analyse", engine=True) as cost:
        cost.reused = artefact is not None
        if artefact is None:
            engine = workshop.engine()
            work = workshop.artefacts.workspace()
            (work / "engine").mkdir()
            made = engine.analyse(
                inputs.source,
                ranges,
                inputs.avatar,
                inputs.ingredients.options,
                work / "engine",
                workshop.monitor("analyse"),
            )
            result = made.model_dump(mode="json", exclude={"folder"})
            artefact = workshop.artefacts.keep("analysis", key, work, result, replace=workshop.fresh)
        analysis = Analysis.model_validate({**artefact.result, "folder": artefact.folder / "engine"})
        cost.media_s = sum((r.duration for r in ranges), Fraction(0))
        cost.frames = sum(r.frames for r in analysis.ranges)
    for warning in (*analysis.warnings, *(w for r in analysis.ranges for w in r.warnings)):
        workshop.warn(warning)
    return analysis, key


def swap_segment(
    workshop: Workshop, inputs: Inputs, analysis: Analysis, analysed: str, segment: Segment, stitch_plan: StitchPlan
) -> tuple[EncodedSegment, bool]:
    """Decode, swap and encode one segment as three overlapped stages, or take up an earlier run's file.

    Returns the segment and whether it was reused. Raises FaceNotFound where too few frames were swapped after all.
    """
    key = segment_key(inputs.ingredients, analysed, segment, stitch_plan.target)
    artefact = workshop.find("segment", key)
    if artefact is None:
        workshop.engine()  # set up before this step's clock starts
    with workshop.step("swap", segment.index, engine=True) as cost:
        cost.reused = artefact is not None
        if artefact is None:
            work = workshop.artefacts.workspace()
            told: list[Elsewhere] = []
            made = _swapped(workshop, inputs, analysis, segment, stitch_plan, work / "segment.mp4", told.append)
            result: dict[str, Any] = {"frames": made.frames, "swapped_frames": made.swapped_frames}
            if told:
                result["elsewhere"] = told[-1].model_dump(mode="json")
            artefact = workshop.artefacts.keep("segment", key, work, result, replace=workshop.fresh)
        path = artefact.folder / "segment.mp4"
        kept = dict(artefact.result)
        if "elsewhere" in kept:
            done = Elsewhere.model_validate(kept.pop("elsewhere"))
            # Who did it stays known; paid is it once.
            cost.elsewhere = done.model_copy(update={"cost_usd": 0.0}) if cost.reused else done
            for warning in done.warnings:
                workshop.warn(warning)
        encoded = EncodedSegment(path=path, size_bytes=path.stat().st_size, **kept)
        cost.media_s, cost.frames, cost.swapped_frames = segment.range.duration, encoded.frames, encoded.swapped_frames
    check_share(segment, encoded.swapped_frames / encoded.frames, inputs.ingredients.options.min_swapped)
    return encoded, cost.reused


def _swapped(
    workshop: Workshop,
    inputs: Inputs,
    analysis: Analysis,
    segment: Segment,
    stitch_plan: StitchPlan,
    path: Path,
    tell: Callable[[Elsewhere], None],
) -> EncodedSegment:
    """Run the three stages."""
    engine = workshop.engine()
    options, source = inputs.ingredients.options, inputs.source
    total = frames_of(stitch_plan, segment.index)
    scratch = workshop.artefacts.workspace()
    monitor = workshop.monitor("swap", segment.index)
    relay = Relay(monitor.report)
    context = SegmentContext(
        source=source,
        range=segment.range,
        avatar=inputs.avatar,
        analysis=analysis,
        options=options,
        workspace=scratch,
        monitor=Monitor(relay.engine, workshop.cancelled),
        scope=workshop.artefacts.scope,
        fresh=workshop.fresh,
        tell=tell,
    )
    decoded = stage(read_segment(stitch_plan, segment.index, path.parent, workshop.cancelled), name="decode")
    with closing(cast(Generator[Frame], decoded)):
        swapped = stage(watermark(engine.swap(context, decoded), options.watermark), name="swap")
        with closing(cast(Generator[Frame], swapped)):
            encoded = encode_segment(
                swapped,
                stitch_plan.target,
                path,
                total=total,
                report=relay.encoder,
                cancelled=workshop.cancelled,
            )
    shutil.rmtree(scratch, ignore_errors=True)
    if encoded.frames != total:
        raise EngineError(
            f"engine '{engine.info.name}' returned {encoded.frames} frames for the {total} of segment {segment.index}",
            hint="report it to the engine's author: every frame must come back",
        )
    return encoded


def frames_of(stitch_plan: StitchPlan, segment: int) -> int:
    """How many frames a swapped segment has."""
    return sum(p.frames for p in stitch_plan.pieces if p.kind == "segment" and p.segment == segment)


def frames_by_segment(stitch_plan: StitchPlan, plan: SegmentPlan) -> dict[int, int]:
    """Frames of every segment, kept ones too."""
    ranges = snap(plan, stitch_plan.index.times, stitch_plan.index.time_base)
    return {r.segment: r.end - r.first for r in ranges}


def draw_sheet(
    source: Path, output: Path, info: MediaInfo, plan: SegmentPlan, facts: Sequence[str]
) -> NDArray[np.uint8]:
    """The contact sheet of a finished video, uint8 RGB: the same instants of source and output."""
    result = probe(output)
    rows = []
    for segment in plan.swaps:
        times = moments_of(segment, columns_for(info.width, info.height))
        pairs = zip(times, pictures_at(source, info, times), pictures_at(output, result, times), strict=True)
        rows.append((segment, [Moment(t, a, b[: a.shape[0], : a.shape[1]]) for t, a, b in pairs]))
        if len(rows) == MOST_ROWS:
            break
    return contact_sheet(output.name, facts, DISCLOSURE, plan, rows)


def pictures_at(path: Path, info: MediaInfo, times: Sequence[Fraction]) -> list[NDArray[np.uint8]]:
    """The pictures shown at rising `times`, uint8 RGB; HDR is tone-mapped, since this is for looking at.

    One pass where the times are close together, else a seek for each: whichever decodes fewer frames.
    """
    tone_map = info.colour.hdr
    if times[-1] - times[0] > len(times) * info.gop.longest_s:
        return [frame_rgb(frame_at(path, info, time, tone_map=tone_map)) for time in times]
    last = frame_at(path, info, times[0], tone_map=tone_map)
    part = TimeRange(start=last.time, end=just_after(times[-1], info))
    pictures: list[NDArray[np.uint8]] = []
    for frame in read_frames(path, info, part, tone_map=tone_map):
        while frame.time > times[len(pictures)]:
            pictures.append(frame_rgb(last))
        last = frame
    return pictures + [frame_rgb(last)] * (len(times) - len(pictures))
