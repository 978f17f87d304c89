"""Write a command again with what its findings ask for, as far as that can be done without guessing.

What a finding says is to be typed (`--fps 30`, `leave --size out`, `did you mean --task?`) is put in; what only the
person knows (a missing path, which of two flags was meant) is left. The result is checked again: nothing is promised.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from ugclab.schema.base import Frozen
from ugclab.wan.arguments import UNRESOLVED
from ugclab.wan.checks import check_commands
from ugclab.wan.checks.trap import Surroundings
from ugclab.wan.command import lines
from ugclab.wan.contract import Contract
from ugclab.wan.extraction import GENERATE, PREPROCESS
from ugclab.wan.launching import FoundCommand, Launcher
from ugclab.wan.problems import Problem, Severity

_ROUNDS = 6
"""A correction may bring another trap to light; more than this many in a row no command had."""
_FALSE = {"false", "no", "0", "off", "f", "n"}

Words = list[str]


class Corrected(Frozen):
    """Commands after correction."""

    commands: tuple[str, ...]
    """Each as shell, a flag a line."""
    done: tuple[tuple[int, str, str], ...]
    """What was put in: command, trap, flag."""
    left: tuple[Problem, ...]
    """What is still found in them."""


def correct(commands: Sequence[FoundCommand], around: Surroundings) -> Corrected:
    """Correct commands that were checked together."""
    done: list[tuple[int, str, str]] = []
    now = [_whole(found, around.contract) for found in commands]
    problems = check_commands(now, around)
    for _ in range(_ROUNDS):
        changed = False
        for problem in problems:
            if problem.severity is Severity.NOTE or problem.command is None:
                continue
            index = _meant(problem, now)
            after = _repaired(now[index], problem, around.contract)
            if after != now[index]:
                now[index], changed = after, True
                done.append((problem.command, problem.id, problem.flag))
        if not changed:
            break
        problems = check_commands(now, around)
    return Corrected(commands=tuple(map(shell, now)), done=tuple(dict.fromkeys(done)), left=tuple(problems))


def shell(found: FoundCommand) -> str:
    """The command as shell, from a checkout's root. What only running would tell stays a variable."""
    words = [f"{name}={value}" for name, value in found.environment.items()]
    launcher = found.launcher
    if launcher.distributed or launcher.processes != 1:
        count = launcher.processes if launcher.processes is not None else "${GPUS}"
        words += ["torchrun", f"--nproc_per_node={count}"]
    else:
        words += ["python", *(["-m"] if launcher.as_module else [])]
    path = GENERATE if found.script == "generate" else PREPROCESS
    words.append(path.removesuffix(".py").replace("/", ".") if launcher.as_module else path)
    return lines([*words, *found.argv], _quoted)


def _quoted(word: str) -> str:
    """A word as shell reads it, its variables still to be put in."""
    if not UNRESOLVED.search(word):
        return shlex.quote(word)
    return '"' + re.sub(r'([\\"`])', r"\\\1", word) + '"'


def _meant(problem: Problem, commands: Sequence[FoundCommand]) -> int:
    """The command that a finding asks to change: of a pair the other one, where it says so."""
    index = problem.command or 0
    if problem.fix.endswith("to preprocess_data.py") and commands[index].script == "generate":
        earlier = [i for i, found in enumerate(commands[:index]) if found.script == "preprocess"]
        return earlier[-1] if earlier else index
    return index


def _options(found: FoundCommand, contract: Contract) -> set[str]:
    script = contract.script(found.script)
    return {option for flag in script.flags for option in flag.options} if script else set()


def _whole(found: FoundCommand, contract: Contract) -> FoundCommand:
    """The command with its abbreviated flags written out, where they can mean one only."""
    known, words = _options(found, contract), []
    for word in found.argv:
        name, equals, value = word.partition("=")
        fitting = [option for option in known if option.startswith(name)] if name.startswith("--") else []
        words.append(fitting[0] + equals + value if len(fitting) == 1 else word)
    return replace(found, argv=tuple(words))


def _repaired(found: FoundCommand, problem: Problem, contract: Contract) -> FoundCommand:
    """The command with one finding seen to; the same where that takes a person."""
    fix = problem.fix
    if problem.id == "T29":
        return replace(found, launcher=replace(found.launcher, as_module=False))
    if match := re.match(r"torchrun --nproc_per_node=(\d+) ", fix):
        return replace(found, launcher=Launcher("torchrun", distributed=True, processes=int(match[1])))
    known, words = _options(found, contract), list(found.argv)
    for step in (_renamed, _chosen, _switched, _unslanted, _once, _suffixed, _left_out, _typed):
        if (after := step(words, problem, known)) is not None:
            words = after
            break
    launcher = found.launcher
    if problem.id == "T21" and "as many processes" in fix and (count := re.search(r"--ulysses_size (\d+)", fix)):
        launcher = replace(launcher, processes=int(count[1]), distributed=int(count[1]) > 1)
    return replace(found, argv=tuple(words), launcher=launcher)


def _renamed(words: Words, problem: Problem, known: set[str]) -> Words | None:
    match = re.fullmatch(r"did you mean (--\w+)\?", problem.fix)
    if not match or match[1] not in known:
        return None
    return [re.sub(rf"^{re.escape(problem.flag)}(?==|$)", match[1], word) for word in words]


def _chosen(words: Words, problem: Problem, known: set[str]) -> Words | None:
    match = re.match(r"did you mean (\S+)\? one of ", problem.fix)
    return _with(words, problem.flag.partition("=")[0], [match[1]]) if match else None


def _switched(words: Words, problem: Problem, known: set[str]) -> Words | None:
    """A switch with a value behind it: the value goes, and with "False" the switch as well."""
    if problem.id not in {"A6", "A7"} or not problem.flag:
        return None
    kept, at = [], 0
    while at < len(words):
        name, glued, value = words[at].partition("=")
        if name != problem.flag:
            kept.append(words[at])
        else:
            if not glued and at + 1 < len(words) and not words[at + 1].startswith("-"):
                at, value = at + 1, words[at + 1]
            if value.lower() not in _FALSE:
                kept.append(name)
        at += 1
    return kept


def _unslanted(words: Words, problem: Problem, known: set[str]) -> Words | None:
    """A dash that an editor made long, or a blank that stands alone."""
    if problem.id != "A6":
        return None
    if problem.what.startswith("a blank stands alone"):
        return [word for word in words if word.strip()]
    match, wrong = re.fullmatch(r"write (--\w+)", problem.fix), re.match(r"'([^']+)' starts with", problem.what)
    if match and wrong:
        return [match[1] if word == wrong[1] else word for word in words]
    return None


def _once(words: Words, problem: Problem, known: set[str]) -> Words | None:
    """A flag given twice: the last one counts, so it stays."""
    if problem.id != "U3":
        return None
    spans = _spans(words, problem.flag)
    return _without(words, spans[:-1])


def _suffixed(words: Words, problem: Problem, known: set[str]) -> Words | None:
    if problem.id != "T10" or "ends in .mp4" not in problem.fix:
        return None
    values = [word for start, end in _spans(words, problem.flag)[-1:] for word in words[start:end]]
    value = values[-1].partition("=")[2] if values and "=" in values[0] else values[-1] if values else ""
    return _with(words, problem.flag, [str(PurePosixPath(value).with_suffix(".mp4"))]) if value else None


def _left_out(words: Words, problem: Problem, known: set[str]) -> Words | None:
    match = re.match(r"leave ((?:--\w+(?:, | and )?)+) out", problem.fix)
    if not match:
        return None
    for name in re.findall(r"--\w+", match[1]):
        words = _without(words, _spans(words, name))
    return words


def _typed(words: Words, problem: Problem, known: set[str]) -> Words | None:
    """A flag with its value, as the finding writes it: alone, or before ", or …", ", with …", ", and …"."""
    fix = problem.fix.removeprefix("add ")
    first = re.split(r", (?:or|with|and) | or more$| to (?:generate|preprocess_data)\.py$", fix)[0]
    name, *values = first.split(" ", 1)
    if name not in known or name != problem.flag or (problem.fix.startswith("add ") and ", or " in problem.fix):
        return None
    words = _with(words, name, values)
    also = re.search(r", with (--\w+(?: and --\w+)*)$", fix)
    for more in re.findall(r"--\w+", also[1]) if also else ():
        words = words if more in words else [*words, more]
    return words


def _with(words: Words, name: str, values: Sequence[str]) -> Words:
    """The words with a flag set: where it stood last, else at the end."""
    spans = _spans(words, name)
    if not spans:
        return [*words, name, *values]
    start, end = spans[-1]
    return [*words[:start], name, *values, *words[end:]]


def _without(words: Words, spans: Sequence[tuple[int, int]]) -> Words:
    gone = {at for start, end in spans for at in range(start, end)}
    return [word for at, word in enumerate(words) if at not in gone]


def _spans(words: Words, name: str) -> list[tuple[int, int]]:
    """Where a flag stands with its values: until the next flag."""
    found = []
    for at, word in enumerate(words):
        if word.partition("=")[0] == name:
            end = at + 1
            while "=" not in word and end < len(words) and not re.match("--?[A-Za-z]", words[end]):
                end += 1
            found.append((at, end))
    return found
