"""What the terminal shows: progress, findings, the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from iceframe.core.values import Audit, Equilibrium
    from iceframe.workflow.execute import Progress

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
_KINDS = {
    "truth": "exact flips for fold {part}",
    "fold": "fold {part}",
    "repeat": "{part}",
    "final": "final model",
    "gdf": "degrees of freedom ({part})",
    "shift": "held-out {part}",
}


def show_audit(audit: Audit, console: Console = out) -> None:
    """The list of findings: what is wrong, how bad, what to do."""
    if not audit.findings:
        console.print("[green]No findings.[/green] Nothing in the audit stands in the way.")
        return
    for finding in audit.findings:
        colour = _COLOURS[finding.severity]
        console.print(
            f"[{colour} bold]{finding.severity.upper():<8}[/] [bold]{escape(finding.title)}[/]"
        )
        console.print(f"         {escape(finding.evidence)}")
        console.print(f"         [dim]→ {escape(finding.remedy)}[/dim]")


def show_equilibrium(equilibrium: Equilibrium) -> None:
    """The verdict with its reasons."""
    colour = "green" if equilibrium.status == "CONVERGED" else "yellow"
    chosen = equilibrium.rung or "none"
    out.print(
        f"\n[bold]Equilibrium: [{colour}]{escape(chosen)}[/{colour}][/bold]  ({equilibrium.status})"
    )
    for reason in equilibrium.reasons:
        out.print(f"  • {escape(reason)}")
    if equilibrium.remedy:
        out.print(f"  [dim]→ {escape(equilibrium.remedy)}[/dim]")


def show_trust(rung: str, sentence: str) -> None:
    """Whether the explanations of the chosen rung may be believed."""
    out.print(
        f"\nMay the explanations of [bold]{escape(rung)}[/bold] be believed? {escape(sentence)}"
    )


def show_ladder(rows: list[dict[str, Any]], columns: list[str]) -> None:
    """One line a row; words stand left, numbers right."""
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for position, name in enumerate(columns):
        words = position == 0 or name in ("title", "summary")
        table.add_column(name, justify="left" if words else "right")
    for row in rows:
        table.add_row(*[escape(str(row.get(name, ""))) for name in columns])
    out.print(table)


@contextmanager
def progress_bar(
    doing: Callable[[Any], str] | None = None, things: str = "units of work"
) -> Iterator[Callable[[Any], None]]:
    """A live line: what is being done, how far, how long still.

    ``doing`` says of an event what is being done (``done``, ``total`` and ``remaining`` it has
    itself); ``things`` are counted. Ctrl-C ends with exit code 130 and says what was kept.
    """
    import typer
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}", style="dim"),
        console=err,
        transient=True,
    )
    latest: list[Any] = []

    def watch(event: Any) -> None:
        latest[:] = [event]
        bar.update(
            line,
            total=event.total,
            completed=event.done,
            description=(doing or _running)(event) or "finishing",
            left=duration(event.remaining) + " left" if event.remaining is not None else "",
        )

    try:
        with bar:
            line = bar.add_task("preparing", total=None, left="")
            yield watch
    except KeyboardInterrupt as interrupt:
        kept = f"{latest[0].done} of {latest[0].total} {things} are kept. " if latest else ""
        err.print(f"Interrupted. {kept}Repeat the same command to go on.")
        raise typer.Exit(130) from interrupt


def _running(event: Progress) -> str:
    return ", ".join(
        f"{unit.rung}: {_KINDS[unit.kind].format(part=unit.part)}" for unit in event.running
    )


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(5), duration(100), duration(7300)
    ('5 s', '1 min 40 s', '2 h 1 min')
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
