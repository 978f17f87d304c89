"""docs/deploy.md: every command, setting, extra and link in it is one that exists."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from tests.test_workflows import check
from ugclab.settings import Settings

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/deploy.md").read_text()
"""Pages that come with their doors."""


def commands() -> list[list[str]]:
    """Each command of the shell blocks; lines that only set variables left out."""
    lines = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S) for line in block.splitlines()]
    found = [shlex.split(line.replace("…", "x"), comments=True) for line in lines]
    return [words for words in found if words and not re.match(r"[A-Z_]+=", words[0])]


def test_our_commands_exist() -> None:
    ours = [words for words in commands() if words[0] in {"make", "ugclab"}]
    assert len(ours) >= 11
    for words in ours:
        check(words)


def test_inline_commands_exist() -> None:
    for command in re.findall(r"`(ugclab [a-z][^`…]*|make [a-z]+)`", TEXT):
        check(shlex.split(command))


def test_docker_builds_targets_and_arguments_there_are() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", dockerfile, re.M))
    arguments = set(re.findall(r"^ARG (\w+)", dockerfile, re.M))
    targets = re.findall(r"--target (\S+)", TEXT)
    assert len(targets) == 3
    assert set(targets) <= stages
    table = TEXT.split("| build argument |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)=", table, re.M)) == arguments
    scaled = re.findall(r"--scale (\w+)=", TEXT)
    assert scaled
    assert all(f"\n  {service}:\n" in (ROOT / "docker-compose.yml").read_text() for service in scaled)


def test_settings_exist() -> None:
    named = set(re.findall(r"UGCLAB_([A-Z0-9_]+)", TEXT))
    assert named <= {name.upper() for name in Settings.model_fields} | {"MODE"}


def test_extras_and_pins_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for words in commands():
        if words[0] == "pip":
            for found in re.findall(r"\[([a-z,-]+)\]", " ".join(words)):
                assert set(found.split(",")) <= set(extras)
            for number, word in enumerate(words):
                if word == "--constraint":
                    assert (ROOT / words[number + 1]).is_file()


def test_links_lead_somewhere() -> None:
    links = set(re.findall(r"\]\((?!https?:)([^)#]+)", TEXT))
    assert len(links) >= 8
    for link in links:
        assert (ROOT / "docs" / link).exists(), link


@pytest.mark.parametrize("section", re.findall(r"^## (.+)$", TEXT, re.M))
def test_anchors_of_other_documents_exist(section: str) -> None:
    """A link to a part of a document names a heading of it."""
    for file, anchor in re.findall(
        r"\]\(([a-z0-9]+\.md)#([a-z-]+)\)", TEXT.split(f"## {section}\n")[1].split("\n## ")[0]
    ):
        headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / file).read_text(), re.M)
        assert anchor in {re.sub(r"[^a-z -]", "", heading.lower()).replace(" ", "-") for heading in headings}
