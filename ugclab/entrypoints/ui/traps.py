"""Wan2.2 commands on the page: pasted ones checked trap by trap and corrected, new ones built from a form.

Nothing is run, and no file of this machine is looked at: whoever asks may be a stranger, and the command may name
anything.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from ugclab.errors import InputError
from ugclab.schema.base import Frozen, first_fault
from ugclab.wan.arithmetic import Gpu, find_gpu, gpus
from ugclab.wan.checks import check_commands
from ugclab.wan.checks.trap import Surroundings
from ugclab.wan.command import build
from ugclab.wan.contract import snapshot
from ugclab.wan.correcting import correct, shell
from ugclab.wan.launching import FoundCommand
from ugclab.wan.problems import ORDER, Problem
from ugclab.wan.reading import commands_of

LONGEST_TEXT = 16_000
MOST_COMMANDS = 12
AREAS = {"720p": (1280, 720), "480p": (832, 480)}


class Form(Frozen):
    """What a command is built from. Paths are only written down, never looked at."""

    mode: Literal["replace", "animate"] = "replace"
    area: Literal["720p", "480p"] = "720p"
    gpus: int = Field(1, ge=1, le=40)
    gpu: str = Field("", max_length=40)
    fps: int = Field(30, ge=-1, le=120)
    steps: int = Field(20, ge=0, le=200)
    frames: int = Field(77, ge=1, le=400)
    seed: int | None = Field(None, ge=0, lt=2**31)
    relight: bool = True
    retarget: bool = False
    video: str = Field("./source.mp4", min_length=1, max_length=300)
    avatar: str = Field("./avatar.png", min_length=1, max_length=300)
    checkpoint: str = Field("./Wan2.2-Animate-14B", min_length=1, max_length=300)
    work: str = Field("./work", min_length=1, max_length=300)
    output: str = Field("./result.mp4", min_length=1, max_length=300)


def check_text(text: str, gpu: str = "") -> dict[str, Any]:
    """Everything that is wrong with the commands of a text, and the commands as they should be. Raises InputError."""
    if len(text) > LONGEST_TEXT:
        raise InputError(f"the text is longer than {LONGEST_TEXT} characters", hint="paste the commands alone")
    commands = commands_of(text)
    if not commands:
        raise InputError("there is no Wan2.2 command in it", hint="a command runs generate.py or preprocess_data.py")
    if len(commands) > MOST_COMMANDS:
        raise InputError(f"these are {len(commands)} commands", hint=f"paste at most {MOST_COMMANDS} at once")
    return _checked(commands, _around(gpu))


def build_commands(document: Mapping[str, Any]) -> dict[str, Any]:
    """The pair of commands of a form, why it is so, and what is found in it. Raises InputError."""
    try:
        form = Form.model_validate(document)
    except ValidationError as error:
        place, fault = first_fault(error)
        raise InputError(f"{place or 'the form'}: {fault}", hint="change it, and the command follows") from error
    around = _around(form.gpu)
    pair = build(
        form.mode,
        video=form.video,
        avatar=form.avatar,
        checkpoint=form.checkpoint,
        work=form.work,
        output=form.output,
        area=AREAS[form.area],
        gpus=form.gpus,
        gpu=around.gpu,
        clip_length=form.frames,
        steps=None if form.steps == 20 else form.steps,
        seed=form.seed,
        relight=form.relight,
        retarget=form.retarget,
        fps=form.fps,
        look=False,
    )
    return _checked(commands_of(pair.shell()), around) | {"shell": pair.shell(), "reasons": list(pair.reasons)}


def choices() -> dict[str, Any]:
    """What the form offers, and the commit that commands are checked against."""
    return {
        "gpus": [{"name": gpu.name, "memory_gb": gpu.memory_gb} for gpu in gpus()],
        "areas": {name: list(size) for name, size in AREAS.items()},
        "counts": [1, 2, 4, 5, 8, 10, 20, 40],
        "commit": snapshot().commit[:10],
        "longest": LONGEST_TEXT,
        "form": Form().model_dump(mode="json"),
    }


def _around(gpu: str) -> Surroundings:
    """No folder: nothing is looked at."""
    card: Gpu | None = find_gpu(gpu[:40]) if gpu else None
    return Surroundings(contract=snapshot(), base=None, gpu=card)


def _checked(commands: list[FoundCommand], around: Surroundings) -> dict[str, Any]:
    problems = check_commands(commands, around)
    corrected = correct(commands, around)
    left = {(p.command, p.id, p.flag) for p in corrected.left}
    return {
        "commands": [{"script": found.script, "where": found.where, "shell": shell(found)} for found in commands],
        "problems": [_shown(p) | {"corrected": (p.command, p.id, p.flag) not in left} for p in problems],
        "counts": {severity.value: sum(p.severity is severity for p in problems) for severity in ORDER},
        "corrected": {
            "shell": "\n\n".join(corrected.commands) + "\n",
            "changed": bool(corrected.done),
            "left": [_shown(p) for p in corrected.left if ORDER[p.severity] < 2],
        },
    }


def _shown(problem: Problem) -> dict[str, Any]:
    return problem.model_dump(mode="json")
