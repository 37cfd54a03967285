"""``iceframe predict``: predictions with calibrated intervals for new samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app

Gated = Annotated[
    bool, typer.Option("--gate/--no-gate", help="Decide for each sample whether to answer.")
]
Risk = Annotated[
    float, typer.Option("--risk", help="Largest share of badly wrong answers among those given.")
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        "--tolerance",
        help="Error from which an answer is badly wrong, in the target's unit; default twice the "
        "half width of the run's intervals.",
        show_default=False,
    ),
]
Together = Annotated[
    bool,
    typer.Option(
        "--together/--alone",
        help="Judge the samples beside one another: a kind never seen is noticed in company.",
    ),
]
Share = Annotated[
    float,
    typer.Option(
        "--share", help="Largest share of samples like the training data that is answered."
    ),
]
Level = Annotated[
    float | None,
    typer.Option("--level", help="Of the intervals and sets; the run's.", show_default=False),
]


@app.command()
def predict(
    run: o.RunFolder,
    data: o.Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV or Parquet file to write.")],
    rung: o.RungOption = None,
    gate: Gated = True,
    risk: Risk = 0.1,
    tolerance: Tolerance = None,
    together: Together = False,
    share: Share = 1.0,
    level: Level = None,
) -> None:
    """Predict new samples: answer, fall back to a simpler rung, abstain, or ask.

    Example: [bold]iceframe predict runs/steels new.csv --out predictions.csv[/bold]
    """
    from iceframe.core.files import replacing
    from iceframe.workflow.answers import predict_samples
    from iceframe.workflow.gating import RunGate
    from iceframe.workflow.session import open_run
    from iceframe.workflow.settings import LEVEL

    finished = open_run(run)
    if gate:
        gated = RunGate(
            finished,
            rung=rung,
            risk=risk,
            tolerance=tolerance,
            level=LEVEL if level is None else level,
            together=together,
            share=share,
        )
        table = gated.table(data)
    else:
        table = predict_samples(finished, data, rung, level)
    with replacing(out) as temporary:
        if out.suffix.lower() in (".parquet", ".pq"):
            table.to_parquet(temporary)
        else:
            table.to_csv(temporary)
    typer.echo(f"{len(table)} predictions: {out}")
    if gate:
        typer.echo(", ".join(f"{n} {what}" for what, n in table["decision"].value_counts().items()))
