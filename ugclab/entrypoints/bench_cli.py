"""`ugclab bench …`: what work takes and costs."""

import typer

from ugclab.entrypoints import estimate_cli

app = typer.Typer(help="What a swap takes and costs: predicted, and what fits a budget.", no_args_is_help=True)
app.command()(estimate_cli.estimate)
app.command()(estimate_cli.fit)
