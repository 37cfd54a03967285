"""``iceframe explain``: why the model answers as it does, for one sample."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app
from iceframe.cli.commands.predict import RungOption
from iceframe.cli.commands.show import RunFolder
from iceframe.cli.console import err as console


@app.command()
def explain(
    run: RunFolder,
    data: o.Data,
    sample: Annotated[str, typer.Option("--sample", help="Id of the sample.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    rung: RungOption = None,
    explainer: Annotated[
        str | None,
        typer.Option("--explainer", help="How to explain it: see `iceframe list explainers`."),
    ] = None,
) -> None:
    """Explain the prediction for one sample: terms, attributions, or a map over its image.

    Example: [bold]iceframe explain runs/uhcs micrographs/ --sample image7.jpg --out why/[/bold]
    """
    from iceframe.report import write_explanation
    from iceframe.workflow.session import open_run

    finished = open_run(run)
    explained = finished.explain_sample(data, sample, rung=rung, explainer=explainer)
    path = write_explanation(explained, out)
    console.print(explained.trust.sentence)
    typer.echo(path)
