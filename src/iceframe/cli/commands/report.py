"""``iceframe report``: write the report of a run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app


@app.command()
def report(
    run: o.RunFolder,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to; RUN/report.html when not given.")
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write the report: one HTML file that needs nothing else.

    Example: [bold]iceframe report runs/steels --open[/bold]
    """
    from iceframe.report import write_report
    from iceframe.workflow.session import open_run

    finished = open_run(run)
    path = write_report(finished.view(), out or run / "report.html")
    typer.echo(path)
    if open_it:
        typer.launch(path.resolve().as_uri())
