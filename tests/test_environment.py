"""environment.yml is in step with pyproject.toml, the pins and the Makefile."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).parents[1]
CONDA: dict[str, Any] = yaml.safe_load((ROOT / "environment.yml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MATCH = re.compile(r"([a-z0-9][a-z0-9_.-]*)(?:=(\d+(?:\.\d+)*))?")
"""A package of conda, with a fuzzy version or none: all that this file needs of conda's language."""


def test_conda_gives_python_and_pip_alone() -> None:
    assert CONDA["channels"] == ["conda-forge"]
    specs = [spec for spec in CONDA["dependencies"] if isinstance(spec, str)]
    parts = {match[1]: match[2] for spec in specs if (match := MATCH.fullmatch(spec))}
    assert set(parts) == {"python", "pip"}, specs
    assert Version(parts["python"]) in SpecifierSet(PROJECT["requires-python"])
    assert f"Programming Language :: Python :: {parts['python']}" in PROJECT["classifiers"]


def test_pip_gets_what_the_makefile_installs() -> None:
    (lines,) = (spec["pip"] for spec in CONDA["dependencies"] if isinstance(spec, dict))
    constraint, editable = lines
    assert (ROOT / constraint.removeprefix("--constraint ")).is_file()
    extras = re.fullmatch(r"--editable \.\[([a-z,-]+)\]", editable)
    assert extras
    assert set(extras[1].split(",")) <= set(PROJECT["optional-dependencies"])
    recipe = (ROOT / "Makefile").read_text()
    assert f"{constraint} --editable '.[{extras[1]}]'" in recipe
