"""What is known of Wan2.2 as tables for a terminal or a notebook (rich renders in both)."""

from collections.abc import Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from ugclab.wan.arithmetic import Estimate, Gpu
from ugclab.wan.checks.catalogue import SHOWS, rows
from ugclab.wan.contract import Change, Contract, Script
from ugclab.wan.launching import FoundCommand
from ugclab.wan.manifest import CHECKS
from ugclab.wan.problems import ORDER, Problem, Severity

COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}
NARROW = {"id", "severity", "flag", "shows"}
"""Columns that are never broken into two lines."""


def _table(*headings: str, title: str = "", expand: bool = False) -> Table:
    """Prose tables fill the width and have a line between rows."""
    table = Table(title=title or None, title_justify="left", expand=expand, show_lines=expand)
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading in NARROW)
    return table


def _coloured(severity: Severity) -> str:
    return f"[{COLOURS[severity]}]{severity}[/]"


def flags(script: Script) -> Table:
    """The flags of a script, as its parser holds them."""
    table = _table("flag", "type", "default", "choices", "help", title=f"{script.path}: {len(script.flags)} flags")
    for flag in script.flags:
        kind = "switch" if flag.switch else flag.kind + (f" x{flag.nargs}" if flag.nargs else "")
        choices = ", ".join(map(str, flag.choices)) if flag.choices else ""
        default = "" if flag.default is None or flag.switch else str(flag.default)
        table.add_row(" ".join(flag.options), kind, default, choices, escape(flag.help))
    return table


def rules(contract: Contract) -> Table:
    """What the code asserts after parsing."""
    table = _table("asserted later", "about", "where", title="conditions no parser tells")
    scripts = [script for script in (contract.generate, contract.preprocess) if script]
    for rule in (rule for script in scripts for rule in script.rules):
        table.add_row(escape(rule.condition), ", ".join(f"--{flag}" for flag in rule.flags), rule.where)
    return table


def tasks(contract: Contract) -> Table:
    """The tasks of generate.py with their sizes and defaults."""
    table = _table("task", "sizes", "defaults", title="tasks")
    for task in contract.tasks:
        defaults = ", ".join(f"{name} {value}" for name, value in task.defaults.items())
        table.add_row(task.name, ", ".join(task.sizes), escape(defaults))
    return table


def changes(found: Sequence[Change], title: str) -> Table:
    """What a checkout changed."""
    table = _table("where", "what", "change", "before", "after", title=title)
    for change in found:
        before, after = (str(change.before), str(change.after)) if change.what == "changed" else ("", "")
        kind = f"{change.what} {change.field}".strip()
        table.add_row(change.script, escape(change.subject), kind, escape(before), escape(after))
    return table


def problems(found: Sequence[Problem], commands: Sequence[FoundCommand] = ()) -> Table:
    """Problems, command by command where there are several."""
    table = _table("id", "severity", "what happens", "what to do", expand=True)
    shown: int | None = -1
    for problem in found:
        if problem.command != shown:
            shown = problem.command
            if len(commands) > 1 and shown is not None:
                place = commands[shown].where or f"command {shown + 1}"
                table.add_row("", "", f"[bold]{escape(place)}: {commands[shown].script}[/]", "")
        what = f"{escape(problem.what)}\n[dim]{escape(problem.source)}[/]"
        table.add_row(problem.id, _coloured(problem.severity), what, escape(problem.fix))
    return table


def folder(found: Sequence[Problem]) -> Table:
    """Problems of a checkpoint's folder, with what each check is."""
    table = _table("id", "severity", "what", "what to do", expand=True)
    for problem in found:
        what = f"{escape(problem.what)}\n[dim]{CHECKS[problem.id]}[/]"
        table.add_row(problem.id, _coloured(problem.severity), what, escape(problem.fix))
    return table


def traps() -> Table:
    """Every trap that is looked for."""
    table = _table("id", "severity", "shows", "what", expand=True)
    for row in rows():
        table.add_row(row.id, _coloured(row.severity), SHOWS[row.stage], escape(row.summary))
    return table


def mistakes(found: Mapping[str, Sequence[Problem]], run: Estimate, gpu: Gpu) -> Table:
    """What each mistake would have cost: GPU time until it shows, by the model, and its price."""
    title = f"on one {gpu.name}, seconds and dollars by the model"
    table = _table("mistake", "id", "what would have happened", "shows", "GPU s", "USD", title=title, expand=True)
    for name, told in found.items():
        worst = min(told, key=lambda problem: (ORDER[problem.severity], -run.until(problem.stage)))
        seconds = run.until(worst.stage)
        price = f"{seconds * gpu.usd_s:.2f}" if gpu.usd_s is not None else ""
        table.add_row(escape(name), worst.id, escape(worst.what), SHOWS[worst.stage], f"{seconds:.0f}", price)
    return table
