"""Which named descriptors of a run's table a network uses for one sample.

The concepts of :mod:`iceframe.measure.beyond_maps.concepts` are learned from the run's own images
and table of descriptors. Descriptors that follow from those before them in the table are left out,
since effects cannot be shared out between them: a variance inflation factor ``1/(1 − R²)`` above 10
(Marquardt 1970, doi:10.2307/1267205). So are those beyond one for ten images.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from iceframe.core.errors import InputError, UsageError
from iceframe.core.values import Representation
from iceframe.scale.rung import Inputs
from iceframe.workflow import prepare
from iceframe.workflow.further.subject import listed, network_of, tap_of
from iceframe.workflow.view import ConceptEffects

if TYPE_CHECKING:
    import pandas as pd

    from iceframe.workflow.further.subject import Subject

MOST_CONCEPTS = 20
IMAGES_PER_CONCEPT = 10
MOST_INFLATION = 10.0
"""Variance inflation factor from which a descriptor counts as following from others."""

MOST_IMAGES = 2000
MOST_VOXELS = 2**28
"""Of the images that concepts are learned from: a gigabyte."""


def concepts_used(subject: Subject) -> ConceptEffects:
    """What the network uses for this sample.

    Raises
    ------
    UsageError : a model that is no network on images.
    InputError : too few images, or no descriptors.
    """
    import torch

    from iceframe.measure.beyond_maps.concepts import concept_use

    model = network_of(subject, "--concepts", "Concepts are looked for in networks")
    assert subject.inputs.images is not None
    x = model.to_device(subject.inputs.images.read([0]))
    if tap_of(model, x) is None:
        raise UsageError(
            "Concepts are looked for in the layers of a network.",
            where="--concepts",
            got=f"the rung '{subject.fitted.rung.name}', which has none",
            hint="name a network of this run with --rung, or leave this out",
        )
    known, where = _background(subject)
    chosen, left_out = _told_apart(known.table)
    assert known.images is not None
    code = subject.code
    found = concept_use(
        model,
        x,
        model.to_device(known.images.read(np.arange(len(known)))),
        chosen,
        codes=None if code is None else torch.tensor([code], device=model.device),
        seed=subject.run.header["identity"]["seed"],
    )
    mine = dict(zip(subject.inputs.table.names, subject.inputs.table.values[0], strict=True))
    table = found.table.drop(columns=["share", "br"]).rename(columns={"sensitivity": "effect"})
    table.insert(2, "value", [mine[name] for name in table["concept"]])
    table.insert(3, "deviation", (table["value"] - chosen.values.mean(axis=0)) / table["sd"])
    rank = np.lexsort((-table["effect"].abs(), ~table["present"], ~table["used"]))
    table = table.iloc[rank].reset_index(drop=True)
    score = subject.unit
    if code is not None:
        score = f"logit of '{subject.run.header['classes'][code]}'"
    return ConceptEffects(
        table=table,
        score=score,
        left_out=left_out,
        layer=found.layer,
        images=len(known),
        where=where,
        draws=found.draws,
        level=found.level,
        sentence=_use_in_words(table, score),
        reference=found.reference,
    )


def _background(subject: Subject) -> tuple[Inputs, str]:
    """Images with their descriptors that concepts are learned from, and where they come from: the
    run's data, evenly drawn where they are many, or the few that the run keeps."""
    data = subject.known
    if data is None or data.images is None:
        return subject.typical, "the images that the run keeps, since its data are gone"
    representation, _ = prepare.read_representation(prepare.prepared_folder(subject.run.store))
    most = min(MOST_IMAGES, MOST_VOXELS // math.prod(data.images.shape))
    index = np.unique(np.linspace(0, len(data) - 1, min(len(data), most)).astype(int))
    return Inputs(representation.take(index), data.images.take(index)), "the run's data"


def _told_apart(table: Representation) -> tuple[Representation, dict[str, str]]:
    """Descriptors that vary and do not follow from those before them; why others are left out."""
    from iceframe.measure.beyond_maps.concepts import LEAST_IMAGES

    most = min(MOST_CONCEPTS, max(len(table), LEAST_IMAGES) // IMAGES_PER_CONCEPT)
    kept: list[int] = []
    why: dict[str, str] = {}
    standard = np.ones((len(table), 1))  # beside a constant, so that R² is about the mean
    for j, (name, column) in enumerate(zip(table.names, table.values.T, strict=True)):
        if not np.isfinite(column).all():
            why[name] = "not known for every image"
        elif column.std() <= 1e-9 * np.abs(column).max():
            why[name] = "does not vary"
        else:
            z = (column - column.mean()) / column.std()
            left = z - standard @ np.linalg.lstsq(standard, z, rcond=None)[0]
            if left.var() * MOST_INFLATION < 1.0:
                why[name] = "follows from those before it"
            elif len(kept) == most:
                why[name] = f"more than one for {IMAGES_PER_CONCEPT} images"
            else:
                kept.append(j)
                standard = np.column_stack([standard, z])
    if not kept:
        raise InputError(
            "No descriptor of the run's table can be looked for in the network.",
            got="; ".join(f"{name}: {reason}" for name, reason in why.items()) or "no descriptors",
            hint="run again with other descriptors: --descriptors",
        )
    part = Representation(
        table.values[:, kept],
        tuple(table.names[j] for j in kept),
        tuple(table.units[j] for j in kept),
    )
    return part, why


def _use_in_words(table: pd.DataFrame, score: str) -> str:
    used = table[table["used"]]
    held = table[table["present"] & ~table["used"]]
    if used.empty:
        said = "None of these descriptors is used beyond chance"
    else:
        effects = [
            f"{row.concept} ({row.effect:+.3g} {score} per standard deviation)".replace("  ", " ")
            for row in used.itertuples()
        ]
        said = "The network uses " + listed(effects)
    if held.empty:
        return said + "."
    return f"{said}; it knows but does not use {listed(held['concept'].tolist())}."
