"""Find every trap of a command that can be decided without a GPU.

Rules stand by subject in the modules beside this one, one rule a function. `check_commands` runs them over what
`reading.find_commands` found; pairs of a preprocessing and the generation that reads its folder are checked together.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ugclab.wan.arguments import Refusal, read_arguments
from ugclab.wan.checks import (
    environment_rules,
    file_rules,
    generate_rules,
    launch_rules,
    pair_rules,
    preprocess_rules,
)
from ugclab.wan.checks.trap import Command, Surroundings, Trap
from ugclab.wan.contract import Contract
from ugclab.wan.launching import FoundCommand
from ugclab.wan.problems import ORDER, Finding, Problem, Severity, Stage

TRAPS: tuple[Trap, ...] = (
    *generate_rules.RULES,
    *preprocess_rules.RULES,
    *launch_rules.RULES,
    *file_rules.RULES,
    *environment_rules.RULES,
    *pair_rules.RULES,
)
"""Every rule, in the order they run."""

REFUSALS = {
    "A1": "a flag the script does not have",
    "A2": "a value that is none of the choices",
    "A3": "a value of the wrong type",
    "A4": "a flag without its value, or with too few",
    "A5": "an abbreviation that fits several flags",
    "A6": "a word that belongs to no flag, such as a value after a switch (`--replace_flag True`)",
    "A7": "a value glued to a switch (`--replace_flag=True`)",
    "A8": "a required flag left out",
    "A9": "a script this checkout does not have",
}
"""What argparse refuses with exit code 2, after the imports."""


def check_commands(commands: Sequence[FoundCommand], around: Surroundings) -> list[Problem]:
    """All problems of some commands, worst first within each command. Pairs are found and checked together."""
    problems: list[Problem] = []
    read: list[Command] = []
    for index, found in enumerate(commands):
        command = _read(found, around.contract, index)
        if command is None:
            finding = Finding(what="this checkout has no preprocess_data.py: it is older than Wan2.2-Animate")
            problems.append(_refused(Refusal("A9", finding), found, index))
            continue
        read.append(command)
        problems += [_refused(refusal, found, index) for refusal in command.arguments.refusals]
    for command in _paired(read):
        for rule in TRAPS:
            problems += [_problem(rule, finding, command) for finding in rule.find(command, around)]
    unique = {(problem.command, problem.id, problem.flag, problem.severity): problem for problem in reversed(problems)}
    kept = _without_shadowed(list(reversed(unique.values())))
    return sorted(kept, key=lambda p: (-1 if p.command is None else p.command, ORDER[p.severity]))


def _paired(commands: Sequence[Command]) -> list[Command]:
    """Give each generation the last preprocessing into its folder before it; the only one where none fits."""
    paired: list[Command] = []
    alone = sum(c.preprocesses for c in commands) == 1 == sum(c.animates for c in commands)
    for command in commands:
        earlier = [before for before in paired if before.preprocesses]
        if command.animates and earlier:
            reads = str(command.value("src_root_path"))
            fitting = [b for b in earlier if pair_rules.same_folder(str(b.value("save_path")), reads)]
            if fitting or alone:
                command = replace(command, before=(fitting or earlier)[-1])
        paired.append(command)
    return paired


def _read(found: FoundCommand, contract: Contract, index: int) -> Command | None:
    script = contract.script(found.script)
    if script is None:
        return None
    return Command(found, read_arguments(script, found.argv), script, contract, index)


def _problem(rule: Trap, finding: Finding, command: Command) -> Problem:
    return Problem(
        id=rule.id,
        severity=finding.severity or rule.severity,
        what=finding.what,
        fix=finding.fix,
        source=finding.source or rule.source,
        stage=finding.stage or rule.stage,
        flag=finding.flag,
        command=command.index,
        where=command.found.where,
    )


def _refused(refusal: Refusal, found: FoundCommand, index: int) -> Problem:
    return Problem(
        id=refusal.id,
        severity=Severity.ERROR,
        what=refusal.finding.what,
        fix=refusal.finding.fix,
        source="argparse, with the parser of the contract",
        stage=Stage.START,
        flag=refusal.finding.flag,
        command=index,
        where=found.where,
    )


def _without_shadowed(problems: list[Problem]) -> list[Problem]:
    """A trap told once a flag: what a worse finding says of the same flag needs no second word."""
    worst: dict[tuple[int | None, str, str], int] = {}
    for problem in problems:
        key = (problem.command, problem.id, problem.flag)
        worst[key] = min(worst.get(key, 9), ORDER[problem.severity])
    return [p for p in problems if ORDER[p.severity] == worst[(p.command, p.id, p.flag)]]


def surroundings(contract: Contract, base: Path | None = None, *, here: bool = False) -> Surroundings:
    """Surroundings of a command that runs in `base`, the current folder by default."""
    return Surroundings(contract=contract, base=base or Path.cwd(), here=here)
