"""Local binary patterns: which small-scale shapes the grey levels form around each pixel.

Around a pixel c, P neighbours lie on a circle of radius R (bilinear between pixels). Each is 1
where g_p ≥ g_c, else 0. Around the circle the bits change U times:

    LBP = Σ_p [g_p ≥ g_c]   where U ≤ 2 (an edge, a corner, a spot, a flat patch: "uniform")
    LBP = P + 1             otherwise

The features are the shares of the pixels with each value: P + 2 for each (P, R), here (8, 1),
(16, 2) and (24, 3), on the image and on the image averaged over squares of 2 and of 4 pixels.
They depend neither on brightness and contrast nor on rotation by 90° (other angles: nearly).

Ojala, Pietikäinen, Mäenpää 2002, eqs. 8–10, doi:10.1109/TPAMI.2002.1017623;
volumes: all planes along the three axes, Zhao and Pietikäinen 2007, doi:10.1109/TPAMI.2007.1110
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from iceframe.core.errors import InputError
from iceframe.scale.descriptor import DESCRIPTORS, Feature, ImageDescriptor
from iceframe.scale.descriptors._coarse import LEAST_SIDE, block_mean, stays_periodic

CIRCLES = ((8, 1), (16, 2), (24, 3))
"""Number of neighbours P and radius R in pixels (Ojala et al. 2002, table 2)."""

FACTORS = (1, 2, 4)
"""Side in pixels of the squares that the image is averaged over."""

TIE = 1e-5
"""Grey levels this close count as equal: above float32 rounding, below 1/65535 of the range."""

CHUNK = 1 << 17
"""Pixels worked on at once: a few float32 arrays of this size stay in a processor's cache."""


@DESCRIPTORS.register("local_binary_patterns")
class LocalBinaryPatterns(ImageDescriptor):
    """Histograms of uniform, rotation-invariant local binary patterns at several scales.

    A measure of grey texture: for segmented images, where most neighbourhoods are flat and the
    direction matters, two-point statistics say more, and this is not a default.
    """

    name = "local_binary_patterns"
    title = "Local binary patterns"
    summary = "Histograms of uniform rotation-invariant patterns at several scales."
    reference = "Ojala, Pietikäinen, Mäenpää 2002, doi:10.1109/TPAMI.2002.1017623"
    default_kinds: ClassVar[tuple[str, ...]] = ("grey", "multichannel")

    def features(self) -> list[Feature]:
        """The shares of each pattern, scale by scale."""
        found = [
            Feature(f"LBP {_label(points, radius * factor)}: {pattern}", "", "lbp")
            for factor, points, radius in self._scales()
            for pattern in [*(f"{k} brighter" for k in range(points + 1)), "not uniform"]
        ]
        if not found:
            raise InputError(
                "Images are too small for local binary patterns.",
                got=" × ".join(map(str, self.format.grid)),
                allowed=f"at least {LEAST_SIDE + 2} pixels along each side",
            )
        return found

    def measure(self, fields: np.ndarray) -> np.ndarray:
        """``(b, *grid)`` -> ``(b, d)``, each scale's shares adding to one."""
        if fields.ndim == 3:
            return self._planes(fields)
        b = len(fields)
        planes = [np.moveaxis(fields, axis, 1) for axis in (1, 2, 3)]
        parts = [
            self._planes(p.reshape(-1, *p.shape[2:])).reshape(b, p.shape[1], -1) for p in planes
        ]
        return np.concatenate(parts, axis=1).mean(axis=1)

    def _planes(self, planes: np.ndarray) -> np.ndarray:
        parts = []
        for factor, points, radius in self._scales():
            coarse = block_mean(planes, factor)
            periodic = self.format.periodic and stays_periodic(planes.shape[1:], factor)
            parts.append(pattern_shares(coarse, points, radius, periodic))
        return np.hstack(parts)

    def _scales(self) -> list[tuple[int, int, int]]:
        """Factor, P and R of the scales that fit into the image."""
        side = min(self.format.grid)
        return [
            (factor, points, radius)
            for factor in FACTORS
            for points, radius in CIRCLES
            if side // factor - (0 if self.format.periodic else 2 * radius) >= LEAST_SIDE
        ]


def _label(points: int, radius: int) -> str:
    return f"P={points}, R={radius} px"


def pattern_shares(planes: np.ndarray, points: int, radius: float, periodic: bool) -> np.ndarray:
    """Shares of the pixels with each pattern: ``(b, h, w)`` -> ``(b, points + 2)``.

    Pixels nearer than ``radius`` to an edge of an image that is not periodic are left out.

    Examples
    --------
    One bright pixel: no neighbour is as bright as it is.

    >>> spot = np.zeros((1, 3, 3)); spot[0, 1, 1] = 1
    >>> pattern_shares(spot, 8, 1, periodic=False)[0, 0]
    np.float64(1.0)
    """
    per_chunk = max(1, CHUNK // int(np.prod(planes.shape[1:])))
    shares = np.empty((len(planes), points + 2))
    for start in range(0, len(planes), per_chunk):
        patterns = _patterns(planes[start : start + per_chunk], points, radius, periodic)
        flat = patterns.reshape(len(patterns), -1).astype(np.int64)
        flat += (points + 2) * np.arange(len(flat))[:, None]
        counts = np.bincount(flat.ravel(), minlength=len(flat) * (points + 2))
        shares[start : start + per_chunk] = counts.reshape(len(flat), -1) / flat.shape[1]
    return shares


def _patterns(planes: np.ndarray, points: int, radius: float, periodic: bool) -> np.ndarray:
    """The pattern of every pixel: uint8 in 0 … points + 1."""
    margin = int(np.ceil(radius))
    image = planes.astype(np.float32)
    if periodic:
        image = np.pad(image, ((0, 0), (margin, margin), (margin, margin)), mode="wrap")
    height, width = image.shape[1] - 2 * margin, image.shape[2] - 2 * margin
    threshold = image[:, margin : margin + height, margin : margin + width] - np.float32(TIE)
    bright = np.zeros(threshold.shape, np.uint8)
    changes = np.zeros(threshold.shape, np.uint8)
    first = previous = None
    for dy, dx in circle(points, radius):
        neighbour = _shifted(image, margin + dy, margin + dx, height, width)
        bit = (neighbour >= threshold).view(np.uint8)
        bright += bit
        if previous is None:
            first = bit
        else:
            changes += bit ^ previous
        previous = bit
    assert first is not None
    assert previous is not None
    changes += first ^ previous
    return np.where(changes <= 2, bright, np.uint8(points + 1))


def circle(points: int, radius: float) -> list[tuple[float, float]]:
    """Offsets (dy, dx) in pixels of the neighbours, in order around the circle."""
    angle = 2 * np.pi * np.arange(points) / points
    offsets = np.round(radius * np.stack([-np.sin(angle), np.cos(angle)], axis=1), 6) + 0.0
    return [(float(dy), float(dx)) for dy, dx in offsets]


def _shifted(image: np.ndarray, top: float, left: float, height: int, width: int) -> np.ndarray:
    """A window of ``image`` at a fractional position, bilinear between pixels."""
    y, x = int(np.floor(top)), int(np.floor(left))
    fy, fx = np.float32(top - y), np.float32(left - x)

    def window(dy: int, dx: int) -> np.ndarray:
        return image[:, y + dy : y + dy + height, x + dx : x + dx + width]

    upper = window(0, 0) if fx == 0 else window(0, 0) * (1 - fx) + window(0, 1) * fx
    if fy == 0:
        return upper
    lower = window(1, 0) if fx == 0 else window(1, 0) * (1 - fx) + window(1, 1) * fx
    return upper * (1 - fy) + lower * fy
