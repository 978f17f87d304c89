"""The news of a job's end, signed as everywhere (jobs/webhooks.py), in a bounded time: every second of it is paid for.

The platform's own webhook is unsigned, and is not ours.
"""

import random
import time
from collections.abc import Callable

from ugclab.errors import UgclabError
from ugclab.jobs.webhooks import Delivery, Notification, deliver, next_wait_s
from ugclab.net.client import GuardedClient
from ugclab.settings import Settings


def tell(
    client: GuardedClient,
    settings: Settings,
    url: str,
    notification: Notification,
    *,
    within_s: float,
    wait: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Delivery:
    """Make as many tries of the schedule as begin within the time; the last may be cut short. Never raises ours.

    The event id is the job's own, the same from worker to worker: a receiver can tell a repetition.
    """
    end = clock() + within_s
    event_id = f"msg_{notification.job_id}_{notification.status}"
    tries, sent = 0, Delivery(ok=False, error="there was no time for it")
    pause = next_wait_s(0, settings.webhook_retries_s, random.random)
    while pause is not None and pause < end - clock():
        wait(pause)
        sent = _try(client, settings, url, event_id, notification, min(settings.webhook_timeout_s, end - clock()))
        tries += 1
        if sent.ok or sent.gone:
            break
        pause = next_wait_s(tries, settings.webhook_retries_s, random.random)
        if pause is not None and sent.retry_after_s is not None:
            pause = max(pause, sent.retry_after_s)
    return sent


def _try(
    client: GuardedClient, settings: Settings, url: str, event_id: str, notification: Notification, timeout_s: float
) -> Delivery:
    secret = settings.webhook_secret.get_secret_value()
    try:
        return deliver(client, url, event_id, notification.body(), secret, timeout_s=max(0.1, timeout_s))
    except UgclabError as error:
        return Delivery(ok=False, gone=True, error=error.message)  # a secret that is none stays none
