"""``iceframe ledger``: verify, show and replay the record of a search."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app
from iceframe.core.errors import InputError

if TYPE_CHECKING:
    from iceframe.core.ledger import Ledger

ledger = typer.Typer(no_args_is_help=True, help="Verify, show and replay the record of a search.")
app.add_typer(ledger, name="ledger")

_RESTORE = "restore the folder from a copy; until then, do not rely on what it says"


@ledger.command()
def verify(
    run: o.RunFolder,
    expect: Annotated[
        str | None,
        typer.Option(
            "--expect",
            metavar="HASH",
            help="Hash of the last entry, noted elsewhere at an earlier time: that entry, and so "
            "all before it, must still be there.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Say whether the ledger of a run is, byte for byte, what was written.

    Example: [bold]iceframe ledger verify runs/steels[/bold]
    """
    found = _opened(run)
    problems = found.verify(expect or "")
    if problems:
        raise InputError(
            "The ledger is not what was written.",
            where=found.path,
            got="; ".join(map(str, problems)),
            hint=_RESTORE,
        )
    entries = found.entries()
    last = f"; the last has the hash {entries[-1].hash}" if entries else ""
    typer.echo(f"The ledger is as it was written: {len(entries)} entries{last}.")
    if expect:
        number = next(entry.number for entry in entries if entry.hash == expect)
        typer.echo(f"The hash that was noted is that of entry {number}.")


@ledger.command()
def show(
    run: o.RunFolder,
    as_json: Annotated[bool, typer.Option("--json", help="All entries, machine-readable.")] = False,
) -> None:
    """Show what was proposed, what became of it, and how the search ended.

    Example: [bold]iceframe ledger show runs/steels[/bold]
    """
    entries = _opened(run).entries()
    if as_json:
        rows = [
            {"number": e.number, "time": e.time, "kind": e.kind, "body": e.body, "hash": e.hash}
            for e in entries
        ]
        typer.echo(json.dumps(rows, indent=1))
        return
    lines = [line for entry in entries for line in _lines(entry.kind, entry.body)]
    typer.echo("\n".join(lines) or "The ledger is empty.")


@ledger.command()
def replay(run: o.RunFolder) -> None:
    """Make every decision again from the recorded situations, and compare.

    Example: [bold]iceframe ledger replay runs/steels[/bold]
    """
    from iceframe.balance.record import replay as again

    found = _opened(run)
    entries = found.entries()
    mismatches = again((e.kind, e.body) for e in entries)
    if mismatches:
        raise InputError(
            "Not every decision comes out the same.",
            where=found.path,
            got="; ".join(mismatches),
            hint="verify the ledger; if it is whole, another version of ICEFrame wrote it",
        )
    decisions = sum(e.kind in ("proposal", "outcome") for e in entries)
    typer.echo(f"All {decisions} decisions are equal, bit for bit.")


def _opened(run: Path) -> Ledger:
    from iceframe.core.ledger import FILE, Ledger

    return Ledger.open(run / FILE)


def _lines(kind: str, body: Any) -> list[str]:
    """What a person reads of an entry; nothing of a situation."""
    if kind == "goal":
        floors = ", ".join(f"{name}={limit:g}" for name, limit in body["floors"].items())
        seconds = f", {body['seconds']:g} s" if body["seconds"] is not None else ""
        return [f"Goal: floors {floors or 'none'}{seconds}; first {', '.join(body['priorities'])}"]
    if kind == "proposal":
        what = ", ".join(f"{k} {v}" for k, v in body["arguments"].items() if v != "")
        return [f"  {body['action']}: {what}", f"       because {body['why']}"]
    if kind == "verdict":
        became = "kept" if body["verdict"]["kept"] else "rejected"
        told = f"  {body['number']:>2}   {became}: {body['verdict']['why']}"
        return [told, f"       leads: {body['leader'] or 'none'}"]
    if kind == "outcome":
        held = body["equilibrium"]
        end = f"Equilibrium: {held['rung'] or 'none'} ({held['status']})"
        return [end, f"  {held['remedy']}", *(f"  - {reason}" for reason in body["reasons"])]
    return []
