"""``iceframe explain``: why the model answers as it does, for one sample."""

from __future__ import annotations

from typing import Annotated

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app
from iceframe.cli.console import err as console


@app.command()
def explain(
    run: o.RunFolder,
    data: o.Data,
    sample: Annotated[str, typer.Option("--sample", help="Id of the sample.", show_default=False)],
    out: o.Out,
    rung: o.RungOption = None,
    explainer: Annotated[
        str | None,
        typer.Option("--explainer", help="How to explain it: see `iceframe list explainers`."),
    ] = None,
    concepts: Annotated[
        bool,
        typer.Option("--concepts", help="Also which named descriptors a network uses."),
    ] = False,
    counterfactual: Annotated[
        str | None,
        typer.Option(
            "--counterfactual",
            metavar="DELTA",
            help="Also which least change of a two-phase structure moves the prediction by a "
            "number, by per cent (+10%), or to another class.",
        ),
    ] = None,
    keep_volume_fraction: Annotated[
        bool,
        typer.Option("--keep-volume-fraction", help="Of that change: as much of each phase."),
    ] = False,
    neighbours: Annotated[
        int | None,
        typer.Option(
            "--neighbours", metavar="K", help="Also the K samples of the run nearest to this one."
        ),
    ] = None,
) -> None:
    """Explain the prediction for one sample: terms, attributions, or a map over its image.

    Example: [bold]iceframe explain runs/uhcs micrographs/ --sample image7.jpg --out why/[/bold]
    """
    from iceframe.report import write_explanation
    from iceframe.workflow.session import open_run

    finished = open_run(run)
    explained = finished.explain_sample(
        data,
        sample,
        rung=rung,
        explainer=explainer,
        concepts=concepts,
        counterfactual=counterfactual,
        keep_volume_fraction=keep_volume_fraction,
        neighbours=neighbours,
    )
    path = write_explanation(explained, out)
    answers = (explained.counterfactual, explained.concepts, explained.neighbours)
    for sentence in [explained.trust.sentence, *(a.sentence for a in answers if a is not None)]:
        console.print(sentence, markup=False)
    typer.echo(path)
