"""The HTTP server of an installation, put together and served by uvicorn."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from ugclab.entrypoints.server import file_routes, job_routes, owner_routes, runpod_routes, worker_routes
from ugclab.entrypoints.server.around import surround
from ugclab.entrypoints.server.door import Door
from ugclab.entrypoints.server.draining import DrainingServer
from ugclab.entrypoints.web.answers import answer_errors
from ugclab.entrypoints.web.serving import link_routes
from ugclab.jobs import logs
from ugclab.jobs.keys import Keys
from ugclab.jobs.queue import Queue
from ugclab.jobs.telling import Teller
from ugclab.pipeline.measure import version
from ugclab.settings import Settings

_GRACE_S = 30
_ABOUT = """Put a person's face into chosen segments of a video. Keys: `ugclab keys create`. Guide: docs/api.md."""


class Server:
    """One HTTP server. `app` is ASGI. With `page` the page is served as well, by its own rules of who may ask."""

    def __init__(self, settings: Settings, *, page: bool = False) -> None:
        self.settings = settings
        self.queue = Queue(settings)
        self.queue.database.prepare()
        self.door = Door(self.queue)
        self.teller = Teller(self.queue)
        self._page = self._built_page() if page else None
        self.app = self._built()

    def _built(self) -> FastAPI:
        app = FastAPI(
            title="ugclab",
            version=version(),
            description=_ABOUT,
            lifespan=self._lifespan,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
        )
        app.state.door = self.door
        for routes in (
            job_routes.routes,
            file_routes.routes,
            owner_routes.routes,
            worker_routes.routes,
            runpod_routes.routes,
            runpod_routes.as_endpoint(),
            link_routes(self.queue.links.resolve, self.door.serving),
        ):
            app.include_router(routes)
        answer_errors(app)
        surround(app, self.door.requests)
        if self._page is not None:
            app.mount("/", self._page.app)
        return app

    def _built_page(self) -> Any:
        from ugclab.entrypoints.ui import build_app

        return build_app(self.settings, self.queue)

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if self._page is not None:  # a mounted app's own beginning and end are nobody else's business
                await stack.enter_async_context(self._page.app.router.lifespan_context(self._page.app))
            self.teller.start()
            try:
                yield
            finally:
                self.teller.stop()
        self.queue.close()

    def run(self) -> None:
        """Serve until SIGTERM or Ctrl-C, where the settings say; drained, it returns."""
        import uvicorn

        settings = self.settings
        logs.configure(json=settings.log_json, stream=sys.stderr, secrets=[settings.webhook_secret])
        config = uvicorn.Config(
            self.app,
            host=settings.host,
            port=settings.port,
            log_level="warning",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=_GRACE_S,
        )
        shown = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104
        print(f"ugclab serves http://{shown}:{settings.port}", flush=True)  # noqa: T201
        if not Keys(self.queue.database).any():
            print("there is no key yet; make one with: ugclab keys create NAME", file=sys.stderr, flush=True)  # noqa: T201
        DrainingServer(config, self.door.drain, settings.drain_s).run()


def build_server(settings: Settings | None = None, *, page: bool = False) -> Server:
    """Make the server. Raises QueueUnavailable, EngineUnavailable where the page's packages are missing."""
    return Server(settings or Settings(), page=page)
