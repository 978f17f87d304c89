"""`ugclab airtable …`: the table made and checked, rows done as jobs, and the same flow for Make. A Typer sub-app."""

import json
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from ugclab.entrypoints import options, terminal
from ugclab.errors import InputError
from ugclab.settings import Settings

if TYPE_CHECKING:
    from ugclab.entrypoints.airtable.client import Airtable
    from ugclab.entrypoints.airtable.courier import Courier, Moved, Pass
    from ugclab.jobs.queue import Queue

app = typer.Typer(
    help="An Airtable as the front: rows that are Pending become jobs, results come back. docs/airtable.md",
    no_args_is_help=True,
    add_completion=False,
)

Project = Annotated[str, typer.Option("--project", help="The project the jobs belong to.", metavar="NAME")]
Consent = Annotated[
    str,
    typer.Option(
        "--consent",
        help="What you vouch for, of rows that name nobody: as the column Consent.",
        metavar="TEXT",
    ),
]


@app.command()
def init(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, and make nothing.")] = False,
    as_json: options.Json = False,
) -> None:
    """Make the table and the columns that are missing; what is there is never changed or deleted."""
    table = _table()
    made: list[str] = []
    compared = table.look()
    if compared is None:
        made.append(f"table {table.table_name}")
        if not dry_run:
            table.make_table()
            compared = table.look()
    elif compared.missing:
        for column in compared.missing:
            made.append(f"column {column.name}")
            if not dry_run:
                table.make_column(column)
        compared = compared if dry_run else table.look()
    differs = compared.differs if compared else ()
    if as_json:
        terminal.print_json({"made": made, "differs": differs, "dry_run": dry_run})
    else:
        for name in made:
            typer.echo(f"{'to make' if dry_run else 'made'}: {name}")
        for text in differs:
            typer.echo(f"differs: {text}")
        if not made and not differs:
            typer.echo(f"the table '{table.table_name}' has all it needs")
    if compared is not None and compared.lacks and not dry_run:
        raise InputError(
            f"the table does not serve yet: {', '.join(compared.lacks)}", hint="change in Airtable what differs"
        )


@app.command()
def submit(
    record: Annotated[str, typer.Argument(help="The row's id, rec….", metavar="RECORD", show_default=False)],
    engine: options.Engine = "mesh",
    project: Project = "airtable",
    consent: Consent = "",
    as_json: options.Json = False,
) -> None:
    """Submit one row, and write Processing into it; `watch` or `sync` brings its result back."""
    with _queue() as queue:
        job = _courier(queue, engine, project, consent).submit(record)
    if as_json:
        terminal.print_json(job.model_dump(mode="json"))
    else:
        typer.echo(f"{record}: {job.job_id} is {job.status}; its result comes with: ugclab airtable watch")


@app.command()
def watch(
    engine: options.Engine = "mesh",
    project: Project = "airtable",
    consent: Consent = "",
    poll_s: Annotated[
        float, typer.Option("--poll", help="Seconds between two looks; 0: UGCLAB_AIRTABLE_POLL_S.", min=0)
    ] = 0.0,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when no row waits or is under way.")] = False,
    as_json: options.Json = False,
) -> None:
    """Do Pending rows for as long as it runs: Processing, then Complete with the address, or Failed with the reason."""
    from ugclab.jobs import logs

    settings = Settings()
    logs.configure(json=settings.log_json, stream=sys.stderr, secrets=[settings.airtable_key, settings.webhook_secret])
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)  # a second one does not wait for the end of a pass

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)

    def tell(moved: "Moved") -> None:
        _show(moved, as_json=as_json)

    with _queue(settings) as queue:
        courier = _courier(queue, engine, project, consent, tell)
        _warn_of_no_worker(queue)
        said = ""
        for done in courier.watch(poll_s or settings.airtable_poll_s, stop.wait, until_idle=until_idle):
            if (now := "\n".join(_complaints(done))) != said:
                said = now
                if said:
                    typer.echo(said, err=True)


@app.command()
def sync(
    engine: options.Engine = "mesh",
    project: Project = "airtable",
    consent: Consent = "",
    fail_lost: Annotated[
        bool, typer.Option("--fail-lost", help="Write Failed into rows whose job is no longer known here.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Bring rows and jobs together once: after an outage, after jobs were retried or links renewed, or from cron."""
    moved: list[Moved] = []
    with _queue() as queue:
        done = _courier(queue, engine, project, consent, moved.append).sync(fail_lost=fail_lost)
    for one in moved:
        _show(one, as_json=as_json)
    for text in _complaints(done):
        typer.echo(text, err=True)
    if not as_json:
        typer.echo(f"{len(moved)} changes, {len(done.live)} jobs under way, {done.waiting} rows wait")


@app.command()
def make(
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder.", show_default=False)],
    server: Annotated[str, typer.Option("--server", help="Where `ugclab serve` is reached.", metavar="URL")] = "",
    runpod: Annotated[str, typer.Option("--runpod", help="Id of a Runpod endpoint.", metavar="ENDPOINT")] = "",
    hook: Annotated[
        str, typer.Option("--hook", help="Address of the third one's webhook, once Make has given it.", metavar="URL")
    ] = "",
) -> None:
    """Write three scenarios for Make, with this base's own ids: submit, poll, result. They hold no secret."""
    from ugclab.entrypoints.airtable.blueprints import Place, write
    from ugclab.entrypoints.airtable.targets import Target

    if bool(server) == bool(runpod):
        raise InputError("say where the jobs go", hint="--server https://…, or --runpod ENDPOINT")
    table = _table()
    table.require()
    place = Place(table.base_id, table.table_id, dict(table.columns))
    target = Target.server(server, hook) if server else Target.runpod(runpod, hook)
    for path in write(out, target, place):
        typer.echo(str(path))


def _table(settings: Settings | None = None) -> "Airtable":
    from ugclab.entrypoints.airtable.client import Airtable

    return Airtable(settings or Settings())


def _queue(settings: Settings | None = None) -> "Queue":
    from ugclab.jobs.queue import Queue

    return Queue(settings or Settings())


def _courier(
    queue: "Queue",
    engine: str,
    project: str,
    consent: str,
    tell: Callable[["Moved"], None] = lambda moved: None,
) -> "Courier":
    from ugclab.entrypoints.airtable.courier import Courier

    vouched = consent or queue.settings.service_consent
    return Courier(_table(queue.settings), queue, engine=engine, project=project, consent=vouched, tell=tell)


def _show(moved: "Moved", *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(moved), ensure_ascii=False))  # a line each: they come one by one
        return
    tail = f": {moved.text}" if moved.text else (f" as job {moved.job_id}" if moved.job_id else "")
    typer.echo(f"{moved.record_id} {moved.status}{tail}")


def _complaints(done: "Pass") -> list[str]:
    """What a person at the terminal should know of a pass."""
    said = [f"{done.trouble}; trying again"] if done.trouble else []
    if done.waiting:
        said.append(f"{done.waiting} rows wait: {done.why}")
    if done.lost:
        said.append(
            f"the jobs of {', '.join(done.lost)} are not known here; ugclab airtable sync --fail-lost ends them"
        )
    return said + [f"{record_id} could not be written: {reason}" for record_id, reason in done.faults]


def _warn_of_no_worker(queue: "Queue") -> None:
    from ugclab.jobs.heartbeat import Heartbeats

    limit = queue.settings.takeover_s
    if not any(w.state == "alive" and w.silent_s < limit for w in Heartbeats(queue.database).list()):
        typer.echo("no worker is running: rows become jobs, and wait. Start one: ugclab worker", err=True)
