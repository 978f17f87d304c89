"""Running work at a terminal: a bar on stderr, and how Ctrl-C becomes a clean end."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from ugclab.entrypoints.terminal import QUIET, SIGNAL
from ugclab.errors import Cancelled

if TYPE_CHECKING:
    from ugclab.pipeline.steps import Progress as Step

_NAMES = {"probe": "look", "setup": "load engine", "fetch": "fetch models", "contact_sheet": "contact sheet"}


class Interrupt:
    """The first Ctrl-C or SIGTERM asks the work to stop, the second leaves at once."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def cancelled(self) -> bool:
        """Whether somebody asked to stop."""
        return self._asked.is_set()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked.is_set():
            os._exit(130)
        self._asked.set()
        os.write(2, b"\nstopping; once more to leave at once\n")  # print() is not safe inside a signal handler

    @contextmanager
    def installed(self) -> Iterator["Interrupt"]:
        """Listen while the block runs."""
        before = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Rate(ProgressColumn):
    """Frames a second, over the last moments."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.0f} frames/s" if task.speed and task.total else "", style=QUIET)


class ProgressBar:
    """One bar on stderr for the step at hand; silent where stderr is no terminal."""

    def __init__(self, *, quiet: bool = False) -> None:
        console = Console(stderr=True)
        self._shown = console.is_terminal and not quiet
        self._bars = Progress(
            TextColumn("{task.description}", style="bold"),
            BarColumn(36, complete_style=SIGNAL, finished_style=SIGNAL, style="rgb(52,60,74)"),
            TextColumn("{task.fields[count]}", style=QUIET),
            _Rate(),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
        )
        self._current: tuple[str, int | None] | None = None

    @contextmanager
    def running(self) -> Iterator["ProgressBar"]:
        """Show the bar while the block runs."""
        if not self._shown:
            yield self
            return
        with self._bars:
            yield self

    def __call__(self, step: "Step") -> None:
        """Show a step's progress; a new step takes the place of the old one."""
        if not self._shown:
            return
        if (step.step, step.segment) != self._current:
            self._current = (step.step, step.segment)
            for task in self._bars.task_ids:
                self._bars.remove_task(task)
            name = _NAMES.get(step.step, step.step) + ("" if step.segment is None else f" segment {step.segment}")
            self._bars.add_task(name, total=None, count="")
        count = f"{step.done}/{step.total}" if step.total else ""
        if step.step in {"fetch", "pack", "unpack"}:
            count = f"{step.done / 2**20:.1f}/{step.total / 2**20:.1f} MB"
        self._bars.update(self._bars.task_ids[0], completed=step.done, total=step.total or None, count=count)


@contextmanager
def interruptible(*, quiet: bool) -> Iterator[tuple[Interrupt, ProgressBar]]:
    """Run a block with a progress bar; once somebody asked it to stop, whatever it ends with is a cancellation."""
    interrupt, bar = Interrupt(), ProgressBar(quiet=quiet)
    with interrupt.installed(), bar.running():
        try:
            yield interrupt, bar
        except Exception as error:
            if interrupt.cancelled() and not isinstance(error, Cancelled):
                raise Cancelled("cancelled") from error
            raise
