"""What is asked for, by whom and with whose consent; and what has become of it."""

import re
from enum import IntEnum, StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field

from ugclab.errors import ConsentError, InputError
from ugclab.schema.base import Frozen
from ugclab.schema.media import Asset
from ugclab.schema.plan import Segment

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_@-][A-Za-z0-9._@-]{0,63}$")]
"""A user or a project: one folder of the store, so no slash and no leading dot."""


class JobType(StrEnum):
    """The kinds of work the platform knows; this package does the first."""

    FACE_TRANSFORM = "face_transform"


class StitchMode(StrEnum):
    """How untouched footage stays untouched (media/stitch.py)."""

    AUTO = "auto"
    SMART = "smart"
    PREPARED = "prepared"
    FULL = "full"


class EyewearMode(StrEnum):
    """What becomes of glasses in the footage (engines/mesh/spectacles.py)."""

    KEEP = "keep"
    COVER = "cover"


class ReplaceMode(StrEnum):
    """What of a person comes from the model, where an engine leaves the choice; the rest is the source's own pixels."""

    HEAD = "head"
    PERSON = "person"


class FaceSelector(Frozen):
    """Which face is swapped: "largest", "left", "right", "all", "index:N" (from the left, from 0) or "like:PHOTO"."""

    kind: Literal["largest", "left", "right", "all", "index", "like"] = "largest"
    index: int = Field(0, ge=0)
    photo: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the command line's form. Raises InputError."""
        kind, _, argument = text.strip().partition(":")
        if kind in {"largest", "left", "right", "all"} and not argument:
            return cls(kind=kind)
        if kind == "index" and argument.isdecimal():
            return cls(kind="index", index=int(argument))
        if kind == "like" and argument:
            return cls(kind="like", photo=argument)
        raise InputError(
            f"'{text}' does not say which face", hint="use largest, left, right, all, index:N or like:PHOTO"
        )

    def __str__(self) -> str:
        argument = {"index": f":{self.index}", "like": f":{self.photo}"}.get(self.kind, "")
        return self.kind + argument


class SwapOptions(Frozen):
    """Everything that changes a result beside source, avatar, plan and engine."""

    face: FaceSelector = FaceSelector()
    eyewear: EyewearMode = Field(
        EyewearMode.KEEP, description="glasses in the footage: kept on, or covered by the face"
    )
    replace: ReplaceMode = Field(
        ReplaceMode.HEAD, description="what comes from the model, of engines that leave the choice"
    )
    min_swapped: float = Field(0.5, ge=0, le=1, description="least share of a segment's frames that must be swapped")
    stitch: StitchMode = StitchMode.AUTO
    crf: int = Field(18, ge=0, le=40, description="x264 quality of swapped frames; lower is better and larger")
    watermark: str = Field("", max_length=80, description="text shown on swapped frames; empty for none")
    tone_map: bool = Field(False, description="turn HDR footage into bt709 instead of keeping it")
    seed: int = 0


class Principal(Frozen):
    """Who asks; made by entrypoints only. Trust decides where inputs may come from (storage/intake.py)."""

    user: Name
    trust: Literal["local", "service", "public"] = "public"
    scopes: tuple[str, ...] = ()
    max_active_jobs: int | None = Field(None, ge=1, description="of this caller; the installation's where empty")
    max_minutes_per_day: float | None = Field(None, gt=0, description="the same")


class Consent(Frozen):
    """That the person whose face is worn agreed, or why nobody needs to. Kept with the job, deleted with it."""

    kind: Literal["agreed", "own-face", "public-domain"]
    agreed_by: str = Field("", max_length=200, description="who agreed; for the kind 'agreed'")
    agreed_at: str = Field("", max_length=40, description="when, as it was written: usually a date, ISO 8601")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "Ada Lovelace, 2026-11-20", "own-face" or "public-domain". Raises ConsentError."""
        words = text.strip()
        if words in {"own-face", "public-domain"}:
            return cls(kind=words)
        who, comma, when = words.rpartition(",")
        if not comma or not who.strip() or not _DATE.match(when.strip()) or len(words) > 200:
            raise ConsentError(
                "consent must say who agreed to the use of the face, and when",
                hint='write it as "NAME, 2026-11-20", or own-face, or public-domain',
            )
        return cls(kind="agreed", agreed_by=who.strip(), agreed_at=when.strip())


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class FaceTransformInput(Frozen):
    """What a face is put into: assets of the store, or addresses that are fetched when the job begins."""

    source: Asset | str
    avatar: Asset | str
    photo: Asset | str | None = Field(None, description="of the face to replace, for the selector like:PHOTO")
    plan: str = Field("default", max_length=10_000)


class Priority(IntEnum):
    """Lower runs first: the numbers of the queue."""

    HIGH = 10
    MEDIUM = 20
    LOW = 30


class Request(Frozen):
    """A job as it is submitted, by whatever door."""

    schema_version: Literal[1] = 1
    type: JobType = JobType.FACE_TRANSFORM
    input: FaceTransformInput
    principal: Principal
    project: Name = "default"
    engine: str = "mesh"
    options: SwapOptions = SwapOptions()
    priority: Priority = Priority.MEDIUM
    record_id: str = Field("", max_length=200, description="the caller's own name for it: comes back in the webhook")
    webhook_url: str = Field("", max_length=2000, description="told when the job has ended; none if empty")
    consent: Consent
    max_cost_usd: float | None = Field(None, gt=0, description="what is predicted to cost more is refused")


class JobState(StrEnum):
    """Where a job stands. The last three are for good, but for a retry."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}


class JobProgress(Frozen):
    """How far a running job is."""

    percent: float = Field(0.0, ge=0, le=100)
    stage: str = Field("", description="ingest, analyse, swap, stitch, publish; empty before the first")
    segment: int | None = None
    share: float = Field(0.0, ge=0, le=1, description="of the stage, or of its segment where it has one")
    frames_per_s: float | None = None
    eta_s: float | None = None
    plan: str = Field("", description="written out, once it is decided")


class SegmentProgress(Frozen):
    """How far a segment of the decided plan is: swapped, or taken over untouched."""

    segment: Segment
    done: float = Field(0.0, ge=0, le=1)


class JobEvent(Frozen):
    """A line of a job's own log."""

    at: str = Field(description="ISO 8601, UTC")
    attempt: int
    what: Literal["queued", "begun", "taken_over", "done", "again", "succeeded", "failed", "cancelled", "retried"]
    stage: str = Field("", description="of done and again; with its segment, as in 'swap 2'")
    seconds: float | None = Field(None, description="that the stage took, of done")
    text: str = Field("", description="what went wrong, of again and failed")


class JobError(Frozen):
    """Why a job failed: a code of errors.py for a program, a line and a hint for a person."""

    code: str
    message: str
    hint: str = ""
    stage: str = ""
    segment: int | None = None


class JobView(Frozen):
    """A job as its owner sees it. Times are ISO 8601 in UTC, empty where not reached."""

    job_id: str
    status: JobState
    user: str
    project: str
    type: JobType
    engine: str
    priority: Priority
    record_id: str = ""
    source: str = Field("", description="name of the footage")
    avatar: str = ""
    plan: str = ""
    attempt: int = Field(1, description="1, and one more for every retry a person asked for")
    recoveries: int = Field(0, description="how often another worker had to take over")
    progress: JobProgress = JobProgress()
    segments: tuple[SegmentProgress, ...] = Field((), description="of the plan; empty until it is decided")
    error: JobError | None = None
    output: Asset | None = None
    warnings: tuple[str, ...] = ()
    created_at: str = ""
    started_at: str = ""
    ended_at: str = ""
    cost_usd: float = 0.0
