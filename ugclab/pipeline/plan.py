"""From a request to its steps, and the key under which each step's result is kept. Pure: no file is opened here."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from pydantic import Field, ValidationError

from ugclab.engines.base import Analysis
from ugclab.errors import FaceNotFound, InputError, PlanError
from ugclab.media.encode import EncodeTarget
from ugclab.schema.base import Frozen
from ugclab.schema.engine import EngineInfo
from ugclab.schema.job import SwapOptions
from ugclab.schema.media import MediaInfo, TimeRange
from ugclab.schema.plan import FACES, FITTED, Segment, SegmentPlan
from ugclab.storage.artefacts import canonical_key

PIPELINE_VERSION = 1
"""Part of every key: raised when the pipeline itself makes other bytes of the same ingredients."""

DEFAULT_ENGINE = "mesh"


class SwapRequest(Frozen):
    """What is asked for: files on a local disk, a plan, an engine, and everything that changes the result."""

    source: Path
    avatar: Path
    out: Path
    plan: str = FITTED
    engine: str = DEFAULT_ENGINE
    options: SwapOptions = SwapOptions()
    fresh: bool = Field(False, description="take nothing up from earlier runs")
    contact_sheet: Path | None = Field(None, description="where the before/after sheet goes; none if not set")


def checked_options(**values: object) -> SwapOptions:
    """Make options of what a person wrote. Raises InputError, which names the first that is not allowed."""
    try:
        return SwapOptions.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        message = f"{name}={first['input']!r} is not allowed: {first['msg']}"
        raise InputError(message, hint="see ugclab swap --help") from error


def check_replace(engine: EngineInfo, options: SwapOptions) -> None:
    """Raise InputError where an engine cannot replace what is asked for: what ran is what was asked for."""
    if options.replace is not SwapOptions().replace and options.replace not in engine.replaceable:
        raise InputError(
            f"engine '{engine.name}' cannot replace a {options.replace.value}: it replaces the {engine.replaces}",
            hint="leave --replace out, or use an engine that can: ugclab engines",
        )


class Ingredients(Frozen):
    """What decides the bytes of every step, beside its own range and settings."""

    source_sha256: str
    avatar_sha256: str
    photo_sha256: str = Field("", description="of the picture behind --face like:PHOTO")
    engine: EngineInfo
    weights: Mapping[str, str] = Field({}, description="sha256 of each model file, by name")
    options: SwapOptions
    furnished: Mapping[str, str] = Field({}, description="of the operator's settings, what the engine says decides")

    def key(self, step: str, **parts: object) -> str:
        """Hash these and the step's own parts; what does not change a byte (min_swapped, a path) stays out."""
        options = self.options.model_dump(mode="json", exclude={"min_swapped"})
        if not self.engine.replaceable:
            del options["replace"]
        if self.furnished:
            parts["furnished"] = dict(self.furnished)
        options["face"] = {"kind": self.options.face.kind, "index": self.options.face.index}
        return canonical_key(
            {
                "pipeline_version": PIPELINE_VERSION,
                "step": step,
                "source": self.source_sha256,
                "avatar": self.avatar_sha256,
                "photo": self.photo_sha256,
                "engine": [self.engine.name, self.engine.version, self.engine.model_version],
                "weights": dict(self.weights),
                "options": options,
                **parts,
            }
        )


def analysis_key(ingredients: Ingredients, ranges: Sequence[TimeRange]) -> str:
    """The key of an analysis."""
    return ingredients.key("analyse", ranges=[r.model_dump(mode="json") for r in ranges])


def segment_key(ingredients: Ingredients, analysis: str, segment: Segment, target: EncodeTarget) -> str:
    """The key of a swapped, encoded segment; `analysis` is the key of what it was swapped by."""
    return ingredients.key(
        "swap",
        analysis=analysis,
        range=segment.range.model_dump(mode="json"),
        target=target.model_dump(mode="json"),
    )


def fixed_plan(text: str, info: MediaInfo) -> SegmentPlan | None:
    """The plan, or None where it is made from what the engine will find. Raises PlanError."""
    if text.strip().lower() == FACES:
        return None
    plan = SegmentPlan.parse(text, info.duration, info.frame_rate)
    if not plan.swaps:
        raise PlanError("the plan swaps nothing", hint="give at least one segment ':swap', as in 0-5:swap")
    return plan


def ranges_to_analyse(plan: SegmentPlan | None, info: MediaInfo) -> tuple[TimeRange, ...]:
    """What the engine looks at: the swap segments, or everything where they are not known yet."""
    if plan is None:
        return (TimeRange(start=Fraction(0), end=info.duration),)
    return tuple(segment.range for segment in plan.swaps)


def plan_of_faces(analysis: Analysis, info: MediaInfo) -> SegmentPlan:
    """The plan 'faces'. Raises FaceNotFound where no face stays long enough."""
    found = [part for ranges in analysis.ranges for part in ranges.face_ranges]
    plan = SegmentPlan.from_faces(found, info.duration, info.frame_rate)
    if plan is None:
        raise FaceNotFound(
            f"no face is found anywhere in the {float(info.duration):.2f} s of footage",
            hint="see whether a face is large and clear enough: ugclab preview",
        )
    return plan


def coverage(analysis: Analysis, segment: Segment) -> float:
    """Share of a segment that shows the face: of its frames where it was analysed as such, of its time otherwise."""
    for part in analysis.ranges:
        if part.range == segment.range:
            return part.frames_with_face / part.frames if part.frames else 0.0
    start, end = segment.range.start, segment.range.end
    shown = sum(
        max(Fraction(0), min(end, face.end) - max(start, face.start))
        for part in analysis.ranges
        for face in part.face_ranges
    )
    return float(shown / segment.range.duration)


def check_coverage(plan: SegmentPlan, analysis: Analysis, min_swapped: float) -> None:
    """Raise FaceNotFound, before anything is swapped, for the first segment that shows the face too rarely."""
    for segment in plan.swaps:
        check_share(segment, coverage(analysis, segment), min_swapped)


def check_share(segment: Segment, share: float, min_swapped: float) -> None:
    """Raise FaceNotFound unless so large a share of a segment is swapped, or can be."""
    if share == 0 or share < min_swapped:
        seen = f"in only {share:.0%} of its frames" if share else "nowhere"
        raise FaceNotFound(
            f"segment {segment.index} ({segment.range}) shows the face {seen}, {min_swapped:.0%} are asked for",
            hint="choose other times (the plan 'faces' finds them), another face, or a lower --min-swapped",
            segment=segment.index,
        )
