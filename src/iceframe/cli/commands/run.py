"""``iceframe run``: climb the ladder, measure, find the equilibrium, write the report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app
from iceframe.core.errors import BudgetExhausted

if TYPE_CHECKING:
    from iceframe.workflow.session import Run

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.", show_default=False)]


@app.command()
@o.with_reading_options
def run(
    data: o.Data,
    out: Out,
    target: o.Target = None,
    ladder: o.Ladder = None,
    descriptors: o.Descriptors = None,
    splits: o.Splits = "auto",
    folds: o.Folds = 5,
    seed: o.Seed = 0,
    budget: o.Budget = None,
    floor: Annotated[
        list[str] | None,
        typer.Option("--floor", help="What you insist on, e.g. mae=90; may be repeated."),
    ] = None,
    workers: o.Workers = None,
    device: o.Device = "auto",
    trials: o.Trials = None,
    repeats: o.Repeats = None,
    shift: o.Shift = True,
    unlabelled: Annotated[
        Path | None,
        typer.Option(
            "--unlabelled",
            help="Samples without a target, with which distilled rungs are taught.",
            show_default=False,
        ),
    ] = None,
    *,
    reading: dict[str, Any],
) -> None:
    """Find out how complex the model must be.

    Audits the data, climbs the ladder on the same folds, measures complexity, fidelity and
    transparency, finds the equilibrium, and writes a report. Repeat the command to go on after an
    interruption: finished work is never repeated.

    Example: [bold]iceframe run steels.csv --target "yield strength" --out runs/steels[/bold]
    """
    from iceframe.workflow.settings import parse_duration, parse_floors

    dataset = o.read_data(data, target, reading)
    from iceframe.cli.console import progress_bar
    from iceframe.workflow.session import run as run_ladder

    with progress_bar() as watch:
        finished = run_ladder(
            dataset,
            ladder=o.names(ladder),
            descriptors=o.names(descriptors),
            out=out,
            splits=splits,
            folds=folds,
            seed=seed,
            budget=parse_duration(budget) if budget else None,
            floors=parse_floors(floor or []),
            workers=workers,
            device=device,
            trials=trials,
            repeats=repeats,
            shift=shift,
            unlabelled=unlabelled,
            command=" ".join(["iceframe", *sys.argv[1:]]),
            watch=watch,
        )
    conclude(finished)


def conclude(finished: Run) -> None:
    """Print the verdict, write the report, and end with exit code 3 if time ran out."""
    from iceframe.cli.console import err, out, show_audit, show_equilibrium
    from iceframe.cli.summary import show_belief, show_rungs
    from iceframe.report import write_report

    show_audit(finished.audit, err)
    show_rungs(finished)
    show_equilibrium(finished.equilibrium)
    show_belief(finished)
    path = write_report(finished.view(), finished.folder / "report.html")
    out.print(f"\nReport: [bold]{path}[/bold]")
    for rung, message in finished.failures.items():
        err.print(
            f"[yellow]{rung} failed:[/yellow] {message} (details: {finished.folder / 'failures'})"
        )
    if finished.unfinished:
        raise BudgetExhausted(
            "The time budget ran out before the ladder was climbed.",
            got=f"{finished.unfinished} units of work are left",
            hint="repeat the same command (with a larger --budget or none) to go on",
        )
