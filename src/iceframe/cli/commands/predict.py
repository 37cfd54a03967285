"""``iceframe predict``: predictions with calibrated intervals for new samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app
from iceframe.cli.commands.show import RunFolder

RungOption = Annotated[
    str | None, typer.Option("--rung", help="Another rung than the equilibrium's.")
]


@app.command()
def predict(
    run: RunFolder,
    data: o.Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV or Parquet file to write.")],
    rung: RungOption = None,
) -> None:
    """Predict new samples, with intervals that hold at the level of the run.

    Example: [bold]iceframe predict runs/steels new.csv --out predictions.csv[/bold]
    """
    from iceframe.core.files import replacing
    from iceframe.workflow.session import open_run

    finished = open_run(run)
    table = finished.predict(data, rung=rung)
    with replacing(out) as temporary:
        if out.suffix.lower() in (".parquet", ".pq"):
            table.to_parquet(temporary)
        else:
            table.to_csv(temporary)
    typer.echo(f"{len(table)} predictions: {out}")
