"""The process in which engines work: `python -m ugclab.entrypoints.engine_child`, started by a worker.

Tasks come as lines on stdin, answers leave as lines on what was stdout; native code that prints goes to stderr. Engines
stay loaded from task to task. It ends with its worker: a closed stdin ends it at once, in the middle of anything.
"""

import os
import queue
import sys
import threading
import traceback
from contextlib import ExitStack
from typing import BinaryIO

from ugclab.engines.base import FaceEngine
from ugclab.errors import Cancelled, UgclabError
from ugclab.jobs.tasks import Cancel, Done, Failed, LookTask, Said, SetUp, Task
from ugclab.pipeline.looking import Onlooker
from ugclab.pipeline.run import check_paths
from ugclab.pipeline.steps import Progress, open_workshop
from ugclab.pipeline.swap_job import SwapJob
from ugclab.settings import Settings
from ugclab.storage.opening import open_store


class Child:
    """Does one task after the other."""

    def __init__(self, settings: Settings, out: BinaryIO) -> None:
        self._settings = settings
        self._out = out
        self._writing = threading.Lock()
        self._tasks: queue.Queue[Task | LookTask | SetUp] = queue.Queue()
        self._cancelled: set[int] = set()
        self._task: Task | LookTask | SetUp | None = None
        self._engines: dict[str, FaceEngine] = {}
        self._open = ExitStack()
        self._mirror = open_store(settings) if settings.s3_bucket else None
        self._job: tuple[str, SwapJob] | None = None
        self._onlooker = Onlooker(settings, self._engines, self._progress, self._is_cancelled, self._mirror)

    def listen(self, lines: BinaryIO) -> None:
        """Take tasks and cancellations in until the worker is gone; then so are we."""
        for line in lines:
            if b'"cancel"' in line[:40]:
                self._cancelled.add(Cancel.model_validate_json(line).number)
            elif b'"look"' in line[:20]:
                self._tasks.put(LookTask.model_validate_json(line))
            elif b'"set_up"' in line[:20]:
                self._tasks.put(SetUp.model_validate_json(line))
            else:
                self._tasks.put(Task.model_validate_json(line))
        os._exit(0)  # nobody is left to work for: do not finish, do not write

    def work(self) -> None:
        """Do tasks, for ever."""
        while True:
            self._task = task = self._tasks.get()
            try:
                answer: Done | Failed = self._do(task)
            except Exception as error:
                if not isinstance(error, UgclabError):
                    traceback.print_exc()
                if task.number in self._cancelled and not isinstance(error, Cancelled):
                    error = Cancelled("cancelled")
                self._close()
                answer = Failed.of(task.number, error)
            self._say(answer)

    def _do(self, task: Task | LookTask | SetUp) -> Done:
        if isinstance(task, SetUp):
            return self._set_up(task)
        if isinstance(task, LookTask):
            seen = self._onlooker.see(task.look, task.files, task.out, task.folder, task.scope)
            return Done(number=task.number, value=seen.model_dump(mode="json"))
        job = self._of(task)
        workshop = job.workshop
        first, warned = len(workshop.measurements), len(workshop.warnings)
        if task.step == "analyse":
            check_paths(task.request)
            value = job.analyse().model_dump(mode="json")
        elif task.step == "swap":
            value = job.swap(task.segment or 0).model_dump(mode="json")
        else:
            value = job.stitch().model_dump(mode="json")
        if workshop.loaded is not None:
            self._engines[workshop.info.name] = workshop.loaded
        return Done(
            number=task.number,
            value=value,
            measurements=tuple(workshop.measurements[first:]),
            warnings=tuple(workshop.warnings[warned:]),
        )

    def _set_up(self, task: SetUp) -> Done:
        """Load an engine, unless it is loaded already."""
        loaded = self._engines.get(task.engine)
        with open_workshop(task.engine, self._settings, self._progress, self._is_cancelled, engine=loaded) as workshop:
            self._engines[task.engine] = workshop.engine()
            measured, warned = tuple(workshop.measurements), tuple(workshop.warnings)
        return Done(number=task.number, value={}, measurements=measured, warnings=warned)

    def _of(self, task: Task) -> SwapJob:
        """The open job, or another in its place; a job that stays open keeps its artefacts from being evicted."""
        if self._job is not None and self._job[0] == task.job:
            return self._job[1]
        self._close()
        workshop = self._open.enter_context(
            open_workshop(
                task.request.engine,
                self._settings,
                self._progress,
                self._is_cancelled,
                fresh=task.request.fresh,
                engine=self._engines.get(task.request.engine),
                scope=task.scope,
                mirror=self._mirror,
            )
        )
        job = SwapJob(workshop, task.request)
        self._job = task.job, job
        return job

    def _close(self) -> None:
        self._job = None
        self._open.close()

    def _progress(self, progress: Progress) -> None:
        if self._task is not None:
            self._say(
                Said(
                    number=self._task.number,
                    step=progress.step,
                    segment=progress.segment,
                    done=progress.done,
                    total=progress.total,
                )
            )

    def _is_cancelled(self) -> bool:
        return self._task is not None and self._task.number in self._cancelled

    def _say(self, document: Said | Done | Failed) -> None:
        with self._writing:
            self._out.write(document.model_dump_json().encode() + b"\n")
            self._out.flush()


def main() -> None:
    """Read the settings from the first line, then work."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # FFmpeg and the like may print: never among the answers
    lines = sys.stdin.buffer
    settings = Settings.model_validate_json(lines.readline())
    child = Child(settings, out)
    threading.Thread(target=child.listen, args=(lines,), name="tasks", daemon=True).start()
    child.work()


if __name__ == "__main__":
    main()
