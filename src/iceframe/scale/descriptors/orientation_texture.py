"""Crystallographic texture: how far the orientations are from random, and how neighbours differ.

Depends on what the image holds (see ``_orientations``):

*Quaternions* of cubic crystals, with n_a the crystal's axes in the sample's frame and ⟨·⟩ the mean
over the image:

    orientation factor along i, Γ_i = 3 ⟨Σ_{a<b} n_ai² n_bi²⟩, over that of random texture, 3/5
    shear moments ⟨Σ_a n_ai³ n_aj⟩, i ≠ j; random texture: 0

(both together are all moments of degree 4, which the stiffness of a cubic polycrystal in the Voigt
and Reuss averages depends on: Bunge 1982, §13), and the texture index ∫ f² dg of the orientation
distribution f up to degree 6,

    J = 1 + 9 ‖⟨H₄⟩‖² / ‖H₄‖² + 13 ‖⟨H₆⟩‖² / ‖H₆‖²

with the cubic harmonics H₄, H₆ as functions on the sphere, turned with each crystal: 1 for random
texture, 23 for a single crystal; N random grains of equal size have 1 + 22/N on average. (Kearns
factors, of degree 2, are 1/3 for any texture of cubic crystals.)

*Angles* θ as shares of their period: cosine and sine moments c_m = ⟨exp(2πi m θ)⟩, m = 1 … 4,
their magnitudes, and the texture index 1 + 2 Σ |c_m|² (random: 1, single crystal: 9).

*Grey level* in [0, 1], as simulated polycrystals are shown: taken as the cubic orientation factor
along x. Its mean and its spread over those of random texture, and the texture index
1 + 2 Σ ⟨cos(mπu)⟩², m = 1 … 4, with u the share of random orientations of a lower factor.

All: mean misorientation of adjacent pixels, and that across boundaries (more than 5°, 0.01 of the
period, 10⁻⁵ of the factor) over the mean for random pairs (cubic: 40.74°, Mackenzie 1958),
undefined (NaN) where there is no boundary; of quaternions also the share of boundaries below 15°.

Bunge 1982, Texture Analysis in Materials Science, doi:10.1016/C2013-0-11769-2;
Mackenzie 1958, doi:10.1093/biomet/45.1-2.229
"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Self

import numpy as np

from iceframe.core.errors import InputError
from iceframe.scale.descriptor import (
    DESCRIPTORS,
    Feature,
    ImageDescriptor,
    refuse_unmasked,
)
from iceframe.scale.descriptors._orientations import (
    angular_distance,
    check_channels,
    disorientation,
    quaternions,
)
from iceframe.scale.descriptors._segmented import quotient
from iceframe.scale.image_format import ImageFormat

BOUNDARY = {"cubic": 5.0, "angle": 0.01, "factor": 1e-5}
"""Least difference across a boundary: degrees, share of the period, orientation factor."""

LOW_ANGLE = 15.0
"""Boundaries below this angle in degrees are low-angle ones (Brandon 1966)."""

MACKENZIE_MEAN = 40.736
"""Mean disorientation of random pairs of cubic crystals in degrees (Mackenzie 1958)."""

RANDOM_FACTOR = 3 / 5
"""Mean of the cubic orientation factor over all directions."""

HARMONICS = 4
"""Circular moments of an angle, cosine moments of a factor."""

ROTATED_AT_ONCE = 1 << 14
"""Pixels whose directions are turned at once: 49 directions of 3 components are 19 MB."""


@DESCRIPTORS.register("orientation_texture")
class OrientationTexture(ImageDescriptor):
    """Moments of the orientation distribution, texture index, misorientation of neighbours."""

    name = "orientation_texture"
    title = "Crystallographic texture"
    summary = "Moments of the crystal orientations, texture index, misorientation of neighbours."
    reference = (
        "Bunge 1982, doi:10.1016/C2013-0-11769-2; Mackenzie 1958, doi:10.1093/biomet/45.1-2.229"
    )
    default = False
    default_kinds: ClassVar[tuple[str, ...]] = ("orientation",)

    def fit_format(self, image_format: ImageFormat) -> Self:
        """Fit to orientations, or to grey images of orientation factors.

        Raises
        ------
        InputError : segmented or colour images, another number of channels.
        """
        check_channels(image_format)
        if image_format.levels or (image_format.kind, image_format.shape[0] > 1) not in (
            ("orientation", True),
            ("orientation", False),
            ("grey", False),
        ):
            raise InputError(
                f"The descriptor '{self.name}' needs crystal orientations.",
                got=f"{image_format.shape[0]} channels of kind '{image_format.kind}'",
                allowed="images of kind 'orientation', or grey ones of an orientation factor",
            )
        return super().fit_format(image_format)

    def columns(self) -> list[Feature]:
        """One set of features an image: its channels are described together."""
        return self.features()

    def features(self) -> list[Feature]:
        """Moments, texture index, misorientations."""
        form = self._form()
        if form == "cubic":
            found = [(f"orientation factor along {i}, relative to random", "") for i in "xyz"]
            found += [(f"shear moment {i}³{j}", "") for i in "xyz" for j in "xyz" if i != j]
            unit, adjacent = "degree", "mean misorientation of adjacent pixels"
        elif form == "angle":
            orders = range(1, HARMONICS + 1)
            found = [(f"cosine moment {m} of orientation", "") for m in orders]
            found += [(f"sine moment {m} of orientation", "") for m in orders]
            found += [(f"magnitude of moment {m} of orientation", "") for m in orders]
            unit, adjacent = "period", "mean misorientation of adjacent pixels"
        else:
            found = [("mean orientation factor, relative to random", "")]
            found += [("spread of orientation factor, relative to random", "")]
            unit, adjacent = "", "mean difference of orientation factor of adjacent pixels"
        found += [("texture index", ""), (adjacent, unit)]
        found += [("boundary misorientation, relative to random", "")]
        if form == "cubic":
            found += [("share of low-angle boundaries", "")]
        return [Feature(name, unit_, "orientation_texture") for name, unit_ in found]

    def describe(self, batch: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
        """Features ``(b, d)`` of images ``(b, channels, *grid)``, of which every pixel is valid."""
        if valid is not None and not valid.all():
            refuse_unmasked(self)
        return self.measure(batch)

    def measure(self, fields: np.ndarray) -> np.ndarray:
        """``(b, channels, *grid)`` -> ``(b, d)``: all channels at once."""
        form = self._form()
        if form == "cubic":
            turns = quaternions(fields)
            return np.hstack([_cubic(turns), self._neighbours(turns)])
        values = fields.astype(np.float64)
        flat = values.reshape(len(values), -1)
        moments = _angles(flat) if form == "angle" else _factors(flat)
        return np.hstack([moments, self._neighbours(values)])

    def _form(self) -> str:
        if self.format.kind != "orientation":
            return "factor"
        return "cubic" if self.format.shape[0] == 4 else "angle"

    def _neighbours(self, values: np.ndarray) -> np.ndarray:
        """Misorientation of adjacent pixels, across boundaries, share of low angles."""
        form, b = self._form(), len(values)
        random = {"cubic": MACKENZIE_MEAN, "angle": 1 / 4, "factor": random_factors()[2]}[form]
        pairs, total, boundaries, across, low = (np.zeros(b) for _ in range(5))
        for axis in range(2, values.ndim):
            n = values.shape[axis]
            ahead = np.roll(values, -1, axis=axis)
            if not self.format.periodic:
                ahead = np.take(ahead, range(n - 1), axis=axis)
            here = values if self.format.periodic else np.take(values, range(n - 1), axis=axis)
            apart = _apart(form, here, ahead).reshape(b, -1)
            boundary = apart > BOUNDARY[form]
            pairs += apart.shape[1]
            total += apart.sum(axis=1)
            boundaries += boundary.sum(axis=1)
            across += (apart * boundary).sum(axis=1)
            low += (boundary & (apart < LOW_ANGLE)).sum(axis=1)
        found = [quotient(total, pairs), quotient(across, boundaries) / random]
        if form == "cubic":
            found.append(quotient(low, boundaries))
        return np.column_stack(found)


def _apart(form: str, here: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    if form == "cubic":
        return disorientation(here, ahead)
    return angular_distance(here, ahead) if form == "angle" else np.abs(here - ahead)


def _angles(share: np.ndarray) -> np.ndarray:
    """Circular moments and texture index of angles ``(b, m)``."""
    orders = range(1, HARMONICS + 1)
    moments = np.column_stack([np.exp(2j * np.pi * m * share).mean(axis=1) for m in orders])
    size = np.abs(moments)
    return np.column_stack([moments.real, moments.imag, size, 1 + 2 * (size**2).sum(axis=1)])


def _factors(factor: np.ndarray) -> np.ndarray:
    """Mean, spread and texture index of orientation factors ``(b, m)``."""
    levels, below, _ = random_factors()
    weight = np.diff(below, prepend=0.0)
    spread = np.sqrt(weight @ (levels - RANDOM_FACTOR) ** 2)
    share = np.interp(factor, levels, below)
    moments = [np.cos(m * np.pi * share).mean(axis=1) for m in range(1, HARMONICS + 1)]
    index = 1 + 2 * np.square(moments).sum(axis=0)
    return np.column_stack(
        [factor.mean(axis=1) / RANDOM_FACTOR, factor.std(axis=1) / spread, index]
    )


@lru_cache(maxsize=1)
def random_factors() -> tuple[np.ndarray, np.ndarray, float]:
    """The cubic orientation factor of random directions.

    Returns
    -------
    Its levels ``(m,)``, rising; the share of directions up to each; the mean difference of a pair.

    Examples
    --------
    >>> levels, below, _ = random_factors()
    >>> round(float(np.diff(below, prepend=0.0) @ levels), 4)
    0.6
    """
    n = 400  # midpoints of equal areas in one octant
    z, turn = (np.arange(n) + 0.5) / n, np.pi / 2 * (np.arange(n) + 0.5) / n
    c = (z**2)[:, None]
    a, b = (1 - c) * np.cos(turn) ** 2, (1 - c) * np.sin(turn) ** 2
    levels = np.sort((3 * (a * b + b * c + c * a)).ravel())
    below = (np.arange(levels.size) + 1) / levels.size
    pair = 2 * np.sum((below * (1 - below))[:-1] * np.diff(levels))
    return levels, below, float(pair)


def _cubic(turns: np.ndarray) -> np.ndarray:
    """Moments of degree 4 and the texture index of quaternions ``(b, 4, *grid)``."""
    b = len(turns)
    matrices = rotation_matrices(np.moveaxis(turns.reshape(b, 4, -1), 1, 2))  # (b, m, 3, 3)
    square = matrices**2
    fourth = (square**2).sum(axis=3).mean(axis=1)  # (b, i): ⟨Σ_a n_ai⁴⟩
    factor = 3 * (1 - fourth) / 2 / RANDOM_FACTOR
    shear = np.einsum("bmia,bmja->bij", matrices * square, matrices) / matrices.shape[1]
    shear = shear[:, ~np.eye(3, dtype=bool)]
    return np.column_stack([factor, shear, _texture_index(matrices)])


def _texture_index(matrices: np.ndarray) -> np.ndarray:
    directions, weights = sphere()
    b, m = matrices.shape[:2]
    total = np.zeros((2, b, len(weights)))
    step = max(1, ROTATED_AT_ONCE // max(1, b))
    for start in range(0, m, step):
        crystal = np.swapaxes(matrices[:, start : start + step], 2, 3) @ directions.T
        total += np.stack([h.sum(axis=1) for h in cubic_harmonics(crystal)])
    single = np.stack(cubic_harmonics(directions.T))
    share = ((total / m) ** 2 @ weights).T / (single**2 @ weights)  # (b, 2)
    return 1 + share @ np.array([9.0, 13.0])


def rotation_matrices(turns: np.ndarray) -> np.ndarray:
    """``(…, 4)`` unit quaternions, scalar last -> ``(…, 3, 3)``; column a is the crystal's axis a.

    Examples
    --------
    >>> half = np.sqrt(0.5)
    >>> (rotation_matrices(np.array([0, 0, half, half])).round(6)[:, 0] + 0.0).tolist()    # to y
    [0.0, 1.0, 0.0]
    """
    x, y, z, w = (turns[..., i] for i in range(4))
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def cubic_harmonics(direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """H₄ and H₆ ``(…, m)`` of unit vectors ``(…, 3, m)`` (von der Lage and Bethe 1947)."""
    a, b, c = (direction[..., i, :] ** 2 for i in range(3))
    fourth = a * a + b * b + c * c - 3 / 5
    return fourth, a * b * c + fourth / 22 - 1 / 105


@lru_cache(maxsize=1)
def sphere() -> tuple[np.ndarray, np.ndarray]:
    """Directions ``(49, 3)`` and weights that average even functions up to degree 13 exactly."""
    z, weight = np.polynomial.legendre.leggauss(7)
    turn = 2 * np.pi * np.arange(7) / 14  # the other half is opposite
    flat = np.sqrt(1 - z**2)[:, None]
    x, y = flat * np.cos(turn), flat * np.sin(turn)
    directions = np.stack([x, y, np.broadcast_to(z[:, None], x.shape)], axis=-1).reshape(-1, 3)
    return directions, np.repeat(weight / weight.sum(), 7) / 7
