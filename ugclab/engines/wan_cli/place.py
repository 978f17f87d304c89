"""Where the official scripts, their Python and their models are, and what of it is missing."""

from dataclasses import dataclass
from pathlib import Path

from ugclab.engines.base import Lack
from ugclab.errors import InputError
from ugclab.settings import Settings
from ugclab.wan.arithmetic import Gpu, find_gpu
from ugclab.wan.checkpoint import verify
from ugclab.wan.environment import detect_gpu
from ugclab.wan.extraction import GENERATE, PREPROCESS
from ugclab.wan.manifest import Use

AREAS = {"512x512": (512, 512), "832x480": (832, 480), "1280x720": (1280, 720)}
"""What UGCLAB_WAN_AREA may say, from the smallest."""


@dataclass(frozen=True, slots=True)
class Place:
    """What an operator set, all of it there."""

    repo: Path
    python: Path
    checkpoint: Path
    gpu: Gpu
    area: tuple[int, int]
    rate: int
    steps: int
    relight: bool

    @classmethod
    def of(cls, settings: Settings) -> "Place":
        """Take it from the settings, which lack nothing. Raises InputError for a GPU nobody knows."""
        return cls(
            repo=Path(settings.wan_repo or "").expanduser().absolute(),
            python=Path(settings.wan_python or "").expanduser().absolute(),
            checkpoint=settings.wan_checkpoint.absolute(),
            gpu=gpu_of(settings) or Gpu(name="none", memory_mib=0),
            area=AREAS[settings.wan_area],
            rate=settings.wan_rate,
            steps=settings.wan_steps,
            relight=settings.wan_relight,
        )


def gpu_of(settings: Settings) -> Gpu | None:
    """The GPU the operator names, else the first that nvidia-smi tells of; None where there is none."""
    if settings.wan_gpu:
        return find_gpu(settings.wan_gpu)
    seen = detect_gpu()
    return find_gpu(*seen) if seen else None


def lacking_scripts(settings: Settings) -> Lack | None:
    """What is missing of the checkout and its Python."""
    for name, path, wanted in (
        ("UGCLAB_WAN_REPO", settings.wan_repo, "the checkout of the official Wan2.2 repository"),
        ("UGCLAB_WAN_PYTHON", settings.wan_python, "the Python of the environment it runs in"),
    ):
        if path is None:
            return Lack(reason=f"{name} is not set: {wanted}", hint="docs/wan22.md tells what it takes")
        if not path.expanduser().exists():
            return Lack(reason=f"{name} leads nowhere: {path}", hint=f"set it to {wanted}")
    repo = Path(settings.wan_repo or "").expanduser()
    missing = [script for script in (GENERATE, PREPROCESS) if not (repo / script).is_file()]
    if missing:
        return Lack(reason=f"{repo} has no {' and no '.join(missing)}", hint="give a checkout with Wan2.2-Animate")
    return None


def lacking_checkpoint(settings: Settings, uses: tuple[Use, ...]) -> Lack | None:
    """What is missing of the checkpoint, by sizes and headers; no weight is read."""
    folder = settings.wan_checkpoint
    pull = "ugclab models pull wan2.2-animate fetches it (about 54 GiB), or set UGCLAB_WAN_CKPT"
    if not folder.is_dir():
        return Lack(reason=f"the checkpoint is not here: {folder}", hint=pull)
    report = verify(folder, uses)
    if report.whole:
        return None
    first = next(problem for problem in report.problems if problem.severity == "error")
    return Lack(reason=f"the checkpoint {folder} is not whole: {first.what}", hint=first.fix)


def lacking_gpu(settings: Settings) -> Lack | None:
    """Whether there is a GPU to be seen."""
    try:
        found = gpu_of(settings)
    except InputError as error:
        return Lack(reason=error.message, hint=error.hint)
    if found is None:
        hint = "run it on a machine with one; where nvidia-smi is missing, name it in UGCLAB_WAN_GPU"
        return Lack(reason="no NVIDIA GPU is seen (nvidia-smi)", hint=hint)
    return None


def smaller(area: str) -> str:
    """What to type to need less memory than at an area."""
    names = list(AREAS)
    at = names.index(area)
    return f"set UGCLAB_WAN_AREA={names[at - 1]}" if at else "use a GPU with more memory"


def area_name(area: tuple[int, int]) -> str:
    """The area as the setting says it."""
    return next(name for name, value in AREAS.items() if value == area)
