"""What the workflows run exists: make targets, ugclab commands; actions are pinned, rights are few."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from ugclab.bench.scenarios import find
from ugclab.entrypoints.cli import app

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.M))
VARIABLES = set(re.findall(r"^([A-Z]+) [?:]?= ", MAKEFILE, re.M))
ALLOWED = {"gh"}
"""Programs of the runner, for what is no business of ours: posting a comment."""
STAGES = set(re.findall(r"^FROM \S+ AS (\S+)", (ROOT / "Dockerfile").read_text(), re.M))


def load(path: Path) -> dict[Any, Any]:
    document = yaml.safe_load(path.read_text())
    assert isinstance(document, dict)
    return document


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in load(path)["jobs"].values():
        yield from job["steps"]


def commands(script: str) -> Iterator[list[str]]:
    """The words of each command of a script, variables of the workflow left in."""
    for line in script.replace("\\\n", " ").splitlines():
        if line.strip():
            yield shlex.split(line, comments=True)


def check_make(words: list[str]) -> None:
    """Targets exist; so do the variables that are set."""
    rest = iter(words)
    for word in rest:
        if word == "-C":
            next(rest)
        elif "=" in word:
            assert word.partition("=")[0] in VARIABLES, word
        else:
            assert word in TARGETS, f"make {word}"


def check_ugclab(words: list[str]) -> None:
    """The command exists, and so does each of its options."""
    command: Any = get_command(app)
    while words and hasattr(command, "commands"):
        name = words.pop(0)
        assert name in command.commands, name
        command = command.commands[name]
    known = {option for parameter in command.params for option in parameter.opts}
    for word in words:
        assert not word.startswith("-") or word.partition("=")[0] in known, word


def check_docker(words: list[str]) -> None:
    """It builds or runs an image of ours, and what runs in it is a command of ours."""
    assert words[0] in {"build", "run", "image"}, words[0]
    if "ugclab" in words:
        check_ugclab(words[words.index("ugclab") + 1 :])


def check(words: list[str]) -> None:
    program, *rest = words
    if program == "make":
        check_make(rest)
    elif Path(program).name == "ugclab":
        check_ugclab(rest)
    elif program == "docker":
        check_docker(rest)
    else:
        assert program in ALLOWED, f"{program} is neither a make target nor a command of ours"


def test_there_is_a_check_and_a_benchmark() -> None:
    assert {"check", "benchmark"} <= {path.stem for path in WORKFLOWS}
    assert "push" in load(ROOT / ".github/workflows/check.yml")[True]  # YAML 1.1 reads `on` as a truth value


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_command_exists(path: Path) -> None:
    ran = [words for step in steps(path) if "run" in step for words in commands(step["run"])]
    assert ran
    for words in ran:
        check(words)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_nothing_foreign_is_put_into_a_script(path: Path) -> None:
    for step in steps(path):
        assert "${{" not in step.get("run", ""), "pass it by env: a title may hold a command"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_rights_are_few(path: Path) -> None:
    document = load(path)
    assert document["permissions"] == {"contents": "read"}
    for step in steps(path):
        assert ("uses" in step) != ("run" in step)
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+\.\d+\.\d+", step["uses"]), step["uses"]
    assert all(job["timeout-minutes"] <= 120 for job in document["jobs"].values())


def test_our_own_machine_runs_nothing_from_a_fork() -> None:
    job = load(ROOT / ".github/workflows/benchmark.yml")["jobs"]["measure"]
    assert "self-hosted" in job["runs-on"]
    assert "gpu" in job["runs-on"]
    assert "head.repo.full_name == github.repository" in job["if"]
    assert "'benchmark'" in job["if"]


def test_the_commands_of_the_targets_exist() -> None:
    recipes = [line.strip() for line in MAKEFILE.splitlines() if line.startswith("\t$(BIN)/ugclab ")]
    assert len(recipes) == 2
    for recipe in recipes:
        check_ugclab(recipe.split()[1:])


def test_every_image_is_built() -> None:
    job = load(ROOT / ".github/workflows/images.yml")["jobs"]["build"]
    assert set(job["strategy"]["matrix"]["target"]) == {"page", "worker", "serverless"} <= STAGES
    assert job["needs"] == "lint"


def test_the_scenarios_that_are_named_exist() -> None:
    named = re.findall(r"^SCENARIOS \?= (.+)$", MAKEFILE, re.M)
    named += re.findall(r"'(segment[^']*)'", (ROOT / ".github/workflows/benchmark.yml").read_text())
    assert len(named) == 2
    for words in named:
        assert find(words.split())


@pytest.mark.parametrize(
    "words", [["make", "chekc"], ["make", "check", "REPAET=1"], ["ugclab", "bench", "runn"], ["curl", "x"],
              [".venv/bin/ugclab", "bench", "compare", "a", "b", "--max"]]
)  # fmt: skip
def test_the_check_sees_what_is_wrong(words: list[str]) -> None:
    with pytest.raises(AssertionError):
        check(words)
