"""What ships ugclab elsewhere, at the command line: a container's health and licences, and the folder of a Space."""

from typing import Annotated

import typer


def health(
    mode: Annotated[str, typer.Argument(help="As what it runs: page, serve, worker or serverless.", metavar="MODE")],
) -> None:
    """Say whether what runs on this machine works: the health check of the images."""
    from ugclab.entrypoints.health import check
    from ugclab.settings import Settings

    typer.echo(check(mode, Settings()))


def licences() -> None:
    """Print under which licence everything is that is installed here, as Markdown."""
    from ugclab.entrypoints.licences import document
    from ugclab.settings import Settings

    typer.echo(document(Settings()), nl=False)
