"""Scenarios as data: which footage, which plan, beside which peers. Those of the package, or a file of one's own."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from ugclab.errors import InputError
from ugclab.schema.base import Frozen, first_fault
from ugclab.storage.artefacts import canonical_key

FOLDER = Path(__file__).parent / "data" / "scenarios"

Peer = Literal["transcode", "images"]


class Footage(Frozen):
    """What the sample is made into: as it will be seen, after its rotation tag was obeyed."""

    seconds: int = Field(ge=1, le=3600)
    width: int = Field(ge=160, le=4096, multiple_of=2, description="px, upright")
    height: int = Field(ge=160, le=4096, multiple_of=2)
    rotation: Literal[0, 90, 180, 270] = Field(0, description="the clockwise turn its tag asks for")


class Scenario(Frozen):
    """One thing users do, small enough to be measured again and again."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")
    title: str
    footage: Footage
    plan: str = "default"
    peers: tuple[Peer, ...] = ("transcode",)
    repeat: int = Field(3, ge=1, le=100)

    @property
    def digest(self) -> str:
        """Hash of what decides the work: two results of one name and another digest did other things."""
        return canonical_key({"footage": self.footage.model_dump(), "plan": self.plan})[:16]


def catalogue(folder: Path = FOLDER) -> tuple[Scenario, ...]:
    """All scenarios of a folder, by name. Raises InputError."""
    return tuple(read_scenario(path) for path in sorted(folder.glob("*.yaml")))


def find(words: Sequence[str], folder: Path = FOLDER) -> tuple[Scenario, ...]:
    """Scenarios by name or by file, `all` for every one of the folder, each once. Raises InputError."""
    known = {scenario.name: scenario for scenario in catalogue(folder)}
    found: dict[str, Scenario] = {}
    for word in words:
        if word == "all":
            found |= known
        elif word in known:
            found[word] = known[word]
        elif word.endswith((".yaml", ".yml")):
            scenario = read_scenario(Path(word))
            found[scenario.name] = scenario
        else:
            near = get_close_matches(word, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}, and all"
            raise InputError(f"no scenario is called '{word}'", hint=hint)
    if not found:
        raise InputError("no scenario is named", hint=f"there are: {', '.join(known)}, and all")
    return tuple(found.values())


def read_scenario(path: Path) -> Scenario:
    """Read one file. Raises InputError, which names the field that is wrong."""
    try:
        return Scenario.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})", hint="check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} is no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        where, wrong = first_fault(error)
        raise InputError(f"{path.name}: {where or 'the document'}: {wrong}", hint="see benchmarks/scenarios") from error
