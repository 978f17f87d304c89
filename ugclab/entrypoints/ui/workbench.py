"""The page's server: pages, routes and the worker it watches, put together and served by uvicorn."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response

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
from ugclab.entrypoints.ui.shelf import Shelf
from ugclab.entrypoints.web.answers import broken, fault, refused
from ugclab.entrypoints.web.guard import foreign
from ugclab.entrypoints.web.serving import Serving, wants_page
from ugclab.errors import EngineUnavailable, UgclabError
from ugclab.jobs import logs
from ugclab.jobs.queue import Queue
from ugclab.settings import Settings

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

    def __init__(self, settings: Settings, queue: Queue | None = None) -> None:
        self.settings = settings
        self.queue = queue or Queue(settings)
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
        app.add_exception_handler(UgclabError, refused)
        app.add_exception_handler(Exception, broken)
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
        if foreign(request):
            return fault(403, "input", "this was asked from another site")
        caller = self.identity.caller(request.cookies, request.headers)
        if caller is None and not path.startswith(_OPEN):
            if wants_page(request):
                return RedirectResponse("/login", 303)
            return fault(401, "login", "log in first", "open /login")
        request.state.caller = caller
        answer = await go_on(request)
        if caller and caller.fresh_cookie and not path.startswith(_OPEN):
            answer.headers.append("set-cookie", cookie(caller.fresh_cookie, COOKIE_S, secure=is_secure(request)))
        answer.headers.setdefault("Content-Security-Policy", _POLICY)
        answer.headers.setdefault("X-Content-Type-Options", "nosniff")
        answer.headers.setdefault("Referrer-Policy", "same-origin")
        return answer


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
