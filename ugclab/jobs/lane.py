"""Resident engine children and who may use them: a crash or a hang in native code costs a step, never the worker."""

import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

from ugclab.errors import Cancelled, EngineCrashed, StageTimeout
from ugclab.jobs.tasks import Cancel, Done, Failed, LookTask, Said, SetUp, Task
from ugclab.settings import Settings

_LOG = logging.getLogger(__name__)
_MODULE = "ugclab.entrypoints.engine_child"
_LOOK_S = 0.5
"""Between two looks at whether the task is still wanted."""
_OBEY_S = 20.0
"""How long a cancelled child may take to stop by itself before it is killed."""
_SECRETS = {"webhook_secret", "database_url"}

Listener = Callable[[Said], None]


class Stopping(BaseException):
    """The worker stops and has ended its children: nothing is to be made of what they were at, others go on with it.

    Not an Exception, so that nobody takes it for a fault of the stage.
    """


class EngineChild:
    """One child process; started when first needed, started again when it has died."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.Queue[bytes | None] = queue.Queue()
        self._last_words: list[str] = []
        self.closed = False
        self._engine = ""

    @property
    def engine(self) -> str:
        """The engine that is set up in the living process: a next job with it starts warm. Empty before its first."""
        return self._engine if self.pid is not None else ""

    @property
    def pid(self) -> int | None:
        """The process, while it lives."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Have a living process."""
        if self.closed:
            raise Stopping
        if self.pid is not None:
            return
        self.kill()
        self._answers, self._last_words = queue.Queue(), []
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C at the worker's terminal is the worker's to handle
        )
        self._send(json.dumps(_told(self._settings)))
        threading.Thread(target=_pump, args=(process, self._answers), name=f"{self._name}-out", daemon=True).start()
        threading.Thread(
            target=_keep_last, args=(process, self._last_words), name=f"{self._name}-err", daemon=True
        ).start()

    def run(
        self,
        task: Task | LookTask | SetUp,
        on_progress: Listener,
        wanted: Callable[[], bool],
        *,
        limit_s: float,
        hang_s: float,
    ) -> Done:
        """Do one task. `wanted` is asked about twice a second.

        Raises what the task raised, Cancelled where it was no longer wanted, EngineCrashed where the process died or
        hung, StageTimeout.
        """
        self.start()
        begun = heard = time.monotonic()
        cancelled_at: float | None = None
        self._send(task.model_dump_json())
        while True:
            with suppress(queue.Empty):
                line = self._answers.get(timeout=_LOOK_S)
                heard = time.monotonic()
                if line is None:
                    raise self._crashed(cancelled=cancelled_at is not None)
                answer = _read(line)
                if isinstance(answer, Said):
                    if answer.number == task.number and cancelled_at is None:
                        on_progress(answer)
                elif answer.number == task.number:
                    if isinstance(answer, Done):
                        self._engine = task.request.engine if isinstance(task, Task) else self._engine
                        return answer
                    raise answer.error()
            now = time.monotonic()
            if cancelled_at is None and not wanted():
                cancelled_at = now
                self._send(Cancel(number=task.number).model_dump_json())
            if cancelled_at is not None and now - cancelled_at > _OBEY_S:
                self.kill()
                raise Cancelled("cancelled")
            if now - begun > limit_s:
                self.kill()
                raise StageTimeout(
                    f"{_named(task)} took longer than {limit_s:.0f} s",
                    hint="raise UGCLAB_STAGE_TIMEOUT_S, or cut the video",
                )
            if now - heard > hang_s:
                self.kill()
                raise EngineCrashed(f"the engine said nothing for {hang_s:.0f} s in {_named(task)} and was stopped")

    def kill(self) -> None:
        """End the process, whatever it does, with what it started."""
        process, self._process = self._process, None
        self._engine = ""
        if process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                with suppress(OSError):
                    pipe.close()
        process.wait()

    def _send(self, line: str) -> None:
        if self._process is None or self._process.stdin is None:
            raise EngineCrashed("the engine's process is gone")
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._crashed(cancelled=False) from error

    def _crashed(self, *, cancelled: bool) -> EngineCrashed | Cancelled:
        process = self._process
        with suppress(subprocess.TimeoutExpired):
            if process:
                process.wait(timeout=5)
        code = process.returncode if process else None
        words = " ".join(self._last_words[-3:]).strip()
        self.kill()
        if self.closed:
            raise Stopping
        if cancelled:
            return Cancelled("cancelled")
        return EngineCrashed(f"the engine's process died ({_cause(code)})" + (f": {words[-300:]}" if words else ""))


class Lane:
    """A number of children, each doing one task at a time."""

    def __init__(self, settings: Settings, name: str, size: int) -> None:
        self._free: queue.Queue[EngineChild] = queue.Queue()
        self._all = [EngineChild(settings, f"{name}-{n}") for n in range(size)]
        for child in self._all:
            self._free.put(child)
        self._numbers = count(1)

    def warm(self) -> None:
        """Start the processes before somebody waits for them."""
        for child in self._all:
            child.start()

    def number(self) -> int:
        """A number no other task of this lane has."""
        return next(self._numbers)

    @contextmanager
    def child(self, wanted: Callable[[], bool]) -> Iterator[EngineChild]:
        """Wait for a free child. Raises Cancelled if the work is no longer wanted meanwhile."""
        while True:
            try:
                child = self._free.get(timeout=_LOOK_S)
                break
            except queue.Empty:
                if not wanted():
                    raise Cancelled("cancelled") from None
        try:
            yield child
        finally:
            self._free.put(child)

    @property
    def pids(self) -> list[int]:
        """Processes that live."""
        return [child.pid for child in self._all if child.pid is not None]

    @property
    def loaded(self) -> tuple[str, ...]:
        """Engines that are set up."""
        return tuple(sorted({child.engine for child in self._all} - {""}))

    def close(self) -> None:
        """End all processes."""
        for child in self._all:
            child.closed = True
        for child in self._all:
            child.kill()


def _told(settings: Settings) -> dict[str, Any]:
    """The settings as a child is told them, by a pipe nobody else reads: with the one secret that an engine needs."""
    known: dict[str, Any] = settings.model_dump(mode="json", exclude=_SECRETS)
    return known | {"remote_key": settings.remote_key.get_secret_value()}


def _read(line: bytes) -> Said | Done | Failed:
    document: dict[str, Any] = json.loads(line)
    kinds: dict[str, type[Said] | type[Done] | type[Failed]] = {"said": Said, "done": Done, "failed": Failed}
    return kinds[document["kind"]].model_validate(document)


def _pump(process: subprocess.Popen[bytes], answers: "queue.Queue[bytes | None]") -> None:
    with suppress(OSError, ValueError):
        for line in process.stdout or ():
            answers.put(line)
    answers.put(None)


def _keep_last(process: subprocess.Popen[bytes], words: list[str]) -> None:
    with suppress(OSError, ValueError):
        for line in process.stderr or ():
            text = line.decode(errors="replace").rstrip()
            _LOG.debug("engine %s: %s", process.pid, text)
            words.append(text)
            del words[:-20]


def _named(task: Task | LookTask | SetUp) -> str:
    if isinstance(task, Task) and task.segment is not None:
        return f"{task.step} of segment {task.segment}"
    return task.step


def _cause(code: int | None) -> str:
    if code is None:
        return "it cannot be said how"
    if code < 0:
        name = signal.Signals(-code).name
        return f"{name}; out of memory?" if name == "SIGKILL" else name
    return f"exit code {code}"
