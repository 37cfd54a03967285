"""Directions and stretches in array axes, shared by the generators.

Vectors are in the order of the array's axes: ``(y, x)`` or ``(z, y, x)``. A direction is given by
its ``angle`` in the xy-plane, from x towards y, and in 3-D by its ``tilt`` out of that plane,
towards z. A stretch by the ratio ``a`` along the unit vector ``u`` keeps areas and volumes:
``S = s⊥ I + (s∥ - s⊥) u uᵀ`` with ``s∥ = a^((d-1)/d)`` and ``s⊥ = a^(-1/d)``.
"""

from __future__ import annotations

import numpy as np

from iceframe.physics.generator import Factor

ANGLE = Factor(
    "angle", "direction of the long axis, from x towards y", 0.0, 0.0, 180.0, unit="degree"
)
TILT = Factor(
    "tilt",
    "elevation of the long axis out of the xy-plane, towards z",
    0.0,
    0.0,
    90.0,
    unit="degree",
    dimensions=(3,),
)


def unit_vectors(dimension: int, angle: np.ndarray, tilt: np.ndarray | None = None) -> np.ndarray:
    """Unit vectors ``(n, dimension)`` in array order, from angles ``(n,)`` in degrees.

    Examples
    --------
    >>> unit_vectors(2, np.array([90.0])).round(6).tolist()
    [[1.0, 0.0]]
    """
    turn = np.deg2rad(np.asarray(angle, float))
    if dimension == 2:
        return np.stack([np.sin(turn), np.cos(turn)], axis=-1)
    rise = np.zeros_like(turn) if tilt is None else np.deg2rad(np.asarray(tilt, float))
    flat = np.cos(rise)
    return np.stack([np.sin(rise), flat * np.sin(turn), flat * np.cos(turn)], axis=-1)


def angles_of(vector: np.ndarray) -> tuple[float, float]:
    """Angle in [0, 180) and tilt in [-90, 90], in degrees, of a vector ``(d,)`` without a sense.

    Examples
    --------
    >>> angles_of(np.array([2.0, 2.0]))
    (45.0, 0.0)
    """
    rise, y, x = (0.0, *vector) if len(vector) == 2 else vector
    angle = float(np.rad2deg(np.arctan2(y, x)))
    tilt = float(np.rad2deg(np.arctan2(rise, np.hypot(x, y))))
    if not 0 <= angle < 180:
        angle, tilt = angle % 180.0, -tilt
    return angle, tilt


def stretch_factors(dimension: int, ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stretch along and across the axis for the ratio ``a`` of the two; volume is kept."""
    ratio = np.asarray(ratio, float)
    return ratio ** ((dimension - 1) / dimension), ratio ** (-1 / dimension)


def stretch_matrix(ratio: float, axis: np.ndarray) -> np.ndarray:
    """The stretch ``S``, ``(d, d)``, by ``ratio`` along the unit vector ``axis`` ``(d,)``.

    Examples
    --------
    >>> stretch_matrix(4.0, np.array([0.0, 1.0])).tolist()
    [[0.5, 0.0], [0.0, 2.0]]
    """
    along, across = stretch_factors(len(axis), np.array(ratio))
    return across * np.eye(len(axis)) + (along - across) * np.outer(axis, axis)
