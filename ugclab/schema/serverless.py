"""Runpod's own words for a job, as its serverless endpoints take and give them: one caller fits a Pod and serverless.

A webhook is sent a `RunStatus` when the job has ended; theirs is unsigned, ours carries the signature of every message.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from ugclab.schema.base import Frozen
from ugclab.schema.contract import OrderInput, OrderOutput
from ugclab.schema.job import JobState, JobView


class RunState(StrEnum):
    """Where a run stands."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    @classmethod
    def of(cls, state: JobState) -> "RunState":
        """Their word for a job's state."""
        return {
            JobState.QUEUED: cls.IN_QUEUE,
            JobState.RUNNING: cls.IN_PROGRESS,
            JobState.SUCCEEDED: cls.COMPLETED,
            JobState.FAILED: cls.FAILED,
            JobState.CANCELLED: cls.CANCELLED,
        }[state]


class RunPolicy(Frozen):
    """Understood, and without effect here: this installation has limits of its own (docs/api.md)."""

    executionTimeout: int | None = Field(None, ge=1, description="milliseconds")  # noqa: N815 their name
    ttl: int | None = Field(None, ge=1, description="milliseconds")
    lowPriority: bool | None = None  # noqa: N815 their name


class RunRequest(Frozen):
    """The body of /run and /runsync. There is no `s3Config`: results go to the operator's store, never by your key."""

    input: OrderInput
    webhook: str = Field("", max_length=2000, description="told when the job has ended, in this form")
    policy: RunPolicy | None = None


class RunAccepted(Frozen):
    """What /run answers."""

    id: str
    status: RunState


class RunStatus(Frozen):
    """What /status answers, and /runsync once the job has ended."""

    id: str
    status: RunState
    delayTime: int | None = Field(None, description="milliseconds in line")  # noqa: N815 their name
    executionTime: int | None = Field(None, description="milliseconds at work")  # noqa: N815 their name
    output: dict[str, Any] | None = Field(
        None, description="of a finished job: OrderOutput of the worker contract; of a running one: its progress"
    )
    error: str | None = None

    @classmethod
    def of(cls, job: JobView, output: OrderOutput | None = None) -> "RunStatus":
        """A job of the queue."""
        made: dict[str, Any] | None = output.model_dump(mode="json") if output else None
        error = None
        if job.error:
            error = f"{job.error.message}. {job.error.hint}" if job.error.hint else job.error.message
            made = job.error.model_dump(mode="json") | {"record_id": job.record_id}
        elif job.status is JobState.RUNNING:
            made = {"progress": job.progress.percent, "stage": job.progress.stage}
        return cls(
            id=job.job_id,
            status=RunState.of(job.status),
            delayTime=_between_ms(job.created_at, job.started_at),
            executionTime=_between_ms(job.started_at, job.ended_at),
            output=made,
            error=error,
        )


class RunPart(Frozen):
    """One thing that a run has said so far."""

    output: dict[str, Any]


class RunStream(Frozen):
    """What /stream answers."""

    status: RunState
    stream: tuple[RunPart, ...] = ()


class RunJobs(Frozen):
    """The caller's own jobs, counted."""

    completed: int = 0
    failed: int = 0
    inProgress: int = 0  # noqa: N815 their name
    inQueue: int = 0  # noqa: N815 their name
    retried: int = 0


class RunWorkers(Frozen):
    """Workers, counted."""

    idle: int = 0
    running: int = 0
    ready: int = 0


class RunHealth(Frozen):
    """What their /health answers."""

    jobs: RunJobs = RunJobs()
    workers: RunWorkers = RunWorkers()


class RunPurged(Frozen):
    """What /purge-queue answers."""

    removed: int
    status: str = "completed"


def _between_ms(start: str, end: str) -> int | None:
    if not start or not end:
        return None
    return max(0, round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() * 1000))
