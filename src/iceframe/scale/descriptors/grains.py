"""Grains: how many, how large, of what shape, and beside which neighbours.

Grains are connected pixels of one orientation, label or phase (see ``_grains``). Over the grains of
an image of N pixels in d dimensions, with V the pixels and D the diameter of the disc or ball of
that size, D = 2 √(V/π) or (6 V/π)^⅓:

    number / N; mean, standard deviation, skewness, 10th, 50th, 90th percentile of ln D;
    ln √(λ₁/λ_d), mean and standard deviation: aspect ratio, λ the principal second moments,
    in space also the mean of ln √(λ₂/λ₃): how far they are needles;
    shape tensor Q = ⟨(d M / tr M − 1) / (d − 1)⟩, M the second moments: Q_xx is 1 for needles
    along x, Q = 0 for round grains; alignment ‖Q‖ / ⟨‖·‖⟩, 1 where all grains lie alike;
    boundary per area or volume (Cauchy–Crofton, as in ``minkowski``);
    number n of neighbours (sharing a pixel face), mean and standard deviation;
    Aboav–Weaire slope: of Σ n_j over the neighbours j of a grain against its n; it is 6 − a of
    m(n) = 6 − a + (6 a + μ₂)/n in two dimensions, and grows where many-sided grains meet;
    correlation of ln D with its mean over the neighbours;
    share of the largest grain.

*Not periodic*: a grain that the border cuts counts Π_k (1 − c_k / 2) in the number, c_k the
borders along axis k that cut it (a half at a side, a quarter at a corner: Saltykov's rule), and is
left out of sizes, shapes and neighbours; the slope and the correlation are over grains whose
neighbours are whole, too. As large grains are cut more often, sizes are then biased low.
*Periodic*: grains that wind round the image have a size but no shape. Whole pieces of less than 4
(8) pixels are no grains: tips of cells that the grid of pixels cuts off, and noise; only their
boundary counts. In the plane the number of neighbours is 1 to 2 % low, as edges shorter than a
pixel are not seen (5.91 instead of 6 in Poisson–Voronoi tessellations of 12 px); the boundary there
is 2 % low, in space 5 %, as a step over a corner crosses two at once. What rests on no grain, a
spread of one value or less than 3 grains (slope, correlation) is undefined (NaN).

DeHoff, Rhines 1968, Quantitative Microscopy (Saltykov's rule: ch. 3); Aboav 1970,
doi:10.1016/0026-0800(70)90038-8; Weaire 1974, doi:10.1016/0026-0800(74)90004-4
"""

from __future__ import annotations

from itertools import product
from typing import ClassVar, Self

import numpy as np

from iceframe.scale.descriptor import (
    DESCRIPTORS,
    Feature,
    ImageDescriptor,
    refuse_unmasked,
)
from iceframe.scale.descriptors._grains import Grains, contacts, grains
from iceframe.scale.descriptors._orientations import check_channels
from iceframe.scale.descriptors._segmented import quotient
from iceframe.scale.descriptors.minkowski import PLANE_WEIGHTS, SPACE_WEIGHTS
from iceframe.scale.image_format import ImageFormat

PERCENTILES = (10, 50, 90)

LEAST_SIDE = 2
"""Whole pieces smaller than a square (cube) of this side are no grains."""

LEAST_SPREAD = 1e-9
"""Standard deviations below this are rounding: nothing is divided by them."""


@DESCRIPTORS.register("grains")
class GrainStatistics(ImageDescriptor):
    """Number, sizes, shapes, boundaries and neighbours of grains."""

    name = "grains"
    title = "Grains"
    summary = "Number, size, shape and neighbours of grains: connected pixels of one orientation."
    reference = (
        "DeHoff, Rhines 1968, Quantitative Microscopy; Aboav 1970, "
        "doi:10.1016/0026-0800(70)90038-8; Weaire 1974, doi:10.1016/0026-0800(74)90004-4"
    )
    default = False
    default_kinds: ClassVar[tuple[str, ...]] = ("orientation", "phase", "grey", "multichannel")

    def fit_format(self, image_format: ImageFormat) -> Self:
        """Fit to the format of the images; orientations are angles or quaternions."""
        check_channels(image_format)
        return super().fit_format(image_format)

    def columns(self) -> list[Feature]:
        """One set of features an image: its channels are described together."""
        return self.features()

    def features(self) -> list[Feature]:
        """Number, sizes, shapes, boundaries, neighbours."""
        d = len(self.format.grid)
        log = "ln(grain diameter / px)"
        found = [("number density of grains", {2: "1/px²", 3: "1/px³"}[d])]
        found += [(f"{what} of {log}", "") for what in ("mean", "standard deviation", "skewness")]
        found += [(f"{log}, {p}th percentile", "") for p in PERCENTILES]
        found += [("mean ln aspect ratio of grains", "")]
        found += [("standard deviation of ln aspect ratio of grains", "")]
        if d == 3:
            found += [("mean ln needle ratio of grains", "")]
        found += [(f"grain shape tensor {a}{b}", "") for a, b in self._tensor()]
        found += [("alignment of grain shapes", "")]
        found += [("grain boundary density", "1/px")]
        found += [("mean number of neighbours", ""), ("standard deviation of neighbours", "")]
        found += [("Aboav-Weaire slope", ""), ("correlation of neighbouring grain sizes", "")]
        found += [("share of the largest grain", "")]
        return [Feature(name, unit, "grains") for name, unit in found]

    def describe(self, batch: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
        """Features ``(b, d)`` of images ``(b, channels, *grid)``, of which every pixel is valid."""
        if valid is not None and not valid.all():
            refuse_unmasked(self)
        return self.measure(batch)

    def measure(self, fields: np.ndarray) -> np.ndarray:
        """``(b, channels, *grid)`` -> ``(b, d)``: all channels at once."""
        b, d = len(fields), fields.ndim - 2
        volume = float(np.prod(fields.shape[2:]))
        found = grains(fields, self.format)
        cut = found.cuts.any(axis=1)
        grain = cut | (found.size >= LEAST_SIDE**d)
        whole = grain & ~cut
        weight = np.prod(1 - found.cuts / 2, axis=1) * grain
        log = np.log(diameter(found.size, d))
        largest = np.zeros(b)
        np.maximum.at(largest, found.sample, found.size.astype(float))
        return np.column_stack(
            [
                np.bincount(found.sample, weight, b) / volume,
                *_moments(found.sample[whole], log[whole], b),
                *_percentiles(found.sample[whole], log[whole], b),
                *self._shapes(found, whole & ~found.winds, b),
                boundary_density(found.labels, self.format.periodic),
                *_neighbours(found, grain, whole, log, self.format.periodic, b),
                largest / volume,
            ]
        )

    def _tensor(self) -> list[tuple[str, str]]:
        """Components of the shape tensor; the last of its diagonal follows from the others."""
        names = "xyz"[: len(self.format.grid)]
        diagonal = [(a, a) for a in names[:-1]]
        return [*diagonal, *((a, b) for i, a in enumerate(names) for b in names[i + 1 :])]

    def _shapes(self, found: Grains, held: np.ndarray, b: int) -> list[np.ndarray]:
        inertia, sample = found.inertia[held], found.sample[held]
        d = inertia.shape[1]
        principal = np.linalg.eigvalsh(inertia)  # rising
        aspect = np.log(principal[:, -1] / principal[:, 0]) / 2
        mean, spread, _ = _moments(sample, aspect, b)
        columns = [mean, spread]
        if d == 3:
            needle = np.log(principal[:, 2] / principal[:, 1]) / 2
            columns.append(_moments(sample, needle, b)[0])
        trace = np.trace(inertia, axis1=1, axis2=2)[:, None, None]
        tensor = (d * inertia / trace - np.eye(d)) / (d - 1)
        mean_tensor = np.empty((b, d, d))
        for i, j in product(range(d), repeat=2):
            mean_tensor[:, i, j] = _mean(sample, tensor[:, i, j], b)
        size = np.sqrt((tensor**2).sum(axis=(1, 2)))
        total = np.sqrt((mean_tensor**2).sum(axis=(1, 2)))
        place = {name: d - 1 - k for k, name in enumerate("xyz"[:d])}
        columns += [mean_tensor[:, place[i], place[j]] for i, j in self._tensor()]
        below = _mean(sample, size, b)
        below[below < LEAST_SPREAD] = 0
        return [*columns, quotient(total, below)]


def diameter(size: np.ndarray, d: int) -> np.ndarray:
    """Diameter in pixels of the disc (ball) of ``size`` pixels.

    Examples
    --------
    >>> float(diameter(np.array([np.pi]), 2)[0])
    2.0
    """
    return np.asarray(2 * np.sqrt(size / np.pi) if d == 2 else np.cbrt(6 * size / np.pi))


def boundary_density(labels: np.ndarray, periodic: bool) -> np.ndarray:
    """Length (area) of the boundaries between labels per area (volume), in 1/px: ``(b,)``.

    (π/2) Σ_k c_k X_k in the plane and 2 Σ_k c_k X_k in space, X_k the boundaries per length along
    direction k; see ``minkowski``.
    """
    b, d = len(labels), labels.ndim - 1
    weights = PLANE_WEIGHTS if d == 2 else SPACE_WEIGHTS
    total = np.zeros(b)
    for step in product((-1, 0, 1), repeat=d):
        if step <= (0,) * d:  # one of each direction and its opposite
            continue
        if periodic:
            here, ahead = labels, np.roll(labels, step, axis=tuple(range(1, d + 1)))
        else:
            here, ahead = (
                labels[(slice(None), *(_cut(s * sign) for s in step))] for sign in (1, -1)
            )
        moved = sum(map(abs, step))
        crossings = (here != ahead).reshape(b, -1).mean(axis=1) / np.sqrt(moved)
        total += weights[moved] * crossings
    return total * (np.pi / 2 if d == 2 else 2)


def _cut(step: int) -> slice:
    return slice(max(step, 0), min(step, 0) or None)


def _mean(sample: np.ndarray, values: np.ndarray, b: int) -> np.ndarray:
    return quotient(np.bincount(sample, values, b), np.bincount(sample, minlength=b))


def _moments(
    sample: np.ndarray, values: np.ndarray, b: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard deviation and skewness of the values of each sample."""
    mean = _mean(sample, values, b)
    centred = values - mean[sample]
    spread = np.sqrt(_mean(sample, centred**2, b))
    below = np.where(spread > LEAST_SPREAD, spread, 0)
    return mean, spread, quotient(_mean(sample, centred**3, b), below**3)


def _percentiles(sample: np.ndarray, values: np.ndarray, b: int) -> list[np.ndarray]:
    """Percentiles of the values of each sample, linear between ranks."""
    ordered = values[np.lexsort((values, sample))]
    count = np.bincount(sample, minlength=b)
    start, some = np.cumsum(count) - count, count > 0
    found = []
    for percent in PERCENTILES:
        rank = (count[some] - 1) * percent / 100
        low = np.floor(rank).astype(int)
        high = np.minimum(low + 1, count[some] - 1)
        a, z = ordered[start[some] + low], ordered[start[some] + high]
        column = np.full(b, np.nan)
        column[some] = a + (z - a) * (rank - low)
        found.append(column)
    return found


def _neighbours(
    found: Grains, grain: np.ndarray, whole: np.ndarray, log: np.ndarray, periodic: bool, b: int
) -> list[np.ndarray]:
    """Mean and spread of the number of neighbours, Aboav-Weaire slope, correlation of sizes."""
    m = len(found.size)
    pairs = contacts(found, periodic)
    pairs = pairs[grain[pairs].all(axis=1)]
    origin, to = np.concatenate([pairs, pairs[:, ::-1]]).T
    number = np.bincount(origin, minlength=m).astype(float)
    mean, spread, _ = _moments(found.sample[whole], number[whole], b)
    cut = np.bincount(origin, ~whole[to], m) > 0
    held = whole & ~cut & (number > 0)
    around = np.bincount(origin, number[to], m)
    beside = quotient(np.bincount(origin, log[to], m), number)
    slope, _ = _line(found.sample[held], number[held], around[held], b)
    _, correlation = _line(found.sample[held], log[held], beside[held], b)
    return [mean, spread, slope, correlation]


def _line(
    sample: np.ndarray, x: np.ndarray, y: np.ndarray, b: int
) -> tuple[np.ndarray, np.ndarray]:
    """Slope of y on x and their correlation in each sample; NaN for less than 3 points."""
    enough = np.bincount(sample, minlength=b) >= 3
    dx, dy = x - _mean(sample, x, b)[sample], y - _mean(sample, y, b)[sample]
    xx, yy, xy = (_mean(sample, p, b) for p in (dx * dx, dy * dy, dx * dy))
    xx, yy = (np.where(enough & (v > LEAST_SPREAD**2), v, 0) for v in (xx, yy))
    return quotient(xy, xx), quotient(xy, np.sqrt(xx * yy))
