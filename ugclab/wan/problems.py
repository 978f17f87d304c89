"""What a check finds: one problem a trap and command, with what happens, what to do and how it is known."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from ugclab.schema.base import Frozen


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"  # it fails, or does something else than the command says
    WARNING = "warning"  # likely not what was meant
    NOTE = "note"  # worth knowing; right commands have some


class Stage(StrEnum):
    """When somebody would have noticed without the check: it decides what the mistake costs."""

    START = "start"  # the script's imports, its parser, and what it asserts before any model is read
    LOAD = "load"  # after the models are read
    PREPROCESS = "preprocess"  # while the source is preprocessed
    RESULT = "result"  # only by looking at what came out, if at all


class Problem(Frozen):
    """One finding about one command, folder or environment."""

    id: str = Field(description="T1…T36 as in docs/wan22.md, A… what argparse refuses, U… further, C… checkpoint")
    severity: Severity
    what: str = Field(description="what happens")
    fix: str = Field(description="what to do about it; empty for a note that asks for nothing")
    source: str = Field(description="how it is known: a line of the official repository, a public thread")
    stage: Stage = Stage.START
    flag: str = Field("", description="the flag it is about, as typed")
    command: int | None = Field(None, description="index of the command among those checked")
    where: str = Field("", description="file and line the command stands at")


class Finding(Frozen):
    """What a rule yields: the words of a problem. The rule's trap adds the rest."""

    what: str
    fix: str = ""
    flag: str = ""
    severity: Severity | None = Field(None, description="where it differs from the trap's")
    stage: Stage | None = Field(None, description="where it differs from the trap's")
    source: str = Field("", description="where it differs from the trap's")


ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}
"""Worst first."""

EXIT_CODES: dict[Literal["clean", "warning", "error"], int] = {"clean": 0, "warning": 3, "error": 4}
"""What `wan check` exits with. 1 is a fault of ours, 2 wrong usage, 10 and above are the error tree's."""


def exit_code(problems: list[Problem]) -> int:
    """0 for nothing or notes only, 3 for warnings, 4 for errors."""
    severities = {problem.severity for problem in problems}
    if Severity.ERROR in severities:
        return EXIT_CODES["error"]
    return EXIT_CODES["warning"] if Severity.WARNING in severities else EXIT_CODES["clean"]
