"""Tortuosity: how much longer the way through a phase is than the straight one.

Along an axis with n pixels, d(x) is the length of the shortest path inside the phase from one face
of the image to the pixel x of the phase on the opposite face (see ``_geodesic`` for the metric).
With both directions taken, the geodesic (geometric) tortuosity is

    τ = ⟨ d(x) / (n − 1) ⟩ over all x that a path reaches;    shortest: the least of them

and τ ≥ 1. Where no path leads through, τ is undefined (NaN). Two features say so in numbers:

    inverse tortuosity ⟨ (n − 1) / d(x) ⟩ over all phase pixels x on both faces, 0 where no path
    leads to x, so that it falls to 0 as the way is lost, and is 0 for a phase that is absent;
    connected share: the share of the phase that lies on pieces reaching both faces (NaN for a
    phase that is absent)

In a periodic image paths may cross the border along the other axes, but along the axis they run
from its first pixels to its last: a shift along the axis changes the values. A phase that fills the
image has tortuosity 1.

Stenzel, Pecho, Holzer, Neumann, Schmidt 2016, doi:10.1002/aic.15160;
Neumann, Hirsch, Staněk, Beneš, Schmidt 2019, doi:10.1111/sjos.12375
"""

from __future__ import annotations

import numpy as np

from iceframe.core.errors import InputError
from iceframe.scale.descriptor import DESCRIPTORS, Feature
from iceframe.scale.descriptors._geodesic import geodesic
from iceframe.scale.descriptors._segmented import SegmentedDescriptor, quotient


@DESCRIPTORS.register("tortuosity")
class Tortuosity(SegmentedDescriptor):
    """Length of the shortest paths through a phase from face to face, over the straight length."""

    name = "tortuosity"
    title = "Geodesic tortuosity"
    summary = "Length of the shortest paths through a phase along each axis, over the straight one."
    reference = (
        "Stenzel et al. 2016, doi:10.1002/aic.15160; Neumann et al. 2019, doi:10.1111/sjos.12375"
    )
    default = False

    def features(self) -> list[Feature]:
        """Four features an axis."""
        if min(self.format.grid) < 2:
            raise InputError("Images are too small for a tortuosity.", got=self.format.grid)
        return [
            Feature(f"{name} along {a}", "", "tortuosity")
            for a, _ in self.directions()
            for name in (
                "tortuosity",
                "shortest tortuosity",
                "inverse tortuosity",
                "connected share",
            )
        ]

    def measure_phase(self, phase: np.ndarray) -> np.ndarray:
        """``(b, *grid)`` -> ``(b, d)``."""
        return np.column_stack(
            [
                column
                for _, axis in self.directions()
                for column in path_statistics(phase, axis, self.format.periodic)
            ]
        )


def path_statistics(phase: np.ndarray, axis: int, periodic: bool) -> list[np.ndarray]:
    """The four features of one axis, ``(b,)`` each.

    Examples
    --------
    A straight channel, a bent one, and two dead ends:

    >>> image = np.array([[1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 1]], bool)
    >>> [float(v[0]) for v in path_statistics(image[None], 1, periodic=False)]
    [1.0, 1.0, 0.5, 0.666...]
    """
    b, straight = len(phase), phase.shape[1 + axis] - 1
    there, back = (
        geodesic(phase, axis, from_last=last, periodic=periodic) for last in (False, True)
    )
    ends = np.hstack(
        [
            np.take(there, -1, axis=1 + axis).reshape(b, -1),
            np.take(back, 0, axis=1 + axis).reshape(b, -1),
        ]
    )
    on_faces = sum(np.take(phase, k, axis=1 + axis).reshape(b, -1).sum(axis=1) for k in (0, -1))
    reached = np.isfinite(ends)
    number = reached.sum(axis=1)
    longer = ends / straight
    mean = quotient(np.where(reached, longer, 0).sum(axis=1), number)
    shortest = np.where(number > 0, longer.min(axis=1), np.nan)
    inverse = (1 / longer).sum(axis=1) / np.maximum(on_faces, 1)
    connected = (np.isfinite(there) & np.isfinite(back)).reshape(b, -1).sum(axis=1)
    share = quotient(connected, phase.reshape(b, -1).sum(axis=1))
    return [mean, shortest, inverse, share]
