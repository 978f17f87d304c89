"""Figures for Prometheus, as text (version 0.0.4), by ourselves: most of them are the database's, asked when they are
wanted and the same at every server, where a client library would count in one process; the rest is one table of counts.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence

import sqlalchemy as sa

from ugclab.entrypoints.server.readiness import Readiness
from ugclab.jobs.queue import Queue
from ugclab.jobs.schema import events, jobs
from ugclab.schema.job import JobState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HOUR_S = 3600.0

Labels = Mapping[str, str]


class Requests:
    """Requests that this server has answered, by method, route and status."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str, str], tuple[int, float]] = {}

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one. `route` is the template, never the address: that would be a row for every job."""
        key = (method, route, str(status))
        with self._lock:
            count, total = self._counts.get(key, (0, 0.0))
            self._counts[key] = (count + 1, total + seconds)

    def rows(self) -> list[tuple[Labels, int, float]]:
        """Labels, count, seconds."""
        with self._lock:
            counts = dict(self._counts)
        return [({"method": m, "route": r, "status": s}, *counts[m, r, s]) for m, r, s in sorted(counts)]


def exposition(queue: Queue, requests: Requests, readiness: Readiness) -> str:
    """All figures. Raises QueueUnavailable."""
    return "\n".join(_lines(queue, requests, readiness)) + "\n"


def _lines(queue: Queue, requests: Requests, readiness: Readiness) -> Iterator[str]:
    now = queue.database.now()
    with queue.database.reading() as connection:
        found = connection.execute(sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)).all()
        waits = connection.execute(
            sa.select(sa.func.count(), sa.func.sum(jobs.c.started_at - jobs.c.created_at)).where(
                jobs.c.started_at > now - _HOUR_S
            )
        ).one()
        oldest = connection.execute(
            sa.select(sa.func.max(now - jobs.c.created_at)).where(jobs.c.state == "queued")
        ).scalar()
        done = connection.execute(
            sa.select(events.c.stage, sa.func.count(), sa.func.sum(events.c.seconds))
            .where(events.c.what == "done", events.c.at > now - _HOUR_S)
            .group_by(events.c.stage)
        ).all()
    states: dict[str, int] = {row[0]: row[1] for row in found}
    stages: dict[str, tuple[int, float]] = {}
    for stage, count, seconds in done:  # "swap 2" is a swap
        name = stage.partition(" ")[0]
        before = stages.get(name, (0, 0.0))
        stages[name] = (before[0] + count, before[1] + (seconds or 0.0))
    workers = readiness.workers()

    yield from _family(
        "ugclab_jobs", "gauge", "jobs that are kept, by state", [({"state": s}, states.get(s, 0)) for s in JobState]
    )
    yield from _family("ugclab_queue_oldest_seconds", "gauge", "how long the oldest job waits", [({}, oldest or 0)])
    yield from _family("ugclab_queue_waits", "gauge", "jobs begun in the last hour", [({}, waits[0])])
    yield from _family("ugclab_queue_wait_seconds", "gauge", "what those waited, together", [({}, waits[1] or 0)])
    counts = [({"stage": s}, n) for s, (n, _) in sorted(stages.items())]
    yield from _family("ugclab_stages", "gauge", "stages done in the last hour", counts)
    seconds_of = [({"stage": s}, t) for s, (_, t) in sorted(stages.items())]
    yield from _family("ugclab_stage_seconds", "gauge", "what those took, together", seconds_of)
    yield from _family("ugclab_workers", "gauge", "workers that take jobs", [({}, len(workers))])
    yield from _family("ugclab_worker_slots", "gauge", "jobs they do at once", [({}, sum(w.slots for w in workers))])
    rows = requests.rows()
    asked = [(labels, count) for labels, count, _ in rows]
    yield from _family("ugclab_http_requests_total", "counter", "requests that this server has answered", asked)
    took = [(labels, total) for labels, _, total in rows]
    yield from _family("ugclab_http_request_seconds_total", "counter", "what those took, together", took)


def _family(name: str, kind: str, words: str, samples: Sequence[tuple[Labels, float]]) -> Iterator[str]:
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{pairs}}} {value:.6g}" if pairs else f"{name} {value:.6g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
