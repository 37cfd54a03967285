"""The cell problem ``div C (e + ∇u) = 0`` for a batch of media, in double or in mixed precision.

In single precision the iterations run in float32 on the residual that float64 finds, and the
solution is corrected until the float64 residual meets the tolerance (iterative refinement: Higham,
Accuracy and Stability of Numerical Algorithms, 2002, ch. 12). What is returned is float64 either
way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from iceframe.physics.conjugate_gradients import (
    EnergyBound,
    Stop,
    conjugate_gradients,
    inner,
    operator,
)
from iceframe.physics.medium import VOIGT_AXES, Medium, make_medium, voigt
from iceframe.physics.properties import isotropic_stiffness, isotropised
from iceframe.physics.reference_medium import ReferenceMedium
from iceframe.physics.stencil import RotatedScheme

if TYPE_CHECKING:
    import torch

Precision = Literal["double", "single"]

# Unknowns (samples × load cases × components × voxels) that are solved together. On a processor
# some ten arrays of this size should stay in the caches; a graphics card wants long kernels.
_CHUNK_UNKNOWNS = {"cpu": 2**18, "other": 2**26}
# One round of float32 iterations gains no more than this; the next starts from the true residual.
_ROUND_TOLERANCE = 2e-6
_MAX_ROUNDS = 8
# A load this much smaller than the fluxes it is the divergence of, squared, is rounding.
_NO_LOAD = 1e-26
# λ₀ = 4/3 μ₀: a Poisson's ratio of 0.29.
_USUAL_COUPLING = 0.7


@dataclass(frozen=True)
class Load:
    """Right-hand sides ``(m, L, q, *shape)``; ``size``: squared size of the flux behind each, ``(m,
    L)``.

    ``energy`` ``(m, L)``: for a mean strain, the energy of that strain everywhere.
    """

    values: torch.Tensor
    size: torch.Tensor
    energy: torch.Tensor | None = None


@dataclass(frozen=True)
class Solved:
    """Displacements ``(m, L, q, *shape)``, and ``(m, L)``: iterations, residuals, rounding's halt.

    ``residual`` is the larger of the relative residual and, for mean loads, a bound on the relative
    error of the energy.
    """

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
    """Solves for any loads on one batch of media, made from phases of these ``matrices``."""

    def __init__(
        self, medium: Medium, matrices: np.ndarray, mechanical: bool, precision: Precision
    ) -> None:
        import torch

        self.medium = medium
        self.shape = tuple(medium.coefficients.shape[3:])
        like = medium.coefficients
        coupled = coupling(matrices) if mechanical else None
        self.scheme = RotatedScheme(self.shape, like)
        self.reference = ReferenceMedium(self.shape, coupled, like)
        weakest = np.broadcast_to(weakest_share(matrices, coupled), (len(like),))
        self.weakest = torch.as_tensor(weakest.copy(), dtype=like.dtype, device=like.device)
        self.hollow = bool((~matrices.any(axis=(-2, -1))).any())
        self.single = precision == "single"
        if self.single:
            self.fast = medium.to(torch.float32)
            self.fast_scheme = RotatedScheme(self.shape, self.fast.coefficients)
            self.fast_reference = ReferenceMedium(self.shape, coupled, self.fast.coefficients)

    def mean_load(self, means: torch.Tensor) -> Load:
        """``−Gᵀ C e`` for mean strains ``e`` ``(L, c)``."""
        import torch

        like = self.medium.coefficients
        field = (len(like), len(means), self.medium.unknowns, *self.shape)
        gradient = [torch.zeros(field, dtype=like.dtype, device=like.device) for _ in self.shape]
        add_mean_(gradient, means, self.medium.mechanical)
        flux = self.medium.flux_(gradient)
        if not self.medium.mechanical:
            mean_flux = torch.stack([part.flatten(2).sum(dim=2) for part in flux], dim=2)
        else:
            pairs = VOIGT_AXES[len(self.shape)]
            mean_flux = torch.stack([flux[i][:, :, j].flatten(2).sum(dim=2) for i, j in pairs], 2)
        return replace(self.flux_load(flux), energy=(mean_flux * means).sum(dim=2))

    def flux_load(self, flux: list[torch.Tensor]) -> Load:
        """``−Gᵀ flux``; ``flux`` by direction, ``(m, L, q, *shape)`` each, overwritten."""
        size = inner(flux[0], flux[0])
        for part in flux[1:]:
            size = size + inner(part, part)
        return Load(self.scheme.divergence(flux).clone().neg_(), size)

    def strain(self, u: torch.Tensor, means: torch.Tensor | None = None) -> torch.Tensor:
        """Strains ``(m, L, c, *shape)`` in Voigt notation, with mean strains ``(L, c)``."""
        gradient = self.scheme.gradient(u)
        if means is not None:
            add_mean_(gradient, means, self.medium.mechanical)
        return voigt(gradient, self.medium.mechanical)

    def solve(self, load: Load, tolerance: float, max_iterations: int) -> Solved:
        """``Gᵀ C G u = load``; for a mean load the energy too is right to the tolerance."""
        import torch

        scale = self._energy(load.values)
        # A homogeneous sample has no load but rounding: zero is then the answer, and exact.
        scale = torch.where(scale > _NO_LOAD * load.size, scale, 0.0)
        goal = torch.full_like(scale, tolerance)
        bound = self._bound(load.energy, tolerance)
        if self.single:
            return self._refined(load, scale, goal, bound, max_iterations)
        stop = Stop(scale, goal, bound)
        u, count, residual, energy = conjugate_gradients(
            self.medium, load.values, self.reference, self.scheme, stop, max_iterations
        )
        residual = self._measure(residual, scale, bound, energy)
        return Solved(u, count, residual, torch.zeros_like(scale, dtype=torch.bool))

    def _refined(
        self,
        load: Load,
        scale: torch.Tensor,
        goal: torch.Tensor,
        bound: EnergyBound | None,
        max_iterations: int,
    ) -> Solved:
        """Float32 iterations on the residual that float64 finds, until that is small enough."""
        import torch

        u = torch.zeros_like(load.values)
        count = torch.zeros(scale.shape, dtype=torch.int64, device=scale.device)
        wide = (..., *[None] * (u.ndim - 2))
        relative = torch.where(scale > 0, 1.0, 0.0).to(u.dtype)
        stuck = torch.zeros_like(relative, dtype=torch.bool)
        left, energy = load.values, load.energy
        residual = relative
        for number in range(_MAX_ROUNDS):
            if number:
                residual = self._measure(relative, scale, bound, energy)
            todo = (residual > goal) & ~stuck & (count < max_iterations)
            if not bool(todo.any()):
                break
            # In units of the residual nothing under- or overflows in float32.
            size = torch.where(todo, relative, 0.0) * scale.sqrt()
            inverse = torch.where(todo, 1.0 / torch.where(todo, size, 1.0), 0.0)
            stop = Stop(
                todo.float(),
                (goal / torch.where(todo, relative, 1.0)).clamp(min=_ROUND_TOLERANCE).float(),
                None if bound is None or energy is None else bound.scaled(energy, inverse**2),
                _ROUND_TOLERANCE,
            )
            correction, steps, *_ = conjugate_gradients(
                self.fast,
                (left * inverse[wide]).float(),
                self.fast_reference,
                self.fast_scheme,
                stop,
                max_iterations,
            )
            u.addcmul_(correction.double(), size[wide])
            count += steps
            left = load.values - operator(self.medium, self.scheme, u)
            before = relative
            relative = torch.where(
                scale > 0, (self._energy(left) / torch.where(scale > 0, scale, 1.0)).sqrt(), 0.0
            )
            stuck |= todo & ~(relative < 0.5 * before)
            if load.energy is not None:
                energy = load.energy - inner(u, load.values) - inner(u, left)
        residual = self._measure(relative, scale, bound, energy)
        return Solved(u, count, residual, stuck & (residual > goal) & (count < max_iterations))

    def _bound(self, energy: torch.Tensor | None, tolerance: float) -> EnergyBound | None:
        """For loads whose energy is known. What holds nothing together has none, given voids."""
        if energy is None:
            return None
        share = tolerance * self.weakest[:, None].expand_as(energy)
        return EnergyBound(energy, share, (tolerance if self.hollow else 0.0) * energy)

    def _measure(
        self,
        relative: torch.Tensor,
        scale: torch.Tensor,
        bound: EnergyBound | None,
        energy: torch.Tensor | None,
    ) -> torch.Tensor:
        """The larger of the relative residual and the bound on the energy's relative error."""
        import torch

        if bound is None or energy is None:
            return relative
        exact = scale == 0
        held = torch.maximum(energy, bound.least)
        error = relative**2 * scale / (self.weakest[:, None] * torch.where(exact, 1.0, held))
        error = torch.where(error >= 0, error, torch.inf)  # rounding left no energy
        return torch.where(exact, 0.0, torch.maximum(relative, error))

    def _energy(self, load: torch.Tensor) -> torch.Tensor:
        """Squared norm ``(m, L)`` of a load: the energy that it stores in the reference medium."""
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
        problem = CellProblem(medium, matrices, mechanical, precision)
        c, shape = medium.components, problem.shape
        m = len(micro)
        strain = torch.empty((m, c, c, *shape), dtype=torch.float64, device=device)
        iterations = torch.zeros(m, dtype=torch.int64, device=device)
        residual = torch.zeros(m, dtype=torch.float64, device=device)
        stagnated = torch.zeros(m, dtype=torch.bool, device=device)
        for part in _load_groups(m, c, medium.unknowns, shape, device):
            means = torch.eye(c, dtype=torch.float64, device=device)[part]
            found = problem.solve(problem.mean_load(means), tolerance, max_iterations)
            strain[:, part] = problem.strain(found.u, means)
            iterations = torch.maximum(iterations, found.iterations.amax(dim=1))
            residual = torch.maximum(residual, found.residual.amax(dim=1))
            stagnated |= found.stagnated.any(dim=1)
        stress = medium.flux(strain)
        tensor = strain.flatten(2) @ stress.flatten(2).transpose(1, 2) / int(np.prod(shape))
        tensor = 0.5 * (tensor + tensor.transpose(1, 2))
    return Fields(strain, stress, tensor, iterations, residual, stagnated)


def coupling(matrices: np.ndarray) -> float:
    """``(λ₀+μ₀)/(λ₀+2μ₀)`` of the reference medium: moduli half-way between the phases' extremes.

    Where samples have their own properties, one number for all: no answer depends on a neighbour.
    """
    if matrices.ndim == 4:
        return _USUAL_COUPLING
    d = 2 if matrices.shape[-1] == 3 else 3
    bulk, shear = isotropised(matrices)
    first = bulk - 2 * shear / d
    first0, shear0 = (0.5 * (values.min() + values.max()) for values in (first, shear))
    return float((first0 + shear0) / (first0 + 2 * shear0)) if shear0 > 0 else _USUAL_COUPLING


def weakest_share(matrices: np.ndarray, coupled: float | None) -> np.ndarray:
    """Smallest eigenvalue of any phase relative to the reference medium, ``()`` or ``(n,)``.

    It bounds the preconditioned operator from below. Voids are left out: they have no energy.
    """
    c = matrices.shape[-1]
    reference = np.eye(c)
    if coupled is not None:  # μ₀ = 1, λ₀ from the coupling
        first = np.asarray((2 * coupled - 1) / (1 - coupled))
        reference = isotropic_stiffness(first, np.asarray(1.0), 2 if c == 3 else 3)
    half = np.linalg.inv(np.linalg.cholesky(reference))
    least = np.linalg.eigvalsh(half @ matrices @ half.T).min(axis=-1)
    return np.where(matrices.any(axis=(-2, -1)), least, np.inf).min(axis=-1)


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
