"""Cues in images that tell the target and are no material: bars, banners, borders, light.

No place of a micrograph of a homogeneous material is special (:mod:`~.places`), so every place can
be compared with the middle of the same image. Differences between groups of the target are then
looked for, all at one level (:mod:`~.welch`):

* *sharp*: block means and shares of white and black pixels, less the polynomial of order 3 over the
  image that fits them best; and jumps of the grey level between neighbouring lines along each edge,
  ``J_t − (J_{t−1} + J_{t+1})/2`` with ``J_t = L_{t−1} − L_t``. A jump at the same depth of all four
  edges is a border; else the place with the largest difference is a banner where it reaches along
  an edge, and a scale bar where it does not;
* *smooth*: the coefficients of order 1 and 2 of that polynomial: uneven light;
* the mean grey level: brightness. Of this the material may be the reason, unless all tones of the
  picture move together, as a setting of the microscope moves them.

What was found is taken out (:mod:`iceframe.ingest.neutral`) before the next is looked for. In
images of phases only sharp cues are: light and brightness are the material there.

Traps: a structure that truly is different at the edge (a coating, a decarburised layer) is found
too; a cue that all groups show alike tells nothing, and is not looked for; overlays that lie
elsewhere in every image are hard to see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from iceframe.core.dataset import ImageSource
from iceframe.core.errors import InputError
from iceframe.core.seeds import generator
from iceframe.ingest.neutral import Cue, NeutralImages, smooth_surfaces
from iceframe.measure.audits.places import SIDES, Places, places
from iceframe.measure.audits.welch import Differences, compare

MOST_CUES = 4
LEAST_GREY = 0.01
"""Difference of mean grey levels below which nothing is reported: 2.5 of 255 steps."""
LEAST_JUMP = 0.01
LEAST_SHARE = 0.02
LEAST_LIGHT = 0.03
"""From the darkest to the brightest place of the difference."""
LEAST_OFFSET = 0.02
HOW: dict[str, Any] = {"draws": 399, "level": 0.0025}
"""The level is that of one question; up to four are asked of places."""
ONCE: dict[str, Any] = {"draws": 999, "level": 0.01}
"""Of the brightness, which is one number and asked once."""
TRIMS = (1, 1, 3, 6, 10, 10)
"""Terms of the polynomial, fit by fit: of order 0, 0, 1, 2, 3 and 3."""
STANDS_OUT = 7.0
"""Of a bar: its difference, in medians of the size of all differences (4.7 standard deviations of
normal ones)."""
HALF = 0.35
"""Of the largest difference: a pixel that differs as much belongs to the bar."""
MARGIN = 2
ALONG = 0.8
"""Share of an edge from which a strip along it is a banner."""


@dataclass(frozen=True)
class FoundCue:
    """A cue, and what speaks for it.

    ``group``: code of the group that shows it most; ``difference``: in grey levels, from the other
    groups; ``t`` its studentised value, ``p`` corrected for all that was looked at; ``where`` in
    words; ``strength`` ``(r, c)``: studentised difference of every block; ``alike``: all tones move
    together (of a brightness).
    """

    cue: Cue
    group: int
    difference: float
    t: float
    p: float
    where: str
    strength: np.ndarray
    alike: bool = True


def find_cues(
    images: ImageSource,
    groups: np.ndarray,
    seed: int,
    *,
    watch: Callable[[int], None] | None = None,
) -> tuple[FoundCue, ...]:
    """Cues of ``images`` by which ``groups`` ``(n,)`` (codes from 0) differ, sharpest first.

    They are to be taken out in this order: places are those that are left by the ones before.

    Raises
    ------
    ValueError : volumes or tiny images, or fewer than two groups.
    """
    found: list[FoundCue] = []
    while len(found) < MOST_CUES:
        seen = places(images, watch)
        cue = _sharp(images, seen, groups, seed) if len(found) < MOST_CUES - 1 else None
        if cue is None and images.kind != "phase":
            known = {c.cue.kind for c in found}
            cue = _light(seen, groups, seed) if "uneven light" not in known else None
            if cue is None and "brightness" not in known:
                cue = _brightness(seen, groups, seed)
        if cue is None:
            break
        found.append(cue)
        images = NeutralImages(images, cue.cue)
    return tuple(found)


# -- sharp -----------------------------------------------------------------------------------------


def _sharp(images: ImageSource, seen: Places, groups: np.ndarray, seed: int) -> FoundCue | None:
    n, rows, columns = seen.blocks.shape
    blocks = rows * columns
    smooth = smooth_surfaces(rows, columns, 3).astype(float)

    def rough(values: np.ndarray) -> np.ndarray:
        flat = values.reshape(n, blocks)
        return flat - flat @ smooth @ smooth.T

    jumps = _jumps(seen.strips)
    parts = [rough(seen.blocks), rough(seen.white), rough(seen.black), jumps.reshape(n, -1)]
    least = np.repeat(
        [LEAST_GREY, LEAST_SHARE, LEAST_SHARE, LEAST_JUMP], [part.shape[1] for part in parts]
    )
    only_more = np.zeros(len(least), bool)
    only_more[blocks : 3 * blocks] = True
    x = np.hstack(parts)
    found = compare(x, groups, generator(seed, "sharp cues"), only_more=only_more, **HOW)
    reached = np.where(only_more, found.t, np.abs(found.t)) > found.critical
    sure = reached & (np.abs(found.difference) >= least)
    if not sure.any():
        return None
    strength = np.abs(found.t[:blocks]).reshape(rows, columns)
    edge = slice(3 * blocks, None)
    border = _border(found, sure[edge].reshape(4, -1), edge, strength)
    if border is not None:
        return border
    per_block = sure[: 3 * blocks].reshape(3, rows, columns)
    return _bar(images, seen, found, per_block, groups, strength)


def _jumps(strips: np.ndarray) -> np.ndarray:
    """How sharply the grey level changes behind each line ``(n, 4, depth − 2)``, less the slope."""
    steps = strips[:, :, :-1] - strips[:, :, 1:]
    before = np.concatenate([np.zeros_like(steps[:, :, :1]), steps[:, :, :-2]], axis=2)
    return steps[:, :, :-1] - (before + steps[:, :, 1:]) / 2


def _border(
    found: Differences, sure: np.ndarray, edge: slice, strength: np.ndarray
) -> FoundCue | None:
    """A border, where all four edges have a jump of one sign at one depth, give or take a line."""
    size = np.abs(found.t[edge]).reshape(4, -1) * sure
    best: tuple[float, int] | None = None
    for t in found.by_group[:, edge].reshape(len(found.by_group), 4, -1):
        for depth in range(size.shape[1]):
            near = slice(max(0, depth - 1), depth + 2)
            for sign in (-1, 1):
                on_sides = (size[:, near] * (np.sign(t[:, near]) == sign)).max(axis=1)
                if on_sides.min() > 0 and (best is None or size[:, depth].sum() > best[0]):
                    best = float(size[:, depth].sum()), depth
    if best is None:
        return None
    deepest = max(
        d for d in range(size.shape[1])
        if d == best[1] or (abs(d - best[1]) <= 1 and (size[:, d] > 0).sum() >= 2)
    )  # fmt: skip
    width = deepest + 1
    column = edge.start + int(size[:, best[1]].argmax()) * size.shape[1] + best[1]
    return FoundCue(
        Cue("border", width=width),
        int(found.leading[column]),
        float(found.difference[column]),
        float(found.t[column]),
        found.p(column),
        f"all four edges, {width} pixels wide",
        strength,
    )


def _bar(
    images: ImageSource,
    seen: Places,
    found: Differences,
    sure: np.ndarray,
    groups: np.ndarray,
    strength: np.ndarray,
) -> FoundCue | None:
    """A bar or a banner where blocks differ; its pixels from the images themselves."""
    if not sure.any():
        return None  # a single line along one edge: no place to point at
    # The largest difference, not the surest: shares that are the same everywhere else are sure in
    # every place that the polynomial bends.
    size = np.abs(found.difference[: sure.size]).reshape(sure.shape) * sure
    at = int(size.argmax())
    row, column = (int(i) for i in np.unravel_index(at, size.shape)[1:])
    group = int(found.leading[at])
    down, along = seen.edges(0), seen.edges(1)
    near = (
        slice(int(down[max(row - 1, 0)]), int(down[min(row + 2, len(down) - 1)])),
        slice(int(along[max(column - 1, 0)]), int(along[min(column + 2, len(along) - 1)])),
    )
    box = _pixels(_difference(images, groups == group), near)
    if box is None:
        return None
    height, width = seen.grid
    wide = (box[3] - box[2]) / width >= ALONG or (box[1] - box[0]) / height >= ALONG
    cue = Cue("banner" if wide else "scale bar", box=box)
    try:
        NeutralImages(images, cue)
    except InputError:  # as large as the image: nothing that lies over a material
        return None
    difference, t_found = float(found.difference[at]), float(found.t[at])
    where = _in_words(box, seen.grid)
    return FoundCue(cue, group, difference, t_found, found.p(at), where, strength)


def _difference(images: ImageSource, member: np.ndarray) -> np.ndarray:
    """Mean image of the members less that of the others, without what is smooth ``(h, w)``."""
    height, width = images.shape[1:]
    sums = np.zeros((2, height, width))
    step = max(1, 2**24 // int(np.prod(images.shape)))
    for start in range(0, len(images), step):
        index = np.arange(start, min(start + step, len(images)))
        x = images.read(index).mean(axis=1)
        for side, chosen in enumerate((member[index], ~member[index])):
            sums[side] += x[chosen].sum(axis=0)
    flat = (sums[0] / member.sum() - sums[1] / (~member).sum()).ravel()
    smooth = smooth_surfaces(height, width, 3).astype(float)
    kept = np.ones(len(flat), bool)
    # What sticks out must not bend the surface that it sticks out of: order by order, without it.
    for terms in TRIMS:
        inside = smooth[kept, :terms]
        weights = np.linalg.solve(inside.T @ inside, inside.T @ flat[kept])
        rest = flat - smooth[:, :terms] @ weights
        kept = np.abs(rest) <= 4 * np.median(np.abs(rest)) + 1e-12
    return np.asarray(rest).reshape(height, width)


def _pixels(difference: np.ndarray, near: tuple[slice, slice]) -> tuple[int, int, int, int] | None:
    """The box around the largest difference ``near`` a place; ``None`` where it is no larger than
    what the texture of the material leaves elsewhere."""
    from scipy import ndimage

    size = np.abs(ndimage.uniform_filter(difference, 3))
    row, column = np.unravel_index(int(size[near].argmax()), size[near].shape)
    peak = near[0].start + row, near[1].start + column
    if size[peak] < STANDS_OUT * np.median(size):
        return None
    labels = ndimage.label(size >= HALF * size[peak], np.ones((3, 3)))[0]
    own = np.argwhere(labels == labels[peak])
    (top, left), (bottom, right) = own.min(axis=0), own.max(axis=0) + 1
    height, width = size.shape
    return (
        max(0, int(top) - MARGIN), min(height, int(bottom) + MARGIN),
        max(0, int(left) - MARGIN), min(width, int(right) + MARGIN),
    )  # fmt: skip


def _in_words(box: tuple[int, int, int, int], grid: tuple[int, int]) -> str:
    """Where a box lies.

    Examples
    --------
    >>> _in_words((104, 110, 120, 152), (118, 161))
    'bottom right, rows 104 to 109, columns 120 to 151'
    """
    third = [int(3 * (box[i] + box[i + 1]) / 2 / side) for i, side in ((0, grid[0]), (2, grid[1]))]
    name = f"{('top', 'middle', 'bottom')[third[0]]} {('left', 'centre', 'right')[third[1]]}"
    return f"{name}, rows {box[0]} to {box[1] - 1}, columns {box[2]} to {box[3] - 1}"


# -- smooth ----------------------------------------------------------------------------------------


def _light(seen: Places, groups: np.ndarray, seed: int) -> FoundCue | None:
    n, rows, columns = seen.blocks.shape
    surfaces = smooth_surfaces(rows, columns, 2)[:, 1:].astype(float)
    coefficients = seen.blocks.reshape(n, -1) @ surfaces
    found = compare(coefficients, groups, generator(seed, "light"), **HOW)
    at = int(np.abs(found.t).argmax())
    member = groups == found.leading[at]
    mean = coefficients[member].mean(axis=0) - coefficients[~member].mean(axis=0)
    difference = (surfaces @ mean).reshape(rows, columns)
    reach = float(np.ptp(difference))
    if abs(found.t[at]) <= found.critical or reach < LEAST_LIGHT:
        return None
    centre = difference[rows // 4 : -(rows // 4), columns // 4 : -(columns // 4)].mean()
    sides = (difference[0], difference[-1], difference[:, 0], difference[:, -1])
    off = [float(side.mean() - centre) for side in sides]
    strongest = int(np.abs(off).argmax())
    word = "brighter" if off[strongest] > 0 else "darker"
    where = f"{word} towards the {SIDES[strongest]} than in the middle"
    t = float(found.t[at])
    return FoundCue(
        Cue("uneven light"), int(found.leading[at]), reach, t, found.p(at), where,
        np.abs(difference) / max(reach, 1e-9) * abs(t),
    )  # fmt: skip


def _brightness(seen: Places, groups: np.ndarray, seed: int) -> FoundCue | None:
    found = compare(seen.mean[:, None], groups, generator(seed, "brightness"), **ONCE)
    difference = float(found.difference[0])
    if abs(found.t[0]) <= found.critical or abs(difference) < LEAST_OFFSET:
        return None
    member = groups == found.leading[0]
    tones = seen.tones[member].mean(axis=0) - seen.tones[~member].mean(axis=0)
    # A tone that is cut off at black or at white cannot move further.
    end = seen.tones[~member].mean(axis=0)
    free = end < 0.9 if difference > 0 else end > 0.1
    alike = bool((tones[free] * np.sign(difference) > abs(difference) / 3).all() and free.any())
    return FoundCue(
        Cue("brightness"), int(found.leading[0]), difference, float(found.t[0]), found.p(0),
        f"the whole image, {'brighter' if difference > 0 else 'darker'}",
        np.full(seen.blocks.shape[1:], abs(float(found.t[0]))), alike,
    )  # fmt: skip
