"""``iceframe learning-curve``: how the error of every rung falls with the number of samples."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app
from iceframe.core.errors import BudgetExhausted, UsageError

if TYPE_CHECKING:
    from iceframe.workflow.execute import Progress
    from iceframe.workflow.learning_curve.session import LearningCurve
    from iceframe.workflow.learning_curve.view import CurveView

PAGE = "learning-curve.html"


@app.command()
@o.with_reading_options
def learning_curve(
    data: o.Data,
    out: o.Out,
    target: o.Target = None,
    ladder: o.Ladder = None,
    descriptors: o.Descriptors = None,
    sizes: Annotated[
        str | None,
        typer.Option(
            "--sizes", help="Numbers of training samples; 16,32,64,128,256,512,1000,2000."
        ),
    ] = None,
    repeats: Annotated[
        int, typer.Option("--repeats", help="Test sets and orders of training samples.")
    ] = 5,
    test: Annotated[
        float, typer.Option("--test", help="Part (0.3) or number (200) of samples held out.")
    ] = 0.3,
    splits: Annotated[str, typer.Option("--splits", help="auto, random or grouped:COL.")] = "auto",
    error: Annotated[
        str | None,
        typer.Option("--error", help="Error to come down to, e.g. mae=0.5.", show_default=False),
    ] = None,
    reach: Annotated[
        str | None,
        typer.Option("--reach", help="Score to rise to, e.g. r2=0.95.", show_default=False),
    ] = None,
    tune: Annotated[
        bool, typer.Option("--tune/--no-tune", help="Tune every rung inside every subset.")
    ] = True,
    seed: o.Seed = 0,
    budget: o.Budget = None,
    workers: o.Workers = None,
    device: o.Device = "auto",
    as_json: o.AsJson = False,
    *,
    reading: dict[str, Any],
) -> None:
    """How many samples does each rung need?

    Fits every rung to nested subsets of the data, tests it on samples held out, and says with how
    many samples it reaches the error that you want. Repeat the command to go on after an
    interruption: finished fits are never repeated.

    Example: [bold]iceframe learning-curve micrographs/ --target C11 --out curves --reach r2=0.95
    [/bold]
    """
    from iceframe.workflow.settings import parse_duration

    wanted = _wanted(error, reach)
    numbers = _sizes(sizes) if sizes is not None else None
    dataset = o.read_data(data, target, reading)
    from iceframe.cli.console import progress_bar
    from iceframe.workflow.learning_curve import learning_curve as measure

    with progress_bar(_doing, "fits") as watch:
        finished = measure(
            dataset,
            out=out,
            ladder=o.names(ladder),
            descriptors=o.names(descriptors),
            sizes=numbers,
            repeats=repeats,
            test=test,
            splits=splits,
            wanted=wanted,
            tune=tune,
            seed=seed,
            budget=parse_duration(budget) if budget else None,
            workers=workers,
            device=device,
            command=" ".join(["iceframe", *sys.argv[1:]]),
            watch=watch,
        )
    _conclude(finished, as_json)


def _doing(event: Progress) -> str:
    parts = (unit.part.split("-n")[1] for unit in event.running)
    pairs = zip(event.running, parts, strict=True)
    return ", ".join(f"{unit.rung}: {size} samples" for unit, size in pairs)


def _sizes(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(
            "Cannot read --sizes.", got=text, allowed="whole numbers, e.g. 16,32,64"
        ) from error


def _wanted(error: str | None, reach: str | None) -> dict[str, float] | None:
    """The goal of --error or --reach, each for the metrics that go its way."""
    from iceframe.measure.metrics import METRICS

    if error and reach:
        raise UsageError("One goal at a time.", got=f"--error {error} and --reach {reach}")
    text = error or reach
    if not text:
        return None
    option, better = ("--error", "lower") if error else ("--reach", "higher")
    name, _, value = text.partition("=")
    name = name.strip()
    try:
        goal = {name: float(value)}
    except ValueError as failed:
        raise UsageError(
            f"Cannot read {option}.", got=text, allowed="metric=number, e.g. mae=0.5"
        ) from failed
    if METRICS[name].better != better:
        other = "--reach" if error else "--error"
        raise UsageError(
            f"{METRICS[name].title.capitalize()} is not a goal for {option}.",
            got=text,
            hint=f"use {other} {text}",
        )
    return goal


def _conclude(finished: LearningCurve, as_json: bool) -> None:
    """Print the curve, write its page, and end with exit code 3 if time ran out."""
    from iceframe.cli.console import err, out
    from iceframe.report.learning_curve import failure_text, write_learning_curve

    view = finished.view()
    path = write_learning_curve(view, finished.folder / PAGE)
    if as_json:
        typer.echo(json.dumps(_as_plain(view), indent=1))
    else:
        _show(view)
        for note in view.notes:
            err.print(note.replace("`", "'"), style="dim", markup=False)
        for failure in view.failures:
            err.print(
                failure_text(failure, view.sizes).replace("`", "'"), style="yellow", markup=False
            )
        out.print(f"\nPage: [bold]{path}[/bold]")
    if view.unfinished:
        raise BudgetExhausted(
            "The time budget ran out before the curve was finished.",
            got=f"{view.unfinished} fits are left",
            hint="repeat the same command (with a larger --budget or none) to go on",
        )


def _show(view: CurveView) -> None:
    """One line a rung: the metric at every size, and how many samples it needs."""
    from iceframe.cli.console import out, show_ladder
    from iceframe.cli.summary import number
    from iceframe.report.learning_curve import headline, needs_text

    mine = view.curve[view.curve["metric"] == view.metric]
    values = {
        (str(rung), int(size)): float(mean)
        for rung, size, mean in mine[["rung", "size", "mean"]].to_numpy()
    }
    rows = []
    for rung in view.titles:
        row: dict[str, Any] = {"rung": rung}
        for size in view.sizes:
            row[str(size)] = number(values.get((rung, size), float("nan")))
        if rung in view.reached:
            needed, interval = needs_text(view.reached[rung], view.sizes)
            row["samples needed"] = f"{needed} ({interval})" if interval else needed
        rows.append(row)
    last = ["samples needed"] if view.reached else []
    out.print(f"[bold]{headline(view)}[/bold]\n")
    out.print(f"{view.metric} by training samples", style="dim")
    show_ladder(rows, ["rung", *map(str, view.sizes), *last])


def _as_plain(view: CurveView) -> dict[str, Any]:
    from dataclasses import asdict

    from iceframe.cli.summary import plain_numbers, records

    return {
        "metric": view.metric,
        "wanted": view.wanted,
        "curve": records(view.curve),
        "reached": [
            {"rung": rung, **plain_numbers(asdict(found))} for rung, found in view.reached.items()
        ],
        "power_laws": [
            {"rung": rung, **plain_numbers(asdict(law))} for rung, law in view.laws.items()
        ],
        "failures": [dict(failure) for failure in view.failures],
        "notes": list(view.notes),
        "data": {"name": view.name, "target": view.target, "n": view.n, "n_test": view.n_test},
        "unfinished": view.unfinished,
    }
