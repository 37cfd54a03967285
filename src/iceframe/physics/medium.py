"""The material in every voxel, and the flux that a gradient causes in it.

Conduction has one unknown (``q = 1``) and ``q_j = k_jl ∂_l u``; elasticity has ``q = d`` unknowns
and ``σ = C : ∇ˢu``. Isotropic phases keep one or two numbers a voxel, others the symmetric matrix.
Gradients and fluxes are lists by direction (x, y, z), each ``(m, L, q, *shape)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.physics.properties import VOIGT, isotropic_stiffness

if TYPE_CHECKING:
    import torch

# Voigt component -> the two directions of its strain.
VOIGT_AXES = {
    2: ((0, 0), (1, 1), (0, 1)),
    3: ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)),
}


def isotropic_constants(matrices: np.ndarray, mechanical: bool) -> np.ndarray | None:
    """``k``, or ``(λ, μ)``, ``(…, 1 or 2)`` of matrices ``(…, c, c)``; ``None`` if anisotropic."""
    c = matrices.shape[-1]
    if not mechanical:
        constants = matrices[..., :1, 0]
        same = constants[..., None] * np.eye(c)
    else:
        constants = np.stack([matrices[..., 0, 1], matrices[..., -1, -1]], axis=-1)
        same = isotropic_stiffness(constants[..., 0], constants[..., 1], 2 if c == 3 else 3)
    scale = np.abs(matrices).max(axis=(-2, -1), keepdims=True)
    return constants if (np.abs(same - matrices) <= 1e-13 * scale).all() else None


@dataclass(frozen=True)
class Medium:
    """Coefficients ``(m, 1, p, *shape)``: p = 1 (k), 2 (λ, μ) or c(c+1)/2 (upper triangle)."""

    coefficients: torch.Tensor
    mechanical: bool
    dimension: int

    @property
    def unknowns(self) -> int:
        """Components ``q`` of the potential or displacement."""
        return self.dimension if self.mechanical else 1

    @property
    def components(self) -> int:
        """Components ``c`` of a gradient in Voigt notation, and number of load cases."""
        return len(VOIGT[self.dimension]) if self.mechanical else self.dimension

    def take(self, keep: torch.Tensor) -> Medium:
        """The samples at ``keep``."""
        return Medium(self.coefficients[keep], self.mechanical, self.dimension)

    def to(self, dtype: torch.dtype) -> Medium:
        """The same in another type."""
        return Medium(self.coefficients.to(dtype), self.mechanical, self.dimension)

    def flux_(self, gradient: list[torch.Tensor]) -> list[torch.Tensor]:
        """Gradients become fluxes, in place."""
        isotropic = self.coefficients.shape[2] <= 2
        if not self.mechanical:
            return self._conduct_(gradient) if not isotropic else self._scale_(gradient)
        return self._lame_(gradient) if isotropic else self._hooke_(gradient)

    def flux(self, strain: torch.Tensor) -> torch.Tensor:
        """Fluxes of ``strain``, both ``(m, L, c, *shape)`` in Voigt notation."""
        import torch

        out = torch.empty_like(strain)
        if self.coefficients.shape[2] == 1:
            return torch.mul(strain, self.coefficients, out=out)
        if self.mechanical and self.coefficients.shape[2] == 2:
            d = self.dimension
            first, shear = self.coefficients[:, :, :1], self.coefficients[:, :, 1:]
            torch.mul(strain, shear, out=out)
            out[:, :, :d].mul_(2).add_(first * strain[:, :, :d].sum(dim=2, keepdim=True))
            return out
        for i, row in enumerate(self._rows()):
            torch.mul(strain[:, :, 0], row[0], out=out[:, :, i])
            for j in range(1, len(row)):
                out[:, :, i].addcmul_(strain[:, :, j], row[j])
        return out

    def _rows(self) -> list[list[torch.Tensor]]:
        """The matrix of coefficients, ``(m, 1, *shape)`` each, by row and column."""
        c = self.components
        place = {}
        for number, (i, j) in enumerate(upper_triangle(c)):
            place[i, j] = place[j, i] = self.coefficients[:, :, number]
        return [[place[i, j] for j in range(c)] for i in range(c)]

    def _scale_(self, g: list[torch.Tensor]) -> list[torch.Tensor]:
        for part in g:
            part.mul_(self.coefficients)
        return g

    def _conduct_(self, g: list[torch.Tensor]) -> list[torch.Tensor]:
        given = [part[:, :, 0].clone() for part in g]
        for part, row in zip(g, self._rows(), strict=True):
            part[:, :, 0].copy_(given[0]).mul_(row[0])
            for value, coefficient in zip(given[1:], row[1:], strict=True):
                part[:, :, 0].addcmul_(value, coefficient)
        return g

    def _lame_(self, g: list[torch.Tensor]) -> list[torch.Tensor]:
        import torch

        first, shear = self.coefficients[:, :, 0], self.coefficients[:, :, 1]
        d = self.dimension
        volumetric = g[0][:, :, 0] + g[1][:, :, 1]
        if d == 3:
            volumetric += g[2][:, :, 2]
        volumetric *= first
        for i in range(d):
            normal = g[i][:, :, i]
            torch.addcmul(volumetric, normal, shear, value=2, out=normal)
            for j in range(i + 1, d):
                across = g[i][:, :, j]
                across.add_(g[j][:, :, i]).mul_(shear)
                g[j][:, :, i].copy_(across)
        return g

    def _hooke_(self, g: list[torch.Tensor]) -> list[torch.Tensor]:
        axes = VOIGT_AXES[self.dimension]
        strain = [g[i][:, :, i] if i == j else g[i][:, :, j] + g[j][:, :, i] for i, j in axes]
        stress = []
        for row in self._rows():
            total = strain[0] * row[0]
            for value, coefficient in zip(strain[1:], row[1:], strict=True):
                total.addcmul_(value, coefficient)
            stress.append(total)
        for (i, j), value in zip(axes, stress, strict=True):
            g[i][:, :, j].copy_(value)
            if i != j:
                g[j][:, :, i].copy_(value)
        return g


def make_medium(micro: Any, matrices: np.ndarray, mechanical: bool, device: torch.device) -> Medium:
    """Coefficients of phases ``(m, *shape)`` or weights ``(m, k, *shape)``, in float64."""
    import torch

    constants = isotropic_constants(matrices, mechanical)
    if constants is None:
        i, j = zip(*upper_triangle(matrices.shape[-1]), strict=True)
        constants = matrices[..., i, j]
    table = torch.as_tensor(constants, dtype=torch.float64, device=device)
    if soft(micro):
        weights = _native(micro, np.float64).to(device, torch.float64)
        subscripts = "mk...,kp->mp..." if table.ndim == 2 else "mk...,mkp->mp..."
        values = torch.einsum(subscripts, weights, table)
    else:
        codes = _native(micro, np.int64).to(device)
        if table.ndim == 2:
            values = table.T[:, codes].movedim(0, 1)
        else:
            rows = torch.arange(len(codes), device=device).reshape(-1, *[1] * (codes.ndim - 1))
            values = table[rows, codes].movedim(-1, 1)
    return Medium(values.contiguous()[:, None], mechanical, values.ndim - 2)


def _native(micro: Any, kind: type) -> torch.Tensor:
    """``micro`` as a tensor; arrays are copied, whatever their layout, byte order or owner."""
    import torch

    if isinstance(micro, torch.Tensor):
        return micro
    return torch.from_numpy(np.array(micro, kind, order="C"))


def soft(micro: Any) -> bool:
    """Whether ``micro`` (NumPy or torch) holds weights of phases rather than phases."""
    return micro.dtype.kind == "f" if isinstance(micro, np.ndarray) else micro.is_floating_point()


def upper_triangle(c: int) -> list[tuple[int, int]]:
    """Pairs ``(i, j)``, i ≤ j, row by row.

    Examples
    --------
    >>> upper_triangle(2)
    [(0, 0), (0, 1), (1, 1)]
    """
    return [(i, j) for i in range(c) for j in range(i, c)]


def voigt(gradient: list[torch.Tensor], mechanical: bool) -> torch.Tensor:
    """Strain ``(m, L, c, *shape)`` with engineering shears, or the gradient itself."""
    import torch

    if not mechanical:
        return torch.cat(gradient, dim=2)
    axes = VOIGT_AXES[len(gradient)]
    return torch.stack(
        [
            gradient[i][:, :, j] if i == j else gradient[i][:, :, j] + gradient[j][:, :, i]
            for i, j in axes
        ],
        dim=2,
    )
