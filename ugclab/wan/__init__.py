"""What is known of Wan2.2: the contract of its scripts, the traps of its commands, the manifest of its checkpoint.

Pure code: no GPU, no torch, nothing executed. `check` answers in milliseconds whether a command will do what is meant.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

from ugclab.errors import InputError
from ugclab.wan.arithmetic import Gpu
from ugclab.wan.checks import check_commands
from ugclab.wan.checks.trap import Surroundings
from ugclab.wan.command import CommandPair, build
from ugclab.wan.contract import Contract, diff, snapshot
from ugclab.wan.environment import Environment
from ugclab.wan.launching import FoundCommand, recognise
from ugclab.wan.problems import Finding, Problem, Severity, Stage, exit_code
from ugclab.wan.reading import find_commands

__all__ = [
    "CommandPair",
    "Contract",
    "Environment",
    "Finding",
    "FoundCommand",
    "Gpu",
    "Problem",
    "Severity",
    "Stage",
    "build",
    "check",
    "check_commands",
    "diff",
    "exit_code",
    "find_commands",
    "snapshot",
]


def check(
    command: str | Sequence[str],
    *,
    name: str = "",
    contract: Contract | None = None,
    base: Path | None = None,
    here: bool = False,
    environment: Environment | None = None,
    gpu: Gpu | None = None,
) -> list[Problem]:
    """Find every trap of a command, given as words or as text; a text may hold several, and is read by its `name`.

    Files are looked at where they exist, from `base`; `here` says the command runs here, so its inputs must exist.
    Problems come command by command, worst first. Raises InputError where there is no Wan2.2 command.
    """
    if isinstance(command, str):
        found = find_commands(command, name)
        if not found and command.lstrip().startswith("--"):
            found = [one] if (one := recognise(_split(command))) else []
    else:
        words = [str(word) for word in command if word != "\n"]  # shlex.split makes a continued line's end a word
        found = [one] if (one := recognise(words)) else []
    if not found:
        raise InputError(
            f"no Wan2.2 command was found{f' in {name}' if name else ''}",
            hint="a command runs generate.py or preprocess_data.py",
        )
    around = Surroundings(contract or snapshot(), base or Path.cwd(), here=here, environment=environment, gpu=gpu)
    return check_commands(found, around)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
