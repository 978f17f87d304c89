"""What was done and what it cost: a measurement a step, a report a job."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from ugclab.schema.base import Frozen, Rational
from ugclab.schema.engine import EngineInfo
from ugclab.schema.job import SwapOptions
from ugclab.schema.media import MediaInfo
from ugclab.schema.plan import Segment, SegmentPlan

if TYPE_CHECKING:
    import pandas as pd


class Measurement(Frozen):
    """One step, measured. Times are seconds, memory is MB (2**20 bytes)."""

    step: str = Field(description="probe, analyse, swap, stitch, …")
    segment: int | None = None
    engine: str = ""
    engine_version: str = ""
    model_version: str = ""
    device: str = "cpu"
    wall_s: float
    cpu_s: float = Field(description="of all threads, and of subprocesses that have ended")
    peak_rss_mb: float = Field(description="of this process, while the step ran")
    peak_vram_mb: float = 0.0
    media_s: Rational
    frames: int = 0
    swapped_frames: int = 0
    cost_usd: float = 0.0
    reused: bool = Field(False, description="taken from an earlier run: the times are those of taking it up")

    @property
    def rtf(self) -> float | None:
        """Wall seconds per second of media; None where the step covers no media."""
        return self.wall_s / float(self.media_s) if self.media_s else None


class File(Frozen):
    """A file that went in or came out, without its folder: a report may be shown to others."""

    name: str
    sha256: str
    size_bytes: int


class Outcome(Frozen):
    """What became of one segment."""

    segment: Segment
    frames: int
    swapped_frames: int
    reused: bool = False

    @property
    def unswapped_frames(self) -> int:
        """Frames that are as they were."""
        return self.frames - self.swapped_frames


class Environment(Frozen):
    """Where it ran: enough to compare two reports fairly."""

    python: str
    platform: str
    cpu: str
    cores: int = Field(description="that this process may use")
    memory_mb: int
    packages: dict[str, str]


class Report(Frozen):
    """A finished job: what went in and came out, how each segment fared, what each step cost."""

    schema_version: Literal[1] = 1
    job_id: str
    ugclab_version: str
    created_at: str = Field(description="ISO 8601, UTC")
    source: File
    avatar: File
    output: File
    media: MediaInfo
    plan: SegmentPlan
    engine: EngineInfo = Field(description="with the licences of its code, weights and binaries")
    options: SwapOptions
    stitch_mode: str
    stitch_reason: str
    exact_frames: int = Field(description="untouched frames that decode bit for bit to the source's")
    exact_frames_share: float = Field(
        description="exact_frames of all frames outside swapped segments; 1 if there are none"
    )
    disclosure: str = Field(description="the statement in the file's metadata that says it was altered")
    outcomes: tuple[Outcome, ...]
    measurements: tuple[Measurement, ...]
    environment: Environment
    warnings: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Wall seconds of all steps."""
        return sum(m.wall_s for m in self.measurements)

    @property
    def cost_usd(self) -> float:
        """Price of all steps, at the price per hour the operator set; 0 where none is set."""
        return sum(m.cost_usd for m in self.measurements)

    @property
    def elsewhere(self) -> tuple[Measurement, ...]:
        """The segments that another machine swapped, by which engine there."""
        return tuple(m for m in self.measurements if m.step == "swap" and m.engine != self.engine.name)

    @property
    def swapped_frames(self) -> int:
        """Frames whose face was changed."""
        return sum(o.swapped_frames for o in self.outcomes)

    def summary(self) -> dict[str, Any]:
        """What whoever ordered it is told of it: numbers and names, no file's place."""
        return {
            "engine": self.engine.name,
            "engine_version": self.engine.version,
            "model_version": self.engine.model_version,
            "plan": str(self.plan),
            "frames": self.media.frames,
            "swapped_frames": self.swapped_frames,
            "exact_frames_share": self.exact_frames_share,
            "stitch_mode": self.stitch_mode,
            "seconds": round(self.seconds, 3),
            "cost_usd": self.cost_usd,
            "ugclab_version": self.ugclab_version,
        }

    def to_frame(self) -> "pd.DataFrame":
        """One row a measurement, with `rtf`; times in seconds as floats."""
        import pandas as pd

        rows = [m.model_dump() | {"media_s": float(m.media_s), "rtf": m.rtf} for m in self.measurements]
        return pd.DataFrame(rows)

    def to_markdown(self) -> str:
        """A page for people: the result, the segments, the steps, the fine print."""
        info, engine, licences = self.media, self.engine, self.engine.licences
        lines = [
            f"# {self.output.name}",
            "",
            f"{float(info.duration):.2f} s, {info.width}x{info.height}, {float(info.frame_rate):.3f} frames/s: "
            f"{self.swapped_frames} of {info.frames} frames swapped in {self.seconds:.1f} s, ${self.cost_usd:.4f}.",
            f"Stitched in mode {self.stitch_mode} ({self.stitch_reason}); of the frames outside swapped segments "
            f"{self.exact_frames} ({self.exact_frames_share:.1%}) are bit-exact.",
            "",
            *_table(
                ("segment", "from s", "to s", "action", "frames", "swapped", "unswapped", "reused"),
                (
                    (
                        o.segment.index,
                        f"{float(o.segment.range.start):.2f}",
                        f"{float(o.segment.range.end):.2f}",
                        o.segment.action,
                        o.frames,
                        o.swapped_frames,
                        o.unswapped_frames,
                        "yes" if o.reused else "",
                    )
                    for o in self.outcomes
                ),
            ),
            "",
            *_table(
                ("step", "segment", "wall s", "CPU s", "peak MB", "frames", "rtf", "USD", "device", "reused"),
                (
                    (
                        m.step,
                        "" if m.segment is None else m.segment,
                        f"{m.wall_s:.2f}",
                        f"{m.cpu_s:.2f}",
                        f"{m.peak_rss_mb:.0f}",
                        m.frames or "",
                        "" if m.rtf is None else f"{m.rtf:.2f}",
                        f"{m.cost_usd:.4f}",
                        m.device,
                        "yes" if m.reused else "",
                    )
                    for m in self.measurements
                ),
            ),
            "",
            f"Engine: {engine.name} {engine.version}, model {engine.model_version}. Licences: code {licences.code}, "
            f"weights {licences.weights}, binaries {licences.binaries}; commercial use: {engine.commercial_use}.",
            *(
                f"Segment {m.segment} was swapped by {m.engine} {m.engine_version}".rstrip() + f", on {m.device}."
                for m in self.elsewhere
            ),
            f"Disclosure: {self.disclosure}",
            f"Machine: {self.environment.cpu}, {self.environment.cores} cores, Python {self.environment.python}, "
            f"ugclab {self.ugclab_version}. Job {self.job_id}, {self.created_at}.",
            "",
            *_table(
                ("file", "name", "bytes", "sha256"),
                (
                    (what, f.name, f.size_bytes, f.sha256)
                    for what, f in (("source", self.source), ("avatar", self.avatar), ("output", self.output))
                ),
            ),
            *("", *(f"Warning: {w}" for w in self.warnings)),
        ]
        return "\n".join(lines).rstrip() + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> list[str]:
    """Lines of a Markdown table; what would break a cell is escaped."""
    cells = [[str(cell).replace("|", r"\|").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (list(head), ["---"] * len(head), *cells)]
