"""`ugclab models`: model files listed, fetched, checked, and carried to where no network is."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ugclab.entrypoints import options, terminal
from ugclab.entrypoints.terminal import print_json
from ugclab.errors import Cancelled, WeightsCorrupt

if TYPE_CHECKING:
    from ugclab.settings import Settings

CHECKPOINTS = {"wan2.2-animate": "wan-cli", "wan2.2-animate-diffusers": "wan-diffusers"}
"""Checkpoints of their own, no files of the catalogue, and the engine each is for: what replacement needs of the
official one, about 53.7 GiB, and the whole of the other form, 82 GB."""

Archive = Annotated[Path, typer.Argument(help="The archive, a .tar.", metavar="ARCHIVE", show_default=False)]

app = typer.Typer(no_args_is_help=True, help="Model files: list, fetch, check, carry over.")


@app.command(name="list")
def list_models(as_json: options.Json = False) -> None:
    """List known model files: size, licence, who uses them, whether they are here and whole."""
    from ugclab.settings import Settings
    from ugclab.weights.catalog import CATALOG
    from ugclab.weights.hub import verify

    states = {s.name: s for s in verify(CATALOG, Settings().weights_dir)}
    if as_json:
        print_json([f.model_dump(mode="json") | {"state": states[n].state} for n, f in CATALOG.items()])
        return
    rows = [
        (n, f"{f.size_bytes / 2**20:.1f} MB", f.licence, ", ".join(f.used_by), states[n].state)
        for n, f in CATALOG.items()
    ]
    terminal.table(("file", "size", "licence", "used by", "here"), rows)


@app.command(name="pull")
def pull_models(
    names: options.Names = None, accept_licence: options.AcceptLicence = False, quiet: options.Quiet = False
) -> None:
    """Fetch what is missing and check it.

    wan2.2-animate is the checkpoint of wan-cli (about 54 GiB), wan2.2-animate-diffusers that of wan-diffusers (82 GB).
    Files whose licence must be accepted are only fetched by name.
    """
    from ugclab.settings import Settings
    from ugclab.weights.hub import budget_for, ensure

    settings = Settings()
    checkpoints, files = _meant(names)
    accepted = accept_licence or _accepts(files, settings.weights_dir)
    with _counted("fetch", quiet=quiet) as report:
        for name in checkpoints:
            if not quiet:
                typer.echo(f"{name}: {_licence(name)}", err=True)
            _pull_checkpoint(name, settings, report)
        paths = ensure(
            files,
            settings.weights_dir,
            offline=settings.offline,
            accepted=accepted,
            budget_s=budget_for(files),
            mirror=settings.weights_mirror,
            on_progress=report,
            on_warning=lambda message: typer.echo(f"warning: {message}", err=True),
        )
    if paths and not quiet:
        typer.echo(f"{len(paths)} model files are whole in {settings.weights_dir}")


@app.command(name="verify")
def verify_models(names: options.Names = None, as_json: options.Json = False) -> None:
    """Compare model files with their sizes and hashes."""
    from ugclab.settings import Settings
    from ugclab.weights.hub import verify

    settings = Settings()
    checkpoints, files = _meant(names)
    found = {name: _checkpoint_fault(name, settings) for name in checkpoints}
    states = [(s.name, str(s.state)) for s in verify(files, settings.weights_dir)]
    states += [(name, fault or "ok") for name, fault in found.items()]
    if as_json:
        print_json([{"name": name, "state": state} for name, state in states])
    else:
        terminal.table(("file", "state"), states)
    if wrong := [name for name, state in states if state != "ok"]:
        raise WeightsCorrupt(f"not whole: {', '.join(wrong)}", hint="fetch them: ugclab models pull")


@app.command(name="export")
def export_models(
    archive: Archive, names: options.Names = None, quiet: options.Quiet = False, as_json: options.Json = False
) -> None:
    """Pack model files that are here into one archive, for a machine without a network.

    Names are those of `pull`. The same files give the same archive; its sha256 is printed, to be compared over there.
    """
    from ugclab.settings import Settings
    from ugclab.weights.archive import Checkpoint, pack

    settings = Settings()
    chosen, files = _meant(names)
    places = _places(settings)
    with _counted("pack", quiet=quiet or as_json) as report:
        manifest, digest = pack(
            files,
            settings.weights_dir,
            archive,
            checkpoints=[Checkpoint(name=name, folder=places[name], licence=_weights_licence(name)) for name in chosen],
            on_progress=report,
        )
    if as_json:
        print_json(manifest.model_dump(mode="json") | {"archive": str(archive), "sha256": digest})
    elif not quiet:
        terminal.table(
            ("file", "size", "licence", "must be accepted"),
            [(f.member, f"{f.size_bytes / 2**20:.1f} MB", f.licence, f.terms and "yes") for f in manifest.files],
        )
        typer.echo(f"{archive}: sha256 {digest}")


@app.command(name="import")
def import_models(
    archive: Archive, accept_licence: options.AcceptLicence = False, quiet: options.Quiet = False
) -> None:
    """Verify an archive of `export` and put its model files in place: all of them, or none."""
    from ugclab.settings import Settings
    from ugclab.weights.archive import read_manifest, unpack
    from ugclab.weights.catalog import CATALOG

    settings = Settings()
    named = [f.name for f in read_manifest(archive).files if not f.checkpoint and f.name in CATALOG]
    accepted = accept_licence or _accepts(named, settings.weights_dir)
    with _counted("unpack", quiet=quiet) as report:
        manifest = unpack(
            archive, settings.weights_dir, checkpoints=_places(settings), accepted=accepted, on_progress=report
        )
    if not quiet:
        typer.echo(f"{len(manifest.files)} model files came whole out of {archive}")


@contextmanager
def _counted(step: str, *, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for files by name and bytes; Ctrl-C ends the block with Cancelled."""
    from ugclab.entrypoints.progress import interruptible
    from ugclab.pipeline.steps import Progress

    with interruptible(quiet=quiet) as (interrupt, bar):

        def report(name: str, done: int, total: int) -> None:
            if interrupt.cancelled():
                raise Cancelled("cancelled")
            bar(Progress(step, None, done, total))

        yield report


def _places(settings: "Settings") -> dict[str, Path]:
    """The folder of each checkpoint."""
    return dict(zip(CHECKPOINTS, (settings.wan_checkpoint, settings.wan_diffusers_folder), strict=True))


def _accepts(names: list[str], folder: Path) -> bool:
    """Show what must be accepted and ask, where somebody sits at a terminal; elsewhere it is for `ensure` to refuse."""
    from ugclab.weights.hub import unaccepted

    bound = unaccepted(names, folder)
    if not bound or not _at_a_terminal():
        return False
    for terms in dict.fromkeys(file.terms for file in bound):
        typer.echo(f"{', '.join(file.name for file in bound if file.terms == terms)}:\n{terms}", err=True)
    return typer.confirm("Do you accept that?", default=False, err=True)


def _at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _licence(checkpoint: str) -> str:
    """What its publisher says, with what lies in it under another licence."""
    return f"licence of the weights: {_weights_licence(checkpoint)}"


def _weights_licence(checkpoint: str) -> str:
    from ugclab.engines.registry import find

    return find(CHECKPOINTS[checkpoint]).info.licences.weights


def _pull_checkpoint(name: str, settings: "Settings", report: Callable[[str, int, int], None]) -> None:
    if name == "wan2.2-animate":
        from ugclab.wan.pull import pull_wan_animate

        pull_wan_animate(settings.wan_checkpoint, offline=settings.offline, progress=report)
    else:
        from ugclab.wan.diffusers_form import pull_diffusers_form

        pull_diffusers_form(settings.wan_diffusers_folder, offline=settings.offline, progress=report)


def _checkpoint_fault(name: str, settings: "Settings") -> str:
    """The first thing that is wrong with a checkpoint; empty where nothing is."""
    from ugclab.wan.checkpoint import verify
    from ugclab.wan.diffusers_form import faults

    if name == "wan2.2-animate-diffusers":
        return next(faults(settings.wan_diffusers_folder), "")
    if not settings.wan_checkpoint.is_dir():
        return f"{settings.wan_checkpoint} is not there"
    return next((p.what for p in verify(settings.wan_checkpoint).problems if p.severity == "error"), "")


def _meant(names: list[str] | None) -> tuple[list[str], list[str]]:
    """Checkpoints and files of the catalogue: by their names, by an engine's name, or all files that engines use."""
    from ugclab.engines.registry import find
    from ugclab.weights.catalog import CATALOG

    if not names:
        return [], [name for name, file in CATALOG.items() if file.used_by and not file.terms]
    of_engine = {engine: name for name, engine in CHECKPOINTS.items()}
    users = {user for file in CATALOG.values() for user in file.used_by}
    checkpoints: list[str] = []
    files: list[str] = []
    for name in names:
        if name in CHECKPOINTS:
            checkpoints.append(name)
        elif name in of_engine:
            checkpoints.append(of_engine[name])
            files += find(name).info.weights
        else:
            files += [n for n, f in CATALOG.items() if name in f.used_by] if name in users else [name]
    return checkpoints, files
