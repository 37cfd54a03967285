"""Minkowski functionals: how much of a phase, how much surface, how curved, how connected.

Up to constants the only additive, continuous, motion-invariant functions of a shape (Hadwiger
1957). As densities, per area of the image or volume of it:

    2-D: volume fraction, perimeter density B, Euler characteristic density χ
    3-D: volume fraction, surface density S, density M of the integral of mean curvature, χ

All but the fraction are averages over the image's 2 × 2 (× 2) neighbourhoods, hence sums over the
counts of their 16 (256) configurations, each times a constant:

* B = (π/2) Σ_k c_k X_k, S = 2 Σ_k c_k X_k (Cauchy, Crofton): X_k boundary crossings per length
  along direction k, 4 directions in the plane and 13 in space. c_k is 1/4 in the plane; in space
  the share of the sphere that is nearest to ±k.
* M = 2π Σ_k c_k χ_k: χ_k the Euler density, per area, of the sections normal to direction k; where
  two pixels touch across a diagonal, the mean of connected and not, so that M of the other phase
  is −M. A sphere has M = 4π R, positive for a convex phase.
* χ = vertices − edges + squares − cubes, of the complex with a vertex at each pixel: pixels of the
  phase connect through faces (as in ``clusters``), those of the other phase through corners too.
  2-D: pieces less holes; 3-D: pieces less tunnels plus cavities.

*Not periodic*: only neighbourhoods inside the image count. The border is no surface, and densities
stay unbiased for statistically homogeneous images; χ is not the whole number of what is seen.
Likewise, where pixels were not measured, only neighbourhoods of measured ones count. An image
without the phase, or filled by it, has 0 for all but the fraction.

*Error of the pixels*, measured on discs (spheres) at random positions: at a radius of 5 px at most
3 % in B and S, 2 % in M, and −0.7 to 0 % on average; at 20 px at most 1.2 % in B, 0.2 % in S and M.
Unlike a count of pixel faces (off by 4/π and 3/2) it vanishes for large ones. A *flat* boundary is
seen along few directions, whatever its size: B is off by −5.2 to +2.6 % with its orientation, S by
−7.3 to +2.3 %, lowest along the axes.

Hadwiger 1957, Vorlesungen über Inhalt, Oberfläche und Isoperimetrie, doi:10.1007/978-3-642-94702-5;
Legland, Kiêu, Devaux 2007, doi:10.5566/ias.v26.p83-92; Ohser, Mücklich 2000, Statistical Analysis
of Microstructures in Materials Science, ISBN 0-471-97486-2
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import ClassVar

import numpy as np

from iceframe.core.errors import InputError
from iceframe.scale.blocks import Block, Tally
from iceframe.scale.descriptor import DESCRIPTORS, Feature
from iceframe.scale.descriptors._segmented import TalliedDescriptor, as_phase, quotient

PLANE_WEIGHTS = {1: 1 / 4, 2: 1 / 4}
SPACE_WEIGHTS = {1: 0.0915557824095, 2: 0.0739612557522, 3: 0.0703912795646}
"""c_k by the number of axes along which a direction moves: 3 along axes, 6 across faces, 4 across
the cube. Areas of the Voronoi cells of the 26 directions on the sphere, for k and −k together."""

COUNTS_AT_ONCE = 2**22


@DESCRIPTORS.register("minkowski")
class Minkowski(TalliedDescriptor):
    """Volume fraction, perimeter or surface, mean curvature (3-D) and Euler characteristic."""

    name = "minkowski"
    title = "Minkowski functionals"
    summary = "Amount, surface, curvature and connectivity of a phase."
    reference = "Legland, Kiêu, Devaux 2007, doi:10.5566/ias.v26.p83-92"
    default = False
    masked: ClassVar[bool] = True

    def features(self) -> list[Feature]:
        """Three densities in two dimensions, four in three.

        Raises
        ------
        InputError : an image of neither two nor three dimensions, or one pixel wide.
        """
        grid = self.format.grid
        if len(grid) not in (2, 3) or min(grid) < 2:
            raise InputError(
                "Images are too small for Minkowski functionals.",
                got=grid,
                allowed="two or three dimensions, at least 2 pixels along each",
            )
        found = [("volume fraction", "")]
        if len(grid) == 2:
            found += [("perimeter density", "1/px"), ("Euler characteristic density", "1/px²")]
        else:
            found += [
                ("surface density", "1/px"),
                ("mean curvature density", "1/px²"),
                ("Euler characteristic density", "1/px³"),
            ]
        return [Feature(name, unit, "minkowski") for name, unit in found]

    def tally(self, number: int) -> Tally:
        """Counts neighbourhoods; each belongs to the block that holds its first pixel."""
        return _NeighbourhoodTally(number, len(self.format.grid))


class _NeighbourhoodTally(Tally):
    def __init__(self, number: int, d: int) -> None:
        self.d = d
        self.counts = np.zeros((number, 2 ** (2**d)), np.int64)
        self.phase, self.measured = np.zeros((2, number), np.int64)

    def add(self, block: Block) -> None:
        fields, valid, _ = block.around((0,) * self.d, (1,) * self.d)
        phase = as_phase(fields)
        if valid is not None:
            valid = np.broadcast_to(valid, phase.shape)
        if min(phase.shape[1:]) > 1:  # the last layers of an image begin no neighbourhood
            self.counts += configurations(phase, False, valid)
        core = (slice(None), *(slice(n) for n in block.size))
        known = np.ones_like(phase[core]) if valid is None else valid[core]
        self.phase += (phase[core] & known).reshape(len(phase), -1).sum(axis=1)
        self.measured += known.reshape(len(phase), -1).sum(axis=1)

    def finish(self) -> np.ndarray:
        shares = quotient(self.counts, self.counts.sum(axis=1, keepdims=True))
        fraction = quotient(self.phase, self.measured)
        return np.column_stack([fraction, shares @ contributions(self.d)])


def configurations(
    phase: np.ndarray, periodic: bool, valid: np.ndarray | None = None
) -> np.ndarray:
    """How often each neighbourhood occurs in each image.

    Parameters
    ----------
    phase : ``(b, *grid)`` bool.
    valid : of the same shape; only neighbourhoods of valid pixels count. Not for periodic images.

    Returns
    -------
    ``(b, 16)`` or ``(b, 256)``: the pixel at offset (.., y, x), each 0 or 1, adds 2^(x + 2 y) or
    2^(x + 2 y + 4 z) to the number of a configuration.

    Examples
    --------
    >>> counts = configurations(np.array([[[1, 1, 0], [1, 0, 0]]], bool), periodic=False)
    >>> np.flatnonzero(counts[0]).tolist()    # 1 + 2 + 4, and 1
    [1, 7]
    """
    d = phase.ndim - 1
    if periodic:
        phase = np.pad(phase, [(0, 0), *[(0, 1)] * d], mode="wrap")
    windows = tuple(n - 1 for n in phase.shape[1:])
    kinds = 2 ** (2**d)
    code = np.zeros((len(phase), *windows), np.uint8)
    for bit, offset in enumerate(product((0, 1), repeat=d)):
        part = tuple(slice(o, o + n) for o, n in zip(offset, windows, strict=True))
        code |= phase[(slice(None), *part)].astype(np.uint8) << bit
    flat = code.reshape(len(code), int(np.prod(windows)))
    if valid is not None:
        whole = np.ones(code.shape, bool)
        for offset in product((0, 1), repeat=d):
            part = tuple(slice(o, o + n) for o, n in zip(offset, windows, strict=True))
            whole &= valid[(slice(None), *part)]
        chosen = [
            c[known.ravel()] for c, known in zip(flat, whole.reshape(flat.shape), strict=True)
        ]
        return np.stack([np.bincount(c, minlength=kinds) for c in chosen])
    step = max(1, COUNTS_AT_ONCE // max(kinds, flat.shape[1]))
    pieces = [_histograms(flat[i : i + step], kinds) for i in range(0, len(flat), step)]
    return np.concatenate([np.zeros((0, kinds), np.int64), *pieces])


def _histograms(codes: np.ndarray, kinds: int) -> np.ndarray:
    shifted = codes + kinds * np.arange(len(codes))[:, None]
    return np.bincount(shifted.ravel(), minlength=kinds * len(codes)).reshape(-1, kinds)


@lru_cache
def contributions(d: int) -> np.ndarray:
    """What each configuration adds: ``(16, 2)`` for B and χ; ``(256, 3)`` for S, M and χ.

    Examples
    --------
    A lone pixel is in four neighbourhoods, each with a quarter of its Euler characteristic:

    >>> contributions(2)[1, 1]
    np.float64(0.25)
    """
    corners = np.array(list(product((0, 1), repeat=d)))
    held = (np.arange(2 ** len(corners))[:, None] >> np.arange(len(corners))) & 1  # (kinds, 2^d)
    boundary = _crossings(corners, held)
    euler = _euler(corners, held)
    if d == 2:
        return np.column_stack([np.pi / 2 * boundary, euler])
    return np.column_stack([2 * boundary, _mean_curvature(corners, held), euler])


def _crossings(corners: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Σ_k c_k X_k of each configuration."""
    d = corners.shape[1]
    weights = PLANE_WEIGHTS if d == 2 else SPACE_WEIGHTS
    total = np.zeros(len(held))
    for i, a in enumerate(corners):
        for j in range(i):
            moved = int(np.abs(a - corners[j]).sum())  # axes along which the pair is apart
            pairs = 2 ** (d - moved)  # of the same direction in the neighbourhood
            total += weights[moved] * (held[:, i] != held[:, j]) / (pairs * np.sqrt(moved))
    return total


def _euler(corners: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Vertices − edges + squares − cubes; each shared by the neighbourhoods that hold it."""
    d = corners.shape[1]
    total = np.zeros(len(held))
    for free in product((0, 1), repeat=d):  # the axes along which the cell extends
        size = sum(free)
        fixed = [k for k in range(d) if not free[k]]
        for at in product((0, 1), repeat=len(fixed)):
            cell = (corners[:, fixed] == np.array(at, int)).all(axis=1)
            total += (-1) ** size * held[:, cell].all(axis=1) / 2 ** (d - size)
    return total


def _mean_curvature(corners: np.ndarray, held: np.ndarray) -> np.ndarray:
    """2π Σ_k c_k χ_k over the 13 families of lattice planes."""
    total = np.zeros(len(held))
    normals = [n for n in product((-1, 0, 1), repeat=3) if n > (0, 0, 0)]  # one of each ±
    for normal in normals:
        size = sum(map(abs, normal))
        height = corners @ np.array(normal)
        levels = [h for h in np.unique(height) if np.sum(height == h) >= 3]
        for level in levels:
            section = held[:, height == level]
            # a face lies in two neighbourhoods; a rectangle or a triangle in one. The area of the
            # sections per volume is 1, √2, √3.
            share = 1 / 2 if size == 1 else 1 / np.sqrt(size)
            total += SPACE_WEIGHTS[size] * share * _section(section)
    return 2 * np.pi * total


def _section(section: np.ndarray) -> np.ndarray:
    """Euler characteristic of a square or rectangle ``(kinds, 4)``, or triangle ``(kinds, 3)``."""
    count = section.sum(axis=1)
    if section.shape[1] == 4:
        return ((count == 1).astype(float) - (count == 3)) / 4
    # vertices are shared by six triangles, edges by two: 1/6, 2/6 - 1/2, 3/6 - 3/2 + 1
    return np.array([0, 1 / 6, -1 / 6, 0])[count]
