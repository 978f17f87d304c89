"""The command line: `ugclab swap`, and what helps before and after it.

Results go to stdout, progress and errors to stderr. Heavy imports happen inside the commands: `--help` is instant.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ugclab.entrypoints import (
    airtable_cli,
    bench_cli,
    footage_cli,
    jobs_cli,
    models,
    options,
    page_cli,
    server_cli,
    ship_cli,
    start,
    store_cli,
    terminal,
    wan_cli,
)
from ugclab.entrypoints.terminal import print_json
from ugclab.errors import EngineUnavailable, UgclabError
from ugclab.schema.job import FaceSelector, StitchMode

if TYPE_CHECKING:
    from ugclab.pipeline.plan import SwapRequest

EXIT_CODES = (
    "Exit codes: 0 done; 1 a fault of ours; 2 wrong usage; 10 input, 11 source, 12 plan, 13 avatar, 14 consent, 15 not "
    "let in; 20 face, 21 not found, 22 ambiguous; 30 engine failed, 31 unknown, 32 unavailable, 33 crashed, 34 time "
    "limit; 40 model files, 41 corrupt, 42 licence not accepted; 50 output, 51 disk full; 60 network; 61 store, 62 "
    "unavailable, 63 corrupt; 70 queue, 71 no such job, 72 conflict, 73 limit, 74 unavailable, 75 poison; 80 slower "
    "than before; 130 cancelled. --debug anywhere shows the traceback of an error."
)

app = typer.Typer(
    name="ugclab",
    help="Put a person's face into chosen segments of a video and leave the rest untouched.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if version:
        from ugclab.pipeline.measure import version as own_version

        typer.echo(f"ugclab {own_version()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def swap(
    source: options.Source,
    avatar: options.Avatar,
    out: Annotated[Path, typer.Option("--out", "-o", help="The result, .mp4 or .mov.", show_default=False)],
    plan: options.Plan = "default",
    face: options.Face = "largest",
    eyewear: options.Eyewear = options.DEFAULTS.eyewear,
    replace: options.Replace = options.DEFAULTS.replace,
    engine: options.Engine = "mesh",
    stitch: options.Stitch = StitchMode.AUTO,
    crf: options.Crf = options.DEFAULTS.crf,
    watermark: options.Watermark = "",
    tone_map: options.ToneMap = False,
    min_swapped: options.MinSwapped = options.DEFAULTS.min_swapped,
    seed: options.Seed = options.DEFAULTS.seed,
    fresh: options.Fresh = False,
    report_json: options.ReportFile = None,
    contact_sheet: options.Sheet = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Put the avatar's face into the plan's swap segments of a video."""
    from ugclab.pipeline.plan import SwapRequest, checked_options

    wanted = checked_options(
        face=FaceSelector.parse(face),
        eyewear=eyewear,
        replace=replace,
        min_swapped=min_swapped,
        stitch=stitch,
        crf=crf,
        watermark=watermark,
        tone_map=tone_map,
        seed=seed,
    )
    request = SwapRequest(
        source=source,
        avatar=avatar,
        out=out,
        plan=plan,
        engine=engine,
        options=wanted,
        fresh=fresh,
        contact_sheet=contact_sheet,
    )
    _run(request, report_json, as_json=as_json, quiet=quiet)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("out/demo"),
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Do the sample video that comes with ugclab as a job: a video, a picture and a report in one folder."""
    from ugclab.entrypoints.demo import run_demo

    report = run_demo(out, quiet=quiet or as_json)
    if as_json:
        typer.echo(report.model_dump_json(indent=1))
    elif not quiet:
        terminal.show_report(report)
        typer.echo(f"see {out / 'demo.mp4'}, {out / 'demo.png'} and {out / 'demo.md'}")


def _run(request: "SwapRequest", report_json: Path | None, *, as_json: bool, quiet: bool) -> None:
    from ugclab.media.output import check_folder, whole_file
    from ugclab.pipeline.run import run
    from ugclab.settings import Settings

    if report_json is not None:
        check_folder(report_json)
    from ugclab.entrypoints.progress import interruptible

    with interruptible(quiet=quiet) as (interrupt, bar):
        report = run(request, Settings(), on_progress=bar, cancelled=interrupt.cancelled)
    if report_json is not None:
        with whole_file(report_json) as part:
            part.write_text(report.model_dump_json(indent=1) + "\n")
    if as_json:
        typer.echo(report.model_dump_json(indent=1))
    elif not quiet:
        terminal.show_report(report)


@app.command()
def engines(as_json: options.Json = False) -> None:
    """List what can swap: whether it is ready here, and under which licences."""
    from ugclab.engines.registry import availability, catalogue
    from ugclab.settings import Settings

    settings = Settings()
    found = [(engine.info, availability(engine, settings)) for engine in catalogue()]
    if as_json:
        print_json([i.model_dump(mode="json") | {"availability": a.model_dump(mode="json")} for i, a in found])
        return
    terminal.table(
        ("engine", "version", "replaces", "commercial use", "licences (code, weights, binaries)", "here"),
        [
            (
                i.name,
                i.version,
                i.replaces,
                i.commercial_use,
                ", ".join((i.licences.code, i.licences.weights, i.licences.binaries)),
                _readiness(a),
            )
            for i, a in found
        ],
    )


def _readiness(state: Any) -> str:
    if not state.ready:
        return f"{state.reason}. {state.hint}"
    return f"ready after fetching {state.to_fetch_mb:.1f} MB" if state.to_fetch_mb else "ready"


@app.command()
def doctor(as_json: options.Json = False) -> None:
    """Say what is here, what is missing, and what to type."""
    from ugclab.entrypoints.doctor import examine
    from ugclab.settings import Settings

    checks = examine(Settings())
    if as_json:
        print_json([c.model_dump(mode="json") for c in checks])
    else:
        terminal.show_checks(checks)
    if missing := [c for c in checks if c.state == "missing"]:
        raise EngineUnavailable(f"missing: {', '.join(c.name for c in missing)}", hint=missing[0].hint)


app.command()(footage_cli.probe)
app.command(name="plan")(footage_cli.show_plan)
app.command()(footage_cli.prepare)
app.command()(footage_cli.preview)
app.command()(jobs_cli.submit)
app.command()(jobs_cli.worker)
app.command(name="app")(page_cli.serve)
app.command()(page_cli.account)
app.add_typer(airtable_cli.app, name="airtable")
app.command()(start.start)
app.command()(ship_cli.health)
app.command()(ship_cli.licences)
app.command()(ship_cli.space)
app.command()(server_cli.serve)
app.add_typer(server_cli.app, name="keys")
app.add_typer(bench_cli.app, name="bench")
app.add_typer(jobs_cli.app, name="jobs")
app.add_typer(models.app, name="models")
app.add_typer(store_cli.app, name="store")
app.add_typer(wan_cli.app, name="wan")


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        app([word for word in words if word != "--debug"], prog_name="ugclab")
    except UgclabError as error:
        if debug:
            raise
        terminal.show_error(error)
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        terminal.show_fault(error)
        sys.exit(1)
    sys.exit(0)
