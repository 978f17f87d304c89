"""What a rule is, what it is given, and what it yields."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ugclab.wan.arguments import Arguments
from ugclab.wan.arithmetic import Gpu
from ugclab.wan.contract import Contract, Script, Task
from ugclab.wan.environment import Environment
from ugclab.wan.launching import FoundCommand
from ugclab.wan.problems import Finding, Severity, Stage

ANIMATE = "animate-14B"
ANIMATE_FLAGS = ("src_root_path", "replace_flag", "use_relighting_lora", "refert_num")


@dataclass(frozen=True)
class Surroundings:
    """What a command is checked in. Files are looked at where they exist; `here` says they must.

    Without a `base` no file is looked at: for a command that somebody else has sent.
    """

    contract: Contract
    base: Path | None
    here: bool = False
    environment: Environment | None = None
    gpu: Gpu | None = None


@dataclass(frozen=True)
class Command:
    """A command with its arguments read: what the rules look at."""

    found: FoundCommand
    arguments: Arguments
    script: Script
    contract: Contract
    index: int = 0
    before: "Command | None" = None  # the preprocessing that wrote the folder a generation reads

    @property
    def generates(self) -> bool:
        """Whether it runs generate.py."""
        return self.found.script == "generate"

    @property
    def task(self) -> Task | None:
        """The task of generate.py; None for the other script and where it cannot be known."""
        known = self.generates and self.decided("task")
        return self.contract.task(str(self.arguments.values.get("task"))) if known else None

    @property
    def animates(self) -> bool:
        """Whether it generates with Wan2.2-Animate."""
        return self.task is not None and self.task.name == ANIMATE

    @property
    def preprocesses(self) -> bool:
        """Whether it runs preprocess_data.py."""
        return self.found.script == "preprocess"

    def given(self, name: str) -> bool:
        """Whether the flag is in the command."""
        return name in self.arguments.given

    def absent(self, name: str) -> bool:
        """Whether the flag is certainly not in the command."""
        return not self.given(name) and not self.arguments.open

    def decided(self, name: str) -> bool:
        """Whether the flag's value is certain: given and without a variable, or certainly left at its default."""
        return name not in self.arguments.unresolved and (self.given(name) or not self.arguments.open)

    def value(self, name: str) -> Any:
        """The flag's value, or its default; what None stands for is taken from the task. None where not decided."""
        if not self.decided(name):
            return None
        value = self.arguments.values.get(name)
        if value is None and self.task is not None:
            return self.task.defaults.get(name)
        return value

    def on(self, name: str) -> bool:
        """Whether a switch is set."""
        return self.arguments.values.get(name) is True

    def off(self, name: str) -> bool:
        """Whether a switch is certainly not set."""
        return self.decided(name) and self.arguments.values.get(name) is False

    def path(self, name: str, base: Path | None) -> Path | None:
        """A path among the flags, from the folder the command runs in; None where absent, not decided or unseen."""
        value = self.value(name)
        return base / Path(value).expanduser() if base is not None and isinstance(value, str) and value else None


Find = Callable[[Command, Surroundings], Iterator[Finding]]


@dataclass(frozen=True)
class Trap:
    """A rule with what it is known by. `summary` is the rule's docstring: the documentation's row."""

    id: str
    severity: Severity
    source: str
    stage: Stage
    summary: str
    find: Find


def trap(identifier: str, severity: Severity, *, source: str, stage: Stage = Stage.START) -> Callable[[Find], Trap]:
    """Make a function a rule. Its docstring says what the trap is."""
    return lambda find: Trap(identifier, severity, source, stage, " ".join((find.__doc__ or "").split()), find)
