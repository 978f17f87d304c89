"""Calibration files: the constants of a device, each with where it comes from. Measured goes before published, before
assumed; of equals the newest.

One JSON file a device, in ugclab/bench/data/calibration (linked from benchmarks/calibration) and in the folder that
UGCLAB_BENCH_DIR names:

    {"schema_version": 1, "device": "H200", "kind": "gpu", "measured_at": "2026-11-21", "environment": {…},
     "constants": {"fp8.linear": {"value": 550, "unit": "TFLOP/s", "provenance": "measured", "source": "…"}}}

Constants of a GPU: `bf16.linear`, `bf16-sage.linear`, `fp8.linear`, `fp4.linear`, `flash.attention`, `sage.attention`,
`vae` (TFLOP/s), `preprocess.factor`, `memory_gb`. Of a CPU: those of the engine mesh, `mesh.…`. Of "any":
what holds everywhere.
"""

import datetime
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from ugclab.bench.prices import near_names, same_name
from ugclab.errors import InputError
from ugclab.schema.base import Frozen, first_fault

Provenance = Literal["measured", "published", "assumed"]
ORDER: Mapping[str, int] = {"measured": 0, "published": 1, "assumed": 2}


class Constant(Frozen):
    """A figure of a model."""

    value: float
    unit: str
    provenance: Provenance = Field(description="measured by this project, published by others, or assumed")
    source: str
    note: str = ""


class Run(Frozen):
    """A timed piece of Wan's work: one forward of the transformer, or one clip through the VAE to and fro."""

    what: Literal["forward", "vae"]
    width: int
    height: int
    frames: int
    layers: int = Field(description="blocks that were timed; 0 for the VAE")
    seconds: float
    whole_s: float = Field(description="with all blocks: extrapolated where fewer were timed")


class Calibration(Frozen):
    """What is known of one device."""

    schema_version: Literal[1] = 1
    device: str = Field(description="a GPU or CPU by name; 'any' for what holds everywhere")
    kind: Literal["gpu", "cpu", "any"]
    measured_at: datetime.date | None = Field(None, description="None where nothing in it was measured")
    environment: Mapping[str, str] = {}
    constants: Mapping[str, Constant]
    runs: tuple[Run, ...] = Field((), description="what Wan's rates were measured by")


class Constants:
    """The best constants for one device; remembers which were asked for, so that a prediction can say so."""

    def __init__(self, device: str, constants: Mapping[str, Constant], cores: int = 0) -> None:
        self.device = device
        self.cores = cores
        """Of the CPU that was measured; 0 where nobody says."""
        self._known = constants
        self.used: dict[str, Constant] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def __getitem__(self, name: str) -> float:
        """The value. Raises InputError where nobody has measured, published or assumed one."""
        if name not in self._known:
            raise InputError(
                f"'{name}' of {self.device} is not known", hint="measure it there with ugclab bench calibrate"
            )
        self.used[name] = self._known[name]
        return self._known[name].value

    def fresh(self) -> "Constants":
        """The same, with nothing asked for yet."""
        return Constants(self.device, self._known, self.cores)


def merged(found: Iterable[Calibration]) -> dict[str, Constant]:
    """One constant a name: measured before published before assumed, then the newest, then the last file."""
    best: dict[str, tuple[tuple[int, int, int], Constant]] = {}
    for number, calibration in enumerate(found):
        day = calibration.measured_at.toordinal() if calibration.measured_at else 0
        for name, constant in calibration.constants.items():
            rank = (ORDER[constant.provenance], -day, -number)
            if name not in best or rank < best[name][0]:
                best[name] = (rank, constant)
    return {name: constant for name, (_, constant) in best.items()}


class Calibrations(Frozen):
    """All files."""

    files: tuple[Calibration, ...]

    @property
    def gpus(self) -> tuple[str, ...]:
        """GPUs anything is known of, each name once."""
        return tuple(dict.fromkeys(c.device for c in self.files if c.kind == "gpu"))

    def gpu(self, name: str) -> Constants:
        """Constants of a GPU with those of "any". Raises InputError with the nearest names."""
        own = [c for c in self.files if c.kind == "gpu" and same_name(c.device, name)]
        if not own:
            hint = near_names(name, list(self.gpus)) + "; or measure it there: ugclab bench calibrate"
            raise InputError(f"no rates are known for the GPU '{name}'", hint=hint)
        return Constants(own[0].device, merged(self._any()) | merged(own))

    def cpu(self, name: str) -> Constants:
        """Constants of a CPU: of that very model where it was calibrated, else of the one that was measured last."""
        cpus = [c for c in self.files if c.kind == "cpu"]
        own = [c for c in cpus if c.device == name] or sorted(cpus, key=lambda c: str(c.measured_at))[-1:]
        cores = int(own[0].environment.get("cores", 0)) if own else 0
        return Constants(own[0].device if own else name, merged(self._any()) | merged(own), cores)

    def _any(self) -> list[Calibration]:
        return [c for c in self.files if c.kind == "any"]


def load_calibrations(folder: Path | None = None) -> Calibrations:
    """Read the packaged files, and those of `folder`/calibration where it is there. Raises InputError."""
    packaged = resources.files("ugclab.bench.data").joinpath("calibration")
    texts = {
        entry.name: entry.read_text(encoding="utf-8") for entry in packaged.iterdir() if entry.name.endswith(".json")
    }
    found = [read_calibration(text, name) for name, text in sorted(texts.items())]
    own = folder.expanduser() / "calibration" if folder else None
    if own is not None and own.is_dir():
        found += [read_calibration(p.read_text(encoding="utf-8"), str(p)) for p in sorted(own.glob("*.json"))]
    return Calibrations(files=tuple(found))


def read_calibration(text: str, name: str) -> Calibration:
    """Parse a file's text; `name` is what an InputError calls it."""
    try:
        document = json.loads(text)
        version = document.get("schema_version")
    except (ValueError, AttributeError) as error:
        raise InputError(f"{name} is no calibration file") from error
    if version != 1:
        raise InputError(
            f"{name} has schema_version {version}, this ugclab reads 1", hint="calibrate again: ugclab bench calibrate"
        )
    try:
        return Calibration.model_validate(document)
    except ValidationError as error:
        place, wrong = first_fault(error)
        raise InputError(f"{name}: {place}: {wrong}", hint="see ugclab/bench/calibration.py") from error
