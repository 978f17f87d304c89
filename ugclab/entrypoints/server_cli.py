"""The HTTP server at the command line: `ugclab serve`, and the keys of its callers, `ugclab keys`."""

from datetime import datetime
from typing import Annotated, Literal

import typer

from ugclab.entrypoints import options, terminal
from ugclab.entrypoints.terminal import print_json
from ugclab.errors import EngineUnavailable

app = typer.Typer(help="Keys of programs that use the HTTP server: create, list, revoke.", no_args_is_help=True)


def serve(
    host: Annotated[
        str,
        typer.Option("--host", help="Where to listen; 0.0.0.0 for all who reach the machine.", show_default=False),
    ] = "",
    port: Annotated[int, typer.Option("--port", help="The port.", min=0, max=65535, show_default=False)] = 0,
    page: Annotated[bool, typer.Option("--page", help="Serve the page, too.")] = False,
) -> None:
    """Serve jobs over HTTP, for programs with a key; UGCLAB_HOST and UGCLAB_PORT if left out. Workers run beside it."""
    from ugclab.settings import Settings

    try:
        from ugclab.entrypoints.server.server import build_server
    except ModuleNotFoundError as error:
        raise EngineUnavailable(f"the server needs {error.name}", hint="pip install 'ugclab[serve]'") from error
    settings = Settings()
    chosen = {"host": host or settings.host, "port": port or settings.port}
    build_server(settings.model_copy(update=chosen), page=page).run()


@app.command()
def create(
    user: Annotated[str, typer.Argument(help="Whose jobs the key's are.", metavar="USER", show_default=False)],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            help="What it may: jobs:read, jobs:write, execute (these if left out), metrics, admin.",
            metavar="SCOPE",
        ),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="For somebody the operator does not vouch for (UGCLAB_SERVICE_CONSENT).")
    ] = False,
    label: Annotated[str, typer.Option("--label", help="Your own word for it.", metavar="TEXT")] = "",
    days: Annotated[
        float | None, typer.Option("--days", help="Until it expires; never if left out.", show_default=False)
    ] = None,
    active_jobs: Annotated[
        int | None, typer.Option("--active-jobs", help="Queued and running jobs of the user.", show_default=False)
    ] = None,
    minutes_per_day: Annotated[
        float | None, typer.Option("--minutes-per-day", help="Minutes of footage in 24 hours.", show_default=False)
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option("--requests-per-minute", help="Of one server.", show_default=False)
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    from ugclab.jobs.keys import Keys, NewKey
    from ugclab.jobs.queue import Queue
    from ugclab.settings import Settings

    trust: Literal["public", "service"] = "public" if public else "service"
    new = NewKey.read(
        user=user,
        label=label,
        trust=trust,
        **({"scopes": tuple(scope)} if scope else {}),
        days=days,
        max_active_jobs=active_jobs,
        max_minutes_per_day=minutes_per_day,
        requests_per_minute=requests_per_minute,
    )
    with Queue(Settings()) as queue:
        key, view = Keys(queue.database).create(new)
    if as_json:
        print_json(view.model_dump(mode="json") | {"key": key})
    else:
        typer.echo(key)


@app.command(name="list")
def list_keys(as_json: options.Json = False) -> None:
    """List keys: whose they are, what they may, when they were used; never the keys."""
    from ugclab.jobs.keys import Keys
    from ugclab.jobs.queue import Queue
    from ugclab.settings import Settings

    with Queue(Settings()) as queue:
        found = Keys(queue.database).list()
    if as_json:
        print_json([key.model_dump(mode="json") for key in found])
        return
    rows = [
        (
            k.key_id,
            k.user,
            k.trust,
            " ".join(k.scopes),
            "revoked" if k.revoked_at else "valid" if k.valid else "expired",
            _day(k.created_at),
            _day(k.used_at) or "never",
            k.label,
        )
        for k in found
    ]
    terminal.table(("key", "user", "trust", "scopes", "", "made", "used", "label"), rows)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id of `ugclab keys list`.", metavar="KEY", show_default=False)],
) -> None:
    """Make a key worthless, at once and for good."""
    from ugclab.jobs.keys import Keys
    from ugclab.jobs.queue import Queue
    from ugclab.settings import Settings

    with Queue(Settings()) as queue:
        key = Keys(queue.database).revoke(key_id)
    typer.echo(f"{key.key_id} of {key.user} is revoked")


def _day(seconds: float | None) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}" if seconds else ""
