"""The page's server: pages, routes and the worker it watches, put together and served by uvicorn."""

import logging
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from ugclab.entrypoints.ui import pages, theme
from ugclab.entrypoints.ui.companion import Companion
from ugclab.entrypoints.ui.cookies import cookie, is_secure
from ugclab.entrypoints.ui.desk import Desk
from ugclab.entrypoints.ui.endpoints import add_endpoints
from ugclab.entrypoints.ui.figures import Figures
from ugclab.entrypoints.ui.identity import COOKIE_S, Identity
from ugclab.entrypoints.ui.job_desk import JobDesk
from ugclab.entrypoints.ui.job_routes import job_routes
from ugclab.entrypoints.ui.knowledge_routes import knowledge_routes
from ugclab.entrypoints.ui.login import login_routes
from ugclab.entrypoints.ui.looking import Looking
from ugclab.entrypoints.ui.routes import desk_routes
from ugclab.entrypoints.ui.serving import Serving, wants_page
from ugclab.entrypoints.ui.shelf import Shelf
from ugclab.errors import (
    EngineNotFound,
    EngineUnavailable,
    InputError,
    IntakeError,
    JobConflict,
    JobNotFound,
    LimitReached,
    UgclabError,
)
from ugclab.jobs import logs
from ugclab.jobs.queue import Queue
from ugclab.settings import Settings

_LOG = logging.getLogger(__name__)

_STATUS: tuple[tuple[type[UgclabError], int], ...] = (
    (JobNotFound, 404),
    (EngineNotFound, 404),
    (EngineUnavailable, 409),
    (JobConflict, 409),
    (LimitReached, 429),
    (IntakeError, 413),
    (InputError, 422),
)
_OPEN = ("/login", "/ui/", "/r/", "/static/", "/assets/", "/theme.css", "/health")
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self' blob: data:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    "frame-ancestors 'self' https://huggingface.co https://*.hf.space"
)
"""Nothing is loaded from elsewhere. Gradio's own scripts need inline code and eval; a Space is shown in a frame."""

_HOLD = '<div class="u-hold" aria-busy="true"></div>'
"""What stands in a page until its script has run: its height, so that nothing jumps."""


class Workbench:
    """The page of one installation. `app` is ASGI, and may be mounted in another server."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.queue = Queue(settings)
        self.queue.database.prepare()
        self.companion = Companion(self.queue)
        self.identity = Identity(settings)
        self.desk = Desk(self.queue)
        self.job_desk = JobDesk(self.queue)
        self.shelf = Shelf(settings)
        self.app = self._routes()

    def launch(self) -> None:
        """Serve until Ctrl-C or SIGTERM, where the settings say."""
        import uvicorn

        logs.configure(json=self.settings.log_json, stream=sys.stderr, secrets=[self.settings.webhook_secret])
        host, port = self.settings.host, self.settings.port
        print(f"ugclab is on http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}", flush=True)  # noqa: S104, T201
        uvicorn.run(self.app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=5)

    def _routes(self) -> FastAPI:
        """Everything but the pages: what their scripts ask."""
        app = FastAPI(lifespan=self._lifespan, docs_url=None, redoc_url=None, openapi_url=None)
        serving = Serving(self.queue.store, self.settings)
        app.include_router(desk_routes(self.desk, Looking(self.desk), serving))
        app.include_router(knowledge_routes(self.shelf, Figures(self.settings)))
        app.include_router(job_routes(self.job_desk, serving))
        app.include_router(login_routes(self.identity))
        app.include_router(static_routes())
        app.add_exception_handler(UgclabError, _refused)
        app.add_exception_handler(Exception, _broken)
        app.middleware("http")(self._who)
        return app

    def with_pages(self) -> "Workbench":
        """Mount the pages too. Raises EngineUnavailable where Gradio is missing."""
        try:
            from gradio import mount_gradio_app
            from gradio.utils import get_upload_folder
        except ImportError as error:
            raise EngineUnavailable("the page needs gradio", hint="pip install 'ugclab[ui]'") from error

        blocks = pages.build_blocks(
            {
                "Create": lambda: pages.component("create", _HOLD),
                "Jobs": lambda: pages.component("jobs", _HOLD),
                "Engines": lambda: pages.component("engines", _HOLD),
                "Benchmarks": lambda: pages.component("benchmarks", _HOLD),
                "Wan2.2": lambda: pages.component("wan", _HOLD),
            },
            lambda: add_endpoints(self.desk, self.job_desk, Path(get_upload_folder())),
        )
        mount_gradio_app(
            self.app,
            blocks,
            path="/",
            auth_dependency=lambda request: request.state.caller.principal.user,
            theme=theme.theme(),
            head=pages.head(),
            footer_links=[],
            run_history=False,
            show_error=True,
            max_file_size=self.settings.max_source_mb * 2**20,
            mcp_server=True,
            ssr_mode=False,
        )
        return self

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        if self.settings.ui_worker == "auto":
            self.companion.start()
        try:
            yield
        finally:
            self.shelf.pulls.stop()
            self.companion.stop()
            self.queue.close()

    async def _who(self, request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        """Find out who asks, refuse other sites' forms, and set what every answer carries."""
        path = request.url.path
        if _foreign(request):
            return JSONResponse({"message": "this was asked from another site", "hint": "", "code": "input"}, 403)
        caller = self.identity.caller(request.cookies, request.headers)
        if caller is None and not path.startswith(_OPEN):
            if wants_page(request):
                return RedirectResponse("/login", 303)
            return JSONResponse({"message": "log in first", "hint": "open /login", "code": "login"}, 401)
        request.state.caller = caller
        answer = await go_on(request)
        if caller and caller.fresh_cookie and not path.startswith(_OPEN):
            answer.headers.append("set-cookie", cookie(caller.fresh_cookie, COOKIE_S, secure=is_secure(request)))
        answer.headers.setdefault("Content-Security-Policy", _POLICY)
        answer.headers.setdefault("X-Content-Type-Options", "nosniff")
        answer.headers.setdefault("Referrer-Policy", "same-origin")
        return answer


def _foreign(request: Request) -> bool:
    """Whether a change is asked for by another site's page, with this browser's cookie."""
    origin = request.headers.get("origin")
    if request.method in ("GET", "HEAD", "OPTIONS") or not origin:
        return False
    hosts = {request.headers.get("host", ""), request.headers.get("x-forwarded-host", "")}
    return urlsplit(origin).netloc not in hosts - {""}  # a frame without rights of its own says "null"


def _refused(request: Request, error: Exception) -> Response:
    """An error of ours, in its own words."""
    if not isinstance(error, UgclabError):
        return _broken(request, error)
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 503 if error.passing else 500)
    return JSONResponse({"message": error.message, "hint": error.hint, "code": error.code}, status)


def _broken(request: Request, error: Exception) -> Response:
    """A fault of ours: the log has it, under a number that a person can tell."""
    number = secrets.token_hex(4)
    _LOG.error("fault %s at %s", number, request.url.path, exc_info=error)
    hint = f"try again; if it happens again, tell who runs this workbench the number {number}"
    return JSONResponse({"message": "something went wrong on our side", "hint": hint, "code": "error"}, 500)


def static_routes() -> Any:
    """Scripts, styles and colours. Each lies under the hash of all, so a browser asks once."""
    from fastapi import APIRouter

    routes = APIRouter()

    @routes.get("/ui/tokens.css")
    def tokens() -> Response:
        return Response(theme.stylesheet(), media_type="text/css", headers={"Cache-Control": "max-age=60"})

    @routes.get("/ui/{version}/{name}")
    def static(version: str, name: str) -> Response:
        path = pages.STATIC / Path(name).name
        if not path.is_file():
            return PlainTextResponse("there is no such file", 404)
        return FileResponse(path, headers={"Cache-Control": "public, max-age=31536000, immutable"})

    @routes.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    return routes
