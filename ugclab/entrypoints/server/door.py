"""What every route needs of an installation."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from ugclab.entrypoints.server.callers import Callers
from ugclab.entrypoints.server.draining import Drain
from ugclab.entrypoints.server.metrics import Requests
from ugclab.entrypoints.server.readiness import Readiness
from ugclab.entrypoints.web.serving import Serving
from ugclab.jobs.ordering import Orders
from ugclab.jobs.queue import Queue
from ugclab.jobs.uploads import Uploads

_UPLOADS_AT_ONCE = 8


@dataclass
class Door:
    """One server's view of an installation."""

    queue: Queue
    drain: Drain = field(default_factory=Drain)
    requests: Requests = field(default_factory=Requests)
    streams: int = 0
    longest_stream_s: float = 3600.0
    """A stream is ended after so long; its reader comes back and goes on where it was."""
    longest_wait_s: float = 300.0
    """Of somebody who waits for a job's end."""

    def __post_init__(self) -> None:
        self.orders = Orders(self.queue)
        self.uploads = Uploads(self.queue)
        self.callers = Callers(self.queue)
        self.serving = Serving(self.queue.store, self.queue.settings)
        self.readiness = Readiness(self.queue, self.drain)
        self.receiving = asyncio.Semaphore(_UPLOADS_AT_ONCE)


def door_of(request: Request) -> Door:
    """The door a request came by."""
    door: Door = request.app.state.door
    return door


def root_of(request: Request) -> str:
    """The address that links to results begin with: the operator's, or the one that was asked."""
    public = door_of(request).queue.settings.public_url
    return (public or str(request.base_url)).rstrip("/")


def described(*statuses: int, **more: Any) -> dict[int | str, dict[str, Any]]:
    """What a route may answer beside success, for its description: those every route has, and `statuses`."""
    from ugclab.entrypoints.web.answers import Fault

    words = {
        400: "the body cannot be read",
        401: "no key, or one that is not valid",
        403: "the key may not do that",
        404: "there is no such thing, or it is somebody else's",
        405: "there is no such method here",
        409: "its state does not allow it",
        413: "too large, or not let in",
        422: "not what its description says, or nothing that can be done",
        429: "a limit of this key or of the installation",
        500: "a fault of ours, with a number",
        503: "for now it cannot",
    }
    return {
        status: {"model": Fault, "description": words[status]}
        for status in (401, 403, 404, 405, 429, 500, 503, *statuses)
    }
