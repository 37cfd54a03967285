"""Local thickness of a phase: the largest ball that fits in and covers a point.

Definition of Hildebrand and Rüegsegger: with D(x) the distance of a phase pixel to the nearest
pixel of another phase, centre to centre (Euclidean distance transform),

    T(p) = 2 max { D(x) : |p − x| < D(x) }

Over the pixels p of the phase: mean, standard deviation, largest, and the 10th, 50th and 90th
percentile (the least thickness that this share of the pixels does not exceed). Nothing is smoothed
or sampled. On the grid of pixels, a layer w pixels wide has T = w where w is even and w + 1 where
it is odd: a thickness is up to one pixel too large.

What lies beyond the border of a non-periodic image is not known and sets no limit to a ball. Where
the phase is absent, and where it fills the image, all features are undefined (NaN).

Hildebrand, Rüegsegger 1997, doi:10.1046/j.1365-2818.1997.1340694.x
"""

from __future__ import annotations

import numpy as np

from iceframe.scale.descriptor import DESCRIPTORS, Feature
from iceframe.scale.descriptors._balls import local_thickness
from iceframe.scale.descriptors._segmented import SegmentedDescriptor, quotient

PERCENTILES = (10, 50, 90)


@DESCRIPTORS.register("local_thickness")
class LocalThickness(SegmentedDescriptor):
    """Diameter of the largest inscribed ball over each pixel of the phase, summarised."""

    name = "local_thickness"
    title = "Local thickness"
    summary = "Diameter of the largest ball inside a phase that covers a point: mean, spread."
    reference = "Hildebrand, Rüegsegger 1997, doi:10.1046/j.1365-2818.1997.1340694.x"
    default = False

    def features(self) -> list[Feature]:
        """Mean, standard deviation, largest, percentiles."""
        names = ["mean local thickness", "standard deviation of local thickness"]
        names += ["largest local thickness"]
        names += [f"local thickness, {p}th percentile" for p in PERCENTILES]
        return [Feature(name, "px", "local_thickness") for name in names]

    def measure_phase(self, phase: np.ndarray) -> np.ndarray:
        """``(b, *grid)`` -> ``(b, d)``."""
        thickness = local_thickness(phase, self.format.periodic).reshape(len(phase), -1)
        thickness.sort(axis=1)  # pixels of other phases, 0, come first
        thickness[~np.isfinite(thickness).all(axis=1)] = 0
        number = (thickness > 0).sum(axis=1)
        mean = quotient(thickness.sum(axis=1), number)
        centred = np.where(thickness > 0, thickness - np.nan_to_num(mean)[:, None], 0)
        spread = np.sqrt(quotient((centred**2).sum(axis=1), number))
        size, rows = thickness.shape[1], np.arange(len(thickness))
        columns = [mean, spread, np.where(number > 0, thickness[:, -1], np.nan)]
        for percent in PERCENTILES:
            rank = -(-percent * number // 100)  # rounded up: the first to reach this share
            held = thickness[rows, np.clip(size - number + rank - 1, 0, size - 1)]
            columns.append(np.where(number > 0, held, np.nan))
        return np.column_stack(columns)
