"""Runpod's own routes over our queue: a caller of a serverless endpoint needs another address, and nothing else.

They are at the root, as a Pod has them, and below `/v2/{endpoint}` as Runpod's API has them, whatever the endpoint.
"""

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool

from ugclab.entrypoints.server.callers import Executing
from ugclab.entrypoints.server.door import Door, described
from ugclab.entrypoints.server.job_routes import At, JobId, Root
from ugclab.errors import JobConflict
from ugclab.jobs.keys import KeyView
from ugclab.schema.job import JobState, JobView
from ugclab.schema.serverless import (
    RunAccepted,
    RunHealth,
    RunJobs,
    RunPart,
    RunPurged,
    RunRequest,
    RunState,
    RunStatus,
    RunStream,
    RunWorkers,
)

routes = APIRouter(tags=["runpod"])
_LOOK_S = 0.3
_MOST_PURGED = 1000


def _place(given: RunRequest, key: KeyView, door: Door, root: str) -> JobView:
    return door.orders.place(given.input, key.principal, door="run", callback_url=given.webhook, root=root)


def _status(job: JobView, key: KeyView, door: Door, root: str) -> RunStatus:
    return RunStatus.of(job, door.orders.output(job, key.principal, root))


@routes.post("/run", responses=described(400, 409, 413, 422))
def run(given: RunRequest, key: Executing, door: At, root: Root) -> RunAccepted:
    """Put a job in line."""
    job = _place(given, key, door, root)
    return RunAccepted(id=job.job_id, status=RunState.of(job.status))


@routes.post("/runsync", response_model_exclude_none=True, responses=described(400, 409, 413, 422))
async def runsync(
    given: RunRequest,
    key: Executing,
    door: At,
    root: Root,
    wait: Annotated[int, Query(ge=1000, le=300_000, description="milliseconds to wait for the end")] = 90_000,
) -> RunStatus:
    """Put a job in line and wait for its end; one that takes longer is asked for by /status."""
    job = await run_in_threadpool(_place, given, key, door, root)
    until = time.monotonic() + min(wait / 1000, door.longest_wait_s)
    while not job.status.terminal and time.monotonic() < until and not door.drain.begun:
        await asyncio.sleep(_LOOK_S)
        job = await run_in_threadpool(door.queue.get, job.job_id, key.principal)
    return await run_in_threadpool(_status, job, key, door, root)


@routes.get("/status/{job_id}", response_model_exclude_none=True, responses=described(422))
def status(job_id: JobId, key: Executing, door: At, root: Root) -> RunStatus:
    """Say how a job stands."""
    return _status(door.queue.get(job_id, key.principal), key, door, root)


@routes.post("/status/{job_id}", include_in_schema=False, response_model_exclude_none=True)
def status_by_post(job_id: JobId, key: Executing, door: At, root: Root) -> RunStatus:
    """The same, as their local server is asked."""
    return status(job_id, key, door, root)


@routes.get("/stream/{job_id}", response_model_exclude_none=True, responses=described(422))
def stream(job_id: JobId, key: Executing, door: At, root: Root) -> RunStream:
    """What a job has said so far: its progress, then its output."""
    found = _status(door.queue.get(job_id, key.principal), key, door, root)
    parts = (RunPart(output=found.output),) if found.output else ()
    return RunStream(status=found.status, stream=parts)


@routes.post("/cancel/{job_id}", response_model_exclude_none=True, responses=described(409, 422))
def cancel(job_id: JobId, key: Executing, door: At) -> RunAccepted:
    """Stop a job."""
    job = door.queue.cancel(job_id, key.principal)
    return RunAccepted(id=job.job_id, status=RunState.of(job.status))


@routes.post("/retry/{job_id}", responses=described(409, 422))
def retry(job_id: JobId, key: Executing, door: At) -> RunAccepted:
    """Put a failed or cancelled job in line again."""
    job = door.queue.retry(job_id, key.principal)
    return RunAccepted(id=job.job_id, status=RunState.of(job.status))


@routes.post("/purge-queue", responses=described())
def purge(key: Executing, door: At) -> RunPurged:
    """Cancel the caller's jobs that have not begun."""
    removed = 0
    for job in door.queue.list(key.principal, states=[JobState.QUEUED], limit=_MOST_PURGED):
        try:
            door.queue.cancel(job.job_id, key.principal)
            removed += 1
        except JobConflict:  # it has ended meanwhile
            continue
    return RunPurged(removed=removed)


def endpoint_health(key: Executing, door: At) -> RunHealth:
    """Their /health: the caller's jobs and the workers, counted. Ours at the root is the contract's."""
    jobs = door.queue.list(key.principal, limit=_MOST_PURGED)
    counts = {state: sum(job.status is state for job in jobs) for state in JobState}
    workers = door.readiness.workers()
    busy = min(len(workers), counts[JobState.RUNNING])
    return RunHealth(
        jobs=RunJobs(
            completed=counts[JobState.SUCCEEDED],
            failed=counts[JobState.FAILED],
            inProgress=counts[JobState.RUNNING],
            inQueue=counts[JobState.QUEUED],
            retried=sum(job.attempt > 1 for job in jobs),
        ),
        workers=RunWorkers(idle=len(workers) - busy, running=busy, ready=len(workers)),
    )


def as_endpoint() -> APIRouter:
    """The same below `/v2/{endpoint}`, with their /health."""
    below = APIRouter(prefix="/v2/{endpoint}", include_in_schema=False)
    below.include_router(routes)
    below.add_api_route("/health", endpoint_health, methods=["GET"])
    return below
