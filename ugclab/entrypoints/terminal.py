"""What a person at a terminal reads: tables, reports, errors."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ugclab.errors import UgclabError

if TYPE_CHECKING:
    from ugclab.entrypoints.doctor import Check
    from ugclab.schema.report import Report

SIGNAL = "rgb(255,107,61)"
QUIET = "rgb(140,155,180)"


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


def show_checks(checks: Sequence["Check"]) -> None:
    """The doctor's lines, and under each what to type where something is to be done."""
    marks = {"ok": Text("ok", style="green"), "note": Text("note", style="yellow"), "missing": Text("missing", SIGNAL)}
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for check in checks:
        detail = Text(check.detail)
        if check.hint:
            detail.append(f"\n{check.hint}", style=QUIET)
        grid.add_row(marks[check.state], check.name, detail)
    console().print(grid)


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


def print_json(document: Any) -> None:
    """Print a document for a program, and nothing else, on stdout."""
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
