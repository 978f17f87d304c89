"""Read an argument list as argparse would, but to the end: every refusal is reported, not only the first.

Two things differ from argparse on purpose. A value that still holds a shell variable (`$CKPT`, `${GPUS}`) is not
judged. And an unresolved word where a flag could stand (`$EXTRA`, `"$@"`) leaves the command open: it may hold any
flag, so nothing is said about flags that are missing.
"""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ugclab.wan.contract import Flag, Script
from ugclab.wan.problems import Finding

UNRESOLVED = re.compile(r"\$[A-Za-z_{(\d@*?]")
"""A shell variable or substitution that nothing in the text gave a value."""

DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212"
"""Hyphens and dashes that web pages and editors put in the place of '-'."""

_HELP = Flag(name="help", options=("-h", "--help"), action="store_true", default=False)
_NEGATIVE = re.compile(r"^-\d+$|^-\d*\.\d+$")  # as argparse: such a word is a value, not a flag
_TRUE, _FALSE = {"yes", "true", "t", "y", "1"}, {"no", "false", "f", "n", "0"}  # wan/utils/utils.py, str2bool
_LACKING = {int: "{} values", str: "at least one value", type(None): "a value"}


@dataclass(frozen=True)
class Refusal:
    """Something argparse would exit with 2 for."""

    id: str
    finding: Finding


@dataclass(frozen=True)
class Arguments:
    """An argument list, read. `values` holds every flag: what was given, or the default."""

    values: dict[str, Any]
    given: dict[str, tuple[str, ...]]  # flag -> its words, as typed, of the last time
    repeated: dict[str, tuple[str, ...]] = field(default_factory=dict)  # flag -> earlier, different words
    unresolved: frozenset[str] = frozenset()
    open: bool = False
    refusals: tuple[Refusal, ...] = ()


class _Reader:
    def __init__(self, script: Script) -> None:
        self.flags = (*(flag for flag in script.flags if flag.options), _HELP)
        self.by_option = {option: flag for flag in self.flags for option in flag.options}
        self.positional = any(not flag.options for flag in script.flags)
        self.values: dict[str, Any] = {flag.name: flag.default for flag in script.flags}
        self.given: dict[str, tuple[str, ...]] = {}
        self.repeated: dict[str, tuple[str, ...]] = {}
        self.unresolved: set[str] = set()
        self.open = False
        self.refusals: list[Refusal] = []

    def refuse(self, code: str, what: str, fix: str, flag: str = "") -> None:
        self.refusals.append(Refusal(code, Finding(what=what, fix=fix, flag=flag)))

    def candidates(self, word: str) -> tuple[list[Flag], str | None] | None:
        """The flags a word may mean and the value after its '='; None for a value, no flags for an unknown flag."""
        if not word.startswith("-") or word == "-":
            return None
        if word in self.by_option:
            return [self.by_option[word]], None
        name, equals, explicit = word.partition("=")
        value = explicit if equals else None
        if equals and name in self.by_option:
            return [self.by_option[name]], value
        if word.startswith("--"):
            options = [option for option in self.by_option if option.startswith(name)]
        else:  # one dash: a short option with its value glued on, or the start of an option
            options = [option for option in self.by_option if option == word[:2] or option.startswith(word)]
            value = word[2:] if options else None
        if options:
            return [self.by_option[option] for option in options], value
        if _NEGATIVE.match(word) or " " in word:
            return None
        return [], value

    def read(self, argv: Sequence[str]) -> None:
        words = list(argv)
        ended = words.index("--") if "--" in words else len(words)
        is_value = [i > ended or (word != "--" and self.candidates(word) is None) for i, word in enumerate(words)]
        at = 0
        while at < len(words):
            if at == ended:
                at += 1
            elif is_value[at]:
                self._stray(words[at], "")
                at += 1
            else:
                following = at + 1
                while following < len(words) and (is_value[following] or following == ended):
                    following += 1
                taken = self._flag(words[at], [words[i] for i in range(at + 1, following) if i != ended])
                at = self._advance(at, taken, ended)

    def _advance(self, at: int, taken: int, ended: int) -> int:
        """Where to go on after a flag and so many values, the '--' between them not counted."""
        at += 1
        while taken:
            taken -= at != ended
            at += 1
        return at

    def _flag(self, word: str, values: list[str]) -> int:
        """Read one flag. Returns how many of the values behind it belong to it."""
        found = self.candidates(word)
        flags, explicit = found if found is not None else ([], None)
        if not flags:
            self._unknown(word, values)
            return len(values)
        if len(flags) > 1:
            names = ", ".join(max(flag.options, key=len) for flag in flags)
            self.refuse("A5", f"{word} may mean {names}: argparse refuses it", "write the flag out", word)
            return len(values)
        flag = flags[0]
        if flag.switch or flag.action == "other":
            if explicit is not None:
                self._no_value(word.partition("=")[0], explicit)
            elif flag.switch and values and not UNRESOLVED.search(values[0]):
                self._note(flag, ())
                self._stray(values[0], word)
                return 1
            self._note(flag, ())
            return 0
        return self._store(flag, word, values, explicit)

    def _store(self, flag: Flag, word: str, values: list[str], explicit: str | None) -> int:
        wanted = 1 if flag.nargs in {None, "?", "+", "*"} else int(flag.nargs or 0)
        most = len(values) if flag.nargs in {"+", "*"} else wanted
        least = 0 if flag.nargs in {"?", "*"} else wanted
        taken = [explicit] if explicit is not None else values[:most]
        if len(taken) < least:
            lacking = _LACKING[type(flag.nargs)].format(flag.nargs)
            self.refuse("A4", f"{word} needs {lacking} and has {len(taken) or 'none'}", _example(flag), word)
            return len(values[:most])
        self._note(flag, tuple(taken))
        if any(UNRESOLVED.search(value) for value in taken):
            self.unresolved.add(flag.name)
        else:
            converted = [self._convert(flag, word, value) for value in taken]
            self.values[flag.name] = converted if flag.nargs not in {None, "?"} else next(iter(converted), None)
        return 0 if explicit is not None else len(taken)

    def _convert(self, flag: Flag, word: str, text: str) -> Any:
        try:
            value = _CONVERTERS.get(flag.kind, str)(text)
        except ValueError:
            wanted = {"int": "a whole number", "float": "a number", "bool": "True or False"}[flag.kind]
            self.refuse("A3", f"{word} takes {wanted}, not '{text}'", _example(flag), word)
            return None
        if flag.choices is not None and value not in flag.choices:
            near = difflib.get_close_matches(str(value), [str(choice) for choice in flag.choices], n=1, cutoff=0.4)
            fix = f"did you mean {near[0]}? " if near else ""
            self.refuse(
                "A2", f"{word} does not know '{value}'", fix + "one of " + ", ".join(map(str, flag.choices)), word
            )
        return value

    def _note(self, flag: Flag, words: tuple[str, ...]) -> None:
        if flag.name in self.given and self.given[flag.name] != words:
            self.repeated[flag.name] = self.given[flag.name]
        self.given[flag.name] = words
        if flag.switch:
            self.values[flag.name] = flag.action == "store_true"

    def _unknown(self, word: str, values: list[str]) -> None:
        name = word.partition("=")[0]
        if UNRESOLVED.search(name):
            self.open = True
            return
        near = difflib.get_close_matches(name, list(self.by_option), n=1, cutoff=0.6) or difflib.get_close_matches(
            name.replace("-", "_").strip("_"), [option.strip("-") for option in self.by_option], n=1, cutoff=0.5
        )
        fix = f"did you mean --{near[0].lstrip('-')}?" if near else "leave it out: the script has no such flag"
        self.refuse("A1", f"{name} is no flag of this script{' (nor are its values)' if values else ''}", fix, name)

    def _no_value(self, word: str, value: str) -> None:
        self.refuse("A7", f"{word} takes no value, so '={value}' is refused", f"write {word}, or leave it out", word)

    def _stray(self, word: str, after: str) -> None:
        if UNRESOLVED.search(word):
            self.open = True
        elif not self.positional:
            if not word.strip():
                what = "a blank stands alone: a backslash before a blank does not continue the line"
                fix = "remove what follows the backslash, so that it is the line's last character"
            elif word[0] in DASHES:
                what, fix = f"'{word}' starts with a typographic dash", f"write --{word.lstrip(DASHES + '-')}"
            elif after:
                what, fix = f"{after} takes no value: '{word}' is refused", f"write {after} alone, or leave it out"
            else:
                what, fix = f"'{word}' belongs to no flag: the script takes no positional arguments", "remove it"
            self.refuse("A6", what, fix, after)


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(text)


_CONVERTERS: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "bool": _boolean}


def _example(flag: Flag) -> str:
    option = max(flag.options, key=len)
    count = flag.nargs if isinstance(flag.nargs, int) else 1
    if isinstance(flag.default, list | tuple):
        return f"for example {option} {' '.join(map(str, flag.default))}"
    value = {"int": "5", "float": "1.0", "bool": "True"}.get(flag.kind, "VALUE")
    if flag.default is not None and not isinstance(flag.default, bool):
        value = str(flag.default)
    return f"for example {option} {' '.join([value] * count)}"


def read_arguments(script: Script, argv: Sequence[str]) -> Arguments:
    """Read the words behind the script's name against its parser."""
    reader = _Reader(script)
    reader.read(argv)
    if not reader.open and "help" not in reader.given:
        for flag in reader.flags:
            if flag.required and flag.name not in reader.given:
                reader.refuse("A8", f"{flag.options[0]} is required", _example(flag), flag.options[0])
    return Arguments(
        values=reader.values,
        given=reader.given,
        repeated=reader.repeated,
        unresolved=frozenset(reader.unresolved),
        open=reader.open,
        refusals=tuple(reader.refusals),
    )
