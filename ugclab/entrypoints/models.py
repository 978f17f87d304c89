"""`ugclab models`: model files listed, fetched, checked."""

import sys
from pathlib import Path

import typer

from ugclab.entrypoints import options, terminal
from ugclab.entrypoints.terminal import print_json
from ugclab.errors import Cancelled, WeightsCorrupt

WAN = "wan2.2-animate"
"""Not one file of the catalogue but a checkpoint of its own: what replacement needs of it, about 53.7 GiB."""

app = typer.Typer(no_args_is_help=True, help="Model files: list, fetch, check.")


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
    """Fetch what is missing and check it; wan2.2-animate is the checkpoint (about 54 GiB).

    Files whose licence must be accepted are only fetched by name.
    """
    from ugclab.pipeline.steps import Progress
    from ugclab.settings import Settings
    from ugclab.weights.hub import budget_for, ensure

    settings = Settings()
    single = [name for name in names or () if name != WAN]
    files = [] if names and not single else _model_names(single)
    accepted = accept_licence or _accepts(files, settings.weights_dir)
    from ugclab.entrypoints.progress import interruptible

    with interruptible(quiet=quiet) as (interrupt, bar):

        def report(name: str, done: int, total: int) -> None:
            if interrupt.cancelled():
                raise Cancelled("cancelled")
            bar(Progress("fetch", None, done, total))

        if names and WAN in names:
            from ugclab.wan.pull import pull_wan_animate

            pull_wan_animate(settings.weights_dir / WAN, offline=settings.offline, progress=report)
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

    states = verify(_model_names(names), Settings().weights_dir)
    if as_json:
        print_json([s.model_dump(mode="json") for s in states])
    else:
        terminal.table(("file", "state"), [(s.name, s.state) for s in states])
    if wrong := [s.name for s in states if s.state != "ok"]:
        raise WeightsCorrupt(f"not whole: {', '.join(wrong)}", hint="fetch them: ugclab models pull")


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


def _model_names(names: list[str] | None) -> list[str]:
    """Files by name, files of engines by the engine's name, or all files that engines use and nobody need agree to."""
    from ugclab.weights.catalog import CATALOG

    if not names:
        return [name for name, file in CATALOG.items() if file.used_by and not file.terms]
    users = {user for file in CATALOG.values() for user in file.used_by}
    wanted: list[str] = []
    for name in names:
        wanted += [n for n, f in CATALOG.items() if name in f.used_by] if name in users else [name]
    return wanted
