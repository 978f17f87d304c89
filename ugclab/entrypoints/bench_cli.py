"""`ugclab bench …`: measure scenarios, compare builds, predict what work takes and costs."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ugclab.entrypoints import calibrate_cli, estimate_cli, options, terminal
from ugclab.errors import InputError, Regression

if TYPE_CHECKING:
    from ugclab.bench.results import Benchmark

app = typer.Typer(
    help="What swapping takes and costs: measured, compared between builds, predicted.",
    no_args_is_help=True,
    add_completion=False,
)
app.command()(estimate_cli.estimate)
app.command()(estimate_cli.fit)
app.command()(calibrate_cli.calibrate)

Result = Annotated[Path, typer.Argument(help="A result of ugclab bench run, .json.", show_default=False)]


@app.command()
def run(
    scenarios: Annotated[
        list[str],
        typer.Argument(
            help="Names (see ugclab bench scenarios), YAML files, or all.", metavar="SCENARIO...", show_default=False
        ),
    ],
    engine: options.Engine = "mesh",
    repeat: Annotated[
        int | None, typer.Option("--repeat", help="Rounds; each scenario's own number if left out.", min=1, max=100)
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("out/bench"),
    name: Annotated[str, typer.Option("--name", help="What the files there are called.")] = "bench",
    usd_per_hour: Annotated[
        float | None,
        typer.Option("--usd-per-hour", help="Price of this machine; UGCLAB_USD_PER_HOUR if left out.", min=0),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure scenarios, cold and warm, beside a plain transcode and the frame-by-frame road."""
    from ugclab.bench.results import to_csv
    from ugclab.bench.runner import run_scenarios
    from ugclab.bench.scenarios import find
    from ugclab.bench.tables import to_markdown
    from ugclab.entrypoints.progress import interruptible
    from ugclab.media.output import whole_file, writing
    from ugclab.settings import Settings

    if not re.fullmatch(r"[\w.-]{1,80}", name):
        raise InputError(f"'{name}' is no name for files", hint="letters, digits, dots and dashes")
    chosen = find(scenarios)
    settings = Settings()
    if usd_per_hour is not None:
        settings = settings.model_copy(update={"usd_per_hour": usd_per_hour})
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)

    def keep(result: "Benchmark") -> None:
        forms = {"json": result.model_dump_json(indent=1) + "\n", "csv": to_csv(result), "md": to_markdown(result)}
        for form, text in forms.items():
            # Resolved: ours is a link into the package, which writing beside it would replace.
            with whole_file((out / f"{name}.{form}").resolve()) as part:
                part.write_text(text)

    with interruptible(quiet=quiet or as_json) as (interrupt, bar):
        result = run_scenarios(
            chosen, settings, engine=engine, repeat=repeat, on_progress=bar, on_scenario=keep,
            cancelled=interrupt.cancelled,
        )  # fmt: skip
    _draw(result, out, name)
    if as_json:
        typer.echo(result.model_dump_json(indent=1))
    elif not quiet:
        _show(result)
        typer.echo(f"see {out / name}.md, .json, .csv and the pictures beside them")


@app.command()
def compare(
    base: Result,
    new: Result,
    max_regression: Annotated[
        str, typer.Option("--max-regression", help="What is let pass, as 10% or 0.1.", metavar="SHARE")
    ] = "10%",
    across_machines: Annotated[
        bool, typer.Option("--across-machines", help="Compare although the machines differ.")
    ] = False,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Write the table there, for a pull request.", show_default=False)
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Say whether a build is slower than another; exit code 80 if it is, and not by chance."""
    from ugclab.bench.compare import compare as compare_results
    from ugclab.bench.results import read_benchmark
    from ugclab.media.output import whole_file

    limit = _share(max_regression)
    found = compare_results(read_benchmark(base), read_benchmark(new), limit, across_machines=across_machines)
    if markdown is not None:
        with whole_file(markdown) as part:
            part.write_text(found.to_markdown())
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
    elif not quiet:
        typer.echo(found.to_markdown(), nl=False)
    if not found.judged:
        raise InputError("too few repeats to tell slower from noise", hint="measure both with --repeat 5")
    if worst := max(found.regressions, key=lambda row: row.ratio, default=None):
        raise Regression(
            f"{worst.scenario}, {worst.start}: {worst.metric} is {worst.ratio:.2f} times the base's"
            + (f" ({worst.where})" if worst.where else ""),
            hint=f"{len(found.regressions)} of {len(found.rows)} figures are worse by more than {limit:.0%}",
        )


@app.command("scenarios")
def list_scenarios(as_json: options.Json = False) -> None:
    """List what can be measured."""
    from ugclab.bench.scenarios import catalogue

    known = catalogue()
    if as_json:
        terminal.print_json([scenario.model_dump(mode="json") for scenario in known])
        return
    terminal.table(
        ("scenario", "what", "plan", "rounds", "beside"),
        [(s.name, s.title, s.plan, s.repeat, ", ".join(s.peers)) for s in known],
    )


def _draw(result: "Benchmark", out: Path, name: str) -> None:
    """Charts where they can be drawn; what is missing for them otherwise."""
    from ugclab.bench.charts import write_charts

    try:
        write_charts(result, out, name)
    except InputError as error:
        typer.echo(f"no charts: {error}", err=True)


def _show(result: "Benchmark") -> None:
    from ugclab.bench.results import summarise

    head = ("scenario", "road", "rounds", "wall s", "± %", "CPU s", "peak MB", "frames/s", "s per segment", "USD")
    terminal.table(
        head,
        [
            (
                s.scenario,
                s.label,
                s.repeats,
                round(s.wall_s.median, 2),
                round(s.wall_s.percent),
                round(s.cpu_s.median, 2),
                round(s.peak_rss_mb.median),
                round(s.frames_per_s),
                round(s.s_per_segment, 2),
                round(s.usd, 5),
            )
            for s in summarise(result)
        ],
    )


def _share(text: str) -> float:
    """Read 10% or 0.1. Raises InputError."""
    found = re.fullmatch(r"\s*(\d{1,4}(?:\.\d{1,6})?)\s*(%?)\s*", text)
    if not found:
        raise InputError(f"'{text}' is no share", hint="as 10% or 0.1")
    return float(found[1]) / (100 if found[2] else 1)
