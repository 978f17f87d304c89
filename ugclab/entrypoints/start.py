"""What a container runs: one image, and its environment says as what. `ugclab start`, or UGCLAB_MODE=… in the image."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from ugclab.errors import InputError
from ugclab.settings import Settings

MODES: dict[str, tuple[str, ...]] = {
    "serve": ("ugclab", "serve"),
    "serverless": ("ugclab.entrypoints.runpod_handler",),
    "page": ("ugclab", "app"),
    "worker": ("ugclab", "worker"),
}
"""The module each mode runs, and its first words."""


def command(mode: str, words: Sequence[str]) -> list[str]:
    """What runs in a mode, by this very Python. Raises InputError."""
    if mode not in MODES:
        what = f"'{mode}' is no mode" if mode else "no mode is set"
        raise InputError(what, hint=f"set UGCLAB_MODE to one of {', '.join(MODES)}")
    return [sys.executable, "-m", *MODES[mode], *words]


def run(mode: str, words: Sequence[str], execute: Callable[[str, list[str]], object] = os.execv) -> None:
    """Become what the mode says: no process stands between it and the signals of whoever stops the container."""
    program = command(mode, words)
    sys.stdout.flush()
    sys.stderr.flush()
    execute(program[0], program)


def start(
    words: Annotated[
        list[str] | None, typer.Argument(help="Options of what is run, after --.", metavar="[-- OPTIONS]")
    ] = None,
) -> None:
    """Run what UGCLAB_MODE says: serve, serverless, page or worker. For containers."""
    run(Settings().mode, words or [])
