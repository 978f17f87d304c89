"""What ships ugclab elsewhere, at the command line: a container's health and licences, and the folder of a Space."""

from pathlib import Path
from typing import Annotated, Literal

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


def space(
    folder: Annotated[Path, typer.Argument(help="The Space's folder.", metavar="FOLDER", show_default=False)],
    title: Annotated[str, typer.Option("--title", help="What the Space is called.", metavar="TEXT")] = "ugclab",
    engine_url: Annotated[
        str,
        typer.Option(
            "--engine-url", help="A machine with a GPU, for the engine `remote`.", metavar="URL", show_default=False
        ),
    ] = "",
    engine_kind: Annotated[
        Literal["contract", "runpod"], typer.Option("--engine-kind", help="What answers there.")
    ] = "contract",
    package: Annotated[
        str,
        typer.Option(
            "--package",
            help="Where pip gets ugclab: 'ugclab[ui] @ git+https://…'; left out, the package comes along.",
            metavar="REQUIREMENT",
            show_default=False,
        ),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Renew a Space that is in the folder.")] = False,
) -> None:
    """Write the folder of a Hugging Face Space; what is uploaded is for you to do: hf upload NAME/SPACE FOLDER."""
    from ugclab.entrypoints.space import Space, write_space

    wanted = Space(title=title, engine_url=engine_url, engine_kind=engine_kind, package=package)
    written = write_space(folder, wanted, force=force)
    typer.echo(f"{folder}: {', '.join(written)}")
    typer.echo("upload it: hf upload NAME/SPACE FOLDER . --repo-type space")
