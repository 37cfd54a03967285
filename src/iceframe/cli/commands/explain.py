"""``iceframe explain``: why the model answers as it does, for one sample."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app
from iceframe.cli.commands.predict import RungOption
from iceframe.cli.commands.show import RunFolder


@app.command()
def explain(
    run: RunFolder,
    data: o.Data,
    sample: Annotated[str, typer.Option("--sample", help="Id of the sample.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    rung: RungOption = None,
) -> None:
    """Explain the prediction for one sample: terms, attributions, or a map over its image.

    Example: [bold]iceframe explain runs/uhcs micrographs/ --sample image7.jpg --out why/[/bold]
    """
    from iceframe.report import write_explanation
    from iceframe.workflow.session import open_run

    finished = open_run(run)
    explanation, example = finished.explain_example(data, sample, rung=rung)
    path = write_explanation(explanation, example, out)
    typer.echo(path)
