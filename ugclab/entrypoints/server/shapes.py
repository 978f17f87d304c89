"""What the public API answers: a job and a file as their owner may know them, with no place in a store or a machine."""

from typing import Annotated, Literal

from pydantic import Field

from ugclab.engines import registry
from ugclab.entrypoints.server.door import Door
from ugclab.jobs.uploads import LEAVE_S, Leave
from ugclab.schema.base import Frozen
from ugclab.schema.contract import ASSET, OrderPriority, UploadLeave
from ugclab.schema.engine import EngineInfo
from ugclab.schema.job import JobError, JobProgress, JobState, JobType, JobView, Name, SegmentProgress
from ugclab.schema.media import Asset

MOST_LISTED = 200


class Made(Frozen):
    """The result of a job."""

    url: str = Field(description="where whoever has it can fetch it; empty where its link was revoked")
    name: str
    sha256: str
    size_bytes: int
    media_type: str


class Job(Frozen):
    """A job. Times are ISO 8601 in UTC, empty where not reached."""

    job_id: str
    status: JobState
    project: str
    type: JobType
    engine: str
    priority: OrderPriority
    record_id: str
    source: str = Field(description="name of the footage")
    avatar: str
    plan: str
    attempt: int
    recoveries: int
    progress: JobProgress
    segments: tuple[SegmentProgress, ...]
    error: JobError | None
    output: Made | None
    warnings: tuple[str, ...]
    created_at: str
    started_at: str
    ended_at: str
    cost_usd: float


class Jobs(Frozen):
    """A page of jobs, the newest first."""

    jobs: tuple[Job, ...]
    next: str = Field(description="give it as `before` for the next page; empty on the last")


class File(Frozen):
    """A file that was brought: `asset` names it in a job of its project."""

    asset: str
    name: str
    sha256: str
    size_bytes: int
    media_type: str
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    seconds: float | None = None


class EstimateWanted(Frozen):
    """A job to be predicted."""

    source: Annotated[str, Field(pattern="^asset:[0-9a-f]{64}$", description="footage that was brought before")]
    plan: str = Field("default", max_length=10_000)
    engine: str = Field("mesh", max_length=64)
    project: Name = "default"


class Engine(Frozen):
    """An engine, and whether it can run where this server runs; workers elsewhere may do more."""

    info: EngineInfo
    availability: registry.Availability


class Me(Frozen):
    """Whose key it is, and what it may."""

    key_id: str
    user: str
    trust: Literal["service", "public"]
    scopes: tuple[str, ...]
    max_active_jobs: int
    max_minutes_per_day: float
    requests_per_minute: int
    expires_at: float | None = Field(description="seconds since 1970")


def shown(door: Door, job: JobView, root: str) -> Job:
    """A job as its owner sees it."""
    output = None
    if job.output is not None:
        made = job.output
        output = Made(
            url=door.orders.link(job.job_id, root),
            name=made.name,
            sha256=made.sha256,
            size_bytes=made.size_bytes,
            media_type=made.media_type,
        )
    taken = {name: getattr(job, name) for name in Job.model_fields if name not in {"output", "priority"}}
    return Job(**taken, output=output, priority=OrderPriority(job.priority.name.lower()))


def file_shown(asset: Asset) -> File:
    """A file as its owner sees it."""
    info = asset.info
    return File(
        asset=f"{ASSET}{asset.sha256}",
        name=asset.name,
        sha256=asset.sha256,
        size_bytes=asset.size_bytes,
        media_type=asset.media_type,
        width=info.width if info else None,
        height=info.height if info else None,
        frames=info.frames if info else None,
        seconds=float(info.duration) if info else None,
    )


def leave_shown(leave: Leave, root: str) -> UploadLeave:
    """How to bring a file."""
    own = f"{root}/v1/uploads/{leave.upload_id}"
    if leave.direct is None:
        headers = {"Content-Type": "application/octet-stream"}
        return UploadLeave(upload_id=leave.upload_id, url=own, headers=headers, complete="", expires_s=LEAVE_S)
    return UploadLeave(
        upload_id=leave.upload_id,
        url=leave.direct.url,
        headers=leave.direct.headers,
        complete=f"{own}/complete",
        expires_s=LEAVE_S,
    )
