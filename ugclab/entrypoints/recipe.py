"""How to do a job again: the command line and the Python call that make the same request, with what is not default."""

import shlex
from pathlib import Path

from ugclab.pipeline.plan import DEFAULT_ENGINE
from ugclab.schema.job import Request, SwapOptions
from ugclab.schema.media import Asset
from ugclab.schema.plan import FITTED


def shell_line(request: Request) -> str:
    """The command, a line an option."""
    source, avatar, out = _files(request)
    words = [f"ugclab swap {_quoted(source)} {_quoted(avatar)}", f"-o {_quoted(out)}"]
    for name, value in _changed(request).items():
        flag = f"--{name.replace('_', '-')}"
        words.append(flag if value is True else f"{flag}={shlex.quote(str(value))}")
    return " \\\n  ".join(words)


def python_call(request: Request) -> str:
    """The call, a line an argument."""
    source, avatar, out = _files(request)
    lines = [repr(source), repr(avatar), f"out={out!r}"]
    lines += [f"{name}={value!r}" for name, value in _changed(request).items()]
    return "import ugclab\n\nugclab.swap(\n" + "".join(f"    {line},\n" for line in lines) + ")"


def _files(request: Request) -> tuple[str, str, str]:
    source = name_of(request.input.source)
    return source, name_of(request.input.avatar), f"{Path(source).stem or 'video'}-swapped.mp4"


def name_of(given: Asset | str) -> str:
    """A file as it would lie beside one: an input's name, or the last part of its address."""
    if isinstance(given, Asset):
        return given.name
    return given.partition("?")[0].partition("#")[0].rstrip("/").rpartition("/")[2]


def _quoted(name: str) -> str:
    """A file's name that the shell leaves alone and no program takes for an option."""
    return shlex.quote(f"./{name}" if name.startswith("-") else name)


def _changed(request: Request) -> dict[str, str | int | float | bool]:
    """The arguments that are not what they would be anyway, by the names of `ugclab.swap`."""
    usual, given = SwapOptions(), request.options
    face = f"like:{name_of(request.input.photo)}" if request.input.photo is not None else str(given.face)
    pairs: dict[str, tuple[str | int | float | bool, str | int | float | bool]] = {
        "plan": (request.input.plan, FITTED),
        "face": (face, str(usual.face)),
        "eyewear": (given.eyewear.value, usual.eyewear.value),
        "replace": (given.replace.value, usual.replace.value),
        "engine": (request.engine, DEFAULT_ENGINE),
        "stitch": (given.stitch.value, usual.stitch.value),
        "crf": (given.crf, usual.crf),
        "watermark": (given.watermark, usual.watermark),
        "tone_map": (given.tone_map, usual.tone_map),
        "min_swapped": (given.min_swapped, usual.min_swapped),
        "seed": (given.seed, usual.seed),
    }
    return {name: value for name, (value, default) in pairs.items() if value != default}
