"""What a person looks at to understand an encoder: plain values, for the page.

* *Traversals*: one latent goes from −2 to 2 of its standard deviations, the others stay at their
  means, and the decoder paints. ``effect`` is the root mean square change of the pixels between the
  two ends, over the root mean square difference of the images from their mean: 0 for a latent that
  means nothing.
* *Neighbours*: a few images, evenly spread along the first principal axis of the latents, and those
  nearest to each in Euclidean distance of all latents.
* *Map*: the first two principal components of the latents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.workflow.encode import Encoding, images_of

STEPS = tuple(np.linspace(-2, 2, 7))
"""Standard deviations from the mean."""

MOST_TRAVERSED = 24
QUERIES, NEIGHBOURS = 6, 5
MOST_COLOURINGS = 8
SPREAD_IMAGES = 256  # from which the spread of pixels is measured


@dataclass(frozen=True)
class Traversal:
    """``images`` ``(steps, channels, *grid)`` along one latent; ``effect``: see the module."""

    latent: str
    effect: float
    images: np.ndarray


@dataclass(frozen=True)
class Neighbours:
    """The query's id and image, then those nearest to it, with their ``distances``."""

    ids: tuple[str, ...]
    images: np.ndarray
    distances: tuple[float, ...]


@dataclass(frozen=True)
class Colouring:
    """A column that the map is coloured by: numbers, or words for a classification."""

    name: str
    unit: str
    values: np.ndarray


@dataclass(frozen=True)
class EncodingView:
    """Everything that the page shows. ``points`` ``(n, 2)`` with the ``shares`` of the latents'
    variance; ``levels``: lowest and highest pixel value of what is shown."""

    name: str
    title: str
    summary: str
    reference: str
    data: str
    created: str
    latents: tuple[str, ...]
    ids: np.ndarray
    points: np.ndarray
    shares: tuple[float, float]
    colourings: tuple[Colouring, ...]
    traversals: tuple[Traversal, ...]
    neighbours: tuple[Neighbours, ...]
    levels: tuple[float, float]
    scores: pd.DataFrame | None
    record: Mapping[str, Any]
    leakage: Mapping[str, Any] | None
    notes: tuple[str, ...]


def view_of(encoding: Encoding, data: Dataset) -> EncodingView:
    """The view of an encoding of ``data``, the images that were learned from.

    Raises
    ------
    InputError : other samples than those.
    """
    table, encoder = encoding.latents, encoding.encoder
    if [str(i) for i in data.ids] != [str(i) for i in table.index]:
        raise InputError(
            "These are not the samples that the encoder was fitted to.",
            where=data.source or data.name,
            hint="give the data of the fit",
        )
    images, z = images_of(data), table.to_numpy(float)
    points, shares = principal_components(z)
    order = np.argsort(points[:, 0], kind="stable")
    neighbours = tuple(
        Neighbours(tuple(str(data.ids[i]) for i in near), images.read(near), tuple(distances))
        for near, distances in nearest(z, order)
    )
    traversals = _traversals(encoder, z, _spread(images)) if encoder.decodes else ()
    shown = np.concatenate([n.images.ravel() for n in neighbours])
    leakage = getattr(encoder, "leakage_", None)
    kind = type(encoder)
    return EncodingView(
        name=kind.name,
        title=kind.title,
        summary=kind.summary,
        reference=kind.reference,
        data=data.name,
        created=str(encoding.header["created"]),
        latents=tuple(encoder.names),
        ids=data.ids,
        points=points,
        shares=shares,
        colourings=_colourings(encoding, data),
        traversals=traversals,
        neighbours=neighbours,
        levels=(float(shown.min()), float(shown.max())),
        scores=encoding.scores,
        record=encoding.header["record"],
        leakage=None if leakage is None else vars(leakage),
        notes=tuple(encoding.header["notes"]),
    )


def principal_components(z: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """The first two principal components ``(n, 2)`` of ``(n, d)``, and their shares of variance.

    The largest loading of each is positive. What does not exist (one latent, or none that varies)
    is 0.

    Examples
    --------
    >>> points, shares = principal_components(np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]]))
    >>> points.tolist(), shares
    ([[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]], (1.0, 0.0))
    """
    centred = z - z.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    total = float(np.square(sizes).sum())
    points, shares = np.zeros((len(z), 2)), [0.0, 0.0]
    for i in range(min(2, len(sizes))):
        if total == 0 or sizes[i] ** 2 <= 1e-12 * total:
            continue
        axis = axes[i] * np.sign(axes[i][np.abs(axes[i]).argmax()])
        points[:, i], shares[i] = centred @ axis, float(sizes[i] ** 2 / total)
    return points, (shares[0], shares[1])


def nearest(z: np.ndarray, order: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """For queries evenly spread in ``order``: positions of the query and its neighbours, nearest
    first, and their distances.

    Examples
    --------
    >>> near, distances = nearest(np.array([[0.0], [1.0], [5.0]]), np.arange(3))[0]
    >>> near.tolist(), distances.tolist()
    ([0, 1, 2], [0.0, 1.0, 5.0])
    """
    n = len(z)
    places = np.unique(np.linspace(0, n - 1, min(QUERIES, n)).round().astype(int))
    found = []
    for query in order[places]:
        distances = np.linalg.norm(z - z[query], axis=1)
        distances[query] = -1.0  # a duplicate may be as near, and must not take its place
        near = np.argsort(distances, kind="stable")[: NEIGHBOURS + 1]
        found.append((near, np.maximum(distances[near], 0.0)))
    return found


def _traversals(encoder: Any, z: np.ndarray, spread: float) -> tuple[Traversal, ...]:
    """The latents whose way changes the image most, first."""
    mean, width = z.mean(axis=0), z.std(axis=0)
    found = []
    for i, name in enumerate(encoder.names):
        way = np.tile(mean, (len(STEPS), 1))
        way[:, i] += np.array(STEPS) * width[i]
        images = encoder.decode(way)
        change = float(np.sqrt(np.square(images[-1] - images[0], dtype=np.float64).mean()))
        found.append(Traversal(name, change / spread if spread > 0 else 0.0, images))
    return tuple(sorted(found, key=lambda t: -t.effect)[:MOST_TRAVERSED])


def _spread(images: Any) -> float:
    """Root mean square difference of pixels from the mean image."""
    index = np.unique(np.linspace(0, len(images) - 1, SPREAD_IMAGES).round().astype(int))
    x = np.asarray(images.read(index), np.float64)
    return float(np.sqrt(np.square(x - x.mean(axis=0)).mean()))


def _colourings(encoding: Encoding, data: Dataset) -> tuple[Colouring, ...]:
    """The target, where it is known, then the factors."""
    wanted = dict.fromkeys([data.target, *encoding.header["factors"]["names"]])
    found = []
    for name in wanted:
        if name is None or name not in data.table:
            continue
        column = data.table[name]
        words = name == data.target and data.task == "classification"
        numeric = pd.api.types.is_numeric_dtype(column) and not words
        values = column.to_numpy(float) if numeric else column.astype(str).to_numpy(dtype=object)
        found.append(Colouring(name, str(data.units.get(name, "")), values))
    return tuple(found[:MOST_COLOURINGS])
