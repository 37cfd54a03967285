"""``iceframe balance``: act on the evidence until the three axes are in equilibrium."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app
from iceframe.core.errors import BudgetExhausted

if TYPE_CHECKING:
    from iceframe.workflow.feedback.balanced import BalancedRun
    from iceframe.workflow.feedback.step import Step

AXES_DEFAULT = "fidelity,transparency,complexity"


@app.command()
@o.with_reading_options
def balance(
    data: o.Data,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the search.", show_default=False)
    ],
    target: o.Target = None,
    ladder: o.Ladder = None,
    floor: Annotated[
        list[str] | None,
        typer.Option("--floor", help="What you insist on, e.g. r2=0.99; may be repeated."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget", help="Start no action after this long in all (90s, 10m, 2h); resumable."
        ),
    ] = None,
    priorities: Annotated[
        str, typer.Option("--priorities", help="The axes, what counts most first.")
    ] = AXES_DEFAULT,
    forbid: Annotated[
        str | None,
        typer.Option(
            "--forbid",
            help="Actions that are not to be taken, comma-separated. "
            "See [bold]iceframe list actions[/bold].",
        ),
    ] = None,
    most_actions: Annotated[
        int, typer.Option("--most-actions", help="Actions after which the search ends.")
    ] = 40,
    unlabelled: Annotated[
        Path | None,
        typer.Option(
            "--unlabelled",
            help="Samples without a target: experiments are picked among them, and glass boxes "
            "taught with them.",
            show_default=False,
        ),
    ] = None,
    descriptors: o.Descriptors = None,
    splits: o.Splits = "auto",
    folds: o.Folds = 5,
    seed: o.Seed = 0,
    workers: o.Workers = None,
    device: o.Device = "auto",
    trials: o.Trials = None,
    repeats: o.Repeats = None,
    shift: o.Shift = False,
    *,
    reading: dict[str, Any],
) -> None:
    """Find the equilibrium by feedback: try what may help, keep what did.

    Starts with the cheapest models. Then one action after another (the next rung, supervision by
    physics, more simulated samples, a repair of the data, …) is proposed from the evidence, carried
    out, measured on the same folds, and kept only if it helped. Repeat the command to go on after
    an interruption: finished work is never repeated.

    Example: [bold]iceframe balance steels.csv --target "yield strength" --floor r2=0.9
    --out runs/steels[/bold]
    """
    from iceframe.workflow.settings import parse_duration, parse_floors

    floors = parse_floors(floor or [])
    seconds = parse_duration(budget) if budget else None
    dataset = o.read_data(data, target, reading)
    from iceframe.cli.console import progress_bar
    from iceframe.workflow.feedback import run_balanced

    with progress_bar() as watch:
        finished = run_balanced(
            dataset,
            out=out,
            ladder=o.names(ladder),
            floors=floors,
            budget=seconds,
            priorities=o.names(priorities) or (),  # type: ignore[arg-type]
            forbid=o.names(forbid) or (),
            most_actions=most_actions,
            unlabelled=unlabelled,
            descriptors=o.names(descriptors),
            splits=splits,
            folds=folds,
            seed=seed,
            workers=workers,
            device=device,
            trials=trials,
            repeats=repeats,
            shift=shift,
            command=" ".join(["iceframe", *sys.argv[1:]]),
            watch=watch,
            tell=_tell,
        )
    conclude(finished)


def conclude(finished: BalancedRun) -> None:
    """Print the path and the equilibrium, write the report, and end with exit code 3 if time ran
    out."""
    from iceframe.cli.console import out, show_equilibrium, show_ladder
    from iceframe.report import write_report

    out.print("\n[bold]The path[/bold]")
    show_ladder(path_rows(finished), ["step", "action", "on", "gains", "seconds", "kept"])
    show_equilibrium(finished.equilibrium)
    for reason in finished.reasons:
        out.print(f"  [dim]{_plain(reason)}[/dim]")
    if finished.asked is not None:
        out.print(f"\nExperiments that are worth most: [bold]{finished.asked}[/bold]")
    path = write_report(finished.run.view(), finished.folder / "report.html")
    out.print(f"\nReport: [bold]{path}[/bold]")
    if finished.equilibrium.status == "BUDGET_EXHAUSTED":
        raise BudgetExhausted(
            "The budget ran out before the search was settled.",
            got=f"{len(finished.trajectory)} steps, {finished.seconds:.0f} s",
            hint=finished.equilibrium.remedy,
        )


def path_rows(finished: BalancedRun) -> list[dict[str, Any]]:
    """One row a step: what was done on what, what it changed by axis, whether it was kept."""
    rows = []
    for step in finished.trajectory.to_dict(orient="records"):
        arguments = step["arguments"]
        subject = arguments.get("rung") or ", ".join(arguments.get("rungs", ()))
        variant = arguments.get("variant", "")
        rows.append(
            {
                "step": step["step"],
                "action": step["action"],
                "on": f"{subject} @ {variant}" if variant else subject,
                "gains": _gains({axis: step[f"measured_{axis}"] for axis in _SHORT}),
                "seconds": f"{step['seconds']:.0f}",
                "kept": {True: "yes", False: "no"}.get(step["kept"], ""),
            }
        )
    return rows


_SHORT = {"fidelity": "loss", "transparency": "transparency", "complexity": "complexity"}
_SIGN = {"fidelity": -1, "transparency": 1, "complexity": -1}


def _gains(changes: dict[str, float]) -> str:
    """Changes by axis: of the loss, of the way to full transparency, of the complexity.

    >>> _gains({"fidelity": 0.3, "transparency": float("nan"), "complexity": -0.1})
    'loss -30 %, complexity +10 %'
    """
    parts = []
    for axis, share in changes.items():
        if math.isfinite(share):
            parts.append(f"{_SHORT[axis]} {100 * _SIGN[axis] * share:+.0f} %")
    return ", ".join(parts)


def _tell(step: Step) -> None:
    """Print a step when it begins, and what came of it when it was judged."""
    from iceframe.cli.console import err

    if step.verdict is None:
        subject = step.arguments.get("rung") or ", ".join(step.arguments.get("rungs", ()))
        variant = step.arguments.get("variant", "")
        on = f" on '{variant}'" if variant else ""
        why = f": {_plain(step.proposal.why)}" if step.proposal else ""
        err.print(f"[bold]{step.number} {step.action}[/bold] {_plain(subject)}{on}{why}")
        return
    if step.proposal is None:
        return
    word = "[green]kept[/green]" if step.verdict.kept else "[yellow]not kept[/yellow]"
    err.print(f"  {word}: {_plain(step.failed or step.verdict.why)}")


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(str(text))
