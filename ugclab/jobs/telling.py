"""Callbacks while an order is under way: best effort, seldom, and each change told by one server of several.

The end is not told here: it lies in the outbox (records.py) and is delivered until it is heard. A receiver that hears
of progress after the end can pass it over: nothing follows an end but a retry.
"""

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import sqlalchemy as sa

from ugclab.errors import UgclabError
from ugclab.jobs import orders as ordered
from ugclab.jobs import records
from ugclab.jobs.queue import Queue
from ugclab.jobs.schema import jobs, orders
from ugclab.jobs.webhooks import deliver
from ugclab.schema.ids import new_ulid

_LOG = logging.getLogger(__name__)
_LOOK_S = 0.5
_AT_ONCE = 4
_STOP_S = 20.0


class Teller:
    """One server's thread that looks at live orders and tells their callers what has changed."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="callback")
        self._busy: dict[tuple[str, str], Future[None]] = {}

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._run, name="teller", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; a callback that is being sent may come to its end."""
        self._stopping.set()
        if self._thread:
            self._thread.join(_STOP_S)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_S):
            try:
                self.look()
            except UgclabError as error:
                _LOG.warning("callbacks wait: %s", error.message)
            except Exception:
                _LOG.exception("a fault of ours")

    def look(self) -> None:
        """Send what has changed, as far as nobody else has and the last callback is long enough ago."""
        self._busy = {key: sending for key, sending in self._busy.items() if not sending.done()}
        database = self._queue.database
        pause = database.now() - self._queue.settings.callback_every_s
        with database.reading() as connection:
            due = connection.execute(
                sa.select(orders)
                .join(jobs, jobs.c.job_id == orders.c.job_id)
                .where(orders.c.callback_url != "", orders.c.door == "execute", orders.c.told_at < pause)
                # who waits is told so once: looking at all of a long line twice a second would burden the database
                .where(sa.or_(jobs.c.state == "running", sa.and_(jobs.c.state == "queued", orders.c.told == "")))
            ).all()
            found = [(row, records.find(connection, row.job_id)) for row in due]
        for row, job in found:
            if job is None or (row.user, row.name) in self._busy or len(self._busy) >= 4 * _AT_ONCE:
                continue
            body = ordered.told(row, records.view(job), "", "", None)
            if body != row.told and self._ours(row, body):
                self._busy[row.user, row.name] = self._pool.submit(self._send, row.callback_url, body)

    def _ours(self, row: sa.Row[Any], body: str) -> bool:
        """Write down that it is told; False where another server was faster."""
        with self._queue.database.transaction() as connection:
            changed = connection.execute(
                orders.update()
                .where(orders.c.user == row.user, orders.c.door == row.door, orders.c.name == row.name)
                .where(orders.c.told_at == row.told_at)
                .values(told=body, told_at=self._queue.database.now())
            )
        return changed.rowcount == 1

    def _send(self, url: str, body: str) -> None:
        settings = self._queue.settings
        try:
            sent = deliver(
                self._queue.client,
                url,
                f"msg_{new_ulid()}",
                body.encode(),
                settings.webhook_secret.get_secret_value(),
                timeout_s=min(settings.webhook_timeout_s, 5.0),
            )
            if not sent.ok:
                _LOG.info("a callback about progress was not heard: %s", sent.error)
        except UgclabError as error:
            _LOG.warning("no callback can be sent: %s", error.message)
