"""Effective properties of periodic microstructures, in batches, in two and three dimensions.

For every unit mean gradient ``e_a`` find the periodic ``u_a`` with ``div C (e_a + ∇u_a) = 0``. With
``ε_a = e_a + ∇u_a`` the effective tensor is ``C*_ab = <ε_a : C : ε_b>``, symmetric, and with an
error of second order in that of ``u``. It is the least energy that any ``u`` reaches, so that the
bounds of Voigt and Reuss hold for the discrete problem as well.

Discretised by :mod:`iceframe.physics.stencil`, solved by :mod:`iceframe.physics.cell_problem`; the
same fields give the sensitivities (:mod:`iceframe.physics.sensitivity`).

Reference: Willot 2015, doi:10.1016/j.crme.2014.12.005; Schneider 2021,
doi:10.1007/s00466-020-01914-3.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from iceframe.core.errors import InputError
from iceframe.physics.cell_problem import Fields, Precision, chunks, solve_all_loads
from iceframe.physics.generator import Microstructures
from iceframe.physics.medium import soft, upper_triangle
from iceframe.physics.properties import AXES, VOIGT, Properties
from iceframe.physics.sensitivity import voxel_sensitivity

if TYPE_CHECKING:
    import torch

REFERENCE = "Willot 2015, doi:10.1016/j.crme.2014.12.005"


class SolveStatus(StrEnum):
    """How the solution of one sample ended."""

    CONVERGED = "CONVERGED"
    NOT_CONVERGED = "NOT_CONVERGED"
    STAGNATED = "STAGNATED"

    @property
    def remedy(self) -> str:
        """What to do about it; empty when there is nothing to do."""
        return {
            "CONVERGED": "",
            "NOT_CONVERGED": "raise max_iterations, loosen the tolerance or lower the contrast",
            "STAGNATED": "rounding is in the way: use precision='double' or loosen the tolerance",
        }[self.value]


@dataclass(frozen=True)
class Homogenized:
    """Effective tensors and how they were reached, one row a sample.

    ``tensor`` ``(n, c, c)`` in ``unit``, float64; rows and columns are ``components``: x, y(, z)
    for conduction, Voigt's for elasticity (engineering shear strains). NaN where a sample did not
    converge. ``iterations`` and relative ``residual`` ``(n,)``: the worst load case. ``status``:
    ``n`` of :class:`SolveStatus`.

    ``gradients`` and ``fluxes`` ``(n, c, c, *shape)``: component of the local gradient or strain,
    flux or stress (third axis last but the grid), per unit mean gradient (second axis).
    ``sensitivities`` ``(n, len(pairs), k − 1, *shape)``: derivative of ``tensor[a, b]``, ``(a, b)``
    in ``pairs``, to the weight of phase q = 1 … k − 1 in each voxel (see the module); NaN in voids,
    where the local strain is not determined.
    """

    tensor: np.ndarray
    components: tuple[str, ...]
    iterations: np.ndarray
    residual: np.ndarray
    status: tuple[SolveStatus, ...]
    unit: str = ""
    gradients: np.ndarray | None = None
    fluxes: np.ndarray | None = None
    sensitivities: np.ndarray | None = None

    @property
    def converged(self) -> np.ndarray:
        """Boolean ``(n,)``."""
        return np.array([s is SolveStatus.CONVERGED for s in self.status], bool)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Positions ``(a, b)`` in the tensor, upper triangle row by row."""
        return tuple(upper_triangle(len(self.components)))

    def __len__(self) -> int:
        return len(self.tensor)


def homogenize(
    micro: np.ndarray | Microstructures,
    properties: Properties,
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 5000,
    precision: Precision = "double",
    device: str = "cpu",
    fields: bool = False,
    sensitivities: bool = False,
) -> Homogenized:
    """Effective conductivity or stiffness of periodic microstructures.

    Parameters
    ----------
    micro : integers ``(n, height, width)`` or ``(n, depth, height, width)``, positions into the
        properties' phases; or floats ``(n, k, *shape)``, the weight of each of ``k`` phases in each
        voxel (their properties are mixed linearly); or generated microstructures.
    properties : :class:`Conductivity`, :class:`Elasticity`, :class:`CubicElasticity`, or anything
        with their ``matrices``.
    tolerance : a load case stops when its residual, in the energy norm of the preconditioner and
        relative to the load, is below it, and so is a bound on the relative error of its effective
        component (proven without voids, whatever the contrast; the error itself is far below).
    max_iterations : per load case; a sample that needs more is ``NOT_CONVERGED``.
    precision : of the iterations. ``single`` is half again as fast; what is returned is evaluated
        and checked in double precision either way.
    device : where torch computes: ``cpu``, ``cuda``, …, or ``auto``.
    fields : also return local gradients and fluxes.
    sensitivities : also return the derivative of every component to each voxel's phase.

    Raises
    ------
    InputError : phases without properties, NaN, properties that are not physical.

    Examples
    --------
    Two layers side by side along x: in series along x, in parallel along y.

    >>> from iceframe.physics.properties import Conductivity
    >>> layers = np.array([[[0, 1], [0, 1]]])
    >>> homogenize(layers, Conductivity([1.0, 3.0])).tensor.round(6).tolist()
    [[[1.5, 0.0], [0.0, 2.0]]]
    """
    micro = _arrays(micro, properties)
    shape = grid_shape(micro)
    matrices = checked(micro, properties, len(shape), tolerance, max_iterations, precision)
    n, c = len(micro), matrices.shape[-1]
    where = torch_device(device)
    tensor = np.zeros((n, c, c))
    iterations, residual = np.zeros(n, int), np.zeros(n)
    status: list[SolveStatus] = []
    mechanical = properties.mechanical
    pairs, k = c * (c + 1) // 2, matrices.shape[-3]
    kept: dict[str, list[np.ndarray]] = {}
    if fields:
        kept["gradients"] = [np.empty((0, c, c, *shape))]
        kept["fluxes"] = [np.empty((0, c, c, *shape))]
    if sensitivities:
        kept["sensitivities"] = [np.empty((0, pairs, k - 1, *shape))]
    for part in chunks(n, c, mechanical, shape, where):
        table = matrices if matrices.ndim == 3 else matrices[part]
        found = solve_all_loads(
            micro[part], table, mechanical, tolerance, max_iterations, precision, where
        )
        tensor[part] = found.tensor.cpu().numpy()
        iterations[part] = found.iterations.cpu().numpy()
        residual[part] = found.residual.cpu().numpy()
        status += statuses(found, tolerance)
        if fields:
            kept["gradients"].append(found.strain.cpu().numpy())
            kept["fluxes"].append(found.stress.cpu().numpy())
        if sensitivities:
            kept["sensitivities"].append(voxel_sensitivity(found.strain, table, micro[part]))
    failed = np.array([s is not SolveStatus.CONVERGED for s in status], bool)
    tensor[failed] = np.nan
    joined = {key: np.concatenate(parts) for key, parts in kept.items()}
    if sensitivities:
        joined["sensitivities"][failed] = np.nan
    components = VOIGT[len(shape)] if mechanical else AXES[: len(shape)]
    return Homogenized(
        tensor, components, iterations, residual, tuple(status), properties.unit, **joined
    )


def statuses(found: Fields, tolerance: float) -> list[SolveStatus]:
    """One status a sample."""
    good = (found.residual <= tolerance).tolist()  # NaN is not good
    stuck = found.stagnated.tolist()
    return [
        SolveStatus.CONVERGED if g else SolveStatus.STAGNATED if s else SolveStatus.NOT_CONVERGED
        for g, s in zip(good, stuck, strict=True)
    ]


def torch_device(device: str) -> torch.device:
    """``auto`` is the first accelerator with float64, or the processor."""
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise InputError(
            "Unknown device.", where="device", got=device, allowed="auto, cpu, cuda, cuda:0, …"
        ) from error


def grid_shape(micro: np.ndarray) -> tuple[int, ...]:
    """Shape of the grid behind phases ``(n, *shape)`` or weights ``(n, k, *shape)``."""
    lead = 2 if soft(micro) else 1
    shape = micro.shape[lead:]
    if len(shape) not in (2, 3) or 0 in shape:
        raise InputError(
            "Microstructures must be a stack of images or volumes.",
            where="micro",
            got=f"shape {micro.shape}, {micro.dtype}",
            allowed="integer phases (n, *shape) or float weights (n, k, *shape), 2-D or 3-D",
            hint="phases must be integers: micro.astype(int)"
            if lead == 2
            else "one image needs an axis in front: micro[None]",
        )
    return tuple(shape)


def _arrays(micro: np.ndarray | Microstructures, properties: Properties) -> np.ndarray:
    """The array behind ``micro``: grains where the properties belong to grains, else phases."""
    if isinstance(micro, Microstructures):
        grains = getattr(properties, "orientations", None) is not None
        labels = micro.grains if grains else micro.phases
        if labels is None:
            raise InputError(
                "These microstructures have no grains, but the properties are those of grains.",
                where="micro",
                allowed="a polycrystal generator, for instance voronoi",
            )
        return np.asarray(labels)
    array = np.asarray(micro)
    if array.dtype.kind not in "biuf":
        raise InputError("Microstructures must be numbers.", where="micro", got=array.dtype)
    return array


def checked(
    micro: np.ndarray,
    properties: Properties,
    dimension: int,
    tolerance: float,
    max_iterations: int,
    precision: str,
) -> np.ndarray:
    """The properties' matrices ``(k, c, c)`` or ``(n, k, c, c)``, once everything fits together."""
    matrices = properties.matrices(dimension)
    k = matrices.shape[-3]
    if matrices.ndim == 4 and len(matrices) != len(micro):
        raise InputError(
            "Properties and microstructures differ in number.",
            got=f"properties of {len(matrices)} samples, {len(micro)} microstructures",
        )
    if soft(micro):
        _check_weights(micro, k)
    elif micro.size and (micro.min() < 0 or micro.max() >= k):
        raise InputError(
            "A phase has no properties.",
            where="micro",
            got=f"phases {micro.min()} to {micro.max()}",
            allowed=f"0 to {k - 1}",
        )
    if not matrices.any():
        raise InputError("All phases are voids.", where="properties")
    if not (np.isfinite(tolerance) and tolerance > 0) or max_iterations < 1:
        raise InputError(
            "The solver needs a positive tolerance and at least one iteration.",
            got=f"tolerance {tolerance}, max_iterations {max_iterations}",
        )
    if precision not in ("double", "single"):
        raise InputError("Unknown precision.", got=precision, allowed="double, single")
    return matrices


def _check_weights(weights: ArrayLike, k: int) -> None:
    array = np.asarray(weights)
    if array.shape[1] != k:
        raise InputError(
            "Weights and properties differ in their number of phases.",
            where="micro",
            got=f"{array.shape[1]} weights, {k} phases",
        )
    if not np.isfinite(array).all():
        where = np.argwhere(~np.isfinite(array))[0].tolist()
        raise InputError("A weight is not finite.", where=f"micro{where}", got="NaN or infinity")
    if (array < 0).any() or np.abs(array.sum(axis=1) - 1).max(initial=0) > 1e-6:
        raise InputError(
            "The weights of a voxel must be at least 0 and add up to 1.",
            where="micro",
            got=f"least {array.min():g}, sums {array.sum(axis=1).min():g} to "
            f"{array.sum(axis=1).max():g}",
        )
