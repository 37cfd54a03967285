"""Willot's rotated scheme: derivatives at the centres of voxels from values at their corners.

Per axis ``D`` takes the difference of neighbours and ``A`` their sum; the derivative along x is
``D_x A_y A_z / 2^(d−1)``, and so on. The factor is left out here: the operator ``Gᵀ C G`` acts on
displacements that are scaled by it, and the gradient ``G u`` comes out true. The same scheme as
trilinear finite elements with one point of integration, so that every voxel has one strain and one
stress, no property is ever averaged, and laminates along the axes are exact.

In Fourier space ``G`` is ``i e^{iφ} s`` with one phase φ for all axes and the real vector
``s_x = 2^d sin(ξ_x/2) cos(ξ_y/2) cos(ξ_z/2)``: the inverse of a homogeneous medium is real. On
grids with an even side some modes have no gradient; they are left at zero.

Fields are ``(m, L, q, *shape)``: samples, load cases, components. Differences are taken on the flat
array, contiguous over the whole batch, and the last plane, which then met the next row or sample,
is put right.

Reference: Willot, C. R. Mécanique 343 (2015) 232, doi:10.1016/j.crme.2014.12.005.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

_DIFFERENCE, _SUM = -1, 1


class RotatedScheme:
    """Gradients and divergences of fields ``(m, L, q, *shape)``, in reused buffers.

    ``shape`` is the grid, ``like`` a tensor that gives type and device.
    """

    def __init__(self, shape: tuple[int, ...], like: torch.Tensor) -> None:
        self.shape = shape
        self.dimension = len(shape)
        self._like = like
        self._strides = [int(np.prod(shape[a + 1 :])) for a in range(self.dimension)]
        self._held: dict[str, torch.Tensor] = {}

    def gradient(self, u: torch.Tensor) -> list[torch.Tensor]:
        """``[∂u/∂x, ∂u/∂y(, ∂u/∂z)]`` at the centres, each shaped like ``u``; buffers, reused."""
        last = self.dimension - 1
        summed = u
        differed: list[torch.Tensor] = []
        for axis in range(self.dimension):
            final = axis == last
            differed = [
                self._forward(f, axis, _SUM, f"d{i}" if final else f"{axis}d{i}")
                for i, f in enumerate(differed)
            ]
            differed.append(
                self._forward(summed, axis, _DIFFERENCE, f"d{axis}" if final else f"{axis}d{axis}")
            )
            if not final:
                summed = self._forward(summed, axis, _SUM, f"{axis}s")
        return differed[::-1]

    def divergence(self, flux: list[torch.Tensor]) -> torch.Tensor:
        """``Gᵀ flux``, minus the divergence, at the corners; a buffer, reused.

        ``flux`` lists the components along x, y(, z), each ``(m, L, q, *shape)``; overwritten.
        """
        ordered = flux[::-1]  # by grid axis
        last = self.dimension - 1
        # The axes in turn from x: what had the difference there joins the chain of sums.
        chain = self._backward(ordered[last], last, _DIFFERENCE, f"{last}b{last}")
        rest = [
            self._backward(ordered[a], last, _SUM, f"{last}b{a}") for a in range(self.dimension - 1)
        ]
        for axis in range(last - 1, -1, -1):
            chain = self._joined(chain, rest[axis], axis)
            rest = [self._backward(rest[a], axis, _SUM, f"{axis}b{a}") for a in range(axis)]
        return chain

    def _forward(self, f: torch.Tensor, axis: int, sign: int, name: str) -> torch.Tensor:
        """``f(i+1) ± f(i)`` along a grid axis."""
        import torch

        out = self._buffer(name, f)
        step = self._strides[axis]
        flat, result = f.view(-1), out.view(-1)
        torch.add(flat[step:], flat[:-step], alpha=sign, out=result[:-step])
        dim = axis + 3
        edge = out.select(dim, -1)
        torch.add(f.select(dim, 0), f.select(dim, -1), alpha=sign, out=edge)
        return out

    def _backward(self, f: torch.Tensor, axis: int, sign: int, name: str) -> torch.Tensor:
        """``f(i−1) ± f(i)`` along a grid axis."""
        import torch

        out = self._buffer(name, f)
        step = self._strides[axis]
        flat, result = f.view(-1), out.view(-1)
        torch.add(flat[:-step], flat[step:], alpha=sign, out=result[step:])
        dim = axis + 3
        edge = out.select(dim, 0)
        torch.add(f.select(dim, -1), f.select(dim, 0), alpha=sign, out=edge)
        return out

    def _joined(self, chain: torch.Tensor, rest: torch.Tensor, axis: int) -> torch.Tensor:
        """``Aᵀ chain + Dᵀ rest`` along a grid axis, with one shift: (a+b)(i−1) + (a−b)(i)."""
        import torch

        both = self._buffer(f"{axis}j", chain)
        torch.add(chain, rest, out=both)
        chain.sub_(rest)
        dim, step = axis + 3, self._strides[axis]
        first = chain.select(dim, 0) + both.select(dim, -1)
        chain.view(-1)[step:].add_(both.view(-1)[:-step])
        chain.select(dim, 0).copy_(first)
        return chain

    def _buffer(self, name: str, like: torch.Tensor) -> torch.Tensor:
        import torch

        held = self._held.get(name)
        if held is None or len(held) < len(like) or held.shape[1:] != like.shape[1:]:
            held = torch.empty(like.shape, dtype=self._like.dtype, device=self._like.device)
            self._held[name] = held
        return held[: len(like)]
