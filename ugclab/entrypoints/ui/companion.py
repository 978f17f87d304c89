"""The worker that the page starts where none is running, and starts again when it has died.

A worker that was there before, or runs on another machine, is left alone: the table of heartbeats says who lives. Ours
ends with the page; after a kill -9 of the page it goes on, and the next page finds it.
"""

import logging
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from ugclab.errors import UgclabError
from ugclab.jobs.heartbeat import Heartbeats
from ugclab.jobs.queue import Queue

_LOG = logging.getLogger(__name__)
_LOOK_S = 0.5
_STOP_S = 35.0
_PATIENCE_S = (0.0, 1.0, 5.0, 15.0, 60.0)
"""Waits before a worker that keeps dying is started again."""
_LIVED_S = 60.0
"""Who lived this long is no longer counted as one that keeps dying."""


class Companion:
    """Keeps one worker alive for as long as it is started."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._deaths = 0
        self._born = 0.0

    @property
    def log(self) -> Path:
        """What the worker says."""
        return self._queue.settings.data_dir.expanduser() / "worker.log"

    @property
    def pid(self) -> int | None:
        """The worker's process, while it lives and is ours."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Begin to watch."""
        self._thread = threading.Thread(target=self._watch, name="companion", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End our worker: what it was at goes on when there is one again."""
        self._stopping.set()
        if self._thread:
            self._thread.join(_STOP_S)
        process = self._process
        if process and process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)
            if process.poll() is None:
                process.kill()

    def _watch(self) -> None:
        ours = False  # who just died was alive a moment ago by the heartbeats: it is not waited for
        while not self._stopping.is_set():
            wait = _LOOK_S
            try:
                if self._process is None:
                    if ours or not self._somebody_works():
                        self._spawn()
                        ours = True
                elif (code := self._process.poll()) is not None:
                    wait = self._mourn(code)
            except UgclabError as error:
                _LOG.warning("the queue does not answer: %s", error.message)
                wait = 5.0
            except OSError:
                _LOG.exception("no worker could be started")
                wait = 15.0
            self._stopping.wait(wait)

    def _somebody_works(self) -> bool:
        limit = max(3 * self._queue.settings.heartbeat_s, 3.0)
        return any(w.state == "alive" and w.silent_s < limit for w in Heartbeats(self._queue.database).list())

    def _spawn(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ugclab", "worker"],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,  # Ctrl-C is the page's to handle
            )
        self._born = time.monotonic()
        _LOG.info("worker %d started; it writes to %s", self._process.pid, self.log)

    def _mourn(self, code: int) -> float:
        """Note that our worker has died, and say how long to wait before there is another."""
        self._process = None
        self._deaths = 0 if time.monotonic() - self._born > _LIVED_S else self._deaths + 1
        _LOG.warning("the worker has ended (%s); it is started again", code)
        return _PATIENCE_S[min(self._deaths, len(_PATIENCE_S) - 1)]
