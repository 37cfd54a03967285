"""Images as another microscope, another setting or another file format would have shown them.

Each shift maps images ``(n, channels, *grid)`` in [0, 1] at a strength to images of the same shape:

===============  =================================================================================
``blur``         Gaussian, standard deviation in pixels
``noise``        normal, standard deviation in grey levels
``brightness``   offset in grey levels, half of the images brighter and half darker
``magnification`` the middle, enlarged by a factor (linear between pixels)
``crop``         a share of the image is missing at its edges and continued by mirroring
``jpeg``         compression, as 100 less the quality
``flips``        share of the voxels whose phase is another (images of phases)
``coarsening``   voxels replaced by blocks of so many along each axis, majority vote (phases)
===============  =================================================================================

Reference: Hendrycks & Dietterich 2019, https://arxiv.org/abs/1903.12261 (graded corruptions).
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

from iceframe.core.seeds import generator

Shift = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def blur(x: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian of standard deviation ``strength`` pixels."""
    from scipy.ndimage import gaussian_filter

    sigma = (0, 0, *([strength] * (x.ndim - 2)))
    return np.asarray(gaussian_filter(x, sigma, mode="nearest"))


def noise(x: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Normal noise of ``strength`` grey levels, cut to [0, 1]."""
    grain = rng.standard_normal(x.shape, dtype=np.float32)
    return np.clip(x + np.float32(strength) * grain, 0, 1)


def brightness(x: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """An offset of ``strength``, up for every other image and down for the rest, cut to [0, 1]."""
    sign = np.where(np.arange(len(x)) % 2, -1, 1).reshape(-1, *([1] * (x.ndim - 1)))
    return np.clip(x + (sign * strength).astype(np.float32), 0, 1)


def magnification(x: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """The middle of each image, ``strength`` times as large."""
    from scipy.ndimage import map_coordinates

    axes = [(np.arange(side) - (side - 1) / 2) / strength + (side - 1) / 2 for side in x.shape[2:]]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"))
    flat = x.reshape(-1, *x.shape[2:])
    moved = [map_coordinates(one, grid, order=1, mode="nearest") for one in flat]
    return np.asarray(np.stack(moved).reshape(x.shape), np.float32)


def crop(x: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """A share ``strength`` of each axis lost, from both ends alike, and mirrored back."""
    cuts = [round(strength * side / 2) for side in x.shape[2:]]
    kept = (slice(c, s - c) for c, s in zip(cuts, x.shape[2:], strict=True))
    inner = x[(slice(None), slice(None), *kept)]
    return np.pad(inner, [(0, 0), (0, 0), *((c, c) for c in cuts)], mode="symmetric")


def jpeg(x: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Saved as JPEG of quality ``100 − strength`` and read again."""
    from PIL import Image

    out = np.empty(x.shape, np.float32)
    for where in np.ndindex(x.shape[:-2]):
        held = io.BytesIO()
        pixels = np.rint(np.clip(x[where], 0, 1) * 255).astype(np.uint8)
        Image.fromarray(pixels).save(held, "JPEG", quality=round(100 - strength))
        out[where] = np.asarray(Image.open(held), np.float32) / 255
    return out


def flips(x: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """A share ``strength`` of the voxels gets another of the phases that the set shows."""
    levels = np.unique(x)
    if len(levels) < 2:
        return x
    codes = np.searchsorted(levels, x)
    moved = (codes + rng.integers(1, len(levels), x.shape)) % len(levels)
    return np.asarray(np.where(rng.random(x.shape) < strength, levels[moved], x), np.float32)


def coarsening(x: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Blocks of ``strength`` voxels along each axis show their most frequent phase."""
    factor = round(strength)
    levels = np.unique(x)
    grid = x.shape[2:]
    index = [np.minimum(np.arange(side) // factor, max(side // factor - 1, 0)) for side in grid]
    votes = []
    for level in levels:
        share = (x == level).astype(np.float32)
        for axis, of in enumerate(index):
            starts = np.flatnonzero(np.diff(of, prepend=-1))
            share = np.add.reduceat(share, starts, axis=axis + 2)
        votes.append(share)
    winner = levels[np.argmax(votes, axis=0)]
    return np.asarray(winner[(slice(None), slice(None), *np.ix_(*index))], np.float32)


GREY: dict[str, tuple[Shift, str, tuple[float, ...]]] = {
    "blur": (blur, "pixels", (0.5, 1.0, 2.0, 4.0)),
    "noise": (noise, "grey levels", (0.02, 0.05, 0.1, 0.2)),
    "brightness": (brightness, "grey levels", (0.05, 0.1, 0.2, 0.3)),
    "magnification": (magnification, "times", (1.05, 1.1, 1.25, 1.5)),
    "crop": (crop, "of the width", (0.05, 0.1, 0.2, 0.4)),
    "jpeg": (jpeg, "points of quality lost", (10.0, 30.0, 50.0, 80.0)),
}
PHASES: dict[str, tuple[Shift, str, tuple[float, ...]]] = {
    "flips": (flips, "of the voxels", (0.005, 0.01, 0.03, 0.1)),
    "coarsening": (coarsening, "voxels", (2.0, 4.0, 8.0)),
}
"""By name: the shift, the unit of its strength, and the strengths that are tried."""


def shifts_of(kind: str) -> dict[str, tuple[Shift, str, tuple[float, ...]]]:
    """The shifts that apply to images of this ``kind``."""
    return PHASES if kind == "phase" else GREY


def shifted(x: np.ndarray, name: str, kind: str, strength: float, seed: int) -> np.ndarray:
    """Images ``x`` under a shift; equal seeds give equal noise at every strength."""
    shift = shifts_of(kind)[name][0]
    return np.asarray(shift(x, strength, generator(seed, "shift", name)), np.float32)
