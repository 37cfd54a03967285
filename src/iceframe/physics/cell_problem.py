"""The cell problem ``div C (e + ∇u) = 0`` for a batch of media, in double or in mixed precision.

In single precision the iterations run in float32 on the residual that float64 finds, and the
solution is corrected until the float64 residual meets the tolerance (iterative refinement: Higham,
Accuracy and Stability of Numerical Algorithms, 2002, ch. 12). What is returned is float64 either
way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from iceframe.physics.conjugate_gradients import conjugate_gradients, inner, operator
from iceframe.physics.medium import VOIGT_AXES, Medium, make_medium, voigt
from iceframe.physics.properties import isotropised
from iceframe.physics.reference_medium import ReferenceMedium
from iceframe.physics.stencil import RotatedScheme

if TYPE_CHECKING:
    import torch

Precision = Literal["double", "single"]

# Unknowns (samples × load cases × components × voxels) that are solved together. On a processor
# some ten arrays of this size should stay in the caches; a graphics card wants long kernels.
_CHUNK_UNKNOWNS = {"cpu": 2**17, "other": 2**26}
# One round of float32 iterations gains no more than this; the next starts from the true residual.
_ROUND_TOLERANCE = 2e-6
_MAX_ROUNDS = 8
# A load this much smaller than the fluxes it is the divergence of, squared, is rounding.
_NO_LOAD = 1e-26


@dataclass(frozen=True)
class Solved:
    """Displacements ``(m, L, q, *shape)``; ``(m, L)``: iterations, relative residuals, whether
    rounding stopped it."""

    u: torch.Tensor
    iterations: torch.Tensor
    residual: torch.Tensor
    stagnated: torch.Tensor


@dataclass(frozen=True)
class Fields:
    """All load cases of one chunk, float64 torch tensors.

    ``strain`` and ``stress`` ``(m, c, c, *shape)``: load case, component; ``tensor`` ``(m, c, c)``;
    ``iterations``, ``residual``, ``stagnated`` ``(m,)``.
    """

    strain: torch.Tensor
    stress: torch.Tensor
    tensor: torch.Tensor
    iterations: torch.Tensor
    residual: torch.Tensor
    stagnated: torch.Tensor


class CellProblem:
    """Solves for any loads on one batch of media; ``coupling`` as in :class:`ReferenceMedium`."""

    def __init__(self, medium: Medium, coupling: float | None, precision: Precision) -> None:
        import torch

        self.medium = medium
        self.shape = tuple(medium.coefficients.shape[3:])
        self.scheme = RotatedScheme(self.shape, medium.coefficients)
        self.reference = ReferenceMedium(self.shape, coupling, medium.coefficients)
        self.single = precision == "single"
        if self.single:
            self.fast = medium.to(torch.float32)
            self.fast_scheme = RotatedScheme(self.shape, self.fast.coefficients)
            self.fast_reference = ReferenceMedium(self.shape, coupling, self.fast.coefficients)

    def mean_load(self, means: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``−Gᵀ C e`` for mean strains ``e`` ``(L, c)``, and the flux's squared size ``(m, L)``."""
        import torch

        like = self.medium.coefficients
        field = (len(like), len(means), self.medium.unknowns, *self.shape)
        gradient = [torch.zeros(field, dtype=like.dtype, device=like.device) for _ in self.shape]
        add_mean_(gradient, means, self.medium.mechanical)
        return self.flux_load(self.medium.flux_(gradient))

    def flux_load(self, flux: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """``−Gᵀ flux`` and the flux's squared size ``(m, L)``; ``flux`` by direction."""
        size = inner(flux[0], flux[0])
        for part in flux[1:]:
            size = size + inner(part, part)
        return self.scheme.divergence(flux).clone().neg_(), size

    def strain(self, u: torch.Tensor, means: torch.Tensor | None = None) -> torch.Tensor:
        """Strains ``(m, L, c, *shape)`` in Voigt notation, with mean strains ``(L, c)``."""
        gradient = self.scheme.gradient(u)
        if means is not None:
            add_mean_(gradient, means, self.medium.mechanical)
        return voigt(gradient, self.medium.mechanical)

    def solve(
        self, load: torch.Tensor, size: torch.Tensor, tolerance: float, max_iterations: int
    ) -> Solved:
        """``Gᵀ C G u = load`` ``(m, L, q, *shape)``; ``size`` as :meth:`flux_load` returns it."""
        import torch

        scale = self._energy(load)
        # A homogeneous sample has no load but rounding: zero is then the answer, and exact.
        scale = torch.where(scale > _NO_LOAD * size, scale, 0.0)
        if self.single:
            return self._refined(load, scale, tolerance, max_iterations)
        found = conjugate_gradients(
            self.medium, load, self.reference, self.scheme, scale, tolerance, max_iterations
        )
        return Solved(*found, torch.zeros_like(scale, dtype=torch.bool))

    def _refined(
        self, load: torch.Tensor, scale: torch.Tensor, tolerance: float, max_iterations: int
    ) -> Solved:
        import torch

        u = torch.zeros_like(load)
        count = torch.zeros(load.shape[:2], dtype=torch.int64, device=load.device)
        safe = torch.where(scale > 0, scale, 1.0)
        wide = (..., *[None] * (load.ndim - 2))
        residual = torch.where(scale > 0, 1.0, 0.0).to(load.dtype)
        stuck = torch.zeros_like(residual, dtype=torch.bool)
        left = load
        for _ in range(_MAX_ROUNDS):
            todo = (residual > tolerance) & ~stuck & (count < max_iterations)
            if not bool(todo.any()):
                break
            # In units of the residual nothing under- or overflows in float32.
            size = torch.where(todo, residual, 0.0) * safe.sqrt()
            inverse = torch.where(todo, 1.0 / torch.where(todo, size, 1.0), 0.0)
            goal = (tolerance / torch.where(todo, residual, 1.0)).clamp(min=_ROUND_TOLERANCE)
            correction, steps, _ = conjugate_gradients(
                self.fast,
                (left * inverse[wide]).float(),
                self.fast_reference,
                self.fast_scheme,
                todo.float(),
                goal.float(),
                max_iterations,
            )
            u.addcmul_(correction.double(), size[wide])
            count += steps
            left = load - operator(self.medium, self.scheme, u)
            before = residual
            residual = torch.where(scale > 0, (self._energy(left) / safe).sqrt(), 0.0)
            stuck |= todo & (residual > tolerance) & ~(residual < 0.5 * before)
        return Solved(u, count, residual, stuck & (count < max_iterations))

    def _energy(self, load: torch.Tensor) -> torch.Tensor:
        """Squared norm ``(m, L)`` of a load: the energy that it stores in that medium."""
        return inner(load, self.reference.solve(load)).clamp_(min=0)


def solve_all_loads(
    micro: Any,
    matrices: np.ndarray,
    mechanical: bool,
    tolerance: float,
    max_iterations: int,
    precision: Precision,
    device: torch.device,
) -> Fields:
    """Every unit mean strain on phases ``(m, *shape)`` or weights ``(m, k, *shape)``."""
    import torch

    with torch.inference_mode():
        medium = make_medium(micro, matrices, mechanical, device)
        problem = CellProblem(medium, coupling(matrices, mechanical), precision)
        c, shape = medium.components, problem.shape
        m = len(micro)
        strain = torch.empty((m, c, c, *shape), dtype=torch.float64, device=device)
        iterations = torch.zeros(m, dtype=torch.int64, device=device)
        residual = torch.zeros(m, dtype=torch.float64, device=device)
        stagnated = torch.zeros(m, dtype=torch.bool, device=device)
        for part in _load_groups(m, c, medium.unknowns, shape, device):
            means = torch.eye(c, dtype=torch.float64, device=device)[part]
            found = problem.solve(*problem.mean_load(means), tolerance, max_iterations)
            strain[:, part] = problem.strain(found.u, means)
            iterations = torch.maximum(iterations, found.iterations.amax(dim=1))
            residual = torch.maximum(residual, found.residual.amax(dim=1))
            stagnated |= found.stagnated.any(dim=1)
        stress = medium.flux(strain)
        tensor = strain.flatten(2) @ stress.flatten(2).transpose(1, 2) / int(np.prod(shape))
        tensor = 0.5 * (tensor + tensor.transpose(1, 2))
    return Fields(strain, stress, tensor, iterations, residual, stagnated)


def coupling(matrices: np.ndarray, mechanical: bool) -> float | None:
    """``(λ₀+μ₀)/(λ₀+2μ₀)``: moduli half-way between the phases' extremes, averaged over samples."""
    if not mechanical:
        return None
    d = 2 if matrices.shape[-1] == 3 else 3
    bulk, shear = isotropised(matrices)
    first = bulk - 2 * shear / d
    first0 = 0.5 * (first.min(axis=-1) + first.max(axis=-1))
    shear0 = 0.5 * (shear.min(axis=-1) + shear.max(axis=-1))
    shear0 = np.where(shear0 > 0, shear0, 1.0)
    return float(np.mean((first0 + shear0) / (first0 + 2 * shear0)))


def add_mean_(gradient: list[torch.Tensor], means: torch.Tensor, mechanical: bool) -> None:
    """Add mean gradients ``(L, c)`` to the fields ``(m, L, q, *shape)`` by direction."""
    d = len(gradient)
    spread = (slice(None), *[None] * d)
    if not mechanical:
        for direction in range(d):
            gradient[direction][:, :, 0] += means[:, direction][spread]
        return
    for component, (i, j) in enumerate(VOIGT_AXES[d]):
        gradient[i][:, :, j] += means[:, component][spread]


def chunk_unknowns(device: torch.device) -> int:
    """Unknowns that are solved together on this device."""
    return _CHUNK_UNKNOWNS["cpu" if device.type == "cpu" else "other"]


def chunks(
    n: int, c: int, mechanical: bool, shape: tuple[int, ...], device: torch.device
) -> Iterator[slice]:
    """Samples that are solved together."""
    unknowns = c * (len(shape) if mechanical else 1) * int(np.prod(shape))
    step = max(1, chunk_unknowns(device) // unknowns)
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _load_groups(
    m: int, c: int, q: int, shape: tuple[int, ...], device: torch.device
) -> Iterator[slice]:
    """Load cases that are solved together: all, unless a single sample overflows a chunk."""
    fit = chunk_unknowns(device) // (m * q * int(np.prod(shape)))
    step = min(c, max(1, fit))
    for start in range(0, c, step):
        yield slice(start, min(start + step, c))
