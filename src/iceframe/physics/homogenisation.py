"""Effective properties of periodic microstructures, in batches, in two and three dimensions.

For every unit mean gradient ``e_a`` find the periodic ``u_a`` with ``div C (e_a + ∇u_a) = 0``. With
``ε_a = e_a + ∇u_a`` the effective tensor is ``C*_ab = <ε_a : C : ε_b>``, symmetric, and with an error of
second order in that of ``u``. It is the least energy that any ``u`` reaches, so that the bounds of
Voigt and Reuss hold for the discrete problem as well.

Discretised by :mod:`iceframe.physics.stencil`, solved by :mod:`iceframe.physics.conjugate_gradients`.
In single precision the iterations run in float32 and everything that is returned is evaluated in
float64; the residual is checked in float64, and the solution corrected until it meets the tolerance
(iterative refinement: Higham, Accuracy and Stability of Numerical Algorithms, ch. 12).

Sensitivities come free from the same fields: with ``C(x) = C_0 + Σ_q ρ_q(x) (C_q − C_0)``,
``∂C*_ab / ∂ρ_q(x) = ε_a(x) : (C_q − C_0) : ε_b(x) / N`` for ``N`` voxels. The ``u`` do not have to be
differentiated, because they are stationary.

Reference: Willot 2015, doi:10.1016/j.crme.2014.12.005; Schneider 2021, doi:10.1007/s00466-020-01914-3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from iceframe.core.errors import InputError
from iceframe.physics.conjugate_gradients import conjugate_gradients
from iceframe.physics.medium import (
    VOIGT_AXES,
    Medium,
    isotropic_constants,
    upper_triangle,
    voigt,
)
from iceframe.physics.properties import AXES, VOIGT, Properties, isotropised
from iceframe.physics.reference_medium import ReferenceMedium
from iceframe.physics.stencil import RotatedScheme

if TYPE_CHECKING:
    import torch

    from iceframe.physics.generator import Microstructures

REFERENCE = "Willot 2015, doi:10.1016/j.crme.2014.12.005"

Precision = Literal["double", "single"]

# Unknowns (samples × load cases × components × voxels) that are solved together. On a processor some
# ten arrays of this size should stay in the caches; a graphics card wants long kernels.
_CHUNK_UNKNOWNS = {"cpu": 2**17, "other": 2**26}
# One round of float32 iterations gains no more than this; the next starts from the true residual.
_ROUND_TOLERANCE = 2e-6
_MAX_ROUNDS = 6


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

    ``tensor`` ``(n, c, c)`` in ``unit``, float64; rows and columns are ``components``: x, y(, z) for
    conduction, Voigt's for elasticity (engineering shear strains). NaN where a sample did not
    converge. ``iterations`` and relative ``residual`` ``(n,)``: the worst load case. ``status``: ``n``
    of :class:`SolveStatus`.

    ``gradients`` and ``fluxes`` ``(n, c, c, *shape)``: component of the local gradient or strain, flux
    or stress (third axis last but the grid), per unit mean gradient (second axis).
    ``sensitivities`` ``(n, len(pairs), k − 1, *shape)``: derivative of ``tensor[a, b]``, ``(a, b)`` in
    ``pairs``, to the weight of phase q = 1 … k − 1 in each voxel (see the module); NaN in voids, where
    the local strain is not determined.
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


@dataclass(frozen=True)
class Fields:
    """The solved load cases of one chunk, float64 torch tensors.

    ``strain`` and ``stress`` ``(m, c, c, *shape)``; ``tensor`` ``(m, c, c)``; ``iterations``,
    ``residual`` ``(m,)``; ``stagnated`` boolean ``(m,)``.
    """

    strain: torch.Tensor
    stress: torch.Tensor
    tensor: torch.Tensor
    iterations: torch.Tensor
    residual: torch.Tensor
    stagnated: torch.Tensor


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
    properties : :class:`Conductivity`, :class:`Elasticity`, :class:`CubicElasticity`, or anything with
        their ``matrices``.
    tolerance : a load case stops when its residual, in the energy norm of the preconditioner and
        relative to the load, is below it. Fields are as exact; the tensor's relative error is about
        its square times the contrast.
    max_iterations : per load case; a sample that needs more is ``NOT_CONVERGED``.
    precision : of the iterations. ``single`` is about twice as fast; what is returned is evaluated and
        checked in double precision either way.
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
    kept: dict[str, list[np.ndarray]] = {"gradients": [], "fluxes": [], "sensitivities": []}
    mechanical = properties.mechanical
    for part in chunks(n, c, mechanical, shape, where):
        table = matrices if matrices.ndim == 3 else matrices[part]
        found = solve(micro[part], table, mechanical, tolerance, max_iterations, precision, where)
        tensor[part] = found.tensor.cpu().numpy()
        iterations[part] = found.iterations.cpu().numpy()
        residual[part] = found.residual.cpu().numpy()
        status += statuses(found, tolerance)
        if fields:
            kept["gradients"].append(found.strain.cpu().numpy())
            kept["fluxes"].append(found.stress.cpu().numpy())
        if sensitivities:
            kept["sensitivities"].append(sensitivity(found.strain, table, micro[part]))
    failed = np.array([s is not SolveStatus.CONVERGED for s in status], bool)
    tensor[failed] = np.nan
    joined = {key: np.concatenate(parts) if parts else None for key, parts in kept.items()}
    if joined["sensitivities"] is not None:
        joined["sensitivities"][failed] = np.nan
    components = VOIGT[len(shape)] if mechanical else AXES[: len(shape)]
    return Homogenized(
        tensor, components, iterations, residual, tuple(status), properties.unit, **joined
    )


def solve(
    micro: np.ndarray,
    matrices: np.ndarray,
    mechanical: bool,
    tolerance: float,
    max_iterations: int,
    precision: Precision,
    device: torch.device,
) -> Fields:
    """All load cases of one chunk; arguments as in :func:`homogenize`, already checked."""
    import torch

    with torch.inference_mode():
        medium = make_medium(micro, matrices, mechanical, device)
        problem = CellProblem(medium, matrices, precision)
        c, shape = medium.components, tuple(medium.coefficients.shape[3:])
        m = len(micro)
        strain = torch.empty((m, c, c, *shape), dtype=torch.float64, device=device)
        iterations = torch.zeros(m, dtype=torch.int64, device=device)
        residual = torch.zeros(m, dtype=torch.float64, device=device)
        stagnated = torch.zeros(m, dtype=torch.bool, device=device)
        for part in _load_groups(m, c, medium.unknowns, shape, device):
            means = torch.eye(c, dtype=torch.float64, device=device)[part]
            gradient, count, rest, stuck = problem.solve(means, tolerance, max_iterations)
            strain[:, part] = gradient
            iterations = torch.maximum(iterations, count.amax(dim=1))
            residual = torch.maximum(residual, rest.amax(dim=1))
            stagnated |= stuck.any(dim=1)
        stress = medium.flux(strain)
        tensor = strain.flatten(2) @ stress.flatten(2).transpose(1, 2) / int(np.prod(shape))
        tensor = 0.5 * (tensor + tensor.transpose(1, 2))
    return Fields(strain, stress, tensor, iterations, residual, stagnated)


class CellProblem:
    """``div C (e + ∇u) = 0`` for one batch of media and any mean gradients ``e``."""

    def __init__(self, medium: Medium, matrices: np.ndarray, precision: Precision) -> None:
        import torch

        self.medium = medium
        self.shape = tuple(medium.coefficients.shape[3:])
        coupling = reference_coupling(matrices) if medium.mechanical else None
        double = medium.coefficients
        self.scheme = RotatedScheme(self.shape, double)
        self.reference = ReferenceMedium(self.shape, coupling, double)
        self.single = precision == "single"
        if self.single:
            self.fast_medium = medium.to(torch.float32)
            self.fast_scheme = RotatedScheme(self.shape, self.fast_medium.coefficients)
            self.fast_reference = ReferenceMedium(
                self.shape, coupling, self.fast_medium.coefficients
            )

    def solve(
        self, means: torch.Tensor, tolerance: float, max_iterations: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Strains ``(m, L, c, *shape)`` for mean strains ``means`` ``(L, c)`` in Voigt notation.

        Also iterations, relative residuals and whether rounding stopped it, ``(m, L)`` each.
        """
        import torch

        medium = self.medium
        m, loads = len(medium.coefficients), len(means)
        field = (m, loads, medium.unknowns, *self.shape)
        like = medium.coefficients
        gradient = [
            torch.zeros(field, dtype=like.dtype, device=like.device)
            for _ in range(medium.dimension)
        ]
        add_mean_(gradient, means, medium.mechanical)
        flux = medium.flux_(gradient)
        size = sum(part.flatten(2).square().sum(dim=2) for part in flux)
        load = self.scheme.divergence(flux).clone().neg_()
        scale = self._energy(load)
        # A homogeneous sample has no load but rounding: zero is then the answer, and exact.
        scale = torch.where(scale > 1e-26 * size, scale, 0.0)
        if not self.single:
            u, count, residual = conjugate_gradients(
                medium, load, self.reference, self.scheme, scale, tolerance, max_iterations
            )
            stuck = torch.zeros_like(residual, dtype=torch.bool)
            return self._strain(u, means), count, residual, stuck
        u, count, residual, stuck = self._refined(load, means, scale, tolerance, max_iterations)
        return self._strain(u, means), count, residual, stuck

    def _refined(
        self,
        load: torch.Tensor,
        means: torch.Tensor,
        scale: torch.Tensor,
        tolerance: float,
        max_iterations: int,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Rounds of float32 iterations, each on the residual that float64 finds."""
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
            goal = torch.clamp(tolerance / torch.where(todo, residual, 1.0), min=_ROUND_TOLERANCE)
            correction, steps, _ = conjugate_gradients(
                self.fast_medium,
                (left * inverse[wide]).float(),
                self.fast_reference,
                self.fast_scheme,
                todo.float(),
                goal.float(),
                max_iterations,
            )
            u.addcmul_(correction.double(), size[wide])
            count += steps
            left = self._left(u, means)
            before, residual = residual, (self._energy(left) / safe).sqrt()
            residual = torch.where(scale > 0, residual, 0.0)
            stuck |= todo & (residual > tolerance) & ~(residual < 0.5 * before)
        return u, count, residual, stuck & (count < max_iterations)

    def _left(self, u: torch.Tensor, means: torch.Tensor) -> torch.Tensor:
        """The residual ``−Gᵀ C (e + G u)``."""
        gradient = self.scheme.gradient(u)
        add_mean_(gradient, means, self.medium.mechanical)
        return self.scheme.divergence(self.medium.flux_(gradient)).clone().neg_()

    def _strain(self, u: torch.Tensor, means: torch.Tensor) -> torch.Tensor:
        gradient = self.scheme.gradient(u)
        add_mean_(gradient, means, self.medium.mechanical)
        return voigt(gradient, self.medium.mechanical)

    def _energy(self, load: torch.Tensor) -> torch.Tensor:
        """Squared norm ``(m, L)`` of a residual: the energy that the homogeneous medium would store."""
        import torch

        z = self.reference.solve(load)
        return torch.linalg.vecdot(load.flatten(2), z.flatten(2)).clamp_(min=0)


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


def make_medium(
    micro: np.ndarray, matrices: np.ndarray, mechanical: bool, device: torch.device
) -> Medium:
    """Coefficients of phases ``(m, *shape)`` or weights ``(m, k, *shape)``, in float64."""
    import torch

    constants = isotropic_constants(matrices, mechanical)
    if constants is None:
        i, j = zip(*upper_triangle(matrices.shape[-1]), strict=True)
        constants = matrices[..., i, j]
    table = torch.as_tensor(constants, dtype=torch.float64, device=device)
    if np.issubdtype(micro.dtype, np.floating):
        weights = torch.as_tensor(micro, dtype=torch.float64, device=device)
        subscripts = "mk...,kp->mp..." if table.ndim == 2 else "mk...,mkp->mp..."
        values = torch.einsum(subscripts, weights, table)
    else:
        codes = torch.as_tensor(np.asarray(micro, np.int64), device=device)
        if table.ndim == 2:
            values = table.T[:, codes].movedim(0, 1)
        else:
            rows = torch.arange(len(codes), device=device).reshape(-1, *[1] * (codes.ndim - 1))
            values = table[rows, codes].movedim(-1, 1)
    dimension = micro.ndim - (2 if np.issubdtype(micro.dtype, np.floating) else 1)
    return Medium(values.contiguous()[:, None], mechanical, dimension)


def reference_coupling(matrices: np.ndarray) -> float:
    """``(λ₀+μ₀)/(λ₀+2μ₀)``: moduli half-way between the phases' extremes, averaged over samples."""
    d = 2 if matrices.shape[-1] == 3 else 3
    bulk, shear = isotropised(matrices)
    first = bulk - 2 * shear / d

    def middle(values: np.ndarray) -> np.ndarray:
        return 0.5 * (values.min(axis=-1) + values.max(axis=-1))

    first0, shear0 = middle(first), middle(shear)
    shear0 = np.where(shear0 > 0, shear0, 1.0)
    return float(np.mean((first0 + shear0) / (first0 + 2 * shear0)))


def sensitivity(strain: torch.Tensor, matrices: np.ndarray, micro: np.ndarray) -> np.ndarray:
    """Derivatives ``(m, pairs, k − 1, *shape)`` from strains ``(m, c, c, *shape)``; see the module."""
    import torch

    with torch.inference_mode():
        m, c, *_, voxels = (*strain.shape[:2], int(np.prod(strain.shape[3:])))
        pairs = upper_triangle(c)
        k = matrices.shape[-3]
        out = np.empty((m, len(pairs), k - 1, *strain.shape[3:]))
        table = torch.as_tensor(matrices, dtype=strain.dtype, device=strain.device)
        for q in range(1, k):
            change = table[..., q, :, :] - table[..., 0, :, :]
            change = change.expand(m, c, c) / voxels
            caused = torch.einsum("mij,mlj...->mli...", change, strain)
            for number, (a, b) in enumerate(pairs):
                value = (strain[:, a] * caused[:, b]).sum(dim=1)
                out[:, number, q - 1] = value.cpu().numpy()
    if not np.issubdtype(micro.dtype, np.floating):
        empty = ~matrices.any(axis=(-2, -1))
        if empty.any():
            rows = np.arange(m).reshape(-1, *[1] * (micro.ndim - 1))
            void = empty[micro] if empty.ndim == 1 else empty[rows, micro]
            out[np.broadcast_to(void[:, None, None], out.shape)] = np.nan
    return out


def statuses(found: Fields, tolerance: float) -> list[SolveStatus]:
    """One status a sample."""
    good = (found.residual <= tolerance).tolist()  # NaN is not good
    stuck = found.stagnated.tolist()
    return [
        SolveStatus.CONVERGED if g else SolveStatus.STAGNATED if s else SolveStatus.NOT_CONVERGED
        for g, s in zip(good, stuck, strict=True)
    ]


def chunks(
    n: int, c: int, mechanical: bool, shape: tuple[int, ...], device: torch.device
) -> Iterator[slice]:
    """Samples that are solved together."""
    unknowns = c * (len(shape) if mechanical else 1) * int(np.prod(shape))
    step = max(1, _chunk(device) // unknowns)
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _load_groups(
    m: int, c: int, q: int, shape: tuple[int, ...], device: torch.device
) -> Iterator[slice]:
    """Load cases that are solved together: all, unless a single sample fills the memory."""
    step = min(c, max(1, 8 * _chunk(device) // (m * q * int(np.prod(shape)))))
    for start in range(0, c, step):
        yield slice(start, min(start + step, c))


def _chunk(device: torch.device) -> int:
    return _CHUNK_UNKNOWNS["cpu" if device.type == "cpu" else "other"]


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
    lead = 2 if np.issubdtype(micro.dtype, np.floating) else 1
    shape = micro.shape[lead:]
    if len(shape) not in (2, 3) or 0 in shape:
        raise InputError(
            "Microstructures must be a stack of images or volumes.",
            where="micro",
            got=f"shape {micro.shape}, {micro.dtype}",
            allowed="integer phases (n, *shape) or float weights (n, k, *shape), 2-D or 3-D",
            hint="one image needs an axis in front: micro[None]",
        )
    return tuple(shape)


def _arrays(micro: np.ndarray | Microstructures, properties: Properties) -> np.ndarray:
    """The array behind ``micro``: grains where the properties belong to grains, else phases."""
    if hasattr(micro, "phase_names"):
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
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype.kind not in "iuf":
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
    if np.issubdtype(micro.dtype, np.floating):
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
