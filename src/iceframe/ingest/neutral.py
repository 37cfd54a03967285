"""Data without a cue: what tells the target and is no material is taken out of every sample alike.

A cue is named by what it is and where, as the audit of a run names it:

=================================  ===============================================================
``scale bar at 104:110,120:152``   pixels of rows 104 to 109 and columns 120 to 151
``banner at 220:237,0:322``        the same for a strip along an edge
``border of 4 pixels``             a frame along all four edges
``uneven light``                   grey levels that change smoothly from edge to edge
``brightness``                     the mean grey level of an image
``column NAME``                    a column of the table
=================================  ===============================================================

Bars and banners are painted over with the same image's material from beside them; a border is cut
off, so that images get smaller; of the light a polynomial of order 2 without its constant is
subtracted; for the brightness ``x' = 1/2 + (x − mean(x))/2``, image by image, which cuts no tone
off and halves the contrast of all images alike. What is taken out is taken out of all samples, also
of those that do not show the cue: else the repair would be the next cue. No sample's repair depends
on any other, so that new samples are repaired alike.

Traps: grey levels that a brighter picture had cut off at white stay cut off; and where the share of
a bright phase decides the mean grey, taking the brightness out takes the material out with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset, ImageSource
from iceframe.core.errors import InputError, UsageError
from iceframe.core.hashing import content_hash

Kind = Literal["scale bar", "banner", "border", "uneven light", "brightness", "column"]

MIDDLE = 0.5
"""Mean grey level that every image gets where the brightness is a cue."""

NAMES = (
    "scale bar at TOP:BOTTOM,LEFT:RIGHT",
    "banner at TOP:BOTTOM,LEFT:RIGHT",
    "border of WIDTH pixels",
    "uneven light",
    "brightness",
    "column NAME",
)


@dataclass(frozen=True)
class Cue:
    """What tells the target without being material.

    ``box``: rows and columns ``(top, bottom, left, right)``, half open, of a bar or a banner;
    ``width``: of a border, in pixels; ``column``: of the table.
    """

    kind: Kind
    box: tuple[int, int, int, int] | None = None
    width: int = 0
    column: str = ""

    def __str__(self) -> str:
        if self.box is not None:
            top, bottom, left, right = self.box
            return f"{self.kind} at {top}:{bottom},{left}:{right}"
        if self.kind == "border":
            return f"border of {self.width} pixels"
        return f"column {self.column}" if self.kind == "column" else self.kind


def parse_cue(text: str) -> Cue:
    """The cue that ``text`` names.

    Raises
    ------
    UsageError : no name of a cue; the names are listed.

    Examples
    --------
    >>> parse_cue("scale bar at 104:110,120:152").box
    (104, 110, 120, 152)
    >>> str(parse_cue("border of 4 pixels"))
    'border of 4 pixels'
    """
    text = text.strip()
    placed = re.fullmatch(r"(scale bar|banner) at (\d+):(\d+),(\d+):(\d+)", text)
    if placed:
        top, bottom, left, right = (int(n) for n in placed.groups()[1:])
        if top < bottom and left < right:
            kind: Kind = "scale bar" if placed[1] == "scale bar" else "banner"
            return Cue(kind, box=(top, bottom, left, right))
    framed = re.fullmatch(r"border of ([1-9]\d*) pixels?", text)
    if framed:
        return Cue("border", width=int(framed[1]))
    if text in ("brightness", "uneven light"):
        return Cue("brightness" if text == "brightness" else "uneven light")
    if text.startswith("column ") and text.removeprefix("column ").strip():
        return Cue("column", column=text.removeprefix("column "))
    raise UsageError("This is no name of a cue.", where="cue", got=text, allowed="; ".join(NAMES))


def without_cue(data: Dataset, cue: str) -> Dataset:
    """``data`` with ``cue`` taken out of every sample; the samples, targets and ids stay.

    Raises
    ------
    UsageError : an unknown cue, a column that models do not see anyway, or a cue of images where
        there are none. InputError : a place outside the images, or images too small to be cut.

    Examples
    --------
    >>> table = pd.DataFrame({"lab": [1, 2], "time": [3, 4], "y": [5, 6]})
    >>> data = Dataset(table, "y", "regression", ("lab", "time"))
    >>> without_cue(data, "column lab").features
    ('time',)
    """
    found = parse_cue(cue)
    note = f"Taken out of every sample: {found}."
    if found.kind == "column":
        return replace(data, features=_without(data, found.column), notes=(*data.notes, note))
    if data.images is None:
        raise UsageError(
            "A cue of images cannot be taken out of data without images.",
            where="cue",
            got=cue,
            allowed="column NAME: " + (", ".join(data.features) or "there are no columns"),
        )
    images = NeutralImages(data.images, found)
    # Painted structures are no longer those that the physics was computed of.
    return replace(data, images=images, law=None, notes=(*data.notes, note))


def _without(data: Dataset, column: str) -> tuple[str, ...]:
    if column not in data.features:
        raise UsageError(
            f"Models of these data do not see a column '{column}'.",
            where="cue",
            got=f"column {column}",
            allowed=", ".join(data.features) or "no columns",
        )
    return tuple(name for name in data.features if name != column)


@dataclass(frozen=True)
class NeutralImages:
    """Images of ``source`` without ``cue``, as an :class:`~iceframe.core.dataset.ImageSource`.

    Sensitivities of the target to pixels are not passed on: they belong to the pixels that were.
    """

    source: ImageSource
    cue: Cue

    def __post_init__(self) -> None:
        grid = self.source.shape[1:]
        if len(grid) != 2:
            raise InputError(
                "Cues are taken out of pictures, not of volumes.", where=str(self.cue), got=grid
            )
        if self.cue.box is not None and (
            self.cue.box[1] > grid[0] or self.cue.box[3] > grid[1] or _donor(self.cue.box, grid) < 0
        ):
            raise InputError(
                "This place is not inside the images, or leaves nothing beside it to paint with.",
                where=str(self.cue),
                got=f"images of {grid[0]} × {grid[1]}",
            )
        if self.cue.kind == "border" and min(grid) <= 4 * self.cue.width:
            raise InputError(
                "Without this border, less than half of the images would be left.",
                where=str(self.cue),
                got=f"images of {grid[0]} × {grid[1]}",
            )

    @property
    def shape(self) -> tuple[int, ...]:
        channels, height, width = self.source.shape
        cut = 2 * self.cue.width
        return (channels, height - cut, width - cut)

    @property
    def names(self) -> tuple[str, ...]:
        return self.source.names

    @property
    def periodic(self) -> bool:
        return self.source.periodic and self.cue.kind in ("brightness", "uneven light")

    @property
    def kind(self) -> str:
        return self.source.kind

    @cached_property
    def fingerprint(self) -> str:
        return content_hash(self.source.fingerprint, str(self.cue))

    def __len__(self) -> int:
        return len(self.source)

    def read(self, index: Sequence[int] | np.ndarray) -> np.ndarray:
        """Float32 ``(len(index), *shape)`` without the cue."""
        return neutral_pixels(self.source.read(index), self.cue)

    def metadata(self) -> pd.DataFrame:
        return self.source.metadata()

    def take(self, index: Sequence[int] | np.ndarray) -> NeutralImages:
        return NeutralImages(self.source.take(index), self.cue)


def neutral_pixels(images: np.ndarray, cue: Cue) -> np.ndarray:
    """Images ``(n, channels, height, width)`` without ``cue``; a border is cut off.

    Examples
    --------
    >>> image = np.zeros((1, 1, 5, 5), np.float32)
    >>> image[..., 0, :] = 1.0
    >>> neutral_pixels(image, Cue("border", width=1)).shape
    (1, 1, 3, 3)
    >>> float(neutral_pixels(image, Cue("scale bar", box=(0, 1, 0, 5))).max())
    0.0
    """
    if cue.kind == "border":
        inner = slice(cue.width, -cue.width)
        return np.ascontiguousarray(images[..., inner, inner])
    if cue.kind == "brightness":  # half the contrast, so that no grey level leaves [0, 1]
        mean = images.mean(axis=(1, 2, 3), dtype=float, keepdims=True).astype(np.float32)
        return (images - mean) / 2 + np.float32(MIDDLE)
    if cue.kind == "uneven light":
        surfaces = smooth_surfaces(images.shape[2], images.shape[3], 2)[:, 1:]
        flat = images.reshape(*images.shape[:2], -1)
        return np.clip(flat - flat @ surfaces @ surfaces.T, 0, 1).reshape(images.shape)
    assert cue.box is not None
    top, bottom, left, right = cue.box
    painted = images.copy()
    start = _donor(cue.box, images.shape[2:])
    down = bottom - top <= right - left
    if down:  # material from above or below a lying bar, from beside a standing one
        donor = images[..., start : start + bottom - top, left:right][..., ::-1, :]
    else:
        donor = images[..., top:bottom, start : start + right - left][..., ::-1]
    painted[..., top:bottom, left:right] = donor
    return painted


def smooth_surfaces(height: int, width: int, order: int) -> np.ndarray:
    """Polynomials in row and column up to ``order`` on a grid, orthonormal, the constant first:
    float32 ``(height · width, terms)``."""
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    powers = [(i, total - i) for total in range(order + 1) for i in range(total + 1)]
    terms = np.stack([(y**i * x**j).ravel() for i, j in powers], axis=1)
    return np.linalg.qr(terms)[0].astype(np.float32)


def _donor(box: tuple[int, int, int, int], grid: Sequence[int]) -> int:
    """First row (of a lying box) or column (of a standing one) of the material that is mirrored
    into the box: next to it on the side with more room; −1 where there is too little."""
    top, bottom, left, right = box
    lying = bottom - top <= right - left
    first, last, size = (top, bottom, grid[0]) if lying else (left, right, grid[1])
    thick = last - first
    if first >= size - last:
        return first - thick if first >= thick else -1
    return last if size - last >= thick else -1
