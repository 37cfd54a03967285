"""How well explanations find the regions that are known to matter.

Where the region that must matter is known voxel by voxel (a defect, a planted object, the phase
that carries the load), an explanation can be held against it. Every score is given beside its
chance level: the share of the region in the image, which a map that knows nothing reaches on
average. A score says nothing without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iceframe.core.errors import InputError
from iceframe.measure.maps.concentration import sizes


@dataclass(frozen=True)
class RegionScore:
    """``value`` ``(n,)``, NaN where it is undefined, and ``chance`` ``(n,)``, both in [0, 1]."""

    value: np.ndarray
    chance: np.ndarray


def relevance_mass(maps: np.ndarray, regions: np.ndarray) -> RegionScore:
    """Share of the map's mass that lies in the region: ``Σ_R |a| / Σ |a|``.

    Parameters
    ----------
    maps : ``(n, *grid)``. regions : where it must matter, bool ``(n, *grid)``.

    Relevance mass accuracy, Arras, Osman & Samek 2022, arXiv 2003.07258. Higher is better.
    NaN for a constant map, and where the region is nothing or everything.

    Trap: sizes are counted, so what speaks against the prediction counts as well; for the positive
    part alone pass ``np.maximum(maps, 0)``. Signed sums, which leave [0, 1], are not offered.

    Examples
    --------
    >>> agreed = relevance_mass(np.array([[3.0, -1.0, 0.0]]), np.array([[True, False, False]]))
    >>> agreed.value, agreed.chance.round(3)
    (array([0.75]), array([0.333]))
    """
    size, inside = _rows(maps, regions)
    mass = np.einsum("nd,nd->n", size, inside) / size.sum(axis=1)
    return _beside_chance(mass, inside)


def relevance_rank(maps: np.ndarray, regions: np.ndarray) -> RegionScore:
    """Share of the region among the ``k`` largest ``|a|``, ``k`` being the size of the region.

    Parameters
    ----------
    maps : ``(n, *grid)``. regions : where it must matter, bool ``(n, *grid)``.

    Relevance rank accuracy, Arras, Osman & Samek 2022, arXiv 2003.07258. Higher is better.
    Of values that tie for the last places each counts in part, as if they were drawn at random. NaN
    for a constant map, and where the region is nothing or everything.

    Trap: it asks that the whole region be bright. A model that rightly uses its border alone loses.

    Examples
    --------
    >>> maps = np.array([[3.0, 1.0, 1.0, 0.0]])
    >>> relevance_rank(maps, np.array([[True, True, False, False]])).value
    array([0.75])
    """
    size, inside = _rows(maps, regions)
    n, d = size.shape
    k = inside.sum(axis=1)
    rising = np.sort(size, axis=1)
    last = rising[np.arange(n), np.minimum(d - k, d - 1)][:, None]  # the k-th largest
    above, tied = size > last, size == last
    places = k - above.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (tied & inside).sum(axis=1) / tied.sum(axis=1)
        found = ((above & inside).sum(axis=1) + places * share) / k
    return _beside_chance(found, inside)


def pointing_game(maps: np.ndarray, regions: np.ndarray) -> RegionScore:
    """Whether the largest ``|a|`` lies in the region: 1 or 0, or of ties the share that does.

    Parameters
    ----------
    maps : ``(n, *grid)``. regions : where it must matter, bool ``(n, *grid)``.

    Zhang et al. 2018, doi 10.1007/s11263-017-1059-x, without their tolerance of 15 pixels, which
    would raise the chance level. Higher is better. NaN for a constant map, and where the region is
    nothing or everything.

    Trap: one voxel decides. It is a fair measure over many samples only, and a large region is hit
    by chance: compare the mean with the mean chance.

    Examples
    --------
    >>> pointing_game(np.array([[-3.0, 1.0]]), np.array([[True, False]])).value
    array([1.])
    """
    size, inside = _rows(maps, regions)
    largest = size == size.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        hit = (largest & inside).sum(axis=1) / largest.sum(axis=1)
    return _beside_chance(hit, inside)


def _rows(maps: np.ndarray, regions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sizes and regions as rows ``(n, d)``."""
    maps, regions = np.asarray(maps), np.asarray(regions)
    if maps.shape != regions.shape or regions.dtype != bool:
        raise InputError(
            "Maps and regions must be on the same grid, and regions be true or false.",
            where="regions",
            got=f"{regions.dtype} {regions.shape}",
            allowed=f"bool {maps.shape}",
            hint="for labels of many regions, compare with the one that matters: labels == 3",
        )
    return sizes(maps), regions.reshape(len(regions), -1)


def _beside_chance(value: np.ndarray, inside: np.ndarray) -> RegionScore:
    share = inside.mean(axis=1)
    return RegionScore(np.where((share > 0) & (share < 1), value, np.nan), share)
