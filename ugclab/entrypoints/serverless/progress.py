"""How far a job is, told to the platform: one post after the other, the latest only, none after the answer.

runpod's own `progress_update` posts from a thread of its own each time: two may overtake each other, and one that comes
after the result puts a finished job back to IN_PROGRESS.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from ugclab.schema.job import JobProgress

Send = Callable[[dict[str, Any]], Awaitable[None]]

EVERY_S = 2.0
"""Least time between two posts."""
PATIENCE_S = 5.0
"""A platform that does not take a post in this time gets the next one."""

_LOG = logging.getLogger(__name__)


class Teller:
    """Progress of one job, while its `with` block lasts."""

    def __init__(self, send: Send, *, every_s: float = EVERY_S, patience_s: float = PATIENCE_S) -> None:
        self._send = send
        self._every_s = every_s
        self._patience_s = patience_s
        self._number = 0
        self._latest: JobProgress | None = None
        self._news = asyncio.Event()
        self._closed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._tell())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Let a post that is under way arrive, and make no other."""
        self._closed.set()
        self._news.set()
        await asyncio.wait({self._task})

    def note(self, progress: JobProgress) -> None:
        """Say how far it is. From any thread; never waits."""
        self._loop.call_soon_threadsafe(self._note, progress)

    def _note(self, progress: JobProgress) -> None:
        self._latest = progress
        self._news.set()

    async def _tell(self) -> None:
        while True:
            await self._news.wait()
            if self._closed.is_set():
                return
            self._news.clear()
            latest, self._number = self._latest, self._number + 1
            if latest is None:
                continue
            document = {"number": self._number} | latest.model_dump(mode="json", exclude={"plan"}, exclude_none=True)
            try:
                await asyncio.wait_for(self._send(document), self._patience_s)
            except Exception as error:  # whatever a client makes of a network: progress is no reason to fail
                _LOG.warning("progress cannot be told: %s", type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), self._every_s)
