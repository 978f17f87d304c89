"""What a person at a terminal sees: progress, tables, errors; and how Ctrl-C becomes a clean end."""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ugclab.errors import UgclabError

if TYPE_CHECKING:
    from ugclab.pipeline.steps import Progress as Step
    from ugclab.schema.report import Report

SIGNAL = "rgb(255,107,61)"
QUIET = "rgb(140,155,180)"

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
        if step.step == "fetch":
            count = f"{step.done / 2**20:.1f}/{step.total / 2**20:.1f} MB"
        self._bars.update(self._bars.task_ids[0], completed=step.done, total=step.total or None, count=count)


def show_error(error: UgclabError) -> None:
    """One line of what is wrong, and one of what to do, on stderr."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text.assemble(("error: ", f"bold {SIGNAL}"), error.message))
    if error.hint:
        console.print(Text.assemble(("hint:  ", QUIET), error.hint))


def show_fault(error: Exception) -> None:
    """A fault of ours: one line, and how to see more."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    text = str(error).splitlines()
    what = f"{type(error).__name__}{': ' + text[0] if text else ''}"
    console.print(Text.assemble(("unexpected error: ", f"bold {SIGNAL}"), what))
    console.print(Text("this is a fault of ugclab: run it again with --debug and report what it says", style=QUIET))


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a plain table on stdout; columns whose cells are all numbers are aligned right."""
    out = Table(box=None, pad_edge=False, header_style=f"bold {QUIET}", padding=(0, 3, 0, 0))
    for index, name in enumerate(head):
        numbers = all(isinstance(row[index], int | float) for row in rows)
        out.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        out.add_row(*(Text(str(cell)) for cell in row))
    console().print(out)


def console() -> Console:
    """Where results go: stdout, in full width where it is a file or a pipe."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=200)


def show_report(report: "Report") -> None:
    """A finished job in a few lines."""
    rows = []
    for outcome in report.outcomes:
        part = outcome.segment.range
        state = "reused" if outcome.reused else ""
        rows.append(
            (
                outcome.segment.index,
                str(part),
                str(outcome.segment.action),
                outcome.frames,
                outcome.swapped_frames,
                state,
            )
        )
    table(("segment", "time", "action", "frames", "swapped", ""), rows)
    seconds = float(report.media.duration)
    out = console()
    out.print(
        f"{report.output.name}: {report.swapped_frames} of {report.media.frames} frames swapped, "
        f"{seconds:.1f} s of video in {report.seconds:.1f} s ({report.seconds / seconds:.2f}x), ${report.cost_usd:.4f}"
    )
    out.print(
        Text(
            f"stitched: {report.stitch_mode}, {report.exact_frames_share:.1%} of the untouched frames bit-exact "
            f"({report.stitch_reason})",
            style=QUIET,
        )
    )
    for warning in report.warnings:
        out.print(Text(f"warning: {warning}", style=SIGNAL))
