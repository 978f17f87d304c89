"""All traps as rows and as the table of docs/wan22.md, made from the rules themselves."""

from typing import NamedTuple

from ugclab.wan.checks import REFUSALS, TRAPS
from ugclab.wan.manifest import CHECKS
from ugclab.wan.problems import Severity, Stage


class Row(NamedTuple):
    """One rule, as it is documented."""

    id: str
    severity: Severity
    stage: Stage
    summary: str
    source: str


def rows() -> list[Row]:
    """The rules in the order of their ids: T by number, then our own."""
    found = [Row(rule.id, rule.severity, rule.stage, rule.summary, rule.source) for rule in TRAPS]
    return sorted(found, key=lambda row: (row.id[0] != "T", row.id[0], int(row.id[1:])))


def markdown() -> str:
    """The traps, the refusals and the folder's checks as Markdown."""
    lines = ["| id | severity | shows | what | source |", "|---|---|---|---|---|"]
    lines += [f"| {r.id} | {r.severity} | {SHOWS[r.stage]} | {r.summary} | {r.source} |" for r in rows()]
    lines += ["", "| id | what argparse refuses, after the imports, with exit code 2 |", "|---|---|"]
    lines += [f"| {code} | {what} |" for code, what in REFUSALS.items()]
    lines += ["", "| id | what a checkpoint's folder is checked for |", "|---|---|"]
    lines += [f"| {code} | {what} |" for code, what in CHECKS.items()]
    return "\n".join(lines)


SHOWS = {
    Stage.START: "at the start",
    Stage.PREPROCESS: "while preprocessing",
    Stage.LOAD: "after the load",
    Stage.RESULT: "in the result",
}
"""When a mistake shows without a check."""
