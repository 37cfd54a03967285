"""The samples of a run's data that are next to one sample in what its model makes of them.

For a network these are the pooled activations that enter its last layer
(:class:`~iceframe.measure.beyond_maps.layer_tap.LayerTap`); for other models the features, each in
standard deviations of the run's data, a missing one at the mean. How far is far is told by the
run's own samples and their nearest.

Trap: near in the features is not near in what a model of them uses; all features count alike.

Reference: Papernot & McDaniel 2018, https://arxiv.org/abs/1803.04765 (nearest in a layer).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError, UsageError
from iceframe.workflow import prepare
from iceframe.workflow.examples import picture
from iceframe.workflow.further.subject import listed, network_of, tap_of
from iceframe.workflow.view import Neighbourhood

if TYPE_CHECKING:
    from torch import Tensor

    from iceframe.core.dataset import Dataset, ImageSource
    from iceframe.measure.image_model import ImageModel
    from iceframe.workflow.further.subject import Subject

REFERENCE = "Papernot & McDaniel 2018, https://arxiv.org/abs/1803.04765"

MOST_VOXELS = 2**24
"""Of the images that are read at once."""

USUAL_OF = 500
"""Samples of the run whose own nearest neighbours say what distance is usual."""

UNLIKE = 0.95
"""Share of the run's samples nearer to their neighbours than this one, from which nothing like it
was seen."""


def seen_alike(subject: Subject, k: int) -> Neighbourhood:
    """The ``k`` nearest samples of the run's data.

    Raises
    ------
    UsageError : none, or more than there are. InputError : the run's data are gone.
    """
    from iceframe.measure.beyond_maps.prototypes import nearest

    if k < 1:
        raise UsageError("Ask for one neighbour or more.", where="--neighbours", got=k)
    run = subject.run
    data = subject.known
    if data is None:
        raise InputError(
            "The run's own data are not where they were, or were changed.",
            where="--neighbours",
            got=run.header["facts"]["source"] or "data that were never in a file",
            hint="put them back, or explain a sample of these data",
        )
    there, here, representation, reference = _as_the_model_sees(subject, data)
    others = _others(subject, data, there, here)
    if k > len(others):
        raise UsageError(
            "The run holds not so many samples.",
            where="--neighbours",
            got=k,
            allowed=f"1 to {len(others)}",
        )
    found = nearest(there[others], here, k)
    index, distance = others[found.index[0]], found.distance[0]
    few = np.unique(np.linspace(0, len(data) - 1, min(len(data), USUAL_OF)).astype(int))
    apart = nearest(there, there[few], 2).distance[:, 1]
    table = pd.DataFrame(
        {"id": data.ids[index].astype(str), "distance": distance, "measured": data.y[index]}
    )
    own = len(others) < len(data)
    usual, farther = float(np.median(apart)), float((apart < distance[0]).mean())
    pictures = features = None
    if data.images is None:
        features = pd.DataFrame(_representation(subject, index), columns=subject.inputs.table.names)
    else:
        pictures = np.stack([picture(one.mean(axis=0)) for one in data.images.read(index)])
    return Neighbourhood(
        table=table,
        representation=representation,
        usual=usual,
        farther=farther,
        own=own,
        images=pictures,
        features=features,
        sentence=_near_in_words(table, farther, own, subject.unit),
        reference=reference,
    )


def _others(subject: Subject, data: Dataset, there: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Positions of the run's samples, without this one, if it is one of them: of the same id, and
    the same but for the rounding of another batch."""
    same = (data.ids == subject.one.ids[0]) & np.isclose(
        there, here, rtol=1e-4, atol=1e-5 * np.abs(there).max()
    ).all(axis=1)
    return np.flatnonzero(~same)


def _as_the_model_sees(subject: Subject, data: Dataset) -> tuple[np.ndarray, np.ndarray, str, str]:
    """The run's samples ``(n, d)``, this one ``(1, d)``, what the columns are, and whose idea."""
    name = subject.fitted.rung.name
    if subject.fitted.rung.input == "image":
        model = network_of(subject, "--neighbours", "Neighbours are looked for in networks")
        assert data.images is not None
        assert subject.inputs.images is not None
        x = model.to_device(subject.inputs.images.read([0]))
        tap = tap_of(model, x)
        if tap is not None:
            there = np.concatenate([tap.activations(part) for part in _parts(model, data.images)])
            said = f"activations of '{name}', {tap.name}"
            return there, tap.activations(x), said, REFERENCE
    values, mine = _representation(subject), subject.inputs.table.values
    seen = np.isfinite(values).any(axis=0)
    values, mine = values[:, seen], mine[:, seen]
    centre, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    scale = np.where(spread > 1e-9 * np.abs(centre), spread, np.inf)  # a constant tells nothing
    there, here = (np.nan_to_num((v - centre) / scale) for v in (values, mine))
    return there, here, "features, each in standard deviations of the run's data", ""


def _representation(subject: Subject, index: np.ndarray | None = None) -> np.ndarray:
    """Features of the run's samples at ``index``, or of all: ``(n, d)``."""
    known, _ = prepare.read_representation(prepare.prepared_folder(subject.run.store))
    return known.values if index is None else known.values[index]


def _parts(model: ImageModel, images: ImageSource) -> Iterator[Tensor]:
    """All images, some at a time."""
    step = max(1, MOST_VOXELS // math.prod(images.shape))
    for start in range(0, len(images), step):
        yield model.to_device(images.read(np.arange(start, min(start + step, len(images)))))


def _near_in_words(table: pd.DataFrame, farther: float, own: bool, unit: str) -> str:
    measured = table["measured"]
    if measured.dtype.kind == "f" and len(table) == 1:
        said = f"The nearest was measured {measured[0]:.4g} {unit}".rstrip()
    elif measured.dtype.kind == "f":
        said = f"The {len(table)} nearest were measured {measured.min():.4g} to "
        said += f"{measured.max():.4g} {unit}".rstrip() + f", {measured.mean():.4g} on average"
    else:
        counts = measured.value_counts()
        shares = [f"{count} '{name}'" for name, count in counts.items()]
        said = f"The nearest are {listed(shares)}"
    if farther >= UNLIKE:
        said += f". Nothing like this sample was seen: {farther:.0%} of the run's samples lie "
        said += "nearer to their nearest"
    else:
        said += f". {farther:.0%} of the run's samples lie nearer to their nearest than this one"
    if own:
        said += ". The model was fitted to this sample too: its answer here is no test of it"
    return said + "."
