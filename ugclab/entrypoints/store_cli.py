"""`ugclab store …`: what lies in the store, a link to it, and away with it. A Typer sub-app of the command line."""

import re
import sys
from typing import Annotated

import typer

from ugclab.entrypoints import options, terminal
from ugclab.errors import Cancelled, InputError
from ugclab.settings import Settings
from ugclab.storage.opening import open_store

app = typer.Typer(
    help="The store: list, delete, link. A local folder, or S3 where UGCLAB_S3_BUCKET is set.",
    no_args_is_help=True,
    add_completion=False,
)

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


@app.command("ls")
def list_objects(
    prefix: Annotated[
        str, typer.Argument(help="A folder, as users/ann; everything if left out.", metavar="PREFIX")
    ] = "",
    as_json: options.Json = False,
) -> None:
    """List objects by their keys."""
    found = open_store(Settings()).list(prefix)
    if as_json:
        terminal.print_json([{"key": stored.key, "size_bytes": stored.size_bytes} for stored in found])
        return
    for stored in found:
        typer.echo(f"{stored.size_bytes:>14,}  {stored.key}")


@app.command("rm")
def remove(
    prefix: Annotated[str, typer.Argument(help="An object, or a folder.", show_default=False, metavar="PREFIX")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: options.Json = False,
) -> None:
    """Delete an object, or a folder such as users/ann: nothing of it is left."""
    store = open_store(Settings())
    if not yes:
        if not sys.stdin.isatty():
            raise InputError("nobody can be asked whether to delete", hint="add --yes")
        count = sum(1 for _ in store.list(prefix))
        if not typer.confirm(f"delete {prefix}{f' with {count} objects' if count else ''}?", err=True):
            raise Cancelled("nothing was deleted")
    count = store.delete_prefix(prefix)
    if as_json:
        terminal.print_json({"deleted": count})
    else:
        typer.echo(f"{count} object{'' if count == 1 else 's'} deleted")


@app.command()
def url(
    key: Annotated[str, typer.Argument(help="An object.", show_default=False, metavar="KEY")],
    expires: Annotated[str, typer.Option(help="How long it works, as 90s, 15m, 1h or 7d.", metavar="TIME")] = "1h",
) -> None:
    """Print an address anybody can fetch an object from for a while. S3 only."""
    store = open_store(Settings())
    made = store.url(key, _seconds(expires))
    if made is None:
        raise InputError("a local store has no addresses", hint="set UGCLAB_S3_BUCKET, or take the file itself")
    if not store.exists(key):
        raise InputError(f"there is no object {key}", hint="see ugclab store ls")
    typer.echo(made)


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(\d{1,7})([smhd])", text.strip())
    if not found:
        raise InputError(f"'{text}' is not a time", hint="as 90s, 15m, 1h or 7d")
    return int(found[1]) * _UNITS_S[found[2]]
