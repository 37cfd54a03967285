"""Fibre composites: straight fibres with round ends (spherocylinders) that do not overlap.

In two dimensions the section lies in the plane of the fibres; the section across a bundle of
parallel fibres is the generator ``particles`` with an aspect of 1. In three dimensions fibres point
about one direction. A fibre that would be longer than the box (in the plane: 0.6 of the box, or
fibres in different directions could not pass one another) is cut to that, and the aspect that comes
back is the one that was drawn. Along an axis of the grid (alignment 1, angle a multiple of 90
degrees) a fibre that would be longer than the box is continuous: long-fibre composites.

Fibres are pushed apart without turning (:mod:`._packing`), so that the alignment stays as drawn.
Random straight fibres pack less the longer they are: the fraction reached falls as about 5 over the
aspect for long ones in 3-D (Philipse 1996, Langmuir 12, 1127; doi:10.1021/la950671o). All radii
then grow or shrink together to meet the volume fraction to one voxel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from iceframe.physics.generator import GENERATORS, Drawn, Factor, Generator
from iceframe.physics.generators import _distance, _packing

# Clear distance, in voxels, at which voxel maps of two fibres have no face in common.
_CLEAR = 1.2
# Fractions up to which the fibres are kept clear of one another, by dimension.
_ROOM = {2: 0.5, 3: 0.35}
# Greatest length of a fibre over the shortest side of the box, by dimension.
_LONGEST = {2: 0.6, 3: 1.0}
_MEANING = "share of the fibres"


@GENERATORS.register("fibres")
class Fibres(Generator):
    """Spherocylinders of one length and diameter that do not overlap."""

    title = "Fibres in a matrix"
    summary = "Non-overlapping straight fibres, short or continuous, random to aligned."
    reference = "Philipse 1996, Langmuir 12, 1127"
    phase_names = ("matrix", "fibre")
    factors = (
        Factor("volume_fraction", _MEANING, 0.2, 0.05, 0.4, 0.005, 0.6, dimensions=(2,)),
        Factor("volume_fraction", _MEANING, 0.15, 0.05, 0.25, 0.005, 0.5, dimensions=(3,)),
        Factor("diameter", "of a fibre", 3.5, 3, 5, 2, 1000, "voxel"),
        Factor("aspect", "length over diameter", 4, 2, 8, 1, 1000),
        Factor("angle", "mean direction, from x towards y", 0, 0, 180, -360, 360, "degree"),
        Factor(
            "tilt",
            "mean direction, from the x-y plane towards z",
            0,
            0,
            90,
            -90,
            90,
            "degree",
            dimensions=(3,),
        ),
        Factor("alignment", "order parameter: 0 random, 1 all parallel", 0.8, 0, 1, 0, 1),
    )

    def draw(
        self,
        shape: tuple[int, ...],
        rngs: Sequence[np.random.Generator],
        factors: Mapping[str, np.ndarray],
    ) -> Drawn:
        """See :meth:`Generator.draw`. Measured: ``diameter`` and ``aspect`` as drawn (of continuous
        fibres: one period and the round ends), ``particle_count``, ``touching_fraction`` and
        ``order_parameter``.

        Raises
        ------
        InputError : fibres that cannot be packed.
        """
        n, d, box = len(rngs), len(shape), np.array(shape, float)
        voxels = int(np.prod(shape))
        count = np.maximum(1, np.rint(factors["volume_fraction"] * voxels)).astype(int)
        axes, order, gap = [], np.zeros(n), np.zeros(n)
        diameter, half = np.zeros(n), np.zeros(n)
        for s, rng in enumerate(rngs):
            f = {name: float(value[s]) for name, value in factors.items()}
            axis = _packing.axis_of(f["angle"], f.get("tilt", 0.0), d)
            diameter[s], half[s], number = _size(
                f["diameter"], f["aspect"], count[s], box, axis if f["alignment"] == 1 else None
            )
            axes.append(_packing.directions(rng, number, f["alignment"], axis))
            order[s] = _packing.order_parameter(axes[-1], axis)
            gap[s] = _packing.widest_gap(
                partial(_grown, number, float(diameter[s]), float(half[s]), d),
                voxels,
                _ROOM[d],
                _CLEAR,
            )
        sample = np.repeat(np.arange(n), [len(a) for a in axes])
        bodies = _packing.Rods(sample, np.concatenate(axes), half[sample], diameter[sample] / 2)
        centres, overlap = _packing.pack(bodies, rngs, box, gap, np.zeros(n))
        _packing.require_packed(overlap, self.title, "volume_fraction or aspect, or more alignment")
        form = _distance.rod(bodies.axes, bodies.half, bodies.radius)
        phases, found = _distance.fill(shape, sample, centres, form, count)
        drawn = {"diameter": diameter, "aspect": 1 + 2 * half / diameter, "order_parameter": order}
        return Drawn(phases, {**found, **drawn})


def _volume(diameter: float, half: float, dimension: int) -> float:
    """Of a spherocylinder whose segment is ``2 · half`` long."""
    across = diameter if dimension == 2 else np.pi / 4 * diameter**2
    return float(across * 2 * half + _packing.ball(dimension) * diameter**dimension)


def _grown(number: int, diameter: float, half: float, dimension: int, by: float) -> float:
    """Volume of all fibres with radii larger by ``by``."""
    return number * _volume(diameter + 2 * by, half, dimension)


def _size(
    diameter: float, aspect: float, total: float, box: np.ndarray, axis: np.ndarray | None
) -> tuple[float, float, int]:
    """Diameter, half-length of the segment and number of the fibres that fill ``total`` exactly."""
    d = len(box)
    if axis is not None and np.abs(axis).max() > 1 - 1e-9:
        period = float(box[int(np.abs(axis).argmax())])
        if diameter * aspect >= period:  # continuous: the segment closes on its own image
            across = total / period
            disc = diameter if d == 2 else np.pi / 4 * diameter**2
            number = max(1, round(across / disc))
            return diameter * (across / number / disc) ** (1 / (d - 1)), period / 2, number
    longest = _LONGEST[d] * float(box.min())
    for more in (0, 1):
        aspect_now = min(aspect, max(1.0, longest / diameter))
        one = _volume(diameter, diameter * (aspect_now - 1) / 2, d)
        number = max(1, round(total / one)) + more
        exact = diameter * (total / number / one) ** (1 / d)
        if exact * aspect_now <= longest:
            break
    return exact, exact * (aspect_now - 1) / 2, number
