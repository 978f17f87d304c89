"""Calibration files of this machine for `estimate` and `fit`: the embedded engine's constants, and Wan's rates."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ugclab.bench import mesh_rates, wan_rates
from ugclab.bench.calibration import Calibration, Constant, Run, load_calibrations, read_calibration
from ugclab.bench.gpu import PROGRAM
from ugclab.bench.prices import same_name
from ugclab.bench.runner import describe_machine
from ugclab.errors import InputError
from ugclab.media.output import whole_file, writing
from ugclab.pipeline.steps import Progress
from ugclab.settings import Settings


def calibrate_mesh(
    settings: Settings,
    *,
    clips: Sequence[mesh_rates.Clip] = mesh_rates.CLIPS,
    rounds: int = 2,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Calibration:
    """The embedded engine on this CPU. Raises as `mesh_rates.measure`."""
    machine = describe_cpu()
    constants = mesh_rates.measure(settings, clips=clips, rounds=rounds, on_progress=on_progress, cancelled=cancelled)
    return Calibration(
        device=machine["cpu"], kind="cpu", measured_at=datetime.now(UTC).date(), environment=machine,
        constants=constants,
    )  # fmt: skip


def calibrate_wan(
    device: str,
    scale: wan_rates.Scale,
    *,
    limit_s: float = 600.0,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Calibration:
    """Wan's architecture on "cuda" or "cpu". Raises as `wan_rates.measure`."""
    machine = describe_cpu() | wan_rates.describe(device)
    runs = wan_rates.measure(device, scale, limit_s=limit_s, on_progress=on_progress, cancelled=cancelled)
    constants = wan_rates.constants(runs, scale)
    if device == "cpu":
        return _file(machine["cpu"], "cpu", machine, constants, runs)
    name, memory = known_name(machine["gpu"]), float(machine["gpu_memory_gb"])
    extra = {
        "memory_gb": Constant(value=memory, unit="GB", provenance="measured", source="torch: all of the card's memory")
    }
    if name not in load_calibrations().gpus:
        extra["preprocess.factor"] = Constant(
            value=1.0, unit="", provenance="assumed", source="as on an H200: no preprocessing was measured"
        )
    return _file(name, "gpu", machine, constants | extra, runs)


def _file(
    device: str,
    kind: str,
    environment: Mapping[str, str],
    constants: Mapping[str, Constant],
    runs: Sequence[Run],
) -> Calibration:
    return Calibration.model_validate(
        {
            "device": device,
            "kind": kind,
            "measured_at": datetime.now(UTC).date(),
            "environment": environment,
            "constants": constants,
            "runs": runs,
        }
    )


def known_name(gpu: str) -> str:
    """A GPU's name as the packaged files have it, as "RTX 4090" for "NVIDIA GeForce RTX 4090"; else its own."""
    return next((name for name in load_calibrations().gpus if same_name(name, gpu)), gpu)


def describe_cpu() -> dict[str, str]:
    """What decides how quick this machine is, in words."""
    machine = describe_machine(PROGRAM)
    here = machine.environment
    return {
        "cpu": here.cpu,
        "cores": str(here.cores),
        "memory_mb": str(here.memory_mb),
        "python": here.python,
        "pyav": here.packages.get("av", ""),
        "ffmpeg": machine.ffmpeg,
        "load_before": f"{os.getloadavg()[0]:.1f}",
    }


def keep(made: Calibration, folder: Path) -> Path:
    """Write a file below `folder`/calibration under its device's name, and give its path.

    What is already there of the same device keeps what was not measured anew. Raises InputError, OutputError.
    """
    path = folder.expanduser() / "calibration" / f"{file_name(made.device)}.json"
    if path.exists():
        was = read_calibration(path.read_text(encoding="utf-8"), str(path))
        if (was.device, was.kind) != (made.device, made.kind):
            raise InputError(f"{path} is of another device: {was.device}", hint="choose another --out")
        both = {
            "constants": dict(sorted({**was.constants, **made.constants}.items())),
            "runs": made.runs or was.runs,
            "environment": {**was.environment, **made.environment},
        }
        made = made.model_copy(update=both)
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        part.write_text(made.model_dump_json(indent=1) + "\n")
    return path


def file_name(device: str) -> str:
    """A device's name as that of a file: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"\((?:r|tm)\)", "", device.lower())).strip("-")
