"""Maps over images, as small PNGs inside the page: what raised and what lowered the prediction.

A pixel is tinted blue where it lowers the prediction and vermillion where it raises it; the tint's
opacity grows with the size of the attribution, up to one limit, the same for both signs and for all
samples of a rung.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iceframe.report.numbers import number
from iceframe.workflow.view import Example

LOWERS = np.array([0, 114, 178], float)  # Okabe–Ito blue
RAISES = np.array([213, 94, 0], float)  # Okabe–Ito vermillion
MAX_SIDE = 256
QUANTILE = 0.995  # one hot pixel must not wash out the map


@dataclass(frozen=True)
class Pictures:
    """The image, and the image under its map and under the exact physics, as data URIs; those that
    are not known are empty."""

    image: str
    overlay: str
    physics: str
    width: int
    height: int


@dataclass(frozen=True)
class Maps:
    """Pictures of each sample, ``None`` where it has no image; the limits of the colour scales of
    the maps and of the physics as text, empty where there are none."""

    pictures: tuple[Pictures | None, ...]
    limit: str
    physics_limit: str


def draw_maps(examples: Sequence[Example]) -> Maps:
    """Pictures of all samples, on one scale for their maps and one for the physics."""
    shown = [e for e in examples if e.image is not None]
    maps = [np.asarray(e.map, float) for e in shown if e.map is not None]
    exact = [np.asarray(e.physics, float) for e in shown if e.physics is not None]
    limits = symmetric_limit(maps), symmetric_limit(exact)
    return Maps(
        tuple(_pictures(e, *limits) for e in examples),
        number(limits[0], 2) if maps else "",
        number(limits[1], 2) if exact else "",
    )


def symmetric_limit(maps: Sequence[np.ndarray]) -> float:
    """One limit for both signs of all maps: a high quantile of the magnitude.

    Examples
    --------
    >>> symmetric_limit([np.array([[-2.0, 1.0]]), np.array([[np.nan, 2.0]])])
    2.0
    >>> symmetric_limit([])
    1.0
    """
    sizes = np.concatenate([np.abs(m).ravel() for m in maps]) if maps else np.empty(0)
    sizes = sizes[np.isfinite(sizes)]
    if not len(sizes) or sizes.max() == 0:
        return 1.0
    limit = float(np.quantile(sizes, QUANTILE))
    return limit if limit > 0 else float(sizes.max())


def grey(image: np.ndarray) -> np.ndarray:
    """An image ``(h, w)`` as grey levels from 0 to 1; a constant one is middle grey.

    Examples
    --------
    >>> grey(np.array([[2.0, 4.0]])).tolist(), grey(np.ones((1, 2))).tolist()
    ([[0.0, 1.0]], [[0.5, 0.5]])
    """
    known = image[np.isfinite(image)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    if high == low:
        return np.full(image.shape, 0.5)
    return (np.nan_to_num(image, nan=low) - low) / (high - low)


def tint(image: np.ndarray, attribution: np.ndarray, limit: float) -> np.ndarray:
    """The grey image ``(h, w)`` in [0, 1] under its map ``(h, w)``: uint8 ``(h, w, 3)``."""
    strength = np.clip(np.nan_to_num(np.abs(attribution)) / limit, 0, 1)[..., None] ** 0.7
    colour = np.where(np.nan_to_num(attribution)[..., None] >= 0, RAISES, LOWERS)
    base = (70 + 175 * image)[..., None]  # softened, so that the tint is seen on black and white
    return np.round(base * (1 - 0.9 * strength) + colour * 0.9 * strength).astype(np.uint8)


def _pictures(example: Example, limit: float, physics_limit: float) -> Pictures | None:
    if example.image is None or example.image.ndim != 2:
        return None
    levels = grey(np.asarray(example.image, float))

    def under(values: np.ndarray | None, limit: float) -> str:
        if values is None or values.ndim != 2:
            return ""
        return png(tint(levels, _resized(np.asarray(values, float), levels.shape), limit))

    return Pictures(
        png(np.round(255 * levels).astype(np.uint8)),
        under(example.map, limit),
        under(example.physics, physics_limit),
        levels.shape[1],
        levels.shape[0],
    )


def _resized(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A coarse map repeated onto the image's grid, without inventing values between."""
    rows = np.arange(shape[0]) * values.shape[0] // shape[0]
    columns = np.arange(shape[1]) * values.shape[1] // shape[1]
    return values[np.ix_(rows, columns)]


def png(pixels: np.ndarray) -> str:
    """Pixels ``(height, width)`` or ``(height, width, 3)``, uint8, as a data URL of a PNG file."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    scale = MAX_SIDE / max(picture.size)
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BOX)
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
