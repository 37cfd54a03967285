"""``iceframe list``: what is registered."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app
from iceframe.core.errors import UsageError

KINDS = {
    "rungs": ("iceframe.scale.rung", "RUNGS"),
    "descriptors": ("iceframe.scale.descriptor", "DESCRIPTORS"),
    "readers": ("iceframe.ingest.readers", "READERS"),
    "generators": ("iceframe.physics.generator", "GENERATORS"),
    "encoders": ("iceframe.scale.encoder", "ENCODERS"),
    "explainers": ("iceframe.measure.explainer", "EXPLAINERS"),
    "metrics": ("iceframe.measure.metrics", "METRICS"),
    "actions": ("iceframe.balance.action", "ACTIONS"),
}


@app.command(name="list")
def list_entries(
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(KINDS)}.", show_default=False)],
    as_json: o.AsJson = False,
) -> None:
    """List what can be used: rungs, descriptors, readers, generators, encoders,
    explainers, metrics, actions.

    Example: [bold]iceframe list rungs[/bold]
    """
    import importlib

    from iceframe.cli.console import out, show_ladder

    if kind not in KINDS:
        raise UsageError(f"Unknown list '{kind}'.", allowed=", ".join(KINDS))
    module, name = KINDS[kind]
    registry = getattr(importlib.import_module(module), name)
    rows = [
        {
            "name": key,
            "title": getattr(entry, "title", ""),
            "summary": getattr(entry, "summary", ""),
        }
        for key, entry in registry.items()
    ]
    if as_json:
        typer.echo(json.dumps({"available": rows, "not_importable": registry.broken()}, indent=1))
        return
    show_ladder(rows, ["name", "title", "summary"])
    for key, why in registry.broken().items():
        out.print(f"[dim]{key}: not importable, {why}[/dim]")
