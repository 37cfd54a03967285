"""Crystal orientations in images: how they are written, and how far two of them are apart.

Of images of kind ``orientation``:

* four channels: a unit quaternion, scalar last, that turns the axes of a *cubic* crystal into those
  of the sample (x, y, z), as simulated polycrystals store it;
* one channel: an angle in the plane as a share of its period, so that 0 and 1 are the same
  orientation (of a crystal with fourfold symmetry, 1 stands for 90 degrees).

Two cubic crystals are apart by the least angle of the 24 rotations that turn one into the other:
with the magnitudes a ≥ b ≥ c ≥ d of the components of p⁻¹q,

    cos(ω / 2) = max(a, (a + b) / √2, (a + b + c + d) / 2)

Grimmer 1974, doi:10.1107/S0567739474001719
"""

from __future__ import annotations

import numpy as np

from iceframe.core.errors import InputError
from iceframe.scale.image_format import ImageFormat

NORM_TOLERANCE = 1e-2
"""How far the norm of a quaternion may lie from 1: above what float16 and interpolation leave."""


def check_channels(image_format: ImageFormat) -> None:
    """Refuse images of kind ``orientation`` that are neither angles nor quaternions.

    Raises
    ------
    InputError : another number of channels than 1 and 4.
    """
    channels = image_format.shape[0]
    if image_format.kind == "orientation" and channels not in (1, 4):
        raise InputError(
            "These images are none of crystal orientations.",
            got=f"{channels} channels",
            allowed="one channel, an angle as a share of its period, or four, a unit quaternion",
        )


def quaternions(batch: np.ndarray) -> np.ndarray:
    """Float64 quaternions ``(b, 4, *grid)`` of norm 1.

    Raises
    ------
    InputError : norms that are not 1.
    """
    values = batch.astype(np.float64)
    norm = np.sqrt((values**2).sum(axis=1, keepdims=True))
    off = np.abs(norm - 1) > NORM_TOLERANCE
    if off.any():
        raise InputError(
            "These orientations are no unit quaternions.",
            got=f"a norm of {norm[off][0]:.3g} in {int(off.sum())} pixels",
            allowed="four channels x, y, z, w with x² + y² + z² + w² = 1",
            hint="give pixels without an orientation that of their neighbour",
        )
    return np.asarray(values / norm)


def disorientation(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Angle in degrees between cubic crystals: ``(b, 4, *grid)`` twice -> ``(b, *grid)``.

    Examples
    --------
    A quarter turn round z changes nothing, an eighth is 45 degrees:

    >>> turn = lambda degree: np.array([[0, 0, np.sin(np.deg2rad(degree) / 2),
    ...                                  np.cos(np.deg2rad(degree) / 2)]])
    >>> [float(disorientation(turn(0), turn(d))[0].round(4)) for d in (90, 45, 100)]
    [0.0, 45.0, 10.0]
    """
    pv, pw, qv, qw = p[:, :3], p[:, 3:], q[:, :3], q[:, 3:]
    vector = pw * qv - qw * pv - np.cross(pv, qv, axis=1)
    parts = np.abs(np.concatenate([vector, (p * q).sum(axis=1, keepdims=True)], axis=1))
    parts.sort(axis=1)
    d, c, b, a = (parts[:, i] for i in range(4))
    half = np.maximum.reduce([a, (a + b) / np.sqrt(2), (a + b + c + d) / 2])
    return np.asarray(2 * np.rad2deg(np.arccos(np.minimum(half, 1))))


def angular_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Least difference of angles given as shares of their period: 0 to 0.5.

    Examples
    --------
    >>> angular_distance(np.array([0.95]), np.array([0.05])).round(6).tolist()
    [0.1]
    """
    apart = np.abs(a - b) % 1.0
    return np.asarray(np.minimum(apart, 1 - apart))
