"""A job's own log: what became of it, attempt by attempt, for its owner to read.

It lies in the database, so that a kill -9 loses none of it and nobody else's lines stand beside it. A worker's log
(logs.py) is another thing: the operator's.
"""

from datetime import UTC, datetime

import sqlalchemy as sa

from ugclab.jobs.database import Database
from ugclab.jobs.schema import events, jobs
from ugclab.schema.job import JobEvent

_LONGEST_TEXT = 2_000
_MOST = 2_000
"""Lines of one job that are read: some hundreds of segments, each several times."""


def note(
    connection: sa.Connection,
    database: Database,
    job_id: str,
    what: str,
    *,
    stage: str = "",
    seconds: float | None = None,
    text: str = "",
) -> None:
    """Write a line about a job; nothing for one that was deleted meanwhile."""
    found = connection.execute(sa.select(jobs.c.attempt).where(jobs.c.job_id == job_id)).scalar_one_or_none()
    if found is None:
        return
    values = {"stage": stage, "seconds": seconds, "text": text[:_LONGEST_TEXT]}
    connection.execute(events.insert().values(job_id=job_id, at=database.now(), attempt=found, what=what, **values))


def read(connection: sa.Connection, job_id: str) -> tuple[JobEvent, ...]:
    """A job's lines, the oldest first."""
    return tuple(event for _, event in numbered(connection, job_id))


def numbered(connection: sa.Connection, job_id: str, after: int = 0) -> tuple[tuple[int, JobEvent], ...]:
    """A job's lines behind the number `after`, each with its own: numbers only rise, and have gaps."""
    where = [events.c.job_id == job_id, events.c.id > after]
    rows = connection.execute(events.select().where(*where).order_by(events.c.id).limit(_MOST))
    return tuple(
        (
            r.id,
            JobEvent(
                at=datetime.fromtimestamp(r.at, UTC).isoformat(timespec="milliseconds"),
                attempt=r.attempt,
                what=r.what,
                stage=r.stage,
                seconds=r.seconds,
                text=r.text,
            ),
        )
        for r in rows
    )


def forget(connection: sa.Connection, job_id: str) -> None:
    """Delete a job's lines."""
    connection.execute(events.delete().where(events.c.job_id == job_id))
