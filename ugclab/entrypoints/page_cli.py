"""The page at the command line: `ugclab app` serves it, `ugclab account` makes a line for the file of accounts."""

import getpass
import sys
from typing import Annotated

import typer

from ugclab.errors import InputError

_SHORTEST = 8


def serve(
    host: Annotated[
        str,
        typer.Option("--host", help="Where to listen; 0.0.0.0 for all who reach the machine.", show_default=False),
    ] = "",
    port: Annotated[int, typer.Option("--port", help="The port.", min=0, max=65535, show_default=False)] = 0,
) -> None:
    """Serve the page, with a worker of its own where none is running; UGCLAB_HOST and UGCLAB_PORT if left out."""
    from ugclab.entrypoints.ui import build_app
    from ugclab.settings import Settings

    settings = Settings()
    # not handed to launch alone: who may fetch model files depends on where the page listens
    chosen = {"host": host or settings.host, "port": port or settings.port}
    build_app(settings.model_copy(update=chosen)).launch()


def account(name: Annotated[str, typer.Argument(help="Who may log in.", metavar="NAME", show_default=False)]) -> None:
    """Print a line for the file that UGCLAB_ACCOUNTS names; asks for the password, or reads it from stdin."""
    from pydantic import ValidationError

    from ugclab.entrypoints.ui.identity import hash_password
    from ugclab.schema.job import Principal

    try:
        Principal(user=name)
    except ValidationError as error:
        raise InputError(
            f"'{name}' is no name for an account", hint="letters, digits and . _ @ -, 64 at most"
        ) from error
    password = _password()
    if len(password) < _SHORTEST:
        raise InputError(f"the password has fewer than {_SHORTEST} characters", hint="choose a longer one")
    typer.echo(f"{name}:{hash_password(password)}")


def _password() -> str:
    """Asked for twice without showing it, or a line of stdin where nobody types."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise InputError("the two passwords differ", hint="type the same one twice")
    return password
