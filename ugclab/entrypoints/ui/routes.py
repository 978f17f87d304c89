"""The desk over HTTP, for the page's own scripts. Everything here belongs to whoever asks (identity.py)."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Depends, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from ugclab.entrypoints.ui.desk import PROJECT, Desk, Role, read_draft, shown_input
from ugclab.entrypoints.ui.identity import Caller
from ugclab.entrypoints.ui.looking import Looking
from ugclab.entrypoints.web.receiving import received
from ugclab.entrypoints.web.serving import Serving
from ugclab.errors import LimitReached
from ugclab.storage import paths

_UPLOADS_AT_ONCE = 8
_WAIT_S, _LOOK_S = 10.0, 0.04
T = TypeVar("T")


def caller_of(request: Request) -> Caller:
    """Who asks: the middleware has found out."""
    caller: Caller = request.state.caller
    return caller


Asking = Annotated[Caller, Depends(caller_of)]


def desk_routes(desk: Desk, looking: Looking, serving: Serving) -> APIRouter:
    """Routes below `/desk`."""
    routes = APIRouter(prefix="/desk")
    settings = desk.queue.settings
    uploads = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    @routes.post("/upload/{role}")
    async def upload(role: Role, request: Request, caller: Asking, name: str = "") -> dict[str, Any]:
        """Take the body as a file. Its name is for people; what it is is read from its bytes."""
        limit_mb = settings.max_source_mb if role == "source" else settings.max_avatar_mb
        if uploads.locked():
            raise LimitReached("many files are being uploaded", hint="try again in a minute")
        async with uploads, received(request, settings.data_dir, name or role, limit_mb) as path:
            return await run_in_threadpool(desk.take, caller.principal, path, role)

    @routes.post("/sample")
    def take_sample(caller: Asking) -> dict[str, Any]:
        return desk.take_sample(caller.principal)

    @routes.get("/card/{sha256}")
    def card(sha256: str, caller: Asking) -> dict[str, Any]:
        return shown_input(desk.input(caller.principal, sha256))

    @routes.get("/input/{sha256}")
    def show_input(sha256: str, caller: Asking) -> Response:
        return serving.show(desk.input(caller.principal, sha256).key)

    @routes.get("/picture/{name:path}")
    def show_picture(name: str, caller: Asking) -> Response:
        folder = paths.folder(caller.principal.user, PROJECT, "thumbnails")
        return serving.show(f"{folder}/{name}")

    @routes.post("/look")
    def look(caller: Asking, document: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        return looking.ask(caller.principal, document)

    @routes.get("/look/{look_id:path}")
    async def looked(look_id: str, caller: Asking) -> dict[str, Any]:
        """The answer, waited for a little: who asks again when it is not there yet asks seldom."""
        return await _until(lambda: looking.answer(caller.principal, look_id), {"waiting": True})

    @routes.get("/engines")
    def engines() -> list[dict[str, Any]]:
        return desk.engines()

    @routes.post("/estimate")
    def estimate(caller: Asking, document: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        return desk.estimate(caller.principal, read_draft(document))

    @routes.post("/submit")
    def submit(caller: Asking, document: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        draft = read_draft({k: v for k, v in document.items() if k != "agreed"})
        job = desk.submit(caller.principal, draft, agreed=document.get("agreed") is True, name=caller.name)
        return {"job_id": job.job_id}

    return routes


async def _until(ask: Callable[[], Mapping[str, Any] | None], otherwise: Mapping[str, Any]) -> dict[str, Any]:
    """What `ask` answers, once it does."""
    for _ in range(int(_WAIT_S / _LOOK_S)):
        if (answer := await run_in_threadpool(ask)) is not None:
            return dict(answer)
        await asyncio.sleep(_LOOK_S)
    return dict(otherwise)
