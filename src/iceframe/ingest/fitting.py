"""Images of mixed sizes brought to one: cropped, padded or resized, and never in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from iceframe.core.errors import InputError, UsageError

Fit = Literal["crop", "pad", "resize"]
Size = tuple[int, ...]


def common_size(sizes: Sequence[Size], size: Sequence[int] | None, fit: Fit | None) -> Size:
    """The one size for images of ``sizes`` (``(h, w)``, or ``(depth, h, w)`` for volumes).

    ``size`` decides where it is given; else ``fit`` does: ``crop`` takes the smallest extents,
    ``pad`` the largest, ``resize`` the most frequent size.

    Raises
    ------
    InputError : the sizes differ and neither was given.

    Examples
    --------
    >>> common_size([(4, 6), (5, 5)], None, "crop")
    (4, 5)
    """
    if fit is not None and fit not in get_args(Fit):
        raise UsageError("Unknown fit.", got=fit, allowed=", ".join(get_args(Fit)))
    counts = Counter(sizes)
    if size is not None:
        return _stated(tuple(int(n) for n in size), counts)
    if len(counts) == 1:
        return next(iter(counts))
    if fit is None:
        listed = ", ".join(f"{count} × {show(s)}" for s, count in counts.most_common(6))
        more = f" and {len(counts) - 6} further sizes" if len(counts) > 6 else ""
        raise InputError(
            "The images differ in size.",
            got=listed + more + " (height×width)",
            hint="state what to do: --fit crop, pad or resize, with or without --size HEIGHTxWIDTH "
            "(crop keeps the pixel size; resize changes it from image to image)",
        )
    if fit == "resize":
        return counts.most_common(1)[0][0]
    extent = min if fit == "crop" else max
    return tuple(extent(s[axis] for s in counts) for axis in range(len(next(iter(counts)))))


def _stated(size: Size, counts: Counter[Size]) -> Size:
    dimensions = len(next(iter(counts)))
    if len(size) not in (2, dimensions) or min(size) < 1:
        raise UsageError("The size should be height and width.", got=size, allowed="(64, 64)")
    if dimensions == 2 or len(size) == 3:
        return size
    depths = {s[0] for s in counts}
    if len(depths) > 1:
        raise InputError(
            "The volumes differ in depth.",
            got=sorted(depths),
            hint="state depth, height and width: size=(depth, height, width)",
        )
    return (depths.pop(), *size)


def fit_pixels(pixels: np.ndarray, size: Size, fit: Fit | None, kind: str, name: str) -> np.ndarray:
    """Pixels ``(*grid)`` at ``size``; without a ``fit`` larger images are cropped at the centre."""
    if pixels.shape == tuple(size):
        return pixels
    if pixels.ndim != len(size):
        raise InputError(
            "Images and volumes are mixed.", where=name, got=pixels.shape, allowed=f"{show(size)}"
        )
    if fit == "resize":
        return _resized(pixels, size, kind)
    if fit == "pad":
        _refuse(any(have > want for have, want in zip(pixels.shape, size, strict=True)), "large", *(
            name, pixels.shape, size,
        ))  # fmt: skip
        before = [(want - have) // 2 for have, want in zip(pixels.shape, size, strict=True)]
        margins = [(b, w - h - b) for b, h, w in zip(before, pixels.shape, size, strict=True)]
        # Mirrored margins have the texture of the material; a constant frame would be a cue.
        return np.pad(pixels, margins, mode="symmetric")
    _refuse(any(have < want for have, want in zip(pixels.shape, size, strict=True)), "small", *(
        name, pixels.shape, size,
    ))  # fmt: skip
    starts = [(have - want) // 2 for have, want in zip(pixels.shape, size, strict=True)]
    window = tuple(slice(s, s + n) for s, n in zip(starts, size, strict=True))
    return np.ascontiguousarray(pixels[window])


def _refuse(bad: bool, too: str, name: str, have: Size, want: Size) -> None:
    if bad:
        other = "pad or resize" if too == "small" else "crop or resize"
        raise InputError(
            f"This image is too {too} to {'crop' if too == 'small' else 'pad'}.",
            where=name,
            got=show(have),
            allowed=show(want),
            hint=f"--fit {other}, or another --size",
        )


def _resized(pixels: np.ndarray, size: Size, kind: str) -> np.ndarray:
    """Nearest neighbour for phases; else linear, after a blur against aliasing when shrinking."""
    from scipy import ndimage

    factors = [want / have for want, have in zip(size, pixels.shape, strict=True)]
    if kind == "phase" or pixels.dtype == bool:
        index = [
            np.minimum((np.arange(want) + 0.5) / factor, have - 1).astype(int)
            for want, factor, have in zip(size, factors, pixels.shape, strict=True)
        ]
        return pixels[np.ix_(*index)]
    smooth = ndimage.gaussian_filter(
        pixels.astype(np.float64), [max(0.0, (1 / f - 1) / 2) for f in factors], mode="nearest"
    )
    resized = ndimage.zoom(smooth, factors, order=1, mode="nearest", grid_mode=True)
    if pixels.dtype.kind in "iu":
        limits = np.iinfo(pixels.dtype)
        resized = np.clip(np.rint(resized), limits.min, limits.max)
    return resized.astype(pixels.dtype)


def show(size: Sequence[int]) -> str:
    """A size for people: ``237×322``."""
    return "×".join(map(str, size))
