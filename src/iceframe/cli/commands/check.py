"""``iceframe check``: audit the data before any model sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app

SHOWN_ELEMENTS = 20


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

    Looks for missing values, leaks of the target, duplicates and compositions across folds, shared
    specimens, outliers, and what a model scores from nuisance cues alone.

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
    if "crystals" in audit.facts:
        out.print(f"  {crystal_facts(audit.facts['crystals'])}", markup=False)
    show_audit(audit)


def crystal_facts(facts: Mapping[str, Any]) -> str:
    """What the crystals are, in one sentence.

    Examples
    --------
    >>> crystal_facts({"elements": ["Na", "Cl"], "n_formulas": 1, "n_structures": 2,
    ...     "sites": [2, 8], "volume_per_atom": [22.4, 22.4]})
    'Crystals: 2 elements (Na, Cl), 1 formula, 2 structures, 2 to 8 sites, 22.4 Å³ an atom.'
    """
    elements = facts["elements"]
    shown = ", ".join(elements[:SHOWN_ELEMENTS]) + (" …" if len(elements) > SHOWN_ELEMENTS else "")
    return (
        f"Crystals: {_count(len(elements), 'element')} ({shown}), "
        f"{_count(facts['n_formulas'], 'formula')}, {_count(facts['n_structures'], 'structure')}, "
        f"{_span(facts['sites'])} sites, {_span(facts['volume_per_atom'])} Å³ an atom."
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _span(ends: Sequence[float]) -> str:
    low, high = (f"{end:.3g}" for end in ends)
    return low if low == high else f"{low} to {high}"
