"""Effective tensors that are known in closed form, to hold solvers and explanations to.

**Laminates.** In layers of normal ``n`` the strain jumps by ``sym(a ⊗ n)``, the traction does not
jump. With ``N`` the matrix that turns ``a`` into a strain in Voigt's order (so that ``Nᵀ`` turns a
stress into its traction), ``A = Nᵀ C N`` the acoustic tensor and ``⟨·⟩`` the mean over the layers,

    C* = ⟨C − C N A⁻¹ Nᵀ C⟩ + ⟨C N A⁻¹⟩ ⟨A⁻¹⟩⁻¹ ⟨A⁻¹ Nᵀ C⟩.

Conduction is the same with ``N = n``. Exact for any number of anisotropic layers in any order, and
as an integral for a medium that varies smoothly in one direction.

**The plane.** A checkerboard of two phases, like every two-phase medium that is statistically the
same after the phases are swapped, conducts as ``√(k₁ k₂)``; for all others Keller's duality gives
the tensor of the swapped medium, ``k₁ k₂ K / det K``.

**Dilute limits.** For a small fraction ``f`` of discs or spheres (phase 2) far apart in phase 1,

    k* = k₁ + f (k₂ − k₁) (k₁ + y)/(k₂ + y),    y = (d−1) k₁                            (Maxwell),
    K* = K₁ + f (K₂ − K₁) (K₁ + y)/(K₂ + y),    y = 2 (d−1)/d G₁                        (Eshelby),
    G* = G₁ + f (G₂ − G₁) (G₁ + y)/(G₂ + y),    y = H(K₁, G₁), see ``bounds.shear_constraint``,

each up to terms of order ``f²``. Maxwell's full formula and that of Mori and Tanaka replace the
factor by ``(m₁ + y)/(m₂ + y − f (m₂ − m₁))``, the Hashin–Shtrikman bound of phase 1's side.

References: Backus, J. Geophys. Res. 67 (1962) 4427, doi:10.1029/JZ067i011p04427; Milton, The Theory
of Composites (2002), ch. 9, doi:10.1017/CBO9780511613357; Keller, J. Math. Phys. 5 (1964) 548,
doi:10.1063/1.1704146; Dykhne, Sov. Phys. JETP 32 (1971) 63; Mendelson, J. Appl. Phys. 46 (1975)
917; Maxwell, A Treatise on Electricity and Magnetism (1873), art. 314; Eshelby, Proc. R. Soc.
A 241 (1957) 376, doi:10.1098/rspa.1957.0133; Mori & Tanaka, Acta Metall. 21 (1973) 571,
doi:10.1016/0001-6160(73)90064-3; Benveniste, Mech. Mater. 6 (1987) 147,
doi:10.1016/0167-6636(87)90005-6.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from iceframe.core.errors import InputError
from iceframe.physics._accepted import (
    checked_dimension,
    checked_fractions,
    checked_matrices,
    checked_moduli,
    checked_tensor,
    is_zero,
    symmetric,
)
from iceframe.physics.bounds import shear_constraint

REFERENCE = "Milton 2002, doi:10.1017/CBO9780511613357"

# Voigt order of the shear components, by dimension.
_SHEARS = {2: ((0, 1),), 3: ((1, 2), (0, 2), (0, 1))}


class Moduli(NamedTuple):
    """Bulk and shear modulus of an isotropic medium."""

    bulk: np.ndarray
    shear: np.ndarray


def laminate(fractions: ArrayLike, matrices: ArrayLike, normal: ArrayLike) -> np.ndarray:
    """Effective matrix of parallel layers; the formula stands at the head of this module.

    Parameters
    ----------
    fractions : ``(..., k)`` volume fractions of the layers, not negative, sum one.
    matrices : ``(..., k, c, c)``: conductivity tensors ``c = d`` or Voigt stiffnesses ``c = 3, 6``,
        symmetric positive definite, or zero (a void: the traction is then zero).
    normal : ``(d,)``, components x, y(, z), of any length above zero. It tells a conductivity of
        three dimensions from a stiffness of two.

    Returns
    -------
    ``(..., c, c)``, symmetric.

    Raises
    ------
    InputError : fractions, matrices or a normal that do not fit.

    Examples
    --------
    Series across the layers, parallel along them:

    >>> layers = [1.0 * np.eye(2), 3.0 * np.eye(2)]
    >>> laminate([0.5, 0.5], layers, [1, 0]).round(6).tolist()
    [[1.5, 0.0], [0.0, 2.0]]
    >>> laminate([0.5, 0.5], layers, [1, 1]).round(6).tolist()
    [[1.75, -0.25], [-0.25, 1.75]]
    """
    f, matrices, n = _checked_layers(fractions, matrices, normal)
    weights = f[..., None, None]
    void = is_zero(matrices)
    right = np.swapaxes(n, -1, -2) @ matrices  # Nᵀ C, (..., k, m, c)
    acoustic = np.where(void, np.eye(n.shape[-1]), right @ n)
    solved = np.linalg.solve(acoustic, right)  # A⁻¹ Nᵀ C
    within = (weights * (matrices - np.swapaxes(right, -1, -2) @ solved)).sum(axis=-3)
    mean = (weights * solved).sum(axis=-3)
    series = (weights * np.linalg.inv(acoustic)).sum(axis=-3)
    across = np.swapaxes(mean, -1, -2) @ np.linalg.solve(series, mean)
    holed = (void & (weights > 0)).any(axis=-3)
    return symmetric(within + np.where(holed, 0.0, across))


def laminate_fields(fractions: ArrayLike, matrices: ArrayLike, normal: ArrayLike) -> np.ndarray:
    """Strain (or gradient) in each layer for a unit mean strain: ``L = 1 + N A⁻¹ (T − Nᵀ C)``.

    ``T = ⟨A⁻¹⟩⁻¹ ⟨A⁻¹ Nᵀ C⟩`` is the traction that all layers share. The fields solve the cell
    problem, so that ``C* = ⟨C L⟩`` and, to first order, ``δC* = f Lᵀ δC L`` for a layer of fraction
    ``f``: the known answer of a sensitivity.

    Parameters
    ----------
    fractions, matrices, normal : as for :func:`laminate`, without voids, in which the strain is
        not defined.

    Returns
    -------
    ``(..., k, c, c)``; column ``b`` is the strain under the mean strain ``b``.

    Examples
    --------
    The gradient is steeper in the poor conductor; along the layers it is the same.

    >>> laminate_fields([0.5, 0.5], [np.eye(2), 3 * np.eye(2)], [1, 0]).round(6).tolist()
    [[[1.5, 0.0], [0.0, 1.0]], [[0.5, 0.0], [0.0, 1.0]]]
    """
    f, matrices, n = _checked_layers(fractions, matrices, normal)
    if is_zero(matrices).any():
        raise InputError("The strain in a void layer is not defined.", where="matrices")
    weights = f[..., None, None]
    right = np.swapaxes(n, -1, -2) @ matrices
    acoustic = right @ n
    mean = (weights * np.linalg.solve(acoustic, right)).sum(axis=-3, keepdims=True)
    series = (weights * np.linalg.inv(acoustic)).sum(axis=-3, keepdims=True)
    jump = np.linalg.solve(acoustic, np.linalg.solve(series, mean) - right)
    return np.eye(matrices.shape[-1]) + n @ jump


def jump_matrix(normal: ArrayLike, components: int) -> np.ndarray:
    """``N``: a jump ``a`` across a surface of normal ``n`` as a gradient or a Voigt strain.

    ``(d, 1)`` for conduction (``components = d``), else ``(3, 2)`` or ``(6, 3)``, with
    ``ε = sym(a ⊗ n)`` and engineering shears.

    Examples
    --------
    >>> jump_matrix([0, 1], 3).tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """
    n = np.asarray(normal, float)
    length = np.linalg.norm(n) if n.shape in ((2,), (3,)) and np.isfinite(n).all() else 0.0
    if length == 0:
        raise InputError(
            "A normal is two or three finite numbers, not all zero.", where="normal", got=normal
        )
    n = n / length
    d = len(n)
    if components == d:
        return n[:, None]
    if components != d * (d + 1) // 2:
        raise InputError(
            "The normal does not fit the matrices.",
            where="normal",
            got=f"{d} components with matrices of size {components}",
            allowed=f"matrices of size {d} (conduction) or {d * (d + 1) // 2} (elasticity)",
        )
    shears = np.zeros((len(_SHEARS[d]), d))
    for row, (i, j) in zip(shears, _SHEARS[d], strict=True):
        row[i], row[j] = n[j], n[i]
    return np.vstack([np.diag(n), shears])


def checkerboard(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """``√(k₁ k₂)``, the conductivity of a two-dimensional checkerboard (Keller, Dykhne).

    Examples
    --------
    >>> checkerboard(1.0, 100.0).item()
    10.0
    """
    return np.sqrt(checked_moduli(first, "first") * checked_moduli(second, "second"))


def swapped(tensor: ArrayLike, first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """``k₁ k₂ K / det K``: the conductivity after the two phases have changed places.

    Keller's duality in Mendelson's form: ``K(k₂, k₁) = k₁ k₂ R K(k₁, k₂)⁻¹ Rᵀ``, ``R`` a quarter
    turn. In the plane ``R K⁻¹ Rᵀ = K / det K``.

    Parameters
    ----------
    tensor : ``(..., 2, 2)``, symmetric positive definite.
    first, second : conductivities of the isotropic phases, above zero, ``(...)``.

    Examples
    --------
    Layers of 1 and 3: series 1.5 along x, parallel 2 along y; so they are when swapped.

    >>> swapped(np.diag([1.5, 2.0]), 1.0, 3.0).round(6).tolist()
    [[1.5, 0.0], [0.0, 2.0]]
    """
    k = checked_tensor(tensor, (2,))
    if not (np.linalg.eigvalsh(k) > 0).all():
        raise InputError("The tensor is not positive definite.", where="tensor", got=k.tolist())
    product = checked_moduli(first, "first") * checked_moduli(second, "second")
    return product[..., None, None] * k / np.linalg.det(k)[..., None, None]


def dilute_conductivity(
    fraction: ArrayLike, matrix: ArrayLike, inclusion: ArrayLike, dimension: int
) -> np.ndarray:
    """``k₁ + f d k₁ (k₂ − k₁) / (k₂ + (d−1) k₁)``: few discs or spheres, exact to first order.

    All arguments broadcast; ``fraction`` in [0, 1], conductivities not negative, the matrix above
    zero.

    Examples
    --------
    One per cent of perfectly insulating spheres costs one and a half per cent.

    >>> dilute_conductivity(0.01, 1.0, 0.0, 3).round(6).item()
    0.985
    """
    k1, k2 = checked_moduli(matrix, "matrix"), checked_moduli(inclusion, "inclusion")
    return _dilute(fraction, k1, k2, (checked_dimension(dimension) - 1) * k1)


def maxwell_conductivity(
    fraction: ArrayLike, matrix: ArrayLike, inclusion: ArrayLike, dimension: int
) -> np.ndarray:
    """``k₁ + f d k₁ (k₂ − k₁) / (k₂ + (d−1) k₁ − f (k₂ − k₁))``, Maxwell's formula.

    Right to first order in ``f``, and for square and cubic arrays to third order (Rayleigh);
    equal to the Hashin–Shtrikman bound on the matrix's side.

    Examples
    --------
    >>> maxwell_conductivity(0.5, 1.0, 4.0, 2).round(6).item()
    1.857143
    """
    k1, k2 = checked_moduli(matrix, "matrix"), checked_moduli(inclusion, "inclusion")
    return _mean_field(fraction, k1, k2, (checked_dimension(dimension) - 1) * k1)


def square_array_conductivity(
    fraction: ArrayLike, matrix: ArrayLike, inclusion: ArrayLike
) -> np.ndarray:
    """A square array of discs, ``k₁ [1 − 2f / (T + f − S T/(T² − 1.402958 f⁸) − 0.013362 f⁸/T)]``.

    ``T = (k₁ + k₂)/(k₁ − k₂)`` and ``S = 0.305827 f⁴``. Rayleigh's method with two more multipoles:
    the next term is of order ``f¹²``. It obeys Keller's duality.

    Reference: Perrins, McKenzie & McPhedran, Proc. R. Soc. A 369 (1979) 207,
    doi:10.1098/rspa.1979.0160.

    Examples
    --------
    >>> square_array_conductivity(0.3, 1.0, 10.0).round(3).item()
    1.652
    """
    k1, k2 = checked_moduli(matrix, "matrix"), checked_moduli(inclusion, "inclusion")
    f = _checked_fraction(fraction)
    _check_matrix(k1, k1)
    # In terms of 1/T, which is finite for equal phases too.
    b = (k2 - k1) / (k1 + k2)
    quadrupole = 0.305827 * f**4 * b**2 / (1 - 1.402958 * f**8 * b**2)
    return k1 * (1 + 2 * f * b / (1 - f * b - quadrupole - 0.013362 * f**8 * b**2))


def dilute_moduli(
    fraction: ArrayLike,
    matrix: tuple[ArrayLike, ArrayLike],
    inclusion: tuple[ArrayLike, ArrayLike],
    dimension: int,
) -> Moduli:
    """Bulk and shear modulus with few discs or spheres, exact to first order in their fraction.

    Parameters
    ----------
    fraction : in [0, 1].
    matrix, inclusion : ``(bulk, shear)``; in two dimensions the plane moduli of
        :func:`iceframe.physics.bounds.bulk_and_shear`. The matrix above zero; a void is (0, 0).
    dimension : 2 for discs (fibres, plane strain or plane stress), 3 for spheres.

    Examples
    --------
    Holes in a sheet with ν = 1/3 under plane stress (E = 8/3, K = 2, G = 1): E falls with 3 f,
    as 1/E = 1/(4K) + 1/(4G) shows.

    >>> bulk, shear = dilute_moduli(1e-6, (2.0, 1.0), (0.0, 0.0), 2)
    >>> young = 4 * bulk * shear / (bulk + shear)
    >>> ((1 - young / (8 / 3)) / 1e-6).round(3).item()
    3.0
    """
    (k1, g1), (k2, g2) = _checked_pair(matrix, "matrix"), _checked_pair(inclusion, "inclusion")
    d = checked_dimension(dimension)
    return Moduli(
        _dilute(fraction, k1, k2, 2 * (d - 1) / d * g1),
        _dilute(fraction, g1, g2, shear_constraint(k1, g1, d)),
    )


def mori_tanaka(
    fraction: ArrayLike,
    matrix: tuple[ArrayLike, ArrayLike],
    inclusion: tuple[ArrayLike, ArrayLike],
    dimension: int,
) -> Moduli:
    """Mori and Tanaka's estimate for discs or spheres; arguments as for :func:`dilute_moduli`.

    Examples
    --------
    Pores of half the volume, K = 1 and 4/3 G = 1:

    >>> mori_tanaka(0.5, (1.0, 0.75), (0.0, 0.0), 3).bulk.round(6).item()
    0.333333
    """
    (k1, g1), (k2, g2) = _checked_pair(matrix, "matrix"), _checked_pair(inclusion, "inclusion")
    d = checked_dimension(dimension)
    return Moduli(
        _mean_field(fraction, k1, k2, 2 * (d - 1) / d * g1),
        _mean_field(fraction, g1, g2, shear_constraint(k1, g1, d)),
    )


def _dilute(fraction: ArrayLike, m1: np.ndarray, m2: np.ndarray, y: np.ndarray) -> np.ndarray:
    f = _checked_fraction(fraction)
    _check_matrix(m1, y)
    return m1 + f * (m2 - m1) * (m1 + y) / (m2 + y)


def _mean_field(fraction: ArrayLike, m1: np.ndarray, m2: np.ndarray, y: np.ndarray) -> np.ndarray:
    f = _checked_fraction(fraction)
    _check_matrix(m1, y)
    return m1 + f * (m2 - m1) * (m1 + y) / (m2 + y - f * (m2 - m1))


def _check_matrix(modulus: np.ndarray, constraint: np.ndarray) -> None:
    if not (np.all(modulus > 0) and np.all(constraint > 0)):
        raise InputError("The matrix must be no void.", where="matrix", got=modulus.tolist())


def _checked_fraction(fraction: ArrayLike) -> np.ndarray:
    f = np.asarray(fraction, float)
    if not np.all((f >= 0) & (f <= 1)):
        raise InputError(
            "The volume fraction of the inclusions is out of range.",
            where="fraction",
            got=f.tolist(),
            allowed="0 to 1",
        )
    return f


def _checked_pair(pair: tuple[ArrayLike, ArrayLike], where: str) -> tuple[np.ndarray, np.ndarray]:
    bulk, shear = pair
    return checked_moduli(bulk, f"{where}, bulk"), checked_moduli(shear, f"{where}, shear")


def _checked_layers(
    fractions: ArrayLike, matrices: ArrayLike, normal: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fractions ``(..., k)``, matrices ``(..., k, c, c)`` and ``N`` ``(c, m)``."""
    checked = checked_matrices(matrices)
    n = jump_matrix(normal, checked.shape[-1])
    return checked_fractions(fractions, checked.shape[-3]), checked, n
