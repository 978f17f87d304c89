"""The news of a job's end, out of the outbox: each try is a short workflow of its own, and none waits with a thread.

The event id stays the same from try to try, so that a receiver can tell a repetition.
"""

import logging
import random
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from ugclab.errors import UgclabError
from ugclab.jobs.database import Database, persistently
from ugclab.jobs.flow import NOTIFY, Flow
from ugclab.jobs.schema import outbox
from ugclab.jobs.webhooks import Delivery, deliver, next_wait_s
from ugclab.net.client import GuardedClient
from ugclab.settings import Settings

_LOG = logging.getLogger(__name__)


class Notifier:
    """Delivers what is in the outbox."""

    def __init__(
        self,
        database: Database,
        flow: Flow,
        settings: Settings,
        client: GuardedClient,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._flow = flow
        self._settings = settings
        self._client = client
        self._jitter = jitter

    def deliver(self, event_id: str, number: int) -> str:
        """Make one try, and put the next in line if it has to be made; says what became of it."""
        row = persistently(lambda: self._row(event_id))
        if row is None or row.status != "pending" or row.tries > number:
            return "nothing to do"
        sent = self._send(row.url, event_id, row.payload)
        wait = None if sent.ok or sent.gone else next_wait_s(number + 1, self._settings.webhook_retries_s, self._jitter)
        if wait is not None and sent.retry_after_s is not None:
            wait = max(wait, sent.retry_after_s)
        status = "delivered" if sent.ok else "refused" if sent.gone else "given_up" if wait is None else "pending"
        persistently(lambda: self._settle(event_id, number, sent, status, wait))
        if not sent.ok:
            _LOG.warning("webhook of %s: %s (%s)", event_id, sent.error, status)
        return status

    def _row(self, event_id: str) -> sa.Row[Any] | None:
        with self._database.reading() as connection:
            return connection.execute(outbox.select().where(outbox.c.event_id == event_id)).one_or_none()

    def _settle(self, event_id: str, number: int, sent: Delivery, status: str, wait: float | None) -> None:
        """Write down what became of a try, and put the next in line."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                outbox.update()
                .where(outbox.c.event_id == event_id, outbox.c.status == "pending", outbox.c.tries == number)
                .values(
                    status=status,
                    tries=number + 1,
                    last_error="" if sent.ok else sent.error,
                    delivered_at=self._database.now() if sent.ok else sa.null(),
                )
            )
            if changed.rowcount and wait is not None:
                self._flow.enqueue(connection, NOTIFY, f"{event_id}.{number + 1}", event_id, number + 1, delay_s=wait)

    def _send(self, url: str, event_id: str, payload: str) -> Delivery:
        try:
            return deliver(
                self._client,
                url,
                event_id,
                payload.encode(),
                self._settings.webhook_secret.get_secret_value(),
                timeout_s=self._settings.webhook_timeout_s,
            )
        except UgclabError as error:
            return Delivery(ok=False, status=0, error=error.message)
