"""What the bounds and the known answers accept: fractions, moduli and matrices, or an error."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from iceframe.core.errors import InputError


def symmetric(matrices: np.ndarray) -> np.ndarray:
    """The symmetric part of ``(..., c, c)``."""
    return 0.5 * (matrices + np.swapaxes(matrices, -1, -2))


def is_zero(matrices: np.ndarray) -> np.ndarray:
    """``(..., 1, 1)``: the phases that are voids."""
    return (matrices == 0).all(axis=(-2, -1), keepdims=True)


def checked_fractions(fractions: ArrayLike, phases: int) -> np.ndarray:
    """Volume fractions ``(..., phases)`` that add up to one, or an error."""
    f = np.asarray(fractions, float)
    if f.ndim == 0 or f.shape[-1] != phases or not np.isfinite(f).all():
        raise InputError(
            "Every phase needs a volume fraction.",
            where="fractions",
            got=f.shape if np.isfinite(f).all() else "not finite",
            allowed=f"(..., {phases}) finite numbers",
        )
    if (f < 0).any() or (np.abs(f.sum(axis=-1) - 1) > 1e-9).any():
        raise InputError(
            "Volume fractions must not be negative and must add up to one.",
            where="fractions",
            got=f.tolist() if f.size < 10 else f"sums from {f.sum(axis=-1).min():.12g}",
        )
    return f


def checked_moduli(values: ArrayLike, where: str) -> np.ndarray:
    """Finite moduli or conductivities, not negative, or an error."""
    array = np.asarray(values, float)
    if not np.all(np.isfinite(array) & (array >= 0)):
        raise InputError(
            "Every modulus or conductivity must be finite and not negative.",
            where=where,
            got=array.tolist(),
        )
    return array


def checked_dimension(dimension: int) -> int:
    """2 or 3, or an error."""
    if dimension not in (2, 3):
        raise InputError("There are two or three dimensions.", where="dimension", got=dimension)
    return int(dimension)


def checked_tensor(tensor: ArrayLike, sizes: tuple[int, ...]) -> np.ndarray:
    """Symmetric finite ``(..., c, c)``, or an error."""
    array = np.asarray(tensor, float)
    if array.ndim < 2 or array.shape[-1] != array.shape[-2] or array.shape[-1] not in sizes:
        raise InputError(
            "This is not a tensor of the kind.",
            got=array.shape,
            allowed=" or ".join(f"(..., {c}, {c})" for c in sizes),
        )
    if not np.isfinite(array).all():
        raise InputError("A tensor has components that are not finite.", got=array.tolist())
    scale = np.abs(array).max(axis=(-2, -1), keepdims=True, initial=0.0)
    if (np.abs(array - np.swapaxes(array, -1, -2)) > 1e-6 * scale).any():
        raise InputError("A tensor is not symmetric.", got=array.tolist())
    return array


def checked_matrices(matrices: ArrayLike) -> np.ndarray:
    """Symmetric ``(..., k, c, c)``, each positive definite or zero, or an error."""
    array = checked_tensor(matrices, (2, 3, 6))
    if array.ndim < 3:
        raise InputError("Give one matrix a phase.", got=array.shape, allowed="(..., k, c, c)")
    positive = (np.linalg.eigvalsh(array) > 0).all(axis=-1)
    if not (positive | is_zero(array)[..., 0, 0]).all():
        raise InputError(
            "A phase's matrix is neither positive definite nor zero.",
            where="matrices",
            hint="a void is a matrix of zeros",
        )
    return array
