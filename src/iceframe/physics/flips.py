"""Exact change of an effective tensor when the phase of one voxel is changed.

Every voxel has one strain, ``ε(v) = e + G_v u``, so that a change ``ΔC`` of its stiffness changes
the system by ``G_vᵀ ΔC G_v``, of the rank of a strain. With the strain that unit stresses in the
voxel cause there, ``S = G_v K⁻¹ G_vᵀ`` (one solve a component on the *unchanged* structure),
minimising the energy over what the voxel does gives, without approximation
(Sherman–Morrison–Woodbury),

    ΔC*_ab = ε_a(v) : ΔC (1 + S ΔC)⁻¹ : ε_b(v) / N.

The same answer as solving the changed structure and taking the difference, for the same number of
solves, but without the loss of digits when two nearly equal tensors are subtracted, and one set of
solves serves all phases that a voxel may change to. For small ``ΔC`` it is the derivative of
:mod:`iceframe.physics.sensitivity`; at high contrast it is not: ``S ΔC`` is then of order one or
more. Voxels in a void have no such ``S``; their changed structures are solved.

Reference: Hager, SIAM Rev. 31 (1989) 221, doi:10.1137/1031049.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from iceframe.core.errors import InputError
from iceframe.physics.cell_problem import (
    CellProblem,
    Precision,
    chunk_unknowns,
    solve_all_loads,
)
from iceframe.physics.homogenisation import (
    SolveStatus,
    checked,
    grid_shape,
    homogenize,
    torch_device,
)
from iceframe.physics.medium import VOIGT_AXES, make_medium
from iceframe.physics.properties import Properties

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Flips:
    """``change`` ``(n, V, c, c)``: effective tensor with that voxel flipped, minus the one before.

    NaN where a solve failed; ``status``: one :class:`SolveStatus` a sample, the worst of its
    solves.
    """

    change: np.ndarray
    status: tuple[SolveStatus, ...]


def exact_flips(
    phases: np.ndarray,
    properties: Properties,
    voxels: ArrayLike,
    to: ArrayLike | None = None,
    *,
    tolerance: float = 1e-7,
    max_iterations: int = 5000,
    precision: Precision = "double",
    device: str = "cpu",
) -> Flips:
    """Change of the effective tensor when one voxel at a time is flipped.

    Parameters
    ----------
    phases : integers ``(n, *shape)``.
    properties : of the phases.
    voxels : grid positions ``(n, V, d)`` in the arrays' own order, or ``(V, d)`` for all samples.
    to : the phases they change to, ``(n, V)`` or one number; for two phases the other one.
    tolerance, max_iterations, precision, device : as for :func:`~iceframe.physics.homogenize`.

    Raises
    ------
    InputError : voxels outside the grid, phases without properties.

    Examples
    --------
    One of two layers across x loses a voxel to the better conductor.

    >>> from iceframe.physics.properties import Conductivity
    >>> layers = np.array([[[0, 1], [0, 1], [0, 1]]])
    >>> flips = exact_flips(layers, Conductivity([1.0, 3.0]), [[1, 0]])
    >>> bool(0 < flips.change[0, 0, 0, 0] < 2 / 6 * 1.5**2)  # the derivative is larger
    True
    """
    phases = np.asarray(phases)
    if phases.dtype.kind not in "iub":
        raise InputError("Flips need phases, not weights.", where="phases", got=phases.dtype)
    if phases.dtype == bool:
        phases = phases.astype(np.uint8)
    shape = grid_shape(phases)
    matrices = checked(phases, properties, len(shape), tolerance, max_iterations, precision)
    where, target = _checked_voxels(phases, voxels, to, matrices.shape[-3])
    n, number = target.shape
    c = matrices.shape[-1]
    change = np.zeros((n, number, c, c))
    worst: list[SolveStatus] = []
    for i in range(n):
        table = matrices if matrices.ndim == 3 else matrices[i]
        present = phases[i][tuple(where[i].T)]
        inside = table[present].any(axis=(-2, -1))
        states = []
        if inside.any():
            found, state = _by_update(
                phases[i : i + 1],
                table,
                properties.mechanical,
                where[i][inside],
                table[target[i]][inside] - table[present][inside],
                (tolerance, max_iterations, precision, torch_device(device)),
            )
            change[i, inside] = found
            states.append(state)
        if not inside.all():
            options = {
                "tolerance": tolerance,
                "max_iterations": max_iterations,
                "precision": precision,
                "device": device,
            }
            found, state = _by_solving(
                phases[i], _Table(table, properties), where[i][~inside], target[i][~inside], options
            )
            change[i, ~inside] = found
            states.append(state)
        bad = [s for s in states if s is not SolveStatus.CONVERGED]
        worst.append(bad[0] if bad else SolveStatus.CONVERGED)
    return Flips(change, tuple(worst))


def _by_update(
    phases: np.ndarray,
    table: np.ndarray,
    mechanical: bool,
    voxels: np.ndarray,
    change: np.ndarray,
    options: tuple[float, int, Precision, torch.device],
) -> tuple[np.ndarray, SolveStatus]:
    """Changes ``(V, c, c)`` for stiffness changes ``(V, c, c)`` by the formula of the module."""
    import torch

    tolerance, max_iterations, precision, device = options
    base = solve_all_loads(phases, table, mechanical, tolerance, max_iterations, precision, device)
    with torch.inference_mode():
        medium = make_medium(phases, table, mechanical, device)
        problem = CellProblem(medium, table, mechanical, precision)
        c = medium.components
        here = _flat(voxels, problem.shape, device)
        strain = (
            base.strain[0].flatten(2)[:, :, here].permute(2, 1, 0).cpu().numpy()
        )  # (V, component, load)
        response = np.empty((len(voxels), c, c))
        good = bool(base.residual <= tolerance)
        stuck = bool(base.stagnated)
        for part in _voxel_groups(len(voxels), c * medium.unknowns, problem.shape, device):
            flux = _point_fluxes(voxels[part], medium.dimension, mechanical, problem.shape, device)
            load = problem.flux_load([part.neg_() for part in flux])
            found = problem.solve(load, tolerance, max_iterations)
            good &= bool((found.residual <= tolerance).all())
            stuck |= bool(found.stagnated.any())
            caused = problem.strain(found.u)[0].flatten(2).unflatten(0, (-1, c))  # (V, load, c, N)
            rows = torch.arange(len(caused), device=device)
            response[part] = caused[rows, :, :, here[part]].cpu().numpy()
    response = 0.5 * (response + response.transpose(0, 2, 1))
    result = strain.transpose(0, 2, 1) @ _update(change, response) @ strain / phases[0].size
    if not good:
        state = SolveStatus.STAGNATED if stuck else SolveStatus.NOT_CONVERGED
        return np.full_like(result, np.nan), state
    return 0.5 * (result + result.transpose(0, 2, 1)), SolveStatus.CONVERGED


def _update(change: np.ndarray, response: np.ndarray) -> np.ndarray:
    """``ΔC (1 + S ΔC)⁻¹``; where removing the voxel leaves a part loose, the least-energy limit."""
    matrix = np.eye(change.shape[-1]) + response @ change
    try:
        return change @ np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        return change @ np.linalg.pinv(matrix)


def _point_fluxes(
    voxels: np.ndarray,
    dimension: int,
    mechanical: bool,
    shape: tuple[int, ...],
    device: torch.device,
) -> list[torch.Tensor]:
    """Unit fluxes or stresses at each voxel, by direction ``(1, V·c, q, *shape)``."""
    import torch

    axes = VOIGT_AXES[dimension] if mechanical else tuple((i, 0) for i in range(dimension))
    c, q = len(axes), dimension if mechanical else 1
    size = (1, len(voxels), c, q, int(np.prod(shape)))
    flux = [torch.zeros(size, dtype=torch.float64, device=device) for _ in range(dimension)]
    rows = torch.arange(len(voxels), device=device)
    here = _flat(voxels, shape, device)
    for component, (i, j) in enumerate(axes):
        flux[i][0, rows, component, j, here] = 1.0
        if mechanical and i != j:
            flux[j][0, rows, component, i, here] = 1.0
    return [part.flatten(1, 2).unflatten(-1, shape) for part in flux]


def _flat(voxels: np.ndarray, shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Positions ``(V,)`` in the flattened grid."""
    import torch

    return torch.as_tensor(np.ravel_multi_index(tuple(voxels.T), shape), device=device)


def _by_solving(
    phases: np.ndarray,
    properties: Properties,
    voxels: np.ndarray,
    target: np.ndarray,
    options: dict,
) -> tuple[np.ndarray, SolveStatus]:
    """Changes ``(V, c, c)`` as differences of solved structures."""
    changed = np.repeat(phases[None], len(voxels) + 1, axis=0)
    changed[(np.arange(1, len(changed)), *voxels.T)] = target
    found = homogenize(changed, properties, **options)
    bad = [s for s in found.status if s is not SolveStatus.CONVERGED]
    return found.tensor[1:] - found.tensor[0], bad[0] if bad else SolveStatus.CONVERGED


@dataclass(frozen=True)
class _Table:
    """The matrices of one sample as :class:`Properties`."""

    values: np.ndarray
    of: Properties

    @property
    def mechanical(self) -> bool:
        return self.of.mechanical

    @property
    def unit(self) -> str:
        return self.of.unit

    def matrices(self, dimension: int) -> np.ndarray:
        return self.values


def _voxel_groups(
    number: int, unknowns: int, shape: tuple[int, ...], device: torch.device
) -> Iterator[slice]:
    step = max(1, chunk_unknowns(device) // (unknowns * int(np.prod(shape))))
    for start in range(0, number, step):
        yield slice(start, min(start + step, number))


def _checked_voxels(
    phases: np.ndarray, voxels: ArrayLike, to: ArrayLike | None, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions ``(n, V, d)`` and target phases ``(n, V)``."""
    n, shape = len(phases), phases.shape[1:]
    where = np.asarray(voxels)
    if where.ndim == 2:
        where = np.broadcast_to(where, (n, *where.shape))
    if (
        where.ndim != 3
        or where.shape[0] != n
        or where.shape[2] != len(shape)
        or where.dtype.kind not in "iu"
        or (where < 0).any()
        or (where >= np.array(shape)).any()
    ):
        raise InputError(
            "These are not voxels of the microstructures.",
            where="voxels",
            got=f"shape {where.shape}, {where.dtype}",
            allowed=f"whole numbers ({n}, V, {len(shape)}) or (V, {len(shape)}) within {shape}",
        )
    if to is None:
        if k != 2:
            raise InputError(
                "State the phase that the voxels change to.",
                where="to",
                allowed=f"0 to {k - 1}, one number or (n, V)",
            )
        present = np.stack([phases[i][tuple(where[i].T)] for i in range(n)])
        return where, 1 - present.astype(int)
    target = np.broadcast_to(np.asarray(to, int), where.shape[:2])
    if (target < 0).any() or (target >= k).any():
        raise InputError(
            "A target phase has no properties.", where="to", got=to, allowed=f"0 to {k - 1}"
        )
    return where, target
