"""Properties of phases: what a solver needs to know of each, checked, as matrices.

Conduction, diffusion and permittivity share one law, ``q = k g``; linear elasticity is
``σ = C ε`` in Voigt notation with engineering shear strains: (xx, yy, xy) in two dimensions,
(xx, yy, zz, yz, xz, xy) in three.

Isotropic: ``C = λ I⊗I + 2μ 1``, ``λ = E ν / ((1+ν)(1−2ν))``, ``μ = E / (2(1+ν))``; for plane stress
``λ* = 2λμ / (λ+2μ)``. An anisotropic stiffness in plane stress is condensed,
``Q = C_pp − C_pz C_zz⁻¹ C_zp`` with p = (xx, yy, xy), z = (zz, yz, xz); in plane strain it is
``C_pp`` (no displacement out of the plane).

Reference: Nye, Physical Properties of Crystals (1985), ch. VIII; Ting, Anisotropic Elasticity
(1996).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from iceframe.core.errors import InputError

State = Literal["plane strain", "plane stress"]

VOIGT: dict[int, tuple[str, ...]] = {
    2: ("xx", "yy", "xy"),
    3: ("xx", "yy", "zz", "yz", "xz", "xy"),
}
AXES = ("x", "y", "z")

# In-plane and out-of-plane positions among the six Voigt components.
_IN_PLANE, _OUT_OF_PLANE = (0, 1, 5), (2, 3, 4)


@runtime_checkable
class Properties(Protocol):
    """Material constants of the phases; ``mechanical`` tells elasticity from conduction."""

    @property
    def mechanical(self) -> bool: ...
    @property
    def unit(self) -> str: ...

    def matrices(self, dimension: int) -> np.ndarray:
        """Symmetric ``(k, c, c)``, or ``(n, k, c, c)`` where samples differ, float64."""
        ...


@dataclass(frozen=True)
class Conductivity:
    """Conductivity (heat, charge), diffusivity or permittivity of ``k`` phases.

    ``values``: ``(k,)`` numbers, at least 0 (0 is an insulating void), or ``(k, d, d)`` symmetric
    positive definite tensors; with one more axis in front, ``(n, k)`` or ``(n, k, d, d)``, samples
    have their own.

    Examples
    --------
    >>> Conductivity([1.0, 50.0]).matrices(2)[1].tolist()
    [[50.0, 0.0], [0.0, 50.0]]
    """

    values: ArrayLike
    unit: str = ""

    @property
    def mechanical(self) -> bool:
        return False

    def matrices(self, dimension: int) -> np.ndarray:
        """Tensors ``(k, d, d)`` or ``(n, k, d, d)``."""
        given = numbers("conductivity", self.values)
        if given.ndim in (3, 4):
            return _checked_tensors("conductivity", given, dimension)
        if given.ndim not in (1, 2) or given.shape[-1] == 0:
            raise InputError(
                "Conductivities need one number a phase.",
                where="conductivity",
                got=f"shape {given.shape}",
                allowed=f"(k,), (n, k), (k, {dimension}, {dimension}) or (n, k, …)",
            )
        if (given < 0).any():
            raise InputError(
                "A conductivity is negative.",
                where="conductivity",
                got=float(given.min()),
                allowed="0 (a void) or more",
            )
        return given[..., None, None] * np.eye(dimension)


@dataclass(frozen=True)
class Elasticity:
    """Isotropic linear elasticity of ``k`` phases.

    ``young`` modulus, at least 0 (0 is a void), and ``poisson`` ratio in (−1, ½): ``(k,)``, or
    ``(n, k)`` where samples differ. ``state`` matters in two dimensions only.

    Examples
    --------
    >>> Elasticity([200.0], [0.25], state="plane stress").matrices(2)[0].round(3).tolist()
    [[213.333, 53.333, 0.0], [53.333, 213.333, 0.0], [0.0, 0.0, 80.0]]
    """

    young: ArrayLike
    poisson: ArrayLike
    state: State = "plane strain"
    unit: str = ""

    @property
    def mechanical(self) -> bool:
        return True

    def matrices(self, dimension: int) -> np.ndarray:
        """Stiffness ``(k, c, c)`` or ``(n, k, c, c)`` in Voigt notation, c = 3 or 6."""
        young, poisson = numbers("young", self.young), numbers("poisson", self.poisson)
        _checked_state(self.state)
        if young.shape != poisson.shape or young.ndim not in (1, 2) or young.shape[-1] == 0:
            raise InputError(
                "Young's moduli and Poisson's ratios must go in pairs, one a phase.",
                where="elasticity",
                got=f"young {young.shape}, poisson {poisson.shape}",
                allowed="both (k,), or both (n, k)",
            )
        if (young < 0).any():
            raise InputError(
                "A Young's modulus is negative.",
                where="elasticity, young",
                got=float(young.min()),
                allowed="0 (a void) or more",
            )
        if (poisson <= -1).any() or (poisson >= 0.5).any():
            bad = poisson[(poisson <= -1) | (poisson >= 0.5)][0]
            raise InputError(
                "A Poisson's ratio is out of range.",
                where="elasticity, poisson",
                got=float(bad),
                allowed="above -1, below 0.5",
                hint="for a nearly incompressible phase take 0.49",
            )
        shear = young / (2 * (1 + poisson))
        first = young * poisson / ((1 + poisson) * (1 - 2 * poisson))
        if dimension == 2 and self.state == "plane stress":
            first = young * poisson / (1 - poisson**2)
        return isotropic_stiffness(first, shear, dimension)


@dataclass(frozen=True)
class CubicElasticity:
    """One cubic crystal in many orientations: the phases are the grains.

    ``c11``, ``c12``, ``c44`` of the crystal; ``orientations``: unit quaternions ``(grains, 4)``,
    scalar last, or one such array a sample, that turn the crystal's axes into the sample's. In two
    dimensions also angles about z in degrees, ``(grains,)``.

    Examples
    --------
    >>> copper = CubicElasticity(168.4, 121.4, 75.4, orientations=np.array([0.0, 45.0]))
    >>> copper.matrices(2)[:, 0, 0].round(1).tolist()
    [168.4, 220.3]
    """

    c11: float
    c12: float
    c44: float
    orientations: np.ndarray | Sequence[np.ndarray]
    state: State = "plane strain"
    unit: str = ""

    @property
    def mechanical(self) -> bool:
        return True

    def matrices(self, dimension: int) -> np.ndarray:
        """Stiffness of the grains ``(grains, c, c)``, or ``(n, most grains, c, c)``."""
        _checked_state(self.state)
        c11, c12, c44 = (
            float(numbers(name, getattr(self, name))) for name in ("c11", "c12", "c44")
        )
        if not (c44 > 0 and c11 > abs(c12) and c11 + 2 * c12 > 0):
            raise InputError(
                "This cubic crystal is not stable.",
                where="cubic elasticity",
                got=f"c11 = {c11:g}, c12 = {c12:g}, c44 = {c44:g}",
                allowed="c44 > 0, c11 > |c12|, c11 + 2 c12 > 0 (Born's conditions)",
            )
        crystal = np.zeros((6, 6))
        crystal[:3, :3] = c12
        crystal[range(3), range(3)] = c11
        crystal[range(3, 6), range(3, 6)] = c44
        given = self.orientations
        if isinstance(given, np.ndarray) and given.dtype != object:
            return self._turned(crystal, given, dimension)
        each = [self._turned(crystal, np.asarray(q, float), dimension) for q in given]
        most = max((len(q) for q in each), default=0)
        # Labels that a sample does not have are never looked up; the crystal itself fills them.
        fill = self._turned(crystal, np.array([[0.0, 0.0, 0.0, 1.0]]), dimension)
        return np.stack([np.concatenate([q, np.repeat(fill, most - len(q), 0)]) for q in each])

    def _turned(self, crystal: np.ndarray, turns: np.ndarray, dimension: int) -> np.ndarray:
        from scipy.spatial.transform import Rotation

        turns = numbers("orientations", turns)
        if turns.ndim == 1 and dimension == 2:
            rotations = Rotation.from_euler("z", turns[:, None], degrees=True)
        elif turns.ndim == 2 and turns.shape[1] == 4 and len(turns):
            rotations = Rotation.from_quat(turns)
        else:
            raise InputError(
                "Orientations must be unit quaternions, one a grain.",
                where="cubic elasticity, orientations",
                got=f"shape {turns.shape}",
                allowed="(grains, 4), scalar last; in 2-D also angles (grains,) in degrees",
            )
        stiffness = rotate_stiffness(crystal, rotations.as_matrix())
        return stiffness if dimension == 3 else in_plane(stiffness, self.state)


def isotropic_stiffness(first: np.ndarray, shear: np.ndarray, dimension: int) -> np.ndarray:
    """Stiffness ``(…, c, c)`` from Lamé's constants ``λ`` and ``μ`` ``(…)``."""
    c = len(VOIGT[dimension])
    matrix = np.zeros((*np.shape(first), c, c))
    matrix[..., :dimension, :dimension] = np.asarray(first)[..., None, None]
    for i in range(c):
        matrix[..., i, i] += (2 if i < dimension else 1) * np.asarray(shear)
    return matrix


def rotate_stiffness(stiffness: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """``(…, 6, 6)``: ``stiffness`` ``(6, 6)`` turned by rotation matrices ``(…, 3, 3)``.

    ``C' = M C Mᵀ`` with Bond's matrix M (Auld, Acoustic Fields and Waves in Solids, ch. 3).
    """
    pairs = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
    bond = np.empty((*rotation.shape[:-2], 6, 6))
    for row, (i, j) in enumerate(pairs):
        for column, (k, m) in enumerate(pairs):
            term = rotation[..., i, k] * rotation[..., j, m]
            if k != m:
                term = term + rotation[..., i, m] * rotation[..., j, k]
            bond[..., row, column] = term
    return bond @ stiffness @ np.swapaxes(bond, -1, -2)


def in_plane(stiffness: np.ndarray, state: State) -> np.ndarray:
    """The two-dimensional stiffness ``(…, 3, 3)`` of a three-dimensional one ``(…, 6, 6)``."""
    plane = stiffness[..., _IN_PLANE, :][..., _IN_PLANE]
    if state == "plane strain":
        return plane
    across = stiffness[..., _IN_PLANE, :][..., _OUT_OF_PLANE]
    out = stiffness[..., _OUT_OF_PLANE, :][..., _OUT_OF_PLANE]
    return plane - across @ np.linalg.solve(out, np.swapaxes(across, -1, -2))


def isotropised(stiffness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bulk and shear modulus ``(…)`` of the isotropic stiffness nearest to ``(…, c, c)``.

    ``κ = I:C:I / d²`` and ``2μ = (tr C − d κ) / (½d(d+1) − 1)``, with the trace over symmetric
    tensors (engineering shears count twice).
    """
    c = stiffness.shape[-1]
    d = 2 if c == 3 else 3
    bulk = stiffness[..., :d, :d].sum(axis=(-2, -1)) / d**2
    diagonal = np.diagonal(stiffness, axis1=-2, axis2=-1)
    trace = diagonal[..., :d].sum(axis=-1) + 2 * diagonal[..., d:].sum(axis=-1)
    return bulk, (trace - d * bulk) / (d * (d + 1) - 2)


def numbers(name: str, value: ArrayLike) -> np.ndarray:
    """``value`` as finite float64, or an error that names it."""
    try:
        array = np.array(value, float)
    except (TypeError, ValueError) as error:
        raise InputError(f"'{name}' must be numbers.", got=value) from error
    if not np.isfinite(array).all():
        raise InputError(
            f"'{name}' holds a value that is not finite.",
            got=array[~np.isfinite(array)].tolist()[:3],
            allowed="finite numbers",
        )
    return array


def _checked_tensors(name: str, given: np.ndarray, dimension: int) -> np.ndarray:
    if given.shape[-2:] != (dimension, dimension):
        raise InputError(
            f"The tensors of '{name}' do not fit the microstructure.",
            got=f"shape {given.shape}",
            allowed=f"(k, {dimension}, {dimension})",
        )
    scale = np.abs(given).max(axis=(-2, -1), keepdims=True)
    if (np.abs(given - np.swapaxes(given, -1, -2)) > 1e-12 * scale).any():
        raise InputError(f"A tensor of '{name}' is not symmetric.", got=given.tolist())
    if (np.linalg.eigvalsh(given) <= 0).any():
        raise InputError(f"A tensor of '{name}' is not positive definite.", got=given.tolist())
    return given


def _checked_state(state: str) -> None:
    if state not in ("plane strain", "plane stress"):
        raise InputError(
            "Unknown two-dimensional state.",
            where="elasticity, state",
            got=state,
            allowed="plane strain, plane stress",
        )
