"""``iceframe benchmark``: the field's public benchmarks, published entries and our rungs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app
from iceframe.core.errors import BudgetExhausted, UsageError

if TYPE_CHECKING:
    from iceframe.workflow.benchmark.session import Board, TaskProgress
    from iceframe.workflow.benchmark.view import TaskBoard

SUITES = ("matbench",)


@app.command()
def benchmark(
    suite: Annotated[str, typer.Argument(help=f"One of: {', '.join(SUITES)}.", show_default=False)],
    data: Annotated[
        Path, typer.Option("--data", help="Folder with the official files.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the board.", show_default=False)
    ],
    tasks: Annotated[
        list[str] | None,
        typer.Argument(
            help="Tasks, such as steels; all that have a file when none is named.",
            show_default=False,
        ),
    ] = None,
    ladder: o.Ladder = None,
    descriptors: o.Descriptors = None,
    published: Annotated[
        Path | None,
        typer.Option(
            "--published",
            help="CSV of published scores: task, algorithm, mean_mae, …",
            show_default=False,
        ),
    ] = None,
    published_predictions: Annotated[
        Path | None,
        typer.Option(
            "--published-predictions",
            help="CSV of published predictions: task, fold, mbid, a column an algorithm.",
            show_default=False,
        ),
    ] = None,
    seed: o.Seed = 0,
    budget: o.Budget = None,
    workers: o.Workers = None,
    device: o.Device = "auto",
    trials: o.Trials = None,
    shift: Annotated[
        bool,
        typer.Option(
            "--shift/--no-shift", help="Also leave out clusters, and the extremes of the target."
        ),
    ] = True,
    as_json: o.AsJson = False,
) -> None:
    """Rank rungs among published entries, on the field's own benchmark and folds.

    Runs the ladder on every task, tuned inside the official folds, and writes the board: error,
    complexity and transparency of every rung beside the published entries, and files to submit.
    Repeat the command to go on after an interruption: finished work is never repeated.

    Example: [bold]iceframe benchmark matbench steels --data matbench/ --out board
    --published leaderboard.csv[/bold]
    """
    from iceframe.workflow.settings import parse_duration

    if suite not in SUITES:
        raise UsageError(f"Unknown benchmark '{suite}'.", allowed=", ".join(SUITES))
    seconds = parse_duration(budget) if budget else None
    from iceframe.cli.console import progress_bar
    from iceframe.workflow.benchmark import matbench

    with progress_bar(_doing) as watch:
        board = matbench(
            tasks or (),
            data=data,
            out=out,
            ladder=o.names(ladder),
            descriptors=o.names(descriptors),
            published=published,
            published_predictions=published_predictions,
            seed=seed,
            budget=seconds,
            workers=workers,
            device=device,
            trials=trials,
            shift=shift,
            command=" ".join(["iceframe", *sys.argv[1:]]),
            watch=watch,
        )
    _conclude(board, as_json)


def _doing(event: TaskProgress) -> str:
    stage = {"ladder": "", "extremes": " (extremes)"}[event.stage]
    rungs = dict.fromkeys(unit.rung for unit in event.running)
    return f"{event.task}{stage}: {', '.join(rungs) or 'finishing'}"


def _conclude(board: Board, as_json: bool) -> None:
    """Print the board, write its pages, and end with exit code 3 if time ran out."""
    from iceframe.cli.console import err, out
    from iceframe.report.board import shared_sentences, write_board

    view = board.view
    page, _ = write_board(view, board.folder)
    if as_json:
        typer.echo(json.dumps(view.as_dict(), indent=1))
    else:
        for task in view.tasks:
            _show(task)
        for sentence in shared_sentences(view):
            err.print(sentence.replace("`", "'"), style="dim", markup=False)
        out.print(f"\nBoard: [bold]{page}[/bold]")
        if board.submissions:
            out.print(f"To submit: [bold]{board.folder / 'submission'}[/bold]")
    for task in view.tasks:
        for note in task.notes if not as_json else ():
            err.print(f"{task.name}: {note}".replace("`", "'"), style="dim", markup=False)
        for rung, message in task.failures.items():
            err.print(f"{task.name}: {rung} failed: {message}", style="yellow", markup=False)
    if view.unfinished or view.waiting:
        left = [f"{view.unfinished} units of work"] * bool(view.unfinished)
        left += [f"the tasks {', '.join(view.waiting)}"] * bool(view.waiting)
        raise BudgetExhausted(
            "The time budget ran out before the board was finished.",
            got=f"{' and '.join(left)} are left",
            hint="repeat the same command (with a larger --budget or none) to go on",
        )


def _show(task: TaskBoard) -> None:
    """One line an entry, ranked; then the verdict."""
    from iceframe.cli.console import out, show_ladder
    from iceframe.cli.summary import number

    unit = f", {task.unit}" if task.unit else ""
    out.print(f"\n[bold]{task.name}[/bold]  {task.metric}{unit}", highlight=False)
    rows: list[dict[str, Any]] = []
    for line in task.lines:
        mark = "▸ " if line.chosen else "  "
        kind = ("glass box" if line.glass_box else "black box") if line.ours else ""
        rows.append(
            {
                "entry": f"{mark}{line.name}",
                "rank": line.rank,
                task.metric: number(line.value),
                "± folds": number(line.std),
                "90 %": f"{number(line.low)} to {number(line.high)}" if line.ours else "",
                "complexity": number(line.complexity) if line.ours else "",
                "faithfulness": number(line.faithfulness) if line.ours else "",
                "kind": kind,
            }
        )
    show_ladder(rows, list(rows[0]) if rows else ["entry"])
    out.print(task.verdict.replace("`", "'"), markup=False)
