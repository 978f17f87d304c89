"""What the two scripts of Wan2.2-Animate accept: types, the packaged snapshot, and what a checkout changed against it.

`extraction.read_contract` makes a `Contract` from any checkout; `snapshot()` gives the one that ships with the package,
so that a command can be checked without a checkout.
"""

from functools import cache
from importlib import resources
from typing import Any, Literal

from pydantic import Field

from ugclab.schema.base import Frozen

SNAPSHOT = "contract.json"
"""Package data, written by `benchmarks/wan_contract.py --write-snapshot` from a checkout of the official repository."""


class Flag(Frozen):
    """One option of a parser, as `argparse` would hold it."""

    name: str = Field(description="the attribute of the parsed arguments, 'refert_num'")
    options: tuple[str, ...] = Field(description="as typed, ('--refert_num',); empty for a positional argument")
    kind: Literal["str", "int", "float", "bool", "other"] = Field("str", description="type of one value")
    action: Literal["store", "store_true", "store_false", "other"] = "store"
    nargs: int | str | None = Field(
        None, description="values taken: None is one, an int is that many, or '?', '*', '+'"
    )
    default: Any = None
    choices: tuple[Any, ...] | None = None
    required: bool = False
    help: str = ""
    line: int = Field(0, description="where the script adds it")

    @property
    def switch(self) -> bool:
        """Whether it takes no value."""
        return self.action in {"store_true", "store_false"}


class Rule(Frozen):
    """A condition the code asserts after parsing."""

    flags: tuple[str, ...] = Field(description="names of the flags it is about")
    condition: str = Field(description="what has to hold, in terms of the flags")
    where: str = Field(description="file and line, 'wan/animate.py:351'")


class Script(Frozen):
    """A script's parser and its later rules."""

    path: str
    sha256: str = ""
    flags: tuple[Flag, ...]
    rules: tuple[Rule, ...] = ()

    def flag(self, name: str) -> Flag | None:
        """The flag with that attribute name."""
        return next((flag for flag in self.flags if flag.name == name), None)


class Task(Frozen):
    """A task of generate.py: the sizes it allows and the defaults its configuration fills in."""

    name: str
    sizes: tuple[str, ...]
    defaults: dict[str, Any]


class Contract(Frozen):
    """Everything a checkout accepts."""

    schema_version: Literal[1] = 1
    commit: str
    generate: Script
    preprocess: Script | None = Field(None, description="absent in checkouts before Wan2.2-Animate")
    tasks: tuple[Task, ...]

    def script(self, name: Literal["generate", "preprocess"]) -> Script | None:
        """One of the two scripts."""
        return self.generate if name == "generate" else self.preprocess

    def task(self, name: str) -> Task | None:
        """The task with that name."""
        return next((task for task in self.tasks if task.name == name), None)


class Change(Frozen):
    """One difference between two contracts."""

    script: str
    subject: str = Field(description="a flag, a rule's condition or a task")
    what: Literal["added", "removed", "changed"]
    field: str = ""
    before: Any = None
    after: Any = None


@cache
def snapshot() -> Contract:
    """The contract that ships with the package. Read once: it cannot change while the process lives."""
    text = resources.files("ugclab.wan.data").joinpath(SNAPSHOT).read_text(encoding="utf-8")
    return Contract.model_validate_json(text)


def diff(before: Contract, after: Contract) -> tuple[Change, ...]:
    """What `after` changed: flags and their fields, rules, tasks. Lines and hashes are not differences."""
    changes: list[Change] = []
    names: tuple[Literal["generate", "preprocess"], ...] = ("generate", "preprocess")
    for name in names:
        old, new = before.script(name), after.script(name)
        old_flags = {flag.name: _comparable(flag, {"line"}) for flag in old.flags} if old else {}
        new_flags = {flag.name: _comparable(flag, {"line"}) for flag in new.flags} if new else {}
        changes += _differences(name, old_flags, new_flags)
        old_rules = {rule.condition: {"flags": rule.flags} for rule in old.rules} if old else {}
        new_rules = {rule.condition: {"flags": rule.flags} for rule in new.rules} if new else {}
        changes += _differences(f"{name} rule", old_rules, new_rules)
    changes += _differences(
        "task",
        {task.name: {"sizes": task.sizes, **task.defaults} for task in before.tasks},
        {task.name: {"sizes": task.sizes, **task.defaults} for task in after.tasks},
    )
    return tuple(changes)


def _comparable(flag: Flag, leave_out: set[str]) -> dict[str, Any]:
    return flag.model_dump(exclude=leave_out)


def _differences(script: str, old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]) -> list[Change]:
    changes = [Change(script=script, subject=name, what="removed") for name in old if name not in new]
    changes += [Change(script=script, subject=name, what="added") for name in new if name not in old]
    for name in old:
        if name not in new:
            continue
        for field in {**old[name], **new[name]}:
            was, now = old[name].get(field), new[name].get(field)
            if was != now:
                changes.append(Change(script=script, subject=name, what="changed", field=field, before=was, after=now))
    return changes
