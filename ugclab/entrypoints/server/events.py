"""A job's events as they happen: server-sent events (html.spec.whatwg.org, "Server-sent events").

| event | what | id |
|---|---|---|
| log | a line of the job's own log | its number: a reader that comes back with Last-Event-ID gets those behind it |
| job | the job, whenever it has changed | none: the newest is what counts |
| end | the job, when it has ended; the stream ends | none |
| gone | the job was deleted; the stream ends | none |

Who comes back to a job that has ended and has seen all of it is told 204, on which a browser stops asking.
"""

import asyncio
import time
from collections.abc import AsyncIterator

from fastapi.concurrency import run_in_threadpool

from ugclab.entrypoints.server.door import Door
from ugclab.entrypoints.server.shapes import Job, shown
from ugclab.errors import JobNotFound, UgclabError
from ugclab.jobs import events
from ugclab.schema.job import JobEvent, JobView, Principal

_LOOK_S = 0.3
_BEAT_S = 10.0
_AGAIN_MS = 1000

Lines = tuple[tuple[int, JobEvent], ...]


def look(door: Door, job_id: str, principal: Principal, after: int) -> tuple[JobView, Lines]:
    """A job, and its log behind a number. The job first: a job that has ended has all its lines. Raises JobNotFound."""
    job = door.queue.get(job_id, principal)
    with door.queue.database.reading() as connection:
        return job, events.numbered(connection, job_id, after)


async def stream(door: Door, job_id: str, principal: Principal, root: str, after: int) -> AsyncIterator[str]:
    """The text of a stream, until the job has ended, the server drains or the reader has gone."""
    door.streams += 1
    try:
        async for text in _stream(door, job_id, principal, root, after):
            yield text
    finally:
        door.streams -= 1


async def _stream(door: Door, job_id: str, principal: Principal, root: str, after: int) -> AsyncIterator[str]:
    seen: set[int] = set()
    last: Job | None = None
    until = time.monotonic() + door.longest_stream_s
    said = time.monotonic()
    yield f"retry: {_AGAIN_MS}\n\n"
    while True:
        try:
            job, lines = await run_in_threadpool(look, door, job_id, principal, after)
        except JobNotFound:
            yield _event("gone", "{}")
            return
        except UgclabError:
            yield ": the queue does not answer\n\n"
        else:
            # two writers may commit their lines in another order than they numbered them: all are read again
            for number, line in lines:
                if number not in seen:
                    seen.add(number)
                    said = time.monotonic()
                    yield _event("log", line.model_dump_json(), number)
            now = await run_in_threadpool(shown, door, job, root)
            if now != last:
                last, said = now, time.monotonic()
                yield _event("job", now.model_dump_json())
            if job.status.terminal:
                yield _event("end", now.model_dump_json())
                return
        if door.drain.begun or time.monotonic() > until:
            yield ": come back\n\n"
            return
        if time.monotonic() - said > _BEAT_S:
            said = time.monotonic()
            yield ": beat\n\n"
        await asyncio.sleep(_LOOK_S)


def _event(kind: str, data: str, number: int | None = None) -> str:
    """One event; JSON has no line breaks of its own."""
    return (f"id: {number}\n" if number is not None else "") + f"event: {kind}\ndata: {data}\n\n"
