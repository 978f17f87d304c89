"""How a server ends: it says so for a while, ends its streams, lets requests come to their end, and stops."""

import asyncio
import threading
from types import FrameType
from typing import Any

import uvicorn


class Drain:
    """Whether a server is on its way out."""

    def __init__(self) -> None:
        self._begun = threading.Event()

    @property
    def begun(self) -> bool:
        """Whether it was told to stop."""
        return self._begun.is_set()

    def begin(self) -> None:
        """Say so from now on."""
        self._begun.set()


class DrainingServer(uvicorn.Server):
    """Uvicorn's server that first only says that it ends, so that a balancer looks elsewhere; a second signal ends it.

    `say_s` is how long; no new connection is refused meanwhile.
    """

    def __init__(self, config: uvicorn.Config, drain: Drain, say_s: float) -> None:
        super().__init__(config)
        self._drain = drain
        self._say_s = say_s
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[Any] | None = None) -> None:
        """Serve until told to stop."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM, SIGINT. Not remembered as uvicorn does, which would raise it again: a drained server ends with 0."""
        if self._drain.begun or self._loop is None:
            self.should_exit = True
            self.force_exit = self._drain.begun
            return
        self._drain.begin()
        self._loop.call_soon_threadsafe(self._loop.call_later, self._say_s, self._stop)

    def _stop(self) -> None:
        self.should_exit = True
