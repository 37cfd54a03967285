"""What truly happens to a property when the phase of one voxel is changed.

The yardstick of :mod:`iceframe.measure.physical.agreement`: for voxels drawn at random within each
phase, the exact change of one component of the effective tensor when that voxel alone goes to
another phase (:mod:`iceframe.physics.flips`), and beside it the change that the solver's own
derivative predicts (:mod:`iceframe.physics.sensitivity`),

    flip(v) = C*_ab(ρ with v flipped) − C*_ab(ρ),     first order(v) = ∂C*_ab/∂ρ_to − ∂C*_ab/∂ρ_from

Both are in the unit of the property. Structures are periodic, as the solver takes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from iceframe.core.errors import InputError, UsageError
from iceframe.core.files import replacing
from iceframe.core.hashing import content_hash
from iceframe.core.seeds import stream
from iceframe.measure.physical.model_free_maps import model_free_maps
from iceframe.physics.cell_problem import Precision
from iceframe.physics.components import component_pair
from iceframe.physics.flips import exact_flips
from iceframe.physics.homogenisation import SolveStatus, grid_shape, homogenize
from iceframe.physics.properties import Properties

PER_PHASE = 32  # voxels of each phase that are asked
TOLERANCE = 1e-4  # of the solver: flips are then right to about 0.1 %, their ranks unchanged


@dataclass(frozen=True)
class PhysicalTruth:
    """Exact flips of ``V`` voxels of each of ``n`` structures with ``D`` axes.

    ``voxels`` ``(n, V, D)``: positions in the arrays' own order. ``phase`` and ``to`` ``(n, V)``:
    the phase there, and the one it is changed to; −1 fills up where a structure has fewer voxels
    than others, with NaN in ``flip`` and ``first_order``. ``flip`` and ``first_order`` ``(n, V)``:
    changes of ``component`` in ``unit``; NaN where the solver failed, and ``first_order`` also in
    voids, where there is no derivative. ``status``: one a structure, the worst of its solves.
    ``phases`` ``(n, *grid)``: the structures themselves.
    """

    voxels: np.ndarray
    phase: np.ndarray
    flip: np.ndarray
    first_order: np.ndarray
    unit: str
    status: tuple[SolveStatus, ...]
    to: np.ndarray
    phases: np.ndarray
    component: str

    def __len__(self) -> int:
        return len(self.phases)

    @property
    def grid(self) -> tuple[int, ...]:
        return tuple(self.phases.shape[1:])

    @property
    def drawn(self) -> np.ndarray:
        """Boolean ``(n, V)``: no filling."""
        return np.asarray(self.phase >= 0)

    @cached_property
    def model_free(self) -> dict[str, np.ndarray]:
        """Values ``(n, V)`` of the maps that know no model, by name."""
        return {name: self.at(values) for name, values in model_free_maps(self.phases).items()}

    def take(self, index: Sequence[int] | np.ndarray) -> PhysicalTruth:
        """The structures at positions ``index``."""
        index = np.asarray(index, int)
        rows: dict[str, Any] = {
            name: getattr(self, name)[index]
            for name in ("voxels", "phase", "flip", "first_order", "to", "phases")
        }
        status = tuple(self.status[i] for i in index)
        return PhysicalTruth(**rows, status=status, unit=self.unit, component=self.component)

    def at(self, maps: np.ndarray) -> np.ndarray:
        """Values ``(n, V)`` of maps ``(n, *grid)`` at the voxels.

        Raises
        ------
        UsageError : the maps are not on the structures' grid.
        """
        maps = np.asarray(maps)
        if maps.shape != self.phases.shape:
            raise UsageError(
                "These maps are not on the grid of the structures.",
                got=maps.shape,
                allowed=self.phases.shape,
            )
        return _at(maps, self.voxels)

    def save(self, path: str | Path) -> None:
        """Write as ``.npz``, whole or not at all."""
        path = Path(path)
        if path.suffix != ".npz":
            raise UsageError("Exact flips are saved as .npz.", where="path", got=path.name)
        arrays = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}
        arrays["status"] = np.array([s.value for s in self.status], str)
        with replacing(path) as temporary:
            np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | Path) -> PhysicalTruth:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError : the file is absent or is something else.
        """
        try:
            with Path(path).open("rb") as stored, np.load(stored, allow_pickle=False) as file:
                found: dict[str, Any] = {f.name: file[f.name] for f in fields(cls)}
        except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise InputError("These are not saved exact flips.", where=path, got=error) from error
        found["status"] = tuple(SolveStatus(str(s)) for s in found["status"])
        for name in ("unit", "component"):
            found[name] = str(found[name])
        return cls(**found)


def physical_truth(
    phases: np.ndarray,
    properties: Properties,
    component: str,
    *,
    to: int | Sequence[int] | None = None,
    per_phase: int = PER_PHASE,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    max_iterations: int = 5000,
    precision: Precision = "double",
    device: str = "cpu",
) -> PhysicalTruth:
    """Exact flips, and what the derivative makes of them, at random voxels of each phase.

    Parameters
    ----------
    phases : integers ``(n, *grid)``, 2-D or 3-D, periodic.
    component : of the effective tensor: ``C11`` … ``C66``, or ``k_xx``, ``k_xy``, ….
    to : the phase that each phase is changed to, ``(k,)``, or one for all; voxels that have it
        already are not drawn. For two phases the other one.
    per_phase : voxels drawn of each phase, without replacement; all of them where there are fewer.
    seed : the draw in a structure follows from it and the structure alone.
    tolerance, max_iterations, precision, device : as for :func:`~iceframe.physics.homogenize`.

    Raises
    ------
    InputError : an unknown component; more than two phases without ``to``.

    Examples
    --------
    >>> from iceframe.physics.properties import Conductivity
    >>> layers = np.array([[[0, 1], [0, 1], [0, 1]]])
    >>> truth = physical_truth(layers, Conductivity([1.0, 3.0]), "k_xx", per_phase=1)
    >>> truth.phase.tolist(), bool(truth.flip[0, 0] > 0 > truth.flip[0, 1])
    ([[0, 1]], True)
    """
    phases = np.asarray(phases)
    if phases.dtype.kind not in "iub":
        raise InputError("Flips need phases, not weights.", where="phases", got=phases.dtype)
    if not len(phases):
        raise InputError("There are no structures to flip voxels in.", where="phases")
    phases = phases.astype(np.uint8) if phases.dtype == bool else phases
    dimension = len(grid_shape(phases))
    kind = "elasticity" if properties.mechanical else "conductivity"
    a, b = component_pair(kind, component, dimension)
    if per_phase < 1:
        raise UsageError("At least one voxel a phase is needed.", where="per_phase", got=per_phase)
    targets = _targets(to, properties.matrices(dimension).shape[-3])
    solver: dict[str, Any] = {
        "tolerance": tolerance,
        "max_iterations": max_iterations,
        "precision": precision,
        "device": device,
    }
    voxels, phase = _drawn(phases, targets, per_phase, seed)
    drawn = phase >= 0
    # The filling repeats a drawn voxel, whose answer is then thrown away.
    present = _at(phases, voxels)
    goal = targets[present]
    flips = exact_flips(phases, properties, voxels, goal, **solver)
    solved = homogenize(phases, properties, sensitivities=True, **solver)
    assert solved.sensitivities is not None
    # Phase 0 has no derivative of its own: it is what remains.
    slopes = np.zeros((len(targets), *present.shape))
    for q, part in enumerate(
        np.moveaxis(solved.sensitivities[:, solved.pairs.index((a, b))], 1, 0)
    ):
        slopes[q + 1] = _at(part, voxels)
    first = _chosen(slopes, goal) - _chosen(slopes, present)
    return PhysicalTruth(
        voxels=voxels,
        phase=phase,
        flip=np.where(drawn, flips.change[..., a, b], np.nan),
        first_order=np.where(drawn, first, np.nan),
        unit=properties.unit,
        status=tuple(_worst(*both) for both in zip(flips.status, solved.status, strict=True)),
        to=np.where(drawn, goal, -1),
        phases=phases,
        component=component,
    )


def _targets(to: int | Sequence[int] | None, k: int) -> np.ndarray:
    """The phase that each of ``k`` phases goes to, ``(k,)``."""
    if to is None:
        if k != 2:
            raise InputError(
                "State the phases that voxels change to.",
                where="to",
                got=f"{k} phases",
                allowed=f"one of 0 to {k - 1}, or {k} of them",
            )
        return np.array([1, 0])
    targets = np.broadcast_to(np.asarray(to, int), (k,)) if np.ndim(to) == 0 else np.asarray(to)
    if targets.shape != (k,) or (targets < 0).any() or (targets >= k).any():
        raise InputError(
            "A target phase has no properties.",
            where="to",
            got=to,
            allowed=f"one of 0 to {k - 1}, or {k} of them",
        )
    return targets


def _drawn(
    phases: np.ndarray, targets: np.ndarray, per_phase: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions ``(n, V, D)`` and their phases ``(n, V)``, −1 where filled up."""
    rows = []
    for structure in phases:
        rng = stream(seed, "physical truth", content_hash(structure.astype(np.int64)))
        flat = structure.ravel()
        parts = [np.flatnonzero(flat == p) for p in range(len(targets)) if targets[p] != p]
        rows.append(np.concatenate([np.sort(rng.permutation(p)[:per_phase]) for p in parts]))
    most = max(len(r) for r in rows)
    if any(len(r) == 0 for r in rows):
        raise InputError(
            "A structure has no voxel that could be flipped.",
            where="phases",
            got=f"structure {[len(r) for r in rows].index(0)}",
            hint="every voxel already has the phase of 'to'",
        )
    flat = np.stack([np.concatenate([r, np.repeat(r[:1], most - len(r))]) for r in rows])
    voxels = np.stack(np.unravel_index(flat, phases.shape[1:]), axis=-1)
    counts = np.array([len(r) for r in rows])
    return voxels, np.where(np.arange(most) < counts[:, None], _at(phases, voxels).astype(int), -1)


def _at(values: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """Of values ``(n, *grid)`` those at voxels ``(n, V, D)``: ``(n, V)``."""
    rows = np.arange(len(values))[:, None]
    return np.asarray(values[(rows, *np.moveaxis(voxels, -1, 0))])


def _chosen(by_phase: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Of values ``(k, n, V)`` those of ``phase`` ``(n, V)``."""
    return np.take_along_axis(by_phase, phase[None], axis=0)[0]


def _worst(first: SolveStatus, second: SolveStatus) -> SolveStatus:
    return second if first is SolveStatus.CONVERGED else first
