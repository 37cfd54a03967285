"""A stored run as plain values for reports (:class:`~iceframe.workflow.view.RunView`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.files import read_json
from iceframe.measure.belief import believe
from iceframe.scale.rung import RUNGS
from iceframe.workflow import prepare
from iceframe.workflow.settings import LEVEL
from iceframe.workflow.view import Example, RungView, RunView, Trust

if TYPE_CHECKING:
    from iceframe.workflow.session import Run


def view_of(run: Run) -> RunView:
    """Everything that a report shows."""
    header = run.header
    representation, _ = prepare.read_representation(prepare.prepared_folder(run.store))
    return RunView(
        name=header["facts"]["name"],
        target=header["target"],
        unit=header["unit"],
        task=header["task"],
        classes=tuple(header["classes"]),
        facts={**header["facts"], "n_features": len(representation.names)},
        settings={**header["settings"], "level": LEVEL},
        rungs={name: _rung_view(run, name) for name in header["settings"]["ladder"]},
        evidence=run.evidence,
        costs=run.costs,
        predictions=run.predictions,
        audit=run.audit,
        split_notes=run.splits.notes,
        equilibrium=run.equilibrium,
        next_steps=run.next_steps,
        references=run.references,
        versions=header["versions"],
        created=run.created,
    )


def _rung_view(run: Run, name: str) -> RungView:
    rung = RUNGS[name]
    final = run.unit_folder(name, "final")
    body = read_json(final / "final.json") if final is not None else {}
    return RungView(
        name=name,
        title=rung.title,
        summary=rung.summary,
        reference=rung.reference,
        input=rung.input,
        glass_box=rung.glass_box,
        settings=body.get("settings", {}),
        terms=tuple(body.get("terms", ())),
        examples=read_examples(run.unit_folder(name, "fold"), run),
        trust=trust_in(run, name),
    )


def trust_in(
    run: Run, rung: str, of_sample: Mapping[str, float] | None = None, *, usual: bool = True
) -> Trust:
    """How far a rung's explanations may be believed, by the run's evidence and what is known of
    one sample, which comes first.

    ``usual``: explained by the explainer that the run measured. Of another one the run's evidence
    says nothing, and a glass box is then not read but looked at from outside.
    """
    evidence, kind = run.evidence, RUNGS[rung]
    mine = evidence[(evidence["rung"] == rung) & (evidence["axis"] == "transparency") & usual]
    scores = {str(m): float(v) for m, v in zip(mine["metric"], mine["value"], strict=True)}
    scores |= dict(of_sample or {})
    belief = believe(scores, exact=usual and kind.glass_box and kind.input == "table")
    return Trust(belief.of_model, belief.of_material, belief.sentence, scores)


def read_examples(folder: Path | None, run: Run) -> tuple[Example, ...]:
    """The explained held-out samples of one fold."""
    if folder is None or not (folder / "examples.json").exists():
        return ()
    maps = folder / "maps.npy"
    stack = np.load(maps, allow_pickle=False) if maps.exists() else None
    images = folder / "images.npy"
    pictures = np.load(images, allow_pickle=False) if images.exists() else None
    exact = folder / "physics.npy"
    physics = np.load(exact, allow_pickle=False) if exact.exists() else None
    rows: list[dict[str, Any]] = read_json(folder / "examples.json")
    examples = []
    for position, row in enumerate(rows):
        row = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        examples.append(
            Example(
                **row,
                image=None if pictures is None else pictures[position],
                map=None if stack is None else stack[position],
                physics=None if physics is None else physics[position],
            )
        )
    return tuple(examples)
