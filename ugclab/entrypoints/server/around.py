"""What surrounds every request: how large it may be, who may not have made it, what every answer carries, counts."""

import logging
import time
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ugclab.entrypoints.server.metrics import Requests
from ugclab.entrypoints.web.answers import fault
from ugclab.entrypoints.web.guard import foreign

LARGEST_BYTES = 1 << 20
"""Of a document; files come by routes of their own, which have limits of their own."""
_FILES = ("/v1/uploads/", "/desk/", "/gradio_api/")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_NEVER_KEPT = (b"cache-control", b"no-store")
"""Of documents; a mounted page's scripts and pictures are kept as the page says."""
_LOG = logging.getLogger("ugclab.access")


class Around:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.monotonic(), 500
        limited = not scope["path"].startswith(_FILES)
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if limited and size > LARGEST_BYTES:
                raise HTTPException(413, "the document is larger than 1 MB")
            return message

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                there = {name.lower(): value for name, value in message.get("headers", ())}
                document = there.get(b"content-type", b"").startswith(b"application/json")
                wanted = (*_HEADERS, _NEVER_KEPT) if document else _HEADERS
                message["headers"] = [*message.get("headers", ()), *(h for h in wanted if h[0] not in there)]
            await send(message)

        try:
            if refusal := _refusal(scope, limited=limited):
                await refusal(scope, receive, answered)
            else:
                await self._app(scope, counted, answered)
        finally:
            seconds, route = time.monotonic() - begun, _route(scope)
            self._requests.note(scope["method"] if route != "(none)" else "(any)", route, status, seconds)
            key = (scope.get("state") or {}).get("key_id", "-")
            _LOG.info("%s %s %d %.0f ms key %s", scope["method"], route, status, seconds * 1000, key)


def _refusal(scope: Scope, *, limited: bool) -> Any:
    connection = HTTPConnection(scope)
    if foreign(connection):
        return fault(403, "input", "this was asked from another site")
    announced = connection.headers.get("content-length", "0")
    if limited and (not announced.isascii() or not announced.isdigit() or int(announced[:20]) > LARGEST_BYTES):
        return fault(413, "intake", "the document is larger than 1 MB", "send files by POST /v1/uploads")
    return None


def _route(scope: Scope) -> str:
    """The template of the route that answered; below /v2/{endpoint} it is the one at the root."""
    return str(getattr(scope.get("route"), "path", "") or "(none)")


def surround(app: FastAPI, requests: Requests) -> None:
    """Put it around an app."""
    app.add_middleware(Around, requests=requests)
