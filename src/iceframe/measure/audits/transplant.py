"""Which part of an image does a model answer to? A part of one sample is put into another.

The images of held-out samples ``i`` get strangers ``j``: what lies in a region of ``i`` is painted
into ``j``, the rest of ``j`` stays. With the answers ``f`` and the samples' own targets,

``β = Σ (f(j with the region of i) − f(j)) (y_i − y_j) / Σ (y_i − y_j)²``:

0 where the region does not matter, 1 where the answer follows it alone. Of a classification ``f``
is the probability of ``i``'s class and the difference of targets is 1, over strangers of other
classes. A region of material also tells of the material: so every region is compared with material
of the same shape from further inside, and what counts is the excess, with a bootstrap interval over
pairs. Both pictures are made of real pixels: nothing is masked with a grey that no model has seen.

References: Lapuschkin et al. 2019, doi:10.1038/s41467-019-08987-4 (models right for the wrong
reason); Xiao et al. 2020, https://arxiv.org/abs/2006.09994 (backgrounds put behind other objects).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from iceframe.core.seeds import generator
from iceframe.core.values import Finding
from iceframe.measure.audits.outcome import Examined

KIND = "shortcuts"
RESAMPLES = 1000
FOLLOWS = 0.1
"""Excess of β whose interval must lie above, for a region to be reported."""

FRAME = 16
"""The border is a sixteenth of the image wide; corners and strips an eighth."""

Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Answers for images ``(m, channels, h, w)`` in place of those at positions ``(m,)``."""


@dataclass(frozen=True)
class Region:
    """Where a region is, ``mask`` bool ``(h, w)``, and by how much its ``control`` is moved to lie
    on material further inside; ``None``: the region has no control (a tone of the whole image)."""

    name: str
    mask: np.ndarray | None
    control: np.ndarray | None = None


@dataclass(frozen=True)
class Followed:
    """β of a region and of its control, and the excess with its 95 % interval."""

    name: str
    area: float
    beta: float
    control: float
    excess: float
    low: float
    high: float
    pairs: int

    @property
    def follows(self) -> bool:
        """The answers follow this region beyond what such material says anyway."""
        return self.low > FOLLOWS


def regions(grid: tuple[int, int]) -> tuple[Region, ...]:
    """The usual regions of an image: its border, its corners, the strips at the top and bottom."""
    height, width = grid
    frame = max(1, min(grid) // FRAME)
    border = np.ones(grid, bool)
    border[frame:-frame, frame:-frame] = False
    inside = np.zeros(grid, bool)
    inside[frame:-frame, frame:-frame] = True
    inside[2 * frame : -2 * frame, 2 * frame : -2 * frame] = False
    tall, wide = max(1, height // 8), max(1, width // 8)
    corners = np.zeros(grid, bool)
    for rows in (slice(tall), slice(-tall, None)):
        for columns in (slice(wide), slice(-wide, None)):
            corners[rows, columns] = True
    inner = np.roll(corners, (height // 4, width // 4), (0, 1))
    found = [Region("border", border, inside), Region("corners", corners, inner)]
    for name, rows in (("top strip", slice(tall)), ("bottom strip", slice(-tall, None))):
        strip = np.zeros(grid, bool)
        strip[rows] = True
        found.append(Region(name, strip, np.roll(strip, height // 2, 0)))
    return (*found, Region("brightness", None))


def box_region(name: str, box: tuple[int, int, int, int], grid: tuple[int, int]) -> Region:
    """A box ``(top, bottom, left, right)``, and as its control the same in the middle."""
    mask = np.zeros(grid, bool)
    mask[box[0] : box[1], box[2] : box[3]] = True
    middle = np.zeros(grid, bool)
    height, width = box[1] - box[0], box[3] - box[2]
    top, left = (grid[0] - height) // 2, (grid[1] - width) // 2
    middle[top : top + height, left : left + width] = True
    return Region(name, mask, middle)


def frame_region(name: str, width: int, grid: tuple[int, int]) -> Region:
    """A border of ``width`` pixels, and as its control the next frame inwards, thrice as deep."""
    frames = []
    for depth in (0, min(3 * width, min(grid) // 3)):
        inner = np.zeros(grid, bool)
        inner[depth : grid[0] - depth, depth : grid[1] - depth] = True
        edge = depth + width
        inner[edge : grid[0] - edge, edge : grid[1] - edge] = False
        frames.append(inner)
    return Region(name, frames[0], frames[1])


def strangers(y: np.ndarray, classification: bool, seed: int) -> np.ndarray:
    """For each sample another one ``(n,)``, of another class or another half of the target."""
    rng = generator(seed, "strangers")
    half = np.asarray(y) if classification else np.asarray(y) > np.median(y)
    found = np.empty(len(half), int)
    for i in range(len(half)):
        others = np.flatnonzero(half != half[i])
        found[i] = rng.choice(others if len(others) else np.arange(len(half)))
    return found


def transplanted(
    images: np.ndarray, other: np.ndarray, region: Region, control: bool
) -> np.ndarray:
    """Images of the strangers ``other`` with the region of ``images`` (``(n, channels, h, w)``)."""
    hosts = images[other]
    if region.mask is None:
        means = images.mean(axis=(1, 2, 3), keepdims=True)
        return np.clip(hosts + means - means[other], 0, 1)
    mask = region.control if control else region.mask
    assert mask is not None
    return np.where(mask, images, hosts)


def followed(
    predict: Predict,
    images: np.ndarray,
    y: np.ndarray,
    classification: bool,
    asked: Sequence[Region],
    seed: int,
    watch: Callable[[str], None] | None = None,
) -> tuple[Followed, ...]:
    """How far the answers to ``images`` ``(n, channels, h, w)`` follow each region.

    ``predict(images, positions)`` gives ``(m,)`` numbers or ``(m, k)`` probabilities; ``y`` are
    numbers or class codes ``(n,)``.
    """
    other = strangers(y, classification, seed)
    position = np.arange(len(images))
    host = predict(images, position)[other]
    away = np.ones(len(y)) if classification else np.asarray(y, float) - np.asarray(y, float)[other]

    def moved(region: Region, control: bool) -> np.ndarray:
        answers = predict(transplanted(images, other, region, control), other) - host
        return answers[position, y.astype(int)] if classification else answers

    rng = generator(seed, "followed")
    draws = rng.multinomial(len(y), np.full(len(y), 1 / len(y)), size=RESAMPLES).astype(float)
    found = []
    for region in asked:
        if watch is not None:
            watch(region.name)
        own = moved(region, False)
        inside = moved(region, True) if region.control is not None else np.zeros_like(own)
        square = away**2
        beta, control = (float((v * away).sum() / square.sum()) for v in (own, inside))
        sample = (draws @ ((own - inside) * away)) / np.maximum(draws @ square, 1e-300)
        low, high = np.quantile(sample, (0.025, 0.975))
        area = 1.0 if region.mask is None else float(region.mask.mean())
        found.append(
            Followed(
                region.name, area, beta, control, beta - control, float(low), float(high), len(y)
            )
        )
    return tuple(found)


def examine(found: Sequence[Followed], known: Mapping[str, str], rung: str) -> Examined:
    """Findings on :func:`followed`'s answers; ``known``: the cue that was found in a region."""
    findings: list[Finding] = []
    cues: dict[int, str] = {}
    for one in sorted(found, key=lambda f: -f.excess):
        if not one.follows:
            continue
        cue = known.get(one.name, "")
        mild = one.name == "brightness" and not cue
        if cue:
            cues[len(findings)] = cue
        findings.append(
            Finding(
                "shortcut" if not mild else "follows-brightness",
                "note" if mild else "error" if cue else "warning",
                f"'{rung}' answers to the {one.name} of an image",
                f"Put into another image, {one.area:.0%} of the pixels carry {one.beta:.0%} "
                f"of the answer; material of the same shape further inside carries "
                f"{one.control:.0%} (excess {one.excess:.2f} [{one.low:.2f}, {one.high:.2f}], "
                f"{one.pairs} pairs)."
                if not mild
                else f"A change of the mean grey level alone carries {one.beta:.0%} "
                f"[{one.low:.0%}, {one.high:.0%}] of the answer ({one.pairs} pairs).",
                f"take it out of the data and fit again: {cue}"
                if cue
                else "where the mean grey is not the material (another share of a phase), "
                "normalise it; then fit again"
                if mild
                else "look at the pictures there; crop it away and fit again",
                value=one.excess,
            )
        )
    facts = {"rung": rung, "regions": [{**asdict(f), "follows": f.follows} for f in found]}
    return Examined(KIND, tuple(findings), facts, cues=cues)
