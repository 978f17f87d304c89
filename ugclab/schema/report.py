"""What was done and what it cost: a measurement a step, a report a job."""

from pydantic import Field

from ugclab.schema.base import Frozen, Rational


class Measurement(Frozen):
    """One step, measured. Times are seconds, memory is MB (2**20 bytes)."""

    step: str = Field(description="probe, analyse, swap, stitch, …")
    segment: int | None = None
    engine: str = ""
    engine_version: str = ""
    model_version: str = ""
    device: str = "cpu"
    wall_s: float
    cpu_s: float
    peak_rss_mb: float
    peak_vram_mb: float = 0.0
    media_s: Rational
    frames: int = 0
    swapped_frames: int = 0
    cost_usd: float = 0.0
    reused: bool = False
