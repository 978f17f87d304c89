"""The desk over HTTP, for the page's own scripts. Everything here belongs to whoever asks (identity.py)."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Depends, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from ugclab.entrypoints.ui.desk import PROJECT, Desk, Role, read_draft, shown_input
from ugclab.entrypoints.ui.identity import Caller
from ugclab.entrypoints.ui.looking import Looking
from ugclab.entrypoints.ui.serving import Serving
from ugclab.errors import IntakeError, LimitReached
from ugclab.net.urls import clean_name
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
        announced = int(request.headers.get("content-length") or 0)
        _check_size(announced, limit_mb)
        if uploads.locked():
            raise LimitReached("many files are being uploaded", hint="try again in a minute")
        async with uploads:
            folder = upload_folder(settings.data_dir) / secrets.token_hex(8)
            folder.mkdir(parents=True)
            path = folder / (clean_name(name) or role)
            try:
                size = 0
                with path.open("wb") as file:
                    async for block in request.stream():
                        size += len(block)
                        _check_size(size, limit_mb)
                        file.write(block)
                return await run_in_threadpool(desk.take, caller.principal, path, role)
            finally:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                    folder.rmdir()

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


def _check_size(size: int, limit_mb: int) -> None:
    if size > limit_mb << 20:
        raise IntakeError(f"the file is larger than {limit_mb} MB", hint="cut or compress it, then bring it again")


async def _until(ask: Callable[[], Mapping[str, Any] | None], otherwise: Mapping[str, Any]) -> dict[str, Any]:
    """What `ask` answers, once it does."""
    for _ in range(int(_WAIT_S / _LOOK_S)):
        if (answer := await run_in_threadpool(ask)) is not None:
            return dict(answer)
        await asyncio.sleep(_LOOK_S)
    return dict(otherwise)


def upload_folder(data_dir: Path) -> Path:
    """Where uploads arrive."""
    return data_dir.expanduser() / "uploads"
