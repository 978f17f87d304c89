"""The workflows of the queue: ingest, the job itself, and the news of its end. Each may die anywhere and goes on there.

A stage is a durable step: what it returned is remembered, and it returns its error rather than raising it, so that what
is remembered is always plain JSON.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ugclab.errors import Cancelled, UgclabError, error_of
from ugclab.jobs import logs, records
from ugclab.jobs.database import persistently
from ugclab.jobs.flow import INGEST, JOBS, NOTIFY
from ugclab.jobs.lane import Lane
from ugclab.jobs.looker import Looker
from ugclab.jobs.meter import SHARES
from ugclab.jobs.notify import Notifier
from ugclab.jobs.queue import Queue
from ugclab.jobs.records import Claimed
from ugclab.jobs.stages import Result, Stages
from ugclab.jobs.tasks import Failed
from ugclab.schema.job import JobError, JobState
from ugclab.schema.plan import SegmentPlan

_LOG = logging.getLogger(__name__)


class StageFailed(Exception):
    """A stage came to an end that no retry by itself will better."""

    def __init__(self, error: JobError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class Workflows:
    """What a worker does with what it takes out of the queue."""

    queue: Queue
    lane: Lane
    notifier: Notifier
    lookers: Mapping[str, Looker]
    """By queue."""

    def register(self) -> None:
        """Make the workflows known to DBOS, under the names of their queues. Called once, before it is launched."""
        from dbos import DBOS

        limit = self.queue.settings.poison_limit
        DBOS.workflow(name=INGEST, max_recovery_attempts=limit)(self._guarded(self._ingest))
        DBOS.workflow(name=JOBS, max_recovery_attempts=limit)(self._guarded(self._transform))

        def notify(event_id: str, number: int) -> str:
            return self.notifier.deliver(event_id, number)

        DBOS.workflow(name=NOTIFY, max_recovery_attempts=limit)(notify)
        for name, looker in self.lookers.items():
            DBOS.workflow(name=name, max_recovery_attempts=1)(_looking(looker))

    def _guarded(self, do: Callable[[Stages, Claimed, str], None]) -> Callable[[str], str]:
        """Claim the job, do it, and bring it to its end if it fails."""

        def run(given: str = "") -> str:
            from dbos import DBOS

            workflow_id = str(DBOS.workflow_id)
            held = persistently(lambda: records.claim(self.queue.database, workflow_id))
            if held is None:
                return "not ours"
            with logs.about(job=held.job_id), Stages(self.queue, self.lane, held) as stages:
                _LOG.info("begun, attempt %d", held.attempt)
                try:
                    do(stages, held, given)
                except StageFailed as failed:
                    if failed.error.code == Cancelled.code:
                        _LOG.info("given up: cancelled, or taken over")
                        return "given up"
                    persistently(partial(self._fail, held, failed.error))
                    return "failed"
                except Cancelled:
                    _LOG.info("given up: cancelled, or taken over")
                    return "given up"
            return "done"

        return run

    def _fail(self, held: Claimed, error: JobError) -> None:
        queue = self.queue
        with queue.database.transaction() as connection:
            ended = records.end(
                connection, queue.database, queue.flow, held.job_id, JobState.FAILED, claim=held.claim, error=error
            )
        if ended:
            _LOG.error("failed in %s: %s", error.stage, error.message)

    def _ingest(self, stages: Stages, held: Claimed, given: str) -> None:
        queue = self.queue
        ingested = _step("ingest", None, stages, stages.ingest)
        request = held.request.model_copy(update={"input": stages.with_assets(ingested)})
        next_id = f"{held.job_id}.{held.attempt}{records.HANDED_ON}"

        def hand_on() -> Result:
            media_s = stages.count_minutes(request.input)
            with queue.database.transaction() as connection:
                if not records.keep_inputs(connection, held, request, media_s, next_id):
                    raise Cancelled("cancelled")
                queue.flow.enqueue(
                    connection, JOBS, next_id, json.dumps(ingested["measurements"]), priority=int(request.priority)
                )
            return {}

        _step("hand on", None, stages, hand_on)

    def _transform(self, stages: Stages, held: Claimed, given: str) -> None:
        analysed = _step("analyse", None, stages, stages.analyse)
        swaps = [s["index"] for s in analysed["value"]["plan"]["segments"] if s["action"] == "swap"]
        frames = {int(index): count for index, count in analysed["value"]["frames"].items()}
        written = str(SegmentPlan.model_validate(analysed["value"]["plan"]))
        stages.meter.plan({index: frames.get(index, 0) for index in swaps}, written)
        swapped = [_step("swap", index, stages, partial(stages.swap, index)) for index in swaps]
        stitched = _step("stitch", None, stages, stages.stitch)

        def publish() -> Result:
            fetched = {"measurements": json.loads(given)} if given else None
            if not stages.publish(fetched, analysed, swapped, stitched):
                stages.clear()
                raise Cancelled("cancelled")
            return {}

        # No durable step: the job's row itself says that this is done, in one transaction with the news of it.
        _taken("publish", None, _done("publish", None, stages, publish))
        _LOG.info("succeeded")


def _looking(looker: Looker) -> Callable[[str, str], dict[str, Any]]:
    def look(document: str, folder: str) -> dict[str, Any]:
        from dbos import DBOS

        return looker.do(str(DBOS.workflow_id), document, folder)

    return look


def _step(stage: str, segment: int | None, stages: Stages, do: Callable[[], Result]) -> Result:
    """Do a stage as a durable step. Raises StageFailed with the error it came to, in this run or in one before."""
    from dbos import DBOS

    name = stage if segment is None else f"{stage}-{segment}"
    return _taken(stage, segment, DBOS.run_step({"name": name}, partial(_done, stage, segment, stages, do)))


def _done(stage: str, segment: int | None, stages: Stages, do: Callable[[], Result]) -> dict[str, Any]:
    """Do a stage: what it returned, or the error it came to, as plain JSON."""
    name = stage if segment is None else f"{stage} {segment}"
    begun = time.monotonic()
    with logs.about(stage=name):
        try:
            result = stages.attempt(name, do)
            if stage in SHARES and stage != "publish":
                stages.note("done", name, seconds=round(time.monotonic() - begun, 3))
            return {"ok": result}
        except Cancelled:
            raise
        except Exception as error:
            if not isinstance(error, UgclabError):
                _LOG.exception("a fault of ours")
            failed = Failed.of(0, error)
            return {"failed": failed.model_dump(include={"code", "message", "hint", "segment"})}


def _taken(stage: str, segment: int | None, result: dict[str, Any]) -> Result:
    if "failed" in result:
        about = result["failed"].get("segment") if segment is None else segment
        raise StageFailed(JobError(**result["failed"] | {"stage": stage, "segment": about}))
    ok: Result = result["ok"]
    return ok


def error_of_job(error: JobError) -> UgclabError:
    """A job's error as one to raise: what an entrypoint does with a job that failed."""
    return error_of(error.code, error.message, error.hint)
