"""`ugclab bench calibrate`: measure this machine's rates, for `estimate` and `fit`."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ugclab.entrypoints import options, terminal
from ugclab.errors import EngineUnavailable

if TYPE_CHECKING:
    from ugclab.bench.calibration import Calibration
    from ugclab.pipeline.steps import Progress

OUT = Path("out/bench")
SHOWN = ((832, 480, 77), (1280, 720, 77))
"""Clips whose seconds are told at the end."""


class DeviceName(StrEnum):
    """Where Wan's rates are measured."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class PartName(StrEnum):
    """What is measured."""

    WAN = "wan"
    MESH = "mesh"


def calibrate(
    device: Annotated[
        DeviceName, typer.Option("--device", help="Where Wan is measured; auto: a GPU if there is one.")
    ] = DeviceName.AUTO,
    only: Annotated[PartName | None, typer.Option("--only", help="Both if left out.")] = None,
    scale: Annotated[
        str,
        typer.Option(
            "--scale",
            help="How much of Wan: full, blocks (5 of 40), small, tiny; auto: the most that the memory allows.",
            metavar="NAME",
        ),
    ] = "auto",
    limit: Annotated[
        float, typer.Option("--limit", help="Seconds that Wan may take; larger sizes are left out then.", min=10)
    ] = 600.0,
    rounds: Annotated[
        int, typer.Option("--rounds", help="Rounds of the embedded engine, the quickest counts.", min=1, max=20)
    ] = 2,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for calibration/DEVICE.json; UGCLAB_BENCH_DIR, or out/bench, if left out.",
            show_default=False,
        ),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure this machine: Wan's architecture with random weights, and the embedded engine."""
    from ugclab.bench import calibrate as making
    from ugclab.bench import wan_rates
    from ugclab.entrypoints.progress import interruptible
    from ugclab.settings import Settings

    settings = Settings()
    folder = out or settings.bench_folder or OUT

    def wan(bar: "Callable[[Progress], None]", cancelled: Callable[[], bool]) -> "Calibration":
        chosen = wan_rates.choose_device(device.value)
        size = wan_rates.choose_scale(scale, chosen, wan_rates.free_gb(chosen))
        return making.calibrate_wan(chosen, size, limit_s=limit, on_progress=bar, cancelled=cancelled)

    made, left_out = [], ""
    with interruptible(quiet=quiet or as_json) as (interrupt, bar):
        if only is not PartName.MESH:
            try:
                made.append(wan(bar, interrupt.cancelled))
            except EngineUnavailable as error:
                if only is PartName.WAN or device is DeviceName.CUDA:
                    raise
                left_out = f"Wan is left out: {error}"
        if only is not PartName.WAN:
            made.append(making.calibrate_mesh(settings, rounds=rounds, on_progress=bar, cancelled=interrupt.cancelled))
    paths = [making.keep(calibration, folder) for calibration in made]
    if left_out:
        typer.echo(left_out, err=True)
    if as_json:
        terminal.print_json([calibration.model_dump(mode="json") for calibration in made])
        return
    if quiet:
        return
    for calibration, path in zip(made, paths, strict=True):
        _show(calibration, path)
    if settings.bench_folder is None or settings.bench_folder.resolve() != folder.expanduser().resolve():
        typer.echo(f"UGCLAB_BENCH_DIR={folder} has estimate and fit use it")


def _show(made: "Calibration", path: Path) -> None:
    """The constants, what was timed, and what that comes to."""
    typer.echo(f"{made.device}: {path}")
    rows = [(name, f"{c.value:.4g} {c.unit}".strip(), c.provenance, c.note) for name, c in made.constants.items()]
    terminal.table(("constant", "value", "is", "note"), rows)
    if not made.runs:
        return
    timed = [
        (r.what, f"{r.width}x{r.height}x{r.frames}", r.layers or "", f"{r.seconds:.3g}", f"{r.whole_s:.3g}")
        for r in made.runs
    ]
    terminal.table(("timed", "clip", "blocks", "seconds", "whole model"), timed)
    for line in _comes_to(made):
        typer.echo(line)


def _comes_to(made: "Calibration") -> list[str]:
    from ugclab.bench.calibration import Constants
    from ugclab.bench.rates import forward_s
    from ugclab.wan.arithmetic import forward_work, tokens, vae_tflop

    constants = Constants(made.device, made.constants)
    lines = []
    for width, height, frames in SHOWN:
        one = forward_s(forward_work(tokens(width, height, frames), frames), constants, "bf16")
        clip = vae_tflop(width, height, frames) / constants["vae"]
        lines.append(f"{width}x{height}, {frames} frames: {one:.4g} s a forward, {clip:.4g} s a clip through the VAE")
    return lines
