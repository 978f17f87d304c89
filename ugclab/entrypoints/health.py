"""`ugclab health`: whether what runs on this machine works, for a container's health check; asks loopback alone."""

import http.client
import json
import platform
from contextlib import closing

from ugclab.errors import EngineUnavailable, InputError, QueueUnavailable
from ugclab.settings import Settings

HTTP_MODES = ("page", "serve")
MODES = (*HTTP_MODES, "worker", "serverless")
"""What an image may be started as: UGCLAB_MODE."""
_ANSWER_S = 8.0
"""Below the ten seconds a container's check may take."""


def check(mode: str, settings: Settings) -> str:
    """Say in a line that it works; raises EngineUnavailable or QueueUnavailable where it does not.

    A server must answer GET /health with 200; a worker must have told the queue that it lives. A serverless worker has
    nobody to ask: Runpod watches it by its own pings.
    """
    if mode in HTTP_MODES:
        return _answering(settings.port)
    if mode == "worker":
        return _beating(settings)
    if mode == "serverless":
        return "a serverless worker is watched by the service that started it"
    raise InputError(f"there is no mode {mode!r}", hint=f"one of {', '.join(MODES)}")


def _answering(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        body = answer.read(65536)
    except (OSError, http.client.HTTPException) as error:
        raise EngineUnavailable(
            f"nothing answers on port {port}: {error}", hint="see the container's log; UGCLAB_PORT names the port"
        ) from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise EngineUnavailable(f"port {port} answers {answer.status}", hint="see the container's log")
    try:
        status = json.loads(body).get("status", "")
    except (ValueError, AttributeError):
        status = ""
    return f"port {port} answers {status or answer.status}"


def _beating(settings: Settings) -> str:
    """A worker whose id begins with this machine's name, and which was heard of before others would take over."""
    from ugclab.jobs.database import Database  # half a second of imports that a page's check does without
    from ugclab.jobs.heartbeat import Heartbeats

    own = f"{platform.node()[:60]}-"
    with closing(Database(settings.queue_url)) as database:
        known = Heartbeats(database).list()
    alive = [
        worker
        for worker in known
        if worker.executor_id.startswith(own)
        and worker.state in {"alive", "draining"}
        and worker.silent_s < settings.takeover_s
    ]
    if not alive:
        raise QueueUnavailable(
            f"no worker of this machine was heard of in {settings.takeover_s:g} s", hint="see the container's log"
        )
    return f"{alive[0].executor_id} was heard of {min(w.silent_s for w in alive):.0f} s ago"
