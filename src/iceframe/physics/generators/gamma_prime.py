"""Cuboidal precipitates on a nearly periodic arrangement: the γ/γ′ structure of superalloys.

Precipitates are superellipsoids ``Σ_k |x_k / a_k|^p <= 1`` with edges along the grid axes (the cube
directions of the crystal): ``p = 2`` gives ellipsoids, larger ``p`` cuboids (the exponent as a
measure of shape: MacSleyne, Simmons and De Graef 2008, doi:10.1016/j.actamat.2007.09.039). They sit
on a grid of cells, displaced at random, and grow or shrink together to the asked volume fraction.
A voxel of matrix is kept between neighbours as long as the fraction leaves one; beyond that the
channels close, which ``touching_fraction`` tells. Rafting makes plates, normal to y in 2-D and to z
in 3-D.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import gamma

import numpy as np

from iceframe.physics.generator import GENERATORS, Drawn, Factor, Generator, cut
from iceframe.physics.generators import _distance

# Added to the scaled distance in channels, so that they fill last; less than _distance.FAR.
_CHANNEL = 1e6


@GENERATORS.register("gamma_prime")
class GammaPrime(Generator):
    """Superellipsoidal precipitates on a jittered grid, with channels of matrix."""

    title = "γ/γ′ precipitates"
    summary = "Cuboidal precipitates, nearly periodic, parted by channels; superalloys."
    reference = "MacSleyne, Simmons, De Graef 2008, Acta Mater. 56, 427"
    phase_names = ("gamma", "gamma_prime")
    factors = (
        Factor("volume_fraction", "share of the precipitates", 0.55, 0.2, 0.75, 0.01, 0.8),
        Factor("size", "mean edge of a precipitate", 9, 7, 14, 3, 1000, "voxel"),
        Factor("size_spread", "standard deviation of the logarithm of size", 0.1, 0, 0.3, 0, 0.5),
        Factor("cuboidality", "exponent: 2 ellipsoid, 10 nearly cuboid", 5, 2, 10, 2, 30),
        Factor("jitter", "displacement over the period, one deviation", 0.05, 0, 0.15, 0, 0.5),
        Factor("rafting", "width over thickness of a precipitate", 1, 1, 2.5, 1, 6),
    )

    def draw(
        self,
        shape: tuple[int, ...],
        rngs: Sequence[np.random.Generator],
        factors: Mapping[str, np.ndarray],
    ) -> Drawn:
        """See :meth:`Generator.draw`. Measured: ``size`` (mean edge as drawn: the number of cells
        must be whole), ``period_x`` (of the cells along x), ``particle_count`` and
        ``touching_fraction``."""
        n, d, voxels = len(rngs), len(shape), int(np.prod(shape))
        count = np.maximum(1, np.rint(factors["volume_fraction"] * voxels)).astype(int)
        edges, places = [], []
        measured = {name: np.zeros(n) for name in ("size", "period_x")}
        for s, rng in enumerate(rngs):
            f = {name: float(value[s]) for name, value in factors.items()}
            unit = superellipsoid_volume(f["cuboidality"], d)
            form = _proportions(f["rafting"], d)
            share = count[s] / voxels
            cells = _cells(shape, f["size"] * form * (unit / share) ** (1 / d))
            period = np.array(shape) / cells
            grid = np.stack(np.meshgrid(*map(np.arange, cells), indexing="ij"), axis=-1)
            number = int(np.prod(cells))
            moved = f["jitter"] * np.clip(rng.standard_normal((number, d)), -2, 2)
            places.append((grid.reshape(-1, d) + moved + rng.random(d)) * period % shape)
            z = np.clip(rng.standard_normal(number), -2, 2)
            size = np.exp(f["size_spread"] * z)
            size *= (count[s] / (unit * np.sum(size**d))) ** (1 / d)
            edges.append(size[:, None] * form)
            measured["size"][s], measured["period_x"][s] = size.mean(), period[-1]
        sample = np.repeat(np.arange(n), [len(edge) for edge in edges])
        half = np.concatenate(edges) / 2
        centres = np.concatenate(places)
        power = factors["cuboidality"][sample]
        score, body = _distance.grow(shape, sample, centres, half, _measure(half, power), count)
        score[_channels(body)] += _CHANNEL
        phases = cut(-score, count / voxels)
        present, touched = _distance.touching(phases, body, sample)
        measured |= {"particle_count": present, "touching_fraction": touched}
        return Drawn(phases.astype(np.uint8), measured)


def superellipsoid_volume(power: float, dimension: int) -> float:
    """Area or volume of ``Σ |2 x_k|^power <= 1``: edge 1 along every axis.

    Examples
    --------
    >>> round(superellipsoid_volume(2, 3), 6), round(superellipsoid_volume(1, 2), 6)
    (0.523599, 0.5)
    """
    return gamma(1 + 1 / power) ** dimension / gamma(1 + dimension / power)


def _proportions(rafting: float, dimension: int) -> np.ndarray:
    """Edges over their geometric mean, in grid order: thin along the first axis."""
    thin = rafting ** (1 / dimension - 1)
    return np.array([thin] + [thin * rafting] * (dimension - 1))


def _cells(shape: tuple[int, ...], period: np.ndarray) -> np.ndarray:
    return np.maximum(1, np.rint(np.array(shape) / period)).astype(int)


def _measure(half: np.ndarray, power: np.ndarray) -> _distance.Measure:
    def measure(x: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
        wide = (len(rows), *(1,) * len(x))
        p = power[rows].reshape(wide)
        # Powers before broadcasting: one axis at a time is a small array.
        parts = [np.abs(c / half[rows, k].reshape(wide)) ** p for k, c in enumerate(x)]
        return np.asarray(sum(parts) ** (1 / p))

    return measure


def _channels(body: np.ndarray) -> np.ndarray:
    """Voxels whose next neighbour along an axis belongs to another precipitate."""
    border = np.zeros(body.shape, bool)
    for axis in range(1, body.ndim):
        other = np.roll(body, -1, axis)
        border |= (body != other) & (body >= 0) & (other >= 0)
    return border
