"""The inverse of a homogeneous isotropic medium in Fourier space: the preconditioner.

Conduction: ``û = f̂ / |s|²``. Elasticity with ``n = s/|s|`` and ``c = (λ₀+μ₀)/(λ₀+2μ₀)``:
``û = (f̂ − c n (n·f̂)) / |s|²`` (Mura, Micromechanics of Defects in Solids, 1987, §5), for ``μ₀ =
1``: conjugate gradients do not see a common factor. ``s`` is the real symbol of
:mod:`iceframe.physics.stencil`; where it vanishes (the mean, and some modes of grids with an even
side) so does the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from iceframe.physics.transform import PackedTransform

if TYPE_CHECKING:
    import torch


class ReferenceMedium:
    """Solves the homogeneous problem for loads ``(m, L, q, *shape)``.

    ``coupling``: ``c`` above; ``None`` for conduction. ``like`` gives type and device.
    """

    def __init__(self, shape: tuple[int, ...], coupling: float | None, like: torch.Tensor) -> None:
        import torch

        self.transform = PackedTransform(shape, like)
        s = symbol(shape)
        square = (s**2).sum(axis=0)
        inverse = np.divide(1.0, square, out=np.zeros_like(square), where=square > 1e-12)
        # The transforms back and forth multiply by the number of voxels.
        scaled = inverse / inverse.size

        def pairs(values: np.ndarray) -> torch.Tensor:
            # Twice each, for the real and the imaginary part: contiguous (*shape, 2).
            twice = np.repeat(values[..., None], 2, axis=-1)
            return torch.as_tensor(twice, dtype=like.dtype, device=like.device)

        if coupling is None:
            self._multipliers = {(0, 0): pairs(scaled)}
            return
        d = len(shape)
        self._multipliers = {
            (i, j): pairs(scaled * ((i == j) - coupling * s[i] * s[j] * inverse))
            for i in range(d)
            for j in range(i, d)
        }

    def solve(self, load: torch.Tensor) -> torch.Tensor:
        """The potential or displacement ``(m, L, q, *shape)``."""
        import torch

        fields = load.flatten(0, 1)
        hat = torch.view_as_real(self.transform.forth(fields))
        q = load.shape[2]
        if q == 1:
            hat.mul_(self._multipliers[0, 0])
            return self.transform.back(torch.view_as_complex(hat), len(fields)).view(load.shape)
        out = torch.empty_like(hat)
        for i in range(q):
            row = out[:, i]
            torch.mul(hat[:, 0], self._multipliers[0, i], out=row)
            for j in range(1, q):
                row.addcmul_(hat[:, j], self._multipliers[min(i, j), max(i, j)])
        return self.transform.back(torch.view_as_complex(out), len(fields)).view(load.shape)


def symbol(shape: tuple[int, ...]) -> np.ndarray:
    """The real symbol ``s`` ``(d, *shape)``, component 0 along x, the last grid axis.

    Products ``s_i s_j`` are what counts; they do not depend on the sign that the frequency at an
    even side's end is given.
    """
    d = len(shape)
    mesh = np.meshgrid(*[2 * np.pi * np.fft.fftfreq(n) for n in shape], indexing="ij")
    sines = [2 * np.sin(f / 2) for f in mesh]
    cosines = [2 * np.cos(f / 2) for f in mesh]
    s = np.empty((d, *shape))
    for axis in range(d):
        product = sines[axis].copy()
        for other in range(d):
            if other != axis:
                product *= cosines[other]
        s[d - 1 - axis] = product
    # Modes without a gradient are zero but for rounding.
    s[np.abs(s) < 1e-12] = 0.0
    return s
