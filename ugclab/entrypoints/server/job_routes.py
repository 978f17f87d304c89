"""The public API over the queue: `/v1/jobs`. Whoever has a key sees the jobs of its user, and none else."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query
from starlette.responses import Response, StreamingResponse

from ugclab.entrypoints.server.callers import Reading, Writing
from ugclab.entrypoints.server.door import Door, described, door_of, root_of
from ugclab.entrypoints.server.events import look, stream
from ugclab.entrypoints.server.shapes import MOST_LISTED, Job, Jobs, shown
from ugclab.entrypoints.web.answers import Refusal
from ugclab.errors import JobConflict, JobNotFound, LimitReached
from ugclab.schema.contract import OrderInput
from ugclab.schema.job import JobState, Name
from ugclab.schema.report import Report

routes = APIRouter(prefix="/v1/jobs", tags=["jobs"])

At = Annotated[Door, Depends(door_of)]
Root = Annotated[str, Depends(root_of)]
JobId = Annotated[str, Path(pattern="^[0-9A-HJKMNP-TV-Z]{26}$", description="a job's id")]


@routes.post("", status_code=202, responses=described(400, 409, 413, 422))
def submit(
    given: OrderInput,
    key: Writing,
    door: At,
    root: Root,
    name: Annotated[
        str | None,
        Header(alias="Idempotency-Key", pattern="^[!-~]{1,120}$", description="the same again: the same job again"),
    ] = None,
) -> Job:
    """Put a job in line. The same input again is the same job, unless that has failed."""
    if name is None:
        job = door.queue.submit(door.orders.request(given, key.principal))
    else:
        job = door.orders.place(given, key.principal, door="key", name=name, exact=True)
    return shown(door, job, root)


@routes.get("", responses=described(422))
def jobs(
    key: Reading,
    door: At,
    root: Root,
    project: Annotated[Name | None, Query(description="only of this project")] = None,
    status: Annotated[list[JobState] | None, Query(description="only these")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 50,
    before: Annotated[str, Query(pattern="^([0-9A-HJKMNP-TV-Z]{26})?$", description="`next` of the page before")] = "",
) -> Jobs:
    """List jobs, the newest first, in pages."""
    found = door.queue.list(key.principal, project=project or "", states=status or (), limit=limit + 1, before=before)
    more = len(found) > limit
    page = tuple(shown(door, job, root) for job in found[:limit])
    return Jobs(jobs=page, next=page[-1].job_id if more else "")


@routes.get("/{job_id}", responses=described(422))
def job(job_id: JobId, key: Reading, door: At, root: Root) -> Job:
    """Say how a job stands."""
    return shown(door, door.queue.get(job_id, key.principal), root)


@routes.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses=described(422)
    | {
        200: {
            "description": "server-sent events: log (with ids), job, end, gone",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        204: {"description": "the job has ended, and the reader has seen all of it"},
    },
)
def events(
    job_id: JobId,
    key: Reading,
    door: At,
    root: Root,
    last: Annotated[int, Header(alias="Last-Event-ID", ge=0, le=2**31 - 1, description="go on behind this one")] = 0,
) -> Response:
    """Follow a job to its end."""
    principal = key.principal
    job, lines = look(door, job_id, principal, last)
    if last and job.status.terminal and not lines:
        return Response(status_code=204)
    if door.drain.begun:
        raise Refusal(503, "draining", "this server is about to stop", "come back in a moment", {"Retry-After": "1"})
    if door.streams >= door.queue.settings.max_streams:
        raise LimitReached("too many event streams are open", hint="ask GET /v1/jobs/{id} now and then instead")
    return StreamingResponse(
        stream(door, job_id, principal, root, last),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@routes.post("/{job_id}/cancel", responses=described(409, 422))
def cancel(job_id: JobId, key: Writing, door: At, root: Root) -> Job:
    """Stop a job; what is finished of it is kept for a retry."""
    return shown(door, door.queue.cancel(job_id, key.principal), root)


@routes.post("/{job_id}/retry", responses=described(409, 422))
def retry(job_id: JobId, key: Writing, door: At, root: Root) -> Job:
    """Put a failed or cancelled job in line again: it goes on where it stopped."""
    return shown(door, door.queue.retry(job_id, key.principal), root)


@routes.delete("/{job_id}", status_code=204, responses=described(422))
def delete(job_id: JobId, key: Writing, door: At) -> None:
    """Delete a job with its result, its report and the record of consent."""
    door.queue.delete(job_id, key.principal)


@routes.get("/{job_id}/report", response_model=Report, responses=described(409, 422))
def report(job_id: JobId, key: Reading, door: At) -> Response:
    """What a finished job did and cost, segment by segment."""
    try:
        found = door.queue.report(job_id, key.principal)
    except KeyError as error:
        raise JobNotFound("the report is no longer here", hint="it was deleted") from error
    return Response(found.model_dump_json(), media_type="application/json")


@routes.get(
    "/{job_id}/result",
    response_class=Response,
    responses=described(409, 422)
    | {
        200: {
            "description": "the video, whole",
            "content": {"video/mp4": {"schema": {"type": "string", "format": "binary"}}},
        },
        206: {"description": "the part that the header Range asked for"},
        307: {"description": "the video lies at the address of the header Location, for an hour"},
    },
)
def result(job_id: JobId, key: Reading, door: At) -> Response:
    """The video: its bytes, with ranges, or a redirect to the store where that gives out addresses."""
    job = door.queue.get(job_id, key.principal)
    if job.output is None:
        raise JobConflict(f"job {job_id} has no result: it is {job.status}", hint="wait for it, or retry it")
    return door.serving.give(job.output.key, job.output.name)
