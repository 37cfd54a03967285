"""How the grey levels of an image are distributed, wherever they lie.

Moments: mean μ, standard deviation σ, skewness E[(x−μ)³]/σ³, excess kurtosis E[(x−μ)⁴]/σ⁴ − 3;
percentiles; entropy −Σ p log₂ p of the histogram.
Source: Gonzalez and Woods, Digital Image Processing, 4th ed. 2018, §12.4 (statistical moments and
entropy of the histogram as texture).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from iceframe.scale.descriptor import DESCRIPTORS, Feature, ImageDescriptor

PERCENTILES = (5, 25, 50, 75, 95)

BINS = 256
"""Bins of the histogram over [0, 1]: the levels of an 8-bit image."""


@DESCRIPTORS.register("intensity")
class Intensity(ImageDescriptor):
    """Mean, spread, shape, percentiles and entropy of the grey levels.

    They change with exposure and detector settings; where those differ between samples, check
    the nuisance baseline before trusting a model that uses them.
    """

    name = "intensity"
    title = "Intensity statistics"
    summary = "Mean, spread, skewness, kurtosis, percentiles and entropy of the grey levels."
    reference = "Gonzalez, Woods 2018, Digital Image Processing, 4th ed., §12.4"
    default_kinds: ClassVar[tuple[str, ...]] = ("grey", "multichannel")

    def features(self) -> list[Feature]:
        """Ten features, in grey levels from 0 (black) to 1 (white), entropy in bits."""
        names = ["mean grey level", "standard deviation of grey level"]
        names += [f"grey level, {p}th percentile" for p in PERCENTILES]
        shape = [Feature(n, "", "intensity") for n in ("skewness", "excess kurtosis")]
        return [
            *(Feature(name, "", "intensity") for name in names),
            *shape,
            Feature("entropy of grey levels", "bit", "intensity"),
        ]

    def measure(self, fields: np.ndarray) -> np.ndarray:
        """``(b, *grid)`` -> ``(b, 10)``; skewness and kurtosis of a constant image are NaN."""
        flat = fields.reshape(len(fields), -1).astype(np.float64)
        mean = flat.mean(axis=1)
        centred = flat - mean[:, None]
        square = centred * centred
        variance = square.mean(axis=1)
        flat_image = np.ptp(flat, axis=1) == 0
        scale = np.where(flat_image, np.nan, variance)
        skewness = (square * centred).mean(axis=1) / scale**1.5
        kurtosis = (square * square).mean(axis=1) / scale**2 - 3
        percentiles = np.percentile(flat, PERCENTILES, axis=1)
        return np.column_stack(
            [mean, np.sqrt(variance), *percentiles, skewness, kurtosis, _entropy(flat)]
        )


def _entropy(flat: np.ndarray) -> np.ndarray:
    """Entropy in bits of the grey-level histogram of each row ``(b, m)``."""
    level = np.clip(np.rint(flat * (BINS - 1)), 0, BINS - 1).astype(np.int64)
    level += BINS * np.arange(len(flat))[:, None]
    counts = np.bincount(level.ravel(), minlength=BINS * len(flat)).reshape(len(flat), BINS)
    p = counts / flat.shape[1]
    return -(p * np.log2(np.where(p > 0, p, 1))).sum(axis=1) + 0.0
