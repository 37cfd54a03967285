"""``iceframe check``: audit the data before any model sees it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app


@app.command()
def check(
    data: o.Data,
    target: o.Target = None,
    splits: Annotated[
        str, typer.Option("--splits", help="The split to audit: auto, random, grouped:COL, …")
    ] = "auto",
    folds: Annotated[int, typer.Option("--folds", help="Number of outer folds.")] = 5,
    seed: Annotated[int, typer.Option("--seed", help="Root of every random choice.")] = 0,
    task: o.TaskOption = None,
    features: o.Features = None,
    drop: o.Drop = None,
    composition: o.Composition = None,
    id_column: o.IdColumn = None,
    specimen: o.Specimen = None,
    drop_invalid: o.DropInvalid = False,
    size: o.Size = None,
    fit: o.Fit = None,
    pages: o.Pages = None,
    max_pixels: o.MaxPixels = o.MAX_PIXELS,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
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

    dataset = o.read_data(
        data,
        target,
        task=task,
        features=features,
        drop=drop,
        composition=composition,
        id_column=id_column,
        specimen=specimen,
        drop_invalid=drop_invalid,
        size=size,
        fit=fit,
        pages=pages,
        max_pixels=max_pixels,
    )
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
        out.print(f"[dim]  {note}[/dim]", markup=True)
    show_audit(audit)
