"""``iceframe check``: audit the data before any model sees it."""

from __future__ import annotations

import json
from typing import Any

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app


@app.command()
@o.with_reading_options
def check(
    data: o.Data,
    target: o.Target = None,
    splits: o.Splits = "auto",
    folds: o.Folds = 5,
    seed: o.Seed = 0,
    *,
    reading: dict[str, Any],
    as_json: o.AsJson = False,
) -> None:
    """Audit data: what is wrong, how bad it is, what to do.

    Looks for missing values, leaks of the target, duplicates across folds, shared specimens,
    outliers, and what a model scores from nuisance cues alone.

    Example: [bold]iceframe check micrographs/ --target constituent[/bold]
    """
    from iceframe.cli.console import out, show_audit
    from iceframe.core.files import plain
    from iceframe.ingest import check as audit_data
    from iceframe.ingest import make_splits

    dataset = o.read_data(data, target, reading)
    outer = make_splits(dataset, splits, folds, seed)
    audit = audit_data(dataset, outer, seed=seed)
    if as_json:
        body = {
            "n": len(dataset),
            "target": dataset.target,
            "task": dataset.task,
            "notes": list(dataset.notes) + list(outer.notes),
            "findings": [finding.as_dict() for finding in audit.findings],
            "facts": dict(audit.facts),
        }
        typer.echo(json.dumps(body, indent=1, default=plain))
        return
    out.print(
        f"[bold]{dataset.name}[/bold]: {len(dataset)} samples, "
        f"target {dataset.target!r} ({dataset.task})"
    )
    for note in (*dataset.notes, *outer.notes):
        out.print(f"  {note}", style="dim", markup=False)
    show_audit(audit)
