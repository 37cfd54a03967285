"""Persistent homology: at which level pieces, loops and cavities appear, and at which they vanish.

A field f is flooded from below. In the set {f ≤ t}, as t rises, a piece (dimension 0), a loop
(1) or a cavity (2, in space only) is born at t = b and dies at t = d: pieces merge, loops and
cavities fill. Its persistence is l = d − b.

*Segmented images*: f is the signed distance to the interface, −(D − ½) in the phase and D − ½
outside it, with D the distance to the nearest pixel of the other side, centre to centre. {f ≤ 0}
is the phase. A piece born at b < 0 holds a ball of radius −b; where it dies at d < 0 its neck has
the radius −d, where it dies at d > 0 the next piece is 2 d away. *Others*: f is the grey level
after a Gaussian of 1 pixel, as each pixel of noise would be a piece of its own.

What never dies (one piece; in a periodic image also the loops and the cavities that wind round it,
born where the phase percolates) is given the highest level as its end. Pixels connect through
faces in {f ≤ t} and through corners outside it, as in ``minkowski``.

Of each dimension, over the features with l ≥ 1 pixel (grey levels: l ≥ 0.05; less is what a grid
of pixels and noise make):

    number / N, Σ l / N, largest and mean l, entropy −Σ p ln p with p = l / Σ l,
    10th, 50th and 90th percentile of b and of d,
    persistence image: (Σ l Gaussian(b, l)) / N, integrated over 5 × 5 bins of b and l,

N pixels an image; and of segmented images the Betti numbers β / N of the phase: β₀ − β₁ + β₂ is
its Euler characteristic. Without any feature of a dimension, births and deaths are undefined (NaN)
and all else is 0. An image of one phase has no interface: all is undefined (NaN).

Edelsbrunner, Letscher, Zomorodian 2002, doi:10.1007/s00454-002-2885-2; signed distance: Robins et
al. 2016, doi:10.1002/2015WR017937; persistence images: Adams et al. 2017, JMLR 18(8), 1–35,
arXiv:1507.06217; entropy: Atienza, Gonzalez-Díaz, Soriano-Trigueros 2020,
doi:10.1016/j.patcog.2020.107509
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import numpy as np

from iceframe.core.errors import InputError
from iceframe.scale.descriptor import DESCRIPTORS, Feature, ImageDescriptor
from iceframe.scale.descriptors._balls import squared_distance

KINDS = ("pieces", "loops", "cavities")
"""What the features of dimension 0, 1 and 2 are called."""

LEAST = {"px": 1.0, "": 0.05}
"""Least persistence that counts, in pixels and in grey levels."""

BIRTHS = {"px": (-10.0, 10.0), "": (0.0, 1.0)}
PERSISTENCES = {"px": (0.0, 10.0), "": (0.0, 1.0)}
"""Ranges of the persistence image; what lies outside counts at its edge."""

BINS = 5
"""Bins of the persistence image along birth and persistence; the Gaussian is one bin wide."""

SMOOTHING = 1.0
"""Standard deviation in pixels of the Gaussian over grey levels."""

PERCENTILES = (10, 50, 90)


@DESCRIPTORS.register("persistent_homology")
class PersistentHomology(ImageDescriptor):
    """Births and deaths of pieces, loops and cavities, as statistics and as an image."""

    name = "persistent_homology"
    title = "Persistent homology"
    summary = "Levels at which pieces, loops and cavities appear and vanish: statistics, images."
    reference = (
        "Edelsbrunner, Letscher, Zomorodian 2002, doi:10.1007/s00454-002-2885-2; "
        "Robins et al. 2016, doi:10.1002/2015WR017937; Adams et al. 2017, arXiv:1507.06217"
    )
    default = False
    default_kinds: ClassVar[tuple[str, ...]] = ("grey", "phase", "multichannel")

    def features(self) -> list[Feature]:
        """Statistics and a persistence image of each dimension.

        Raises
        ------
        InputError : an image of neither two nor three dimensions, or narrower than 3 pixels.
        """
        grid = self.format.grid
        if len(grid) not in (2, 3) or min(grid) < 3:
            raise InputError(
                "Images are too small for persistent homology.",
                got=" × ".join(map(str, grid)),
                allowed="two or three dimensions, at least 3 pixels along each",
            )
        unit, volume = self._unit(), {2: "px²", 3: "px³"}[len(grid)]
        found = []
        for kind in KINDS[: len(grid)]:
            found += [
                (f"number density of {kind}", f"1/{volume}"),
                (f"total persistence of {kind}", f"{unit or '1'}/{volume}"),
                (f"largest persistence of {kind}", unit),
                (f"mean persistence of {kind}", unit),
                (f"persistent entropy of {kind}", ""),
                *((f"birth of {kind}, {p}th percentile", unit) for p in PERCENTILES),
                *((f"death of {kind}, {p}th percentile", unit) for p in PERCENTILES),
            ]
            if self.format.levels:
                found.append((f"Betti number density, {kind}", f"1/{volume}"))
            found += [
                (f"persistence image of {kind}, {bin_}", f"{unit or '1'}/{volume}")
                for bin_ in _bin_names(unit)
            ]
        return [Feature(name, unit_, "persistent_homology") for name, unit_ in found]

    def measure(self, fields: np.ndarray) -> np.ndarray:
        """``(b, *grid)`` -> ``(b, d)``."""
        levels = self._levels(fields)
        width = len(self.features())
        rows = [
            np.full(width, np.nan) if np.isnan(field.flat[0]) else self._row(field)
            for field in levels
        ]
        return np.array(rows).reshape(len(fields), width)

    def _unit(self) -> str:
        return "px" if self.format.levels else ""

    def _levels(self, fields: np.ndarray) -> np.ndarray:
        """f of every image: float64 ``(b, *grid)``, NaN where there is no interface."""
        if self.format.levels:
            return signed_distance(fields > 0.5, self.format.periodic)
        from scipy import ndimage

        sigma = (0.0, *(SMOOTHING,) * (fields.ndim - 1))
        mode = "wrap" if self.format.periodic else "reflect"
        return ndimage.gaussian_filter(fields.astype(np.float64), sigma, mode=mode)

    def _row(self, field: np.ndarray) -> np.ndarray:
        unit, parts = self._unit(), []
        for pairs in persistence(field, self.format.periodic):
            kept = pairs[pairs[:, 1] - pairs[:, 0] >= LEAST[unit]]
            parts.append(_statistics(kept, field.size))
            if self.format.levels:
                alive = (pairs[:, 0] <= 0) & (pairs[:, 1] > 0)
                parts.append(np.array([alive.sum() / field.size]))
            parts.append(persistence_image(kept, BIRTHS[unit], PERSISTENCES[unit]) / field.size)
        return np.concatenate(parts)


def signed_distance(phase: np.ndarray, periodic: bool) -> np.ndarray:
    """Distance to the interface in pixels, negative in the phase: float64 ``(b, *grid)``.

    ``phase`` ``(b, *grid)`` bool; NaN in images that hold the phase nowhere or everywhere.

    Examples
    --------
    >>> signed_distance(np.array([[[1, 1, 0, 0, 0]]], bool), periodic=False)[0, 0].tolist()
    [-1.5, -0.5, 0.5, 1.5, 2.5]
    """
    signed = np.full(phase.shape, np.nan)
    flat = phase.reshape(len(phase), -1)
    mixed = np.flatnonzero(flat.any(axis=1) & ~flat.all(axis=1))
    if len(mixed):
        inside = np.sqrt(squared_distance(phase[mixed], periodic))
        outside = np.sqrt(squared_distance(~phase[mixed], periodic))
        signed[mixed] = np.where(phase[mixed], 0.5 - inside, outside - 0.5)
    return signed


def persistence(field: np.ndarray, periodic: bool) -> list[np.ndarray]:
    """Births and deaths ``(m, 2)`` of each dimension below that of the grid, sorted.

    ``field`` ``(*grid)`` finite. What never dies ends at the highest level.

    Examples
    --------
    Two valleys, at 0 and 1; the second joins the first over the ridge at 5:

    >>> persistence(np.array([[0.0, 5.0, 1.0, 9.0]] * 3), periodic=False)[0].tolist()
    [[0.0, 9.0], [1.0, 5.0]]
    """
    import gudhi

    if periodic:
        complex_ = gudhi.PeriodicCubicalComplex(
            vertices=field, periodic_dimensions=[True] * field.ndim
        )
    else:
        complex_ = gudhi.CubicalComplex(vertices=field)
    complex_.compute_persistence()
    top, found = float(field.max()), []
    for dimension in range(field.ndim):
        pairs = np.asarray(complex_.persistence_intervals_in_dimension(dimension), float)
        pairs = np.minimum(pairs.reshape(-1, 2), top)
        pairs = pairs[pairs[:, 1] > pairs[:, 0]]
        found.append(pairs[np.lexsort(pairs.T[::-1])])
    return found


def persistence_image(
    pairs: np.ndarray, births: tuple[float, float], persistences: tuple[float, float]
) -> np.ndarray:
    """Persistence spread by Gaussians over bins of birth and persistence: ``(BINS²,)``.

    ``pairs`` ``(m, 2)``, birth and death. The bins of one birth lie side by side. The bins at the
    edge reach to infinity, so that the sum is the total persistence.
    """
    from scipy.special import ndtr

    length = pairs[:, 1] - pairs[:, 0]
    shares = []
    for values, (low, high) in ((pairs[:, 0], births), (length, persistences)):
        edges = np.linspace(low, high, BINS + 1)
        edges[[0, -1]] = -np.inf, np.inf
        below = ndtr((edges - np.clip(values, low, high)[:, None]) * BINS / (high - low))
        shares.append(np.diff(below, axis=1))
    image: np.ndarray = np.einsum("m,mi,mj->ij", length, *shares)
    return image.ravel()


def _statistics(pairs: np.ndarray, size: int) -> np.ndarray:
    """Number, total, largest and mean persistence, entropy, percentiles of births and deaths."""
    if not len(pairs):
        return np.concatenate([np.zeros(5), np.full(2 * len(PERCENTILES), np.nan)])
    length = pairs[:, 1] - pairs[:, 0]
    share = length / length.sum()
    entropy = -(share * np.log(share)).sum() + 0.0
    numbers = [len(pairs) / size, length.sum() / size, length.max(), length.mean(), entropy]
    return np.concatenate([numbers, np.percentile(pairs, PERCENTILES, axis=0).T.ravel()])


def _bin_names(unit: str) -> list[str]:
    births, lengths = (
        [f"{low:g} to {high:g}{unit and ' ' + unit}" for low, high in pairwise(edges)]
        for edges in (
            np.linspace(*span[unit], BINS + 1).round(6) for span in (BIRTHS, PERSISTENCES)
        )
    )
    return [f"birth {birth}, persistence {length}" for birth in births for length in lengths]
