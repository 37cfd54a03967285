"""Crack networks: flat cracks of finite thickness in a matrix, on request along grain boundaries.

A crack of length ``2 a`` is a line (2-D) or a penny (3-D). The crack density ``Σ a² / area`` or
``Σ a³ / volume`` (Budiansky and O'Connell 1976, doi:10.1016/0020-7683(76)90044-5) is met exactly by
the lengths; the volume fraction follows from it and from the thickness, and is measured. Cracks may
cross. Directions follow an angular central Gaussian.

An intergranular crack is the interface between two sets of Voronoi grains, those whose seed lies
above and below the plane of the crack, within the crack's length: one zigzag along boundaries. A
voxel at squared distances ``d₊²`` and ``d₋²`` from the nearest seeds ``s₊`` and ``s₋`` of the two
sets lies ``|d₊² - d₋²| / (2 |s₊ - s₋|)`` from it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from iceframe.core.errors import InputError
from iceframe.physics.generator import GENERATORS, Drawn, Factor, Generator
from iceframe.physics.generators import _distance, _packing


@GENERATORS.register("cracked")
class Cracked(Generator):
    """Line or penny cracks of given density, length and orientation."""

    title = "Cracked solid"
    summary = "Flat or intergranular cracks of given density, length, thickness and direction."
    reference = "Budiansky, O'Connell 1976, Int. J. Solids Struct. 12, 81"
    phase_names = ("solid", "crack")
    factors = (
        Factor("density", "sum of half-length² (2-D) or ³ (3-D) per size", 0.1, 0.02, 0.3, 1e-4, 2),
        Factor("length", "mean length of a crack", 11, 7, 14, 3, 1000, "voxel"),
        Factor("length_spread", "standard deviation of the log of length", 0.1, 0, 0.4, 0, 0.6),
        Factor("thickness", "of a crack", 2, 1.5, 3, 1, 100, "voxel"),
        Factor("angle", "mean direction, from x towards y", 0, 0, 180, -360, 360, "degree"),
        Factor("alignment", "order parameter: 0 random, 1 all parallel", 0.5, 0, 1, 0, 1),
        Factor("intergranular", "share of cracks along grain boundaries", 0, 0, 1, 0, 1),
        Factor("grain_size", "mean diameter of the grains", 7, 5, 10, 3, 1000, "voxel"),
    )

    def draw(
        self,
        shape: tuple[int, ...],
        rngs: Sequence[np.random.Generator],
        factors: Mapping[str, np.ndarray],
    ) -> Drawn:
        """See :meth:`Generator.draw`. Cracks run along ``angle``; in 3-D their planes also contain
        z at full alignment. Measured: ``crack_count``, ``mean_length``, ``crack_fraction`` (by
        volume) and ``order_parameter`` (of the normals).

        Raises
        ------
        InputError : cracks longer than the box or thicker than long.
        """
        n, d, box = len(rngs), len(shape), np.array(shape, float)
        lengths, normals, places, winding, order = [], [], [], [], np.zeros(n)
        phases = np.zeros((n, *shape), np.uint8)
        for s, rng in enumerate(rngs):
            f = {name: float(value[s]) for name, value in factors.items()}
            length = self._lengths(rng, f, box)
            normal = _packing.axis_of(f["angle"] + 90, 0.0, d)
            lengths.append(length)
            normals.append(_packing.directions(rng, len(length), f["alignment"], normal))
            places.append(rng.random((len(length), d)) * box)
            winding.append(rng.random(len(length)) < f["intergranular"])
            order[s] = _packing.order_parameter(normals[-1], normal)
            if winding[-1].any():
                number = max(2, round(box.prod() / _packing.ball(d) / f["grain_size"] ** d))
                seeds = rng.random((number, d)) * box
                for c in np.flatnonzero(winding[-1]):
                    _follow(
                        phases[s],
                        seeds,
                        f["grain_size"],
                        places[-1][c],
                        normals[-1][c],
                        length[c] / 2,
                        f["thickness"] / 2,
                    )
        sample = np.repeat(np.arange(n), [len(length) for length in lengths])
        straight = np.flatnonzero(~np.concatenate(winding))
        if len(straight):
            half = factors["thickness"][sample[straight]] / 2
            form = _penny(
                np.concatenate(normals)[straight],
                np.maximum(np.concatenate(lengths)[straight] / 2 - half, 0.0),
                half,
            )
            where = np.concatenate(places)[straight]
            found = _distance.stamp(shape, sample[straight], where, *form, limit=1.0)
            phases.reshape(-1)[found.position] = 1
        measured = {
            "crack_count": np.array([len(length) for length in lengths]),
            "mean_length": np.array([length.mean() for length in lengths]),
            "crack_fraction": phases.reshape(n, -1).mean(axis=1),
            "order_parameter": order,
        }
        return Drawn(phases, measured)

    def _lengths(
        self, rng: np.random.Generator, f: Mapping[str, float], box: np.ndarray
    ) -> np.ndarray:
        d = len(box)
        if f["length"] > box.min() or f["thickness"] >= f["length"]:
            raise InputError(
                "A crack must be thinner than long and fit into the box.",
                where=self.title,
                got=f"length {f['length']:.4g}, thickness {f['thickness']:.4g}, box {box.tolist()}",
                allowed=f"thickness < length <= {box.min():.4g}",
                hint="take another length or thickness, or a larger shape",
            )
        total = f["density"] * box.prod()
        return _packing.diameters(rng, f["length"], f["length_spread"], total, 0.5**d, d, box.min())


def _penny(
    normals: np.ndarray, flat: np.ndarray, half: np.ndarray
) -> tuple[np.ndarray, _distance.Measure]:
    """Half-widths and scaled distance of lines or discs of radius ``flat``, ``2 · half`` thick."""
    extent = flat[:, None] * np.sqrt(np.maximum(1 - normals**2, 0.0)) + half[:, None]

    def measure(x: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
        wide = (len(rows), *(1,) * len(x))
        across = sum(c * normals[rows, k].reshape(wide) for k, c in enumerate(x))
        within = np.sqrt(np.maximum(sum(c**2 for c in x) - across**2, 0.0))
        beyond = np.maximum(within - flat[rows].reshape(wide), 0.0)
        return np.asarray(np.sqrt(across**2 + beyond**2) / half[rows].reshape(wide))

    return extent, measure


def _follow(
    phases: np.ndarray,
    seeds: np.ndarray,
    grain: float,
    centre: np.ndarray,
    normal: np.ndarray,
    radius: float,
    half: float,
) -> None:
    """Set the voxels of one intergranular crack in ``phases``, in place."""
    from scipy.spatial import cKDTree

    box = np.array(phases.shape, float)
    # Boundaries stray from the plane by about a grain.
    extent = np.ceil(radius * np.sqrt(np.maximum(1 - normal**2, 0.0)) + grain * np.abs(normal))
    base = np.rint(centre).astype(int)
    reach = [np.arange(-int(e), int(e) + 1) for e in extent]
    index = np.stack(np.meshgrid(*reach, indexing="ij"), axis=-1).reshape(-1, len(box)) + base
    x = index - centre
    height = x @ normal
    near = (np.abs(height) <= grain) & ((x**2).sum(axis=1) - height**2 <= radius**2)
    index, x = index[near], x[near]
    images = [np.arange(-k, k + 1) for k in np.ceil((extent + 2 * grain) / box + 0.5).astype(int)]
    copies = np.concatenate([seeds + np.array(i) * box for i in itertools.product(*images)])
    copies = copies - centre
    copies = copies[np.all(np.abs(copies) <= extent + 2 * grain, axis=1)]
    upper = copies @ normal > 0
    if upper.all() or not upper.any() or not len(x):
        return
    above, below = copies[upper], copies[~upper]
    far_above, i = cKDTree(above).query(x)
    far_below, j = cKDTree(below).query(x)
    apart = np.sqrt(((above[i] - below[j]) ** 2).sum(axis=1))
    on = np.abs(far_above**2 - far_below**2) <= 2 * apart * half
    phases[tuple((index[on] % box.astype(int)).T)] = 1
