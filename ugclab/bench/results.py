"""What a benchmark measured: one document, its medians, and its forms as JSON, CSV and Markdown."""

import csv
import io
import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from ugclab.bench.gpu import Gpu
from ugclab.bench.scenarios import Scenario
from ugclab.errors import InputError
from ugclab.schema.base import Frozen, Rational, first_fault
from ugclab.schema.engine import EngineInfo
from ugclab.schema.report import Environment

SCHEMA_VERSION = 1
START = "start"
"""The stage that is left: starting Python and importing where cold, what lies between the steps where warm."""

Route = Literal["ugclab", "transcode", "images"]


class Stage(Frozen):
    """One step of one trial. Seconds, MB of 2**20 bytes."""

    step: str
    segment: int | None = None
    wall_s: float
    cpu_s: float
    peak_rss_mb: float = 0.0
    peak_vram_mb: float = Field(0.0, description="in use on a GPU by all processes")
    gpu_percent: float | None = None
    media_s: Rational = Field(default=0, validate_default=True)
    frames: int = 0

    @property
    def frames_per_s(self) -> float | None:
        """Frames a wall second; None where the step has none."""
        return self.frames / self.wall_s if self.frames and self.wall_s else None

    @property
    def rtf(self) -> float | None:
        """Wall seconds a second of media; None where the step covers none."""
        return self.wall_s / float(self.media_s) if self.media_s else None


class Trial(Frozen):
    """One way through one scenario, once."""

    scenario: str
    route: Route = Field(description="our pipeline; FFmpeg's plain transcode, the floor; or pictures, frame by frame")
    start: Literal["cold", "warm"] = Field(description="a fresh process and data folder, or an engine that is loaded")
    engine: str = ""
    round: int = Field(description="trials of one round ran next to each other: the machine was alike")
    wall_s: float
    cpu_s: float
    peak_rss_mb: float
    peak_vram_mb: float = 0.0
    gpu_percent: float | None = None
    frames: int = Field(description="of the whole footage")
    media_s: Rational
    swapped_segments: int
    swapped_frames: int = 0
    stages: tuple[Stage, ...] = ()


class Machine(Frozen):
    """Where it ran."""

    environment: Environment
    gpus: tuple[Gpu, ...] = ()
    ffmpeg: str = ""
    load: float = Field(0.0, description="of the machine before the first trial, runnable processes")

    def __str__(self) -> str:
        gpus = f", {len(self.gpus)} x {self.gpus[0].name} (driver {self.gpus[0].driver})" if self.gpus else ", no GPU"
        here = self.environment
        return f"{here.cpu}, {here.cores} cores, {here.memory_mb / 1024:.0f} GB{gpus}, Python {here.python}"


class Benchmark(Frozen):
    """Everything one call of `ugclab bench run` measured."""

    schema_version: Literal[1] = 1
    created_at: str = Field(description="ISO 8601, UTC")
    ugclab_version: str
    commit: str = Field("", description="of the checkout; with + where files differ from it; empty for a wheel")
    usd_per_hour: float = Field(description="price of the machine, from the settings")
    machine: Machine
    engine: EngineInfo
    scenarios: tuple[Scenario, ...] = ()
    trials: tuple[Trial, ...] = ()


class Spread(Frozen):
    """Repeats of one figure."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Median, smallest and largest of at least one value."""
        listed = sorted(values)
        return cls(median=statistics.median(listed), low=listed[0], high=listed[-1])

    @property
    def percent(self) -> float:
        """Distance of the farther end from the median, of the median."""
        return max(self.high - self.median, self.median - self.low) / self.median * 100 if self.median else 0.0


class Summary(Frozen):
    """The repeats of one route through one scenario."""

    scenario: str
    route: Route
    start: Literal["cold", "warm"]
    repeats: int
    wall_s: Spread
    cpu_s: Spread
    peak_rss_mb: Spread
    peak_vram_mb: float
    gpu_percent: float | None
    frames_per_s: float
    rtf: float
    segments: int = Field(description="that the scenario swaps, on whichever road")
    usd_per_hour: float
    stages: dict[str, Spread] = Field(description="wall seconds by step, over all segments")

    @property
    def label(self) -> str:
        """How it is called in tables and charts."""
        return {"ugclab": f"ugclab, {self.start}", "transcode": "plain transcode", "images": "frame by frame"}[
            self.route
        ]

    @property
    def s_per_segment(self) -> float:
        """Median wall seconds of a swapped segment, with its share of everything else."""
        return self.wall_s.median / self.segments

    @property
    def usd(self) -> float:
        """Price of the median video."""
        return self.wall_s.median * self.usd_per_hour / 3600

    @property
    def usd_per_segment(self) -> float:
        """Price of a swapped segment, with its share of everything else."""
        return self.usd / self.segments


def summarise(benchmark: Benchmark) -> tuple[Summary, ...]:
    """Medians and spreads, in the order in which the routes were first measured."""
    groups: dict[tuple[str, Route, Literal["cold", "warm"]], list[Trial]] = {}
    for trial in benchmark.trials:
        groups.setdefault((trial.scenario, trial.route, trial.start), []).append(trial)
    segments = {t.scenario: t.swapped_segments for t in benchmark.trials if t.swapped_segments}
    return tuple(
        _summary(scenario, route, start, trials, segments.get(scenario, 1), benchmark.usd_per_hour)
        for (scenario, route, start), trials in groups.items()
    )


def _summary(
    scenario: str,
    route: Route,
    start: Literal["cold", "warm"],
    trials: Sequence[Trial],
    segments: int,
    usd_per_hour: float,
) -> Summary:
    wall, first = Spread.of(t.wall_s for t in trials), trials[0]
    steps = dict.fromkeys(stage.step for trial in trials for stage in trial.stages)
    busy = [trial.gpu_percent for trial in trials if trial.gpu_percent is not None]
    return Summary(
        scenario=scenario,
        route=route,
        start=start,
        repeats=len(trials),
        wall_s=wall,
        cpu_s=Spread.of(t.cpu_s for t in trials),
        peak_rss_mb=Spread.of(t.peak_rss_mb for t in trials),
        peak_vram_mb=max(t.peak_vram_mb for t in trials),
        gpu_percent=statistics.median(busy) if busy else None,
        frames_per_s=first.frames / wall.median,
        rtf=wall.median / float(first.media_s),
        segments=segments,
        usd_per_hour=usd_per_hour,
        stages={step: Spread.of(sum(s.wall_s for s in t.stages if s.step == step) for t in trials) for step in steps},
    )


def read_benchmark(path: Path) -> Benchmark:
    """Read a result. Raises InputError for what is missing, damaged, or of another schema version."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})", hint="check the path") from error
    except ValueError as error:
        raise InputError(f"{path.name} is no JSON: {error}", hint="give a file that ugclab bench run wrote") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        said = "names no schema version" if version is None else f"is of schema version {version!r}"
        raise InputError(
            f"{path.name} {said}, this build reads {SCHEMA_VERSION}",
            hint="measure both builds again with one version of ugclab bench run",
        )
    try:
        return Benchmark.model_validate(document)
    except ValidationError as error:
        where, wrong = first_fault(error)
        raise InputError(f"{path.name} is no benchmark: {where}: {wrong}") from error


def to_csv(benchmark: Benchmark) -> str:
    """One row a stage and one a whole trial (its step is `whole`), for a spreadsheet."""
    out = io.StringIO()
    names = (
        "scenario", "route", "start", "engine", "round", "step", "segment", "wall_s", "cpu_s", "peak_rss_mb",
        "peak_vram_mb", "gpu_percent", "frames", "media_s", "frames_per_s", "rtf", "cost_usd",
    )  # fmt: skip
    table = csv.DictWriter(out, names, lineterminator="\n")
    table.writeheader()
    for trial in benchmark.trials:
        own = trial.model_dump(include={"scenario", "route", "start", "engine", "round"})
        whole = Stage(step="whole", **trial.model_dump(include=set(Stage.model_fields) & set(Trial.model_fields)))
        for stage in (whole, *trial.stages):
            table.writerow(
                own
                | stage.model_dump()
                | {
                    "media_s": float(stage.media_s),
                    "frames_per_s": stage.frames_per_s,
                    "rtf": stage.rtf,
                    "cost_usd": stage.wall_s * benchmark.usd_per_hour / 3600,
                }
            )
    return out.getvalue()
