"""A worker: takes jobs out of the queue and has its engine children do them, until it is told to stop.

The process itself computes nothing: it supervises. Any number of workers may share a database, on one machine or many.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ugclab.errors import UgclabError
from ugclab.jobs.database import Database
from ugclab.jobs.flow import INGEST, JOBS, LOOK, NOTIFY, PROOF, STAGES_VERSION, STUDY, Flow
from ugclab.jobs.heartbeat import Heartbeats, Identity
from ugclab.jobs.lane import Lane
from ugclab.jobs.looker import Looker
from ugclab.jobs.notify import Notifier
from ugclab.jobs.queue import Queue
from ugclab.jobs.sweep import Sweep
from ugclab.jobs.workflows import Workflows
from ugclab.settings import Settings

_LOG = logging.getLogger(__name__)
_POLL_S = 0.5
_GLANCE_S, _STUDY_S = 0.2, 0.5
"""The same for the queues somebody waits for at a page: each look into a queue costs an idle worker milliseconds."""
_TIDY_EVERY_S = 60.0
_FETCHES, _NOTICES = 4, 4
_GPUS = Path("/proc/driver/nvidia/gpus")


class Worker:
    """One worker process."""

    def __init__(self, settings: Settings, *, version: str = STAGES_VERSION, slots: int = 0) -> None:
        self._settings = settings
        gpus = len(list(_GPUS.iterdir())) if _GPUS.is_dir() else 0
        self._device = f"{gpus} GPU" if gpus else "cpu"
        self._slots = slots or settings.worker_slots or gpus or 1
        self._version = version
        self._stopping = threading.Event()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ask it to end: no new jobs, and those it does may take the grace they are given."""
        self._stopping.set()

    def run(
        self, *, grace_s: float = 30.0, until_idle: bool = False, ready: Callable[[str], None] = lambda _: None
    ) -> None:
        """Work until `stop`, or with `until_idle` until nothing is queued or running. Raises QueueUnavailable at once.

        `ready` is called with the executor id when jobs are taken.
        """
        identity = Identity(self._settings.data_dir.expanduser() / "workers")
        queue = Queue(self._settings)
        queue.flow = Flow(queue.database, self._version)
        queue.database.prepare()
        queue.store.exists("probe")  # wrong credentials and missing buckets are known now, not in the first job
        lane = Lane(self._settings, "engine", self._slots)
        notifier = Notifier(queue.database, queue.flow, self._settings, queue.client)
        looks = {name: Lane(self._settings, name.rpartition("-")[2], 1) for name in (LOOK, STUDY, PROOF)}
        lookers = {name: Looker(self._settings, queue.store, queue.flow, lane) for name, lane in looks.items()}
        workflows = Workflows(queue, lane, notifier, lookers)
        heartbeats = Heartbeats(queue.database)
        dbos = _launch(queue.database, self._version, identity.executor_id, workflows, self._slots)
        heartbeats.begin(identity.executor_id, self._version, self._slots, self._device)
        beating = threading.Thread(
            target=self._beat, args=(heartbeats, identity.executor_id, lane), name="heartbeat", daemon=True
        )
        beating.start()
        for warmed in (lane, looks[LOOK], looks[STUDY]):  # a proof takes seconds anyway
            warmed.warm()
        _LOG.info("worker %s takes jobs, %d at once (%s)", identity.executor_id, self._slots, self._device)
        ready(identity.executor_id)
        try:
            self._sweep_until_stopped(queue, heartbeats, until_idle=until_idle)
        finally:
            self._stopping.set()
            _LOG.info("worker %s stops", identity.executor_id)
            _finish(dbos, grace_s)
            lane.close()
            for look_lane in looks.values():
                look_lane.close()
            self._stopped.set()
            beating.join()
            _quietly(lambda: heartbeats.beat(identity.executor_id, "stopped"))
            identity.release()
            queue.close()

    def _beat(self, heartbeats: Heartbeats, executor_id: str, lane: Lane) -> None:
        while not self._stopped.wait(self._settings.heartbeat_s):
            state = "draining" if self._stopping.is_set() else "alive"
            _quietly(lambda state=state: heartbeats.beat(executor_id, state, lane.loaded))  # type: ignore[misc]

    def _sweep_until_stopped(self, queue: Queue, heartbeats: Heartbeats, *, until_idle: bool) -> None:
        sweep = Sweep(queue, heartbeats)
        tidied = -_TIDY_EVERY_S
        every = min(self._settings.heartbeat_s, self._settings.takeover_s / 4)
        swept = -every
        while not self._stopping.wait(_POLL_S if until_idle else every):
            now = time.monotonic()
            if now - swept >= every:
                swept = now
                _quietly(sweep.take_over)
                _quietly(sweep.settle)
            if now - tidied >= _TIDY_EVERY_S:
                tidied = now
                _quietly(sweep.tell)
                _quietly(sweep.tidy)
            if until_idle and _idle(queue):
                return


def _idle(queue: Queue) -> bool:
    try:
        return queue.idle()
    except UgclabError:
        return False


def _quietly(do: Callable[[], Any]) -> None:
    """What is done again anyway must not end a worker: a database may go away and come back."""
    try:
        do()
    except UgclabError as error:
        _LOG.warning("%s", error.message)
    except Exception:
        _LOG.exception("a fault of ours")


def _launch(database: Database, version: str, executor_id: str, workflows: Workflows, slots: int) -> Any:
    """Start DBOS over our connections."""
    from dbos import DBOS, DBOSPortableJSONSerializer

    logging.getLogger("dbos").setLevel(logging.WARNING)
    dbos = DBOS(
        config={
            "name": "ugclab",
            "system_database_url": database.url,
            "system_database_engine": database.engine,
            "application_version": version,
            "executor_id": executor_id,
            "max_executor_threads": 2 * slots + _FETCHES + _NOTICES + 6,
            "serializer": DBOSPortableJSONSerializer(),
            "use_listen_notify": False,
            "run_migrations": False,
            "console_log_level": "WARNING",
        }
    )
    workflows.register()
    DBOS.launch()
    slots_by_name = {INGEST: _FETCHES, JOBS: slots, NOTIFY: _NOTICES, LOOK: 1, STUDY: 1, PROOF: 1}
    for name, at_once in slots_by_name.items():
        poll_s = {LOOK: _GLANCE_S, STUDY: _STUDY_S}.get(name, _POLL_S)
        DBOS.register_queue(name, worker_concurrency=at_once, polling_interval_sec=poll_s, on_conflict="always_update")
    return dbos


def _finish(dbos: Any, grace_s: float) -> None:
    from dbos import DBOS

    active = bool(dbos._active_workflows_set.activeList())
    DBOS.destroy(workflow_completion_timeout_sec=int(grace_s) if active else 0)
