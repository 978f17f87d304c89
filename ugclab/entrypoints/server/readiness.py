"""Whether a server can do its work: the database answers, the store opens, a worker lives; and what workers can do."""

import threading
import time
from typing import Literal

import sqlalchemy as sa

from ugclab.engines import registry
from ugclab.entrypoints.server.draining import Drain
from ugclab.errors import UgclabError
from ugclab.jobs.heartbeat import Heartbeats, WorkerView
from ugclab.jobs.queue import Queue
from ugclab.jobs.schema import jobs
from ugclab.pipeline.measure import version
from ugclab.schema.base import Frozen
from ugclab.schema.contract import WorkerHealth

_KEPT_S = 2.0
_ENGINES_KEPT_S = 60.0


class Ready(Frozen):
    """Whether to send requests here, and what is missing."""

    status: Literal["ok", "draining", "unready"]
    missing: tuple[str, ...] = ()


class Alive(Frozen):
    """That the process answers."""

    status: Literal["ok"] = "ok"


class Readiness:
    """Looks, and remembers for a moment what it saw: whoever asks often must not burden database and store."""

    def __init__(self, queue: Queue, drain: Drain) -> None:
        self._queue = queue
        self._drain = drain
        self._lock = threading.Lock()
        self._seen: tuple[float, tuple[str, ...]] = (-_KEPT_S, ())
        self._engines: tuple[float, tuple[str, ...]] = (-_ENGINES_KEPT_S, ())

    def ready(self) -> Ready:
        """Whether this server can be used."""
        if self._drain.begun:
            return Ready(status="draining", missing=("this server is about to stop",))
        missing = self._missing()
        return Ready(status="unready" if missing else "ok", missing=missing)

    def _missing(self) -> tuple[str, ...]:
        with self._lock:
            at, missing = self._seen
            if time.monotonic() - at < _KEPT_S:
                return missing
            found = []
            try:
                if not self.workers() and self._queue.settings.needs_worker:
                    found.append("no worker lives: ugclab worker")
            except UgclabError:
                found.append("the database does not answer")
            try:
                self._queue.store.exists("probe")
            except UgclabError:
                found.append("the store does not open")
            self._seen = (time.monotonic(), tuple(found))
            return tuple(found)

    def workers(self) -> tuple[WorkerView, ...]:
        """Those that take jobs. Raises QueueUnavailable."""
        return Heartbeats(self._queue.database).living(self._queue.settings.takeover_s)

    def health(self) -> WorkerHealth:
        """The worker contract's own. Raises QueueUnavailable."""
        workers = self.workers()
        with self._queue.database.reading() as connection:
            waiting = connection.execute(
                sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state == "queued")
            ).scalar_one()
        return WorkerHealth(
            status=self.ready().status,
            gpu_available=any(worker.device.endswith("GPU") for worker in workers),
            model_loaded=any(worker.loaded for worker in workers),
            version=version(),
            engines=self._able(),
            workers=len(workers),
            waiting=waiting,
        )

    def _able(self) -> tuple[str, ...]:
        with self._lock:
            at, names = self._engines
            if time.monotonic() - at >= _ENGINES_KEPT_S:
                settings = self._queue.settings
                names = tuple(e.info.name for e in registry.catalogue() if registry.availability(e, settings).ready)
                self._engines = (time.monotonic(), names)
            return names
