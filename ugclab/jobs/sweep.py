"""What living workers do for the queue as a whole: take over from the dead, end what is stuck, delete what is old."""

import logging
import re
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from ugclab.errors import JobPoisoned
from ugclab.jobs import records
from ugclab.jobs.deletion import Deletion
from ugclab.jobs.flow import INGEST, JOBS, NOTIFY
from ugclab.jobs.heartbeat import Heartbeats
from ugclab.jobs.queue import Queue
from ugclab.jobs.schema import LIVE, jobs, outbox, workers
from ugclab.schema.job import JobError, JobState, Request

_LOG = logging.getLogger(__name__)
_DAY_S = 86_400.0
_LOOKS_KEPT_S = 3600.0


class Sweep:
    """One worker's sweeps. Several workers may sweep at the same time: each change names the state it starts from."""

    def __init__(self, queue: Queue, heartbeats: Heartbeats) -> None:
        self._queue = queue
        self._heartbeats = heartbeats

    def take_over(self) -> None:
        """Put the jobs of dead and stopped workers in line again: they go on after their last finished stage."""
        from dbos import DBOS

        gone = self._heartbeats.dead(self._queue.settings.takeover_s)
        for executor_id in gone:
            for handle in DBOS._recover_pending_workflows([executor_id]):  # keeps the count that ends in poison
                _LOG.warning("taken over from %s: %s", executor_id, handle.workflow_id)

    def settle(self) -> None:
        """End jobs whose workflow has ended without them, and move on those that wait for a version nobody runs."""
        queue = self._queue
        with queue.database.reading() as connection:
            standing = queue.flow.standing(connection)
            if not standing:
                return
            running = connection.execute(
                sa.select(workers.c.version, workers.c.state).where(workers.c.state.in_(("alive", "draining")))
            ).all()
        alive = {r.version for r in running if r.state == "alive"}
        there = {r.version for r in running}
        for row in standing:
            if row.status in ("ENQUEUED", "DELAYED", "PENDING"):
                if row.version not in (there if row.status == "PENDING" else alive) and self._newer_than(row.version):
                    self._move_on(row.job_id, row.workflow_id)
            else:
                self._end(row.job_id, row.workflow_id, row.status)

    def _newer_than(self, version: str) -> bool:
        return _number(version) < _number(self._queue.flow.version)

    def _move_on(self, job_id: str, workflow_id: str) -> None:
        """Give a job a workflow of our own version; what its stages left as artefacts is taken up."""
        queue = self._queue
        next_id = f"{workflow_id}.v{_number(queue.flow.version)}"
        with queue.database.transaction() as connection:
            row = connection.execute(
                jobs.update()
                .where(jobs.c.job_id == job_id, jobs.c.workflow_id == workflow_id, jobs.c.state.in_(LIVE))
                .values(workflow_id=next_id, state=JobState.QUEUED, claim="")
                .returning(jobs.c.request, jobs.c.priority)
            ).one_or_none()
            if row is None:
                return
            given = Request.model_validate_json(row.request).input
            fetched = any(isinstance(v, str) for v in (given.source, given.avatar, given.photo))
            queue.flow.enqueue(connection, INGEST if fetched else JOBS, next_id, priority=row.priority)
        queue.flow.cancel(workflow_id)
        _LOG.warning("%s goes on with version %s", job_id, queue.flow.version)

    def _end(self, job_id: str, workflow_id: str, status: str) -> None:
        poisoned = status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED"
        limit = self._queue.settings.poison_limit
        error = JobError(
            code=JobPoisoned.code if poisoned else "error",
            message=f"{limit + 1} workers died of it" if poisoned else f"its workflow ended as {status}",
            hint="look into the workers' logs for the cause; then: ugclab jobs retry",
        )
        database, flow = self._queue.database, self._queue.flow
        with database.transaction() as connection:
            if records.end(connection, database, flow, job_id, JobState.FAILED, workflow_id=workflow_id, error=error):
                _LOG.error("%s: %s", job_id, error.message)

    def tell(self) -> None:
        """Put news in line again that an upgrade, or a fault of ours, has left without a workflow."""
        queue = self._queue
        with queue.database.reading() as connection:
            untold = queue.flow.untold(connection)
            running = set(connection.execute(sa.select(workers.c.version).where(workers.c.state == "alive")).scalars())
        for row in untold if running <= {queue.flow.version} else ():
            workflow_id = f"{row.event_id}.{row.tries}"
            queue.flow.forget([workflow_id])
            with queue.database.transaction() as connection:
                queue.flow.enqueue(connection, NOTIFY, workflow_id, row.event_id, row.tries)

    def tidy(self) -> None:
        """Delete what is older than the operator wants to keep, and again what was deleted under a worker's hands."""
        queue = self._queue
        database, keep_s = queue.database, queue.settings.retention_days * _DAY_S
        deletion = Deletion(database, queue.flow, queue.store, queue.settings)
        deletion.sweep()
        with database.reading() as connection:
            old = records.ended_before(connection, database.now() - keep_s)
            events = list(
                connection.execute(
                    sa.select(outbox.c.event_id).where(
                        outbox.c.status != "pending", outbox.c.created_at < database.now() - keep_s
                    )
                ).scalars()
            )
        for job_id in old:
            deletion.job(job_id)
        deletion.old_looks(keep_s)
        deletion.old_inputs(queue.inputs.old())
        deletion.old_uploads(_DAY_S)
        queue.flow.forget(events)
        queue.flow.forget_looks((datetime.now(UTC) - timedelta(seconds=_LOOKS_KEPT_S)).isoformat())
        with database.transaction() as connection:
            connection.execute(outbox.delete().where(outbox.c.event_id.in_(events)))
        self._heartbeats.forget(keep_s)


def _number(version: str) -> int:
    """The number at a version's end; versions of other programs count as newer than ours."""
    found = re.fullmatch(r"stages-(\d+)", version or "")
    return int(found[1]) if found else 2**31
