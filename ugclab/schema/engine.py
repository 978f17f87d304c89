"""What an engine is, what it needs, and under which licences: data for catalogue, page and report."""

from typing import Literal

from pydantic import Field

from ugclab.schema.base import Frozen
from ugclab.schema.job import JobType, ReplaceMode


class Licences(Frozen):
    """SPDX names, or a sentence where there is none, for what is licensed apart."""

    code: str
    weights: str = "none"
    binaries: str = "none"


class EngineInfo(Frozen):
    """An engine's card."""

    job_type: JobType = JobType.FACE_TRANSFORM
    name: str
    version: str
    model_version: str
    summary: str = Field(description="one sentence for a catalogue")
    replaces: Literal["face", "head", "person"]
    replaceable: tuple[ReplaceMode, ...] = Field((), description="what --replace may say; empty where it is fixed")
    licences: Licences
    commercial_use: Literal["yes", "no", "unknown"]
    weights: tuple[str, ...] = Field((), description="names of entries of the weights catalogue")
    extra: str = Field("", description="the extra of ugclab that brings its packages")
    vram_gb: dict[str, float] = Field({}, description="by configuration; empty for a CPU engine")
