"""``iceframe show``: what a run found, in the terminal or as JSON."""

from __future__ import annotations

import json

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app


@app.command()
def show(
    run: o.RunFolder,
    as_json: o.AsJson = False,
) -> None:
    """Show the equilibrium and the evidence of a run.

    Example: [bold]iceframe show runs/steels --json[/bold]
    """
    from iceframe.cli.console import show_equilibrium
    from iceframe.cli.summary import as_plain, show_belief, show_rungs
    from iceframe.workflow.session import open_run

    finished = open_run(run)
    if as_json:
        typer.echo(json.dumps(as_plain(finished), indent=1))
        return
    show_rungs(finished)
    show_equilibrium(finished.equilibrium)
    show_belief(finished)
