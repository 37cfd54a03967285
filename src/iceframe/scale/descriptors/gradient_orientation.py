"""How the edges in an image are oriented: in one direction nearby, in one direction everywhere.

With the gradient ∇g of the image (Gaussian of 1 pixel), the structure tensor at a point and the
alignment of a tensor in n dimensions are

    J = G ∗ (∇g ∇gᵀ),  G a Gaussian of 2 pixels
    A(J) = √[ (n tr J² − (tr J)²) / ((n − 1) (tr J)²) ]

A is 1 where all gradients nearby point along one line and 0 where no direction is preferred; in
two dimensions it is the coherence (λ₁ − λ₂)/(λ₁ + λ₂). With ⟨·⟩ the mean over the image and ⟨·⟩_J
the mean weighted by tr J:

    local alignment ⟨A(J)⟩_J, its spread √⟨(A − ⟨A⟩_J)²⟩_J, global alignment A(⟨J⟩),
    edge density ⟨|∇g|²⟩ / var(g), edge clustering sd(tr J) / ⟨tr J⟩

on the image and on its means over squares of 2, 4 and 8 pixels. Lamellae have a high local
alignment at the scale of their spacing, particles a low one; clusters show as clustering.

Bigün, Granlund, Wiklund 1991, doi:10.1109/34.85668;
coherence: Rezakhaniha et al. 2012, doi:10.1007/s10237-011-0325-z
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import ClassVar

import numpy as np
from scipy import ndimage

from iceframe.core.errors import InputError
from iceframe.scale.descriptor import DESCRIPTORS, Feature, ImageDescriptor
from iceframe.scale.descriptors._coarse import LEAST_SIDE, block_mean, stays_periodic

FACTORS = (1, 2, 4, 8)
"""Side in pixels of the squares that the image is averaged over."""

GRADIENT_WIDTH = 1.0
"""Standard deviation in pixels of the Gaussian whose derivative measures the gradient."""

NEIGHBOURHOOD = 2.0
"""Standard deviation in pixels of the Gaussian that says what is nearby."""

_NAMES = (
    ("local alignment", ""),
    ("spread of local alignment", ""),
    ("global alignment", ""),
    ("edge density", "1/px²"),
    ("edge clustering", ""),
)


@DESCRIPTORS.register("gradient_orientation")
class GradientOrientation(ImageDescriptor):
    """Alignment, density and clustering of edges at several scales.

    None depends on brightness, contrast or the direction of the image.
    """

    name = "gradient_orientation"
    title = "Orientation of edges"
    summary = "Alignment, density and clustering of the grey-level gradients at several scales."
    reference = (
        "Bigün, Granlund, Wiklund 1991, doi:10.1109/34.85668; "
        "Rezakhaniha et al. 2012, doi:10.1007/s10237-011-0325-z"
    )
    default_kinds: ClassVar[tuple[str, ...]] = ("grey", "multichannel")

    def features(self) -> list[Feature]:
        """Five features a scale."""
        if not self._factors():
            raise InputError(
                "Images are too small for the orientation of edges.",
                got=" × ".join(map(str, self.format.grid)),
                allowed=f"at least {LEAST_SIDE} pixels along each side",
            )
        return [
            Feature(f"{name} at {factor} px", unit, "orientation")
            for factor in self._factors()
            for name, unit in _NAMES
        ]

    def measure(self, fields: np.ndarray) -> np.ndarray:
        """``(b, *grid)`` -> ``(b, 5 · scales)``; NaN for an image without contrast."""
        flat = fields.reshape(len(fields), -1)
        variance = flat.var(axis=1, dtype=np.float64)
        variance[np.ptp(flat, axis=1) == 0] = np.nan
        grid, parts = self.format.grid, []
        for factor in self._factors():
            periodic = self.format.periodic and stays_periodic(grid, factor)
            coarse = block_mean(fields, factor)
            found = np.array([edge_statistics(field, periodic) for field in coarse])
            found[:, 3] /= factor**2 * variance
            parts.append(np.where(np.isnan(variance)[:, None], np.nan, found))
        return np.hstack(parts)

    def _factors(self) -> list[int]:
        return [f for f in FACTORS if min(self.format.grid) // f >= LEAST_SIDE]


def edge_statistics(field: np.ndarray, periodic: bool) -> tuple[float, ...]:
    """Local alignment, its spread, global alignment, mean squared gradient, edge clustering.

    Examples
    --------
    A wave along x has all its gradients along x:

    >>> wave = np.tile(np.sin(2 * np.pi * np.arange(32) / 8), (32, 1))
    >>> [round(v, 3) for v in edge_statistics(wave, periodic=True)[:3]]
    [1.0, 0.0, 1.0]
    """
    mode = "wrap" if periodic else "reflect"
    field = np.asarray(field, np.float64)
    n = field.ndim
    gradient = [
        ndimage.gaussian_filter(field, GRADIENT_WIDTH, order=np.eye(n, dtype=int)[axis], mode=mode)
        for axis in range(n)
    ]
    square = sum(g * g for g in gradient)
    tensor = {
        (a, b): ndimage.gaussian_filter(gradient[a] * gradient[b], NEIGHBOURHOOD, mode=mode)
        for a, b in combinations_with_replacement(range(n), 2)
    }
    trace = sum(tensor[a, a] for a in range(n))
    total = float(trace.sum())
    if total <= 0:
        return (float("nan"),) * 3 + (0.0, float("nan"))
    alignment = _alignment(tensor, n)
    local = float((trace * alignment).sum()) / total
    spread = np.sqrt(float((trace * (alignment - local) ** 2).sum()) / total)
    mean = {pair: np.array(component.mean()) for pair, component in tensor.items()}
    return (
        local,
        float(spread),
        float(_alignment(mean, n)),
        float(square.mean()),
        float(trace.std() / trace.mean()),
    )


def _alignment(tensor: dict[tuple[int, int], np.ndarray], n: int) -> np.ndarray:
    """A(J) from the upper triangle of J; 0 where J is 0."""
    trace = sum(tensor[a, a] for a in range(n))
    of_square = sum((1 if a == b else 2) * j * j for (a, b), j in tensor.items())
    # Rounding may make the numerator negative where no direction is preferred.
    above = np.maximum(n * of_square - trace * trace, 0.0)
    below = (n - 1) * trace * trace
    return np.sqrt(np.divide(above, below, out=np.zeros_like(above), where=below > 0))
