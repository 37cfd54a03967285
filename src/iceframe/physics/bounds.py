"""Bounds on effective tensors: what no arrangement of the phases can exceed.

**Voigt and Reuss** (Wiener, for conduction) need the volume fractions ``f`` only, hold for any
anisotropic phases, and in the sense of Loewner (no direction is outside):

    (Σ f C⁻¹)⁻¹ ≤ C* ≤ Σ f C.

**Hashin and Shtrikman** add that the phases are isotropic. With the function
``Λ(y) = (Σ f / (m + y))⁻¹ − y``, which rises with ``y``, the bounds in ``d`` dimensions are

    conductivity   Λ((d−1) k),    m = k of the phases, at the lowest and the highest k;
    bulk modulus   Λ(2(d−1)/d G), m = K, at the lowest and the highest G;
    shear modulus  Λ(H),          m = G, H = G [d K/2 + (d+1)(d−2) G/d] / (K + 2 G), at the lowest
                                  K with the lowest G, and at the highest with the highest.

Where one phase has both the highest K and the highest G these are the bounds of Hashin & Shtrikman;
otherwise ("badly ordered") those of Walpole. In two dimensions K and G are the plane moduli, for
plane strain or plane stress as :func:`bulk_and_shear` gives them.

The medium need not be isotropic. Take a polarisation ``t_r b`` in phase ``r``, with ``b`` from an
orthonormal basis of the spherical or of the deviatoric strains. The variational principle sees
the geometry through ``b : Γ(n) : b`` for directions ``n`` only, and the sum of that over the basis
is the same for every ``n``. So the means over the basis, :func:`isotropised_conductivity` and
:func:`isotropised_moduli`, obey the bounds for every arrangement of isotropic phases.

**Lurie & Cherkaev, Murat & Tartar** bound all eigenvalues of two-phase conduction at once:
:func:`trace_slack`.

References: Wiener, Abh. Sächs. Akad. 32 (1912) 509; Hashin & Shtrikman, J. Appl. Phys. 33 (1962)
3125, doi:10.1063/1.1728579; J. Mech. Phys. Solids 11 (1963) 127, doi:10.1016/0022-5096(63)90060-7;
Hashin, J. Mech. Phys. Solids 13 (1965) 119, doi:10.1016/0022-5096(65)90015-3; Walpole, J. Mech.
Phys. Solids 14 (1966) 151, doi:10.1016/0022-5096(66)90035-4; Lurie & Cherkaev, Proc. R. Soc. Edinb.
A 99 (1984) 71, doi:10.1017/S030821050002597X; Milton, The Theory of Composites (2002), ch. 21-23,
doi:10.1017/CBO9780511613357.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from iceframe.core.errors import InputError, UsageError
from iceframe.physics._accepted import (
    checked_dimension,
    checked_fractions,
    checked_matrices,
    checked_moduli,
    checked_tensor,
    is_zero,
    symmetric,
)
from iceframe.physics.properties import isotropised

REFERENCE = "Hashin & Shtrikman 1963, doi:10.1016/0022-5096(63)90060-7"

STATES = ("3-D", "plane strain", "plane stress")


class Bounds(NamedTuple):
    """A lower and an upper bound: scalars ``(...)`` or matrices ``(..., c, c)``."""

    lower: np.ndarray
    upper: np.ndarray


class ElasticBounds(NamedTuple):
    """Bounds on the bulk and on the shear modulus."""

    bulk: Bounds
    shear: Bounds


def voigt_reuss(fractions: ArrayLike, matrices: ArrayLike) -> Bounds:
    """``(Σ f C⁻¹)⁻¹`` (Reuss, series) and ``Σ f C`` (Voigt, parallel), as matrices.

    Parameters
    ----------
    fractions : ``(..., k)`` volume fractions, not negative, sum one.
    matrices : ``(..., k, c, c)`` conductivity tensors or Voigt stiffnesses of the phases, symmetric
        positive definite, or zero (a void: the lower bound is then zero).

    Returns
    -------
    :class:`Bounds` of ``(..., c, c)``: ``upper − C*`` and ``C* − lower`` are positive semidefinite.

    Raises
    ------
    InputError : fractions or matrices that are none.

    Examples
    --------
    >>> lower, upper = voigt_reuss([0.5, 0.5], [np.eye(2), 3 * np.eye(2)])
    >>> lower[0, 0].round(6).item(), upper[0, 0].item()
    (1.5, 2.0)
    """
    matrices = checked_matrices(matrices)
    f = checked_fractions(fractions, matrices.shape[-3])[..., None, None]
    void = is_zero(matrices)
    # The identity stands in for a void while inverting; the bound is set to zero afterwards.
    filled = np.where(void, np.eye(matrices.shape[-1]), matrices)
    lower = np.linalg.inv((f * np.linalg.inv(filled)).sum(axis=-3))
    holed = (void & (f > 0)).any(axis=-3)
    return Bounds(np.where(holed, 0.0, symmetric(lower)), (f * matrices).sum(axis=-3))


def hashin_shtrikman_conductivity(
    fractions: ArrayLike, conductivities: ArrayLike, dimension: int
) -> Bounds:
    """``Λ((d−1) k_min)`` and ``Λ((d−1) k_max)``, with ``Λ(y) = (Σ f/(k + y))⁻¹ − y``.

    Parameters
    ----------
    fractions : ``(..., k)`` volume fractions, not negative, sum one.
    conductivities : ``(..., k)`` of isotropic phases, not negative; a phase of fraction zero does
        not count.
    dimension : 2 or 3.

    Returns
    -------
    :class:`Bounds` ``(...)`` on :func:`isotropised_conductivity`.

    Examples
    --------
    Half of k = 1 and half of k = 4 in the plane: 1/(0.5/2 + 0.5/5) − 1 and 1/(0.5/5 + 0.5/8) − 4.

    >>> lower, upper = hashin_shtrikman_conductivity([0.5, 0.5], [1, 4], 2)
    >>> lower.round(6).item(), upper.round(6).item()
    (1.857143, 2.153846)
    """
    d = checked_dimension(dimension)
    k = checked_moduli(conductivities, "conductivities")
    f = checked_fractions(fractions, k.shape[-1])
    low, high = _extremes(f, k)
    return Bounds(_hill(f, k, (d - 1) * low), _hill(f, k, (d - 1) * high))


def hashin_shtrikman_moduli(
    fractions: ArrayLike, bulk: ArrayLike, shear: ArrayLike, dimension: int
) -> ElasticBounds:
    """``K: Λ(2(d−1)/d G)`` and ``G: Λ(H(K, G))`` at the lowest and the highest moduli.

    Parameters
    ----------
    fractions : ``(..., k)`` volume fractions, not negative, sum one.
    bulk, shear : ``(..., k)`` moduli of isotropic phases, not negative; in two dimensions the plane
        moduli of :func:`bulk_and_shear`. A phase of fraction zero does not count.
    dimension : 2 or 3.

    Returns
    -------
    :class:`ElasticBounds` ``(...)`` on :func:`isotropised_moduli`. Badly ordered phases get
    Walpole's bounds.

    Examples
    --------
    Spherical voids of half the volume, K = 1 and G = 0.75 (so that 4/3 G = 1): the upper bound of
    K is 1/(0.5/2 + 0.5/1) − 1.

    >>> bounds = hashin_shtrikman_moduli([0.5, 0.5], [1, 0], [0.75, 0], 3)
    >>> bounds.bulk.upper.round(6).item(), bounds.bulk.lower.item()
    (0.333333, 0.0)
    """
    d = checked_dimension(dimension)
    k, g = checked_moduli(bulk, "bulk"), checked_moduli(shear, "shear")
    if k.shape[-1] != g.shape[-1]:
        raise InputError(
            "Every phase needs a bulk and a shear modulus.",
            got=(k.shape[-1], g.shape[-1]),
            allowed="the same number of phases",
        )
    f = checked_fractions(fractions, k.shape[-1])
    (k_low, k_high), (g_low, g_high) = _extremes(f, k), _extremes(f, g)
    return ElasticBounds(
        Bounds(*(_hill(f, k, 2 * (d - 1) / d * extreme) for extreme in (g_low, g_high))),
        Bounds(
            _hill(f, g, shear_constraint(k_low, g_low, d)),
            _hill(f, g, shear_constraint(k_high, g_high, d)),
        ),
    )


def shear_constraint(bulk: ArrayLike, shear: ArrayLike, dimension: int) -> np.ndarray:
    """``H = G [d K/2 + (d+1)(d−2) G/d] / (K + 2 G)``: how a medium resists a sheared inclusion.

    In three dimensions ``G (9K + 8G) / (6 (K + 2G))``, in two ``G K / (K + 2G)``; zero for a void.

    Examples
    --------
    >>> shear_constraint(1.0, 1.0, 3).round(6).item(), shear_constraint(1.0, 1.0, 2).round(6).item()
    (0.944444, 0.333333)
    """
    d = checked_dimension(dimension)
    k, g = np.asarray(bulk, float), np.asarray(shear, float)
    numerator = g * (d * k / 2 + (d + 1) * (d - 2) * g / d)
    return np.divide(numerator, k + 2 * g, out=np.zeros_like(numerator), where=k + 2 * g > 0)


def bulk_and_shear(
    young: ArrayLike, poisson: ArrayLike, state: str
) -> tuple[np.ndarray, np.ndarray]:
    """Bulk and shear modulus of isotropic phases: ``K = λ + 2 G/d`` of the state's own λ and d.

    ``state``: ``"3-D"``, K = E/(3(1−2ν)); ``"plane strain"``, K = E/(2(1+ν)(1−2ν));
    ``"plane stress"``, K = E/(2(1−ν)). Always G = E/(2(1+ν)).

    Parameters
    ----------
    young : any shape, not negative (0 is a void).
    poisson : broadcasts with it, above −1 and below 0.5.

    Raises
    ------
    InputError : moduli out of range. UsageError : an unknown state.

    Examples
    --------
    >>> [bulk_and_shear(2.5, 0.25, state)[0].round(6).item() for state in STATES]
    [1.666667, 2.0, 1.666667]
    >>> bulk_and_shear(2.5, 0.25, "3-D")[1].item()
    1.0
    """
    e, nu = np.broadcast_arrays(
        checked_moduli(young, "young"), np.asarray(poisson, dtype=np.float64)
    )
    if not np.all((nu > -1) & (nu < 0.5)):
        raise InputError(
            "A Poisson ratio is out of range.", where="poisson", got=poisson, allowed="-1 < ν < 0.5"
        )
    if state not in STATES:
        raise UsageError(f"Unknown state '{state}'.", allowed=", ".join(STATES))
    bulk = {
        "3-D": e / (3 * (1 - 2 * nu)),
        "plane strain": e / (2 * (1 + nu) * (1 - 2 * nu)),
        "plane stress": e / (2 * (1 - nu)),
    }[state]
    return bulk, e / (2 * (1 + nu))


def isotropised_conductivity(tensor: ArrayLike) -> np.ndarray:
    """``tr K / d``, the mean over all directions, ``(..., d, d)`` -> ``(...)``.

    Examples
    --------
    >>> isotropised_conductivity([[1.5, 0.2], [0.2, 2.0]]).item()
    1.75
    """
    tensor = checked_tensor(tensor, (2, 3))
    return np.trace(tensor, axis1=-2, axis2=-1) / tensor.shape[-1]


def isotropised_moduli(stiffness: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """``κ = I:C:I/d²`` and ``μ = Σ b:C:b / 2p``, ``b`` the ``p`` orthonormal deviatoric strains.

    They are the moduli of the mean of the tensor over all rotations (``p`` is 2 in two dimensions
    and 5 in three).

    Parameters
    ----------
    stiffness : ``(..., 3, 3)`` or ``(..., 6, 6)``, Voigt order with engineering shear strains.

    Returns
    -------
    bulk ``(...)``, shear ``(...)``.

    Examples
    --------
    λ = 1, μ = 2 in the plane, κ = λ + μ:

    >>> bulk, shear = isotropised_moduli([[5, 1, 0], [1, 5, 0], [0, 0, 2]])
    >>> bulk.item(), shear.item()
    (3.0, 2.0)
    """
    return isotropised(checked_tensor(stiffness, (3, 6)))


def trace_slack(
    tensor: ArrayLike, fractions: ArrayLike, conductivities: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """How far a two-phase tensor keeps from the trace bounds, relative; negative means outside.

    With ``k₁ < k₂`` and the harmonic and arithmetic means ``h`` and ``a``,

        tr (K − k₁)⁻¹ ≤ 1/(h − k₁) + (d−1)/(a − k₁),    tr (k₂ − K)⁻¹ ≤ 1/(k₂ − h) + (d−1)/(k₂ − a).

    Laminates of any rank that coat one phase with the other lie on them.

    Parameters
    ----------
    tensor : ``(..., d, d)`` effective conductivity, symmetric.
    fractions : ``(..., 2)``, both above zero.
    conductivities : ``(2,)`` of the isotropic phases, not negative, unequal, in either order.

    Returns
    -------
    ``1 − left/right`` of the first (lower) and the second (upper) bound, ``(...)`` each. Where one
    phase is a void the lower bound says nothing: its slack is then 1.

    Examples
    --------
    Layers lie on both:

    >>> low, high = trace_slack(np.diag([1.5, 2.0]), [0.5, 0.5], [1.0, 3.0])
    >>> abs(low.round(12)).item(), abs(high.round(12)).item()
    (0.0, 0.0)
    """
    tensor = checked_tensor(tensor, (2, 3))
    k = checked_moduli(conductivities, "conductivities")
    f = checked_fractions(fractions, 2)
    if k.shape != (2,) or k[0] == k[1] or not np.all(f > 0):
        raise InputError(
            "The trace bounds speak of two different phases.",
            got=(k.tolist(), f.tolist()),
            allowed="two unequal conductivities, fractions above zero",
        )
    d = tensor.shape[-1]
    order = np.argsort(k)
    (k1, k2), (f1, f2) = k[order], np.moveaxis(f[..., order], -1, 0)
    arithmetic = f1 * k1 + f2 * k2
    series = f1 * k2 + f2 * k1  # harmonic mean = k1 k2 / series
    values = np.linalg.eigvalsh(tensor)
    # series/(f₁ k₂ (k₂ − k₁)) = 1/(k₂ − h), and likewise below.
    right = series / (f1 * k2 * (k2 - k1)) + (d - 1) / (k2 - arithmetic)
    high = 1 - _inverse_sum(k2 - values) / right
    if k1 == 0:
        return np.ones_like(high), high
    right = series / (f2 * k1 * (k2 - k1)) + (d - 1) / (arithmetic - k1)
    return 1 - _inverse_sum(values - k1) / right, high


def _inverse_sum(gaps: np.ndarray) -> np.ndarray:
    """``Σ 1/gap``, infinite where an eigenvalue is not between the phases."""
    inside = (gaps > 0).all(axis=-1)
    return np.where(inside, (1 / np.where(gaps > 0, gaps, 1.0)).sum(axis=-1), np.inf)


def _hill(fractions: np.ndarray, moduli: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``(Σ f/(m + y))⁻¹ − y``; zero where a void meets ``y = 0``."""
    total = moduli + y[..., None]
    empty = ((total == 0) & (fractions > 0)).any(axis=-1)
    weights = np.divide(fractions, total, out=np.zeros(total.shape), where=total > 0)
    return np.where(empty, 0.0, 1 / np.where(empty, 1.0, weights.sum(axis=-1)) - y)


def _extremes(fractions: np.ndarray, moduli: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest modulus of the phases that are there."""
    there = fractions > 0
    return (
        np.where(there, moduli, np.inf).min(axis=-1),
        np.where(there, moduli, -np.inf).max(axis=-1),
    )
