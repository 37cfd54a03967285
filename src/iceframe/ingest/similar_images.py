"""Images that show the same place: copies, mirrored, rotated, re-toned, shifted or overlapping.

1. Every image becomes a thumbnail; shading is removed by a high-pass filter, strong spots are
   clipped, and what all images share (a burnt-in banner, dust, a vignette) is subtracted.
2. Candidates: a perceptual hash, the signs of the lowest cosine coefficients (pHash: Zauner 2010),
   compared under all mirrorings and rotations, in which coefficients only change sign or place;
   and, for sets of up to about a thousand, the peak of the cross-correlation over all shifts,
   because neighbouring fields of one specimen overlap.
3. Confirmation on a finer thumbnail. The correlation ``r`` of two independent images has variance
   ``1/N``, ``N = ΣA ΣB / Σ AB`` with power spectra ``A, B`` (Bartlett 1946; smooth or gridded
   images have few independent pixels), so ``z = artanh(r) √(N − 3)`` is compared with the normal
   quantile at which all pairs and shifts together give 0.001 false alarms. Images of a few simple
   shapes are more alike than that: ``z`` must also stand far out of what pairs of this set have.
"""

from __future__ import annotations

from itertools import combinations, permutations, product

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter
from scipy.stats import norm

from iceframe.core.dataset import ImageSource

SIDE = {2: 64, 3: 16}
FINE_SIDE = {2: 128, 3: 32}
HASH_SIDE = {2: 16, 3: 6}
HASH_DISTANCE = 0.3
"""Fraction of differing bits; independent images differ by 0.5 ± 0.03."""
MAX_SHIFT_PAIRS = 600_000
FALSE_ALARMS = 1e-3
FIXED_PATTERN_FROM = 30
"""Images from which the mean image is the fixed pattern and not the images themselves."""
STANDS_OUT = 10.0
"""Distance from the median ``z`` of pairs, in distances from their lower decile to their median."""
NULL_IMAGES = 24
CLIP = 2.5
BLANK = 1e-4
MEMORY = 2**26


def thumbnails(images: ImageSource, side: int, rows: np.ndarray | None = None) -> np.ndarray:
    """Area-averaged grey images, float32 ``(n, side, side[, side])`` at most.

    Channels are summed with unequal weights, so that one-hot phases do not cancel.
    """
    rows = np.arange(len(images)) if rows is None else rows
    grid = images.shape[1:]
    weights = 1.0 / np.arange(1, images.shape[0] + 1)
    shrink = [_area_average(length, min(side, length)) for length in grid]
    step = max(1, MEMORY // (4 * int(np.prod(images.shape))))
    blocks = []
    for start in range(0, len(rows), step):
        block = np.tensordot(
            images.read(rows[start : start + step]), weights.astype(np.float32), (1, 0)
        )
        for matrix in shrink:  # (b, x, …) @ (x, s) -> (b, …, s), one axis after the other
            block = np.moveaxis(block, 1, -1) @ matrix.T
        blocks.append(block)
    return np.concatenate(blocks).astype(np.float32)


def similar_images(
    images: ImageSource, small: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, list[str], bool]:
    """Pairs ``(m, 2)``, their correlation ``(m,)``, what relates them, and whether shifted and
    overlapping fields were looked for (not in sets of more than about a thousand images)."""
    n, dims = len(images), len(images.shape) - 1
    small = thumbnails(images, SIDE[dims]) if small is None else small
    shiftable = n * (n - 1) // 2 <= MAX_SHIFT_PAIRS
    found = dict.fromkeys(_identical(small), (1.0, "identical"))
    flat = _texture(small, images.periodic)
    moves = _moves(images.shape[1:])
    threshold = norm.isf(FALSE_ALARMS / max(1, n * (n - 1) // 2 * small[0].size * len(moves)))
    candidates = _hash_candidates(flat, moves)
    if shiftable:
        for pair in _shift_candidates(flat, threshold):
            candidates.setdefault(pair, moves[0])
    candidates = {pair: move for pair, move in candidates.items() if pair not in found}
    found |= _confirmed(images, candidates, threshold)
    pairs = sorted(found)
    return (
        np.array(pairs, int).reshape(-1, 2),
        np.array([found[p][0] for p in pairs]),
        [found[p][1] for p in pairs],
        shiftable,
    )


Move = tuple[tuple[int, ...], tuple[int, ...]]
"""A mirroring or rotation: an order of the axes, then which of them (+1, −1) are flipped."""


def _area_average(length: int, side: int) -> np.ndarray:
    """The matrix ``(side, length)`` that averages ``length`` pixels into ``side`` cells."""
    edges = np.linspace(0, length, side + 1)
    pixel = np.arange(length)
    cover = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    cover = np.clip(cover, 0, None)
    return (cover / cover.sum(axis=1, keepdims=True)).astype(np.float32)


def _identical(small: np.ndarray) -> list[tuple[int, int]]:
    """Chains of pixel-identical images; blank ones are not evidence of copying."""
    seen: dict[bytes, int] = {}
    pairs = []
    for i, image in enumerate(small):
        if image.std() < BLANK:
            continue
        key = image.tobytes()
        if key in seen:
            pairs.append((seen[key], i))
        seen[key] = i
    return pairs


def _texture(small: np.ndarray, periodic: bool, fixed: bool = True) -> np.ndarray:
    """High-passed, clipped thumbnails of zero mean and unit norm; all zero where blank."""
    axes = tuple(range(1, small.ndim))
    sigma = max(2.0, small.shape[1] / 20)
    mode = "wrap" if periodic else "reflect"
    flat = np.stack([image - gaussian_filter(image, sigma, mode=mode) for image in small])
    scale = np.median(np.abs(flat), axis=axes, keepdims=True) * 1.4826
    # Two-phase images may be flat almost everywhere: then the plain deviation is the scale.
    scale = np.where(scale > BLANK, scale, flat.std(axis=axes, keepdims=True))
    flat = np.clip(flat, -CLIP * scale, CLIP * scale)
    if fixed and len(flat) >= FIXED_PATTERN_FROM:
        flat = flat - flat.mean(axis=0)
    flat = flat - flat.mean(axis=axes, keepdims=True)
    length = np.sqrt((flat**2).sum(axis=axes, keepdims=True))
    blank = small.std(axis=axes, keepdims=True) < BLANK
    return np.where(blank, 0, flat / np.maximum(length, 1e-12)).astype(np.float32)


def _moves(grid: tuple[int, ...]) -> list[Move]:
    """All mirrorings and rotations that map the grid onto itself; the identity comes first."""
    axes = range(len(grid))
    orders = [o for o in permutations(axes) if all(grid[o[a]] == grid[a] for a in axes)]
    return [(order, signs) for order in orders for signs in product((1, -1), repeat=len(grid))]


def _apply(image: np.ndarray, move: Move) -> np.ndarray:
    order, signs = move
    return np.transpose(image, order)[tuple(slice(None, None, s) for s in signs)]


def _hash_candidates(flat: np.ndarray, moves: list[Move]) -> dict[tuple[int, int], Move]:
    """Pairs whose perceptual hashes agree under one of the moves, and that move."""
    n, dims = len(flat), flat.ndim - 1
    cut = (slice(None),) + (slice(0, HASH_SIDE[dims]),) * dims
    axes = tuple(range(1, flat.ndim))
    low = np.sign(fft.dctn(flat, axes=axes, norm="ortho")[cut]).astype(np.float32)
    bits = low.reshape(n, -1)
    parity = (-1.0) ** np.arange(low.shape[1])  # a flipped axis negates its odd coefficients
    agree = (1 - 2 * HASH_DISTANCE) * (bits.shape[1] - 1)
    found: dict[tuple[int, int], Move] = {}
    for order, signs in moves:
        moved = np.transpose(low, (0, *(a + 1 for a in order)))
        for axis, sign in enumerate(signs):
            if sign < 0:
                shape = [1] * moved.ndim
                shape[axis + 1] = -1
                moved = moved * parity[: moved.shape[axis + 1]].reshape(shape)
        moved = moved.reshape(n, -1).astype(np.float32)
        for start in range(0, n, 2048):
            score = bits[start : start + 2048] @ moved.T  # 2 · agreeing bits − all bits
            for i, j in np.argwhere(score > agree):
                if start + i < j:
                    found.setdefault((int(start + i), int(j)), (order, signs))
    return found


def _effective_pixels(spectra_a: np.ndarray, spectra_b: np.ndarray) -> np.ndarray:
    """Independent pixels of every pair ``(a, b)`` from power spectra ``(·, pixels)`` of sum 1."""
    return 1 / np.maximum(spectra_a @ spectra_b.T, 1e-30)


def _significance(r: np.ndarray, effective: np.ndarray) -> np.ndarray:
    return np.arctanh(np.clip(r, 0, 1 - 1e-9)) * np.sqrt(np.maximum(effective - 3, 0))


def _shift_candidates(flat: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """Pairs whose cross-correlation has a significant peak at some shift."""
    n, grid, axes = len(flat), flat.shape[1:], tuple(range(1, flat.ndim))
    half = fft.rfftn(flat, axes=axes).astype(np.complex64)
    power = (np.abs(fft.fftn(flat, axes=axes)) ** 2).reshape(n, -1)
    power /= np.maximum(power.sum(axis=1, keepdims=True), 1e-12)
    effective = _effective_pixels(power, power)
    z = np.zeros((n, n), np.float32)
    for i in range(n - 1):
        for start in range(i + 1, n, 64):
            others = half[start : start + 64]
            maps = fft.irfftn(half[i] * others.conj(), s=grid, axes=axes, overwrite_x=True)
            peak = maps.reshape(len(others), -1).max(axis=1)
            z[i, start : start + 64] = _significance(peak, effective[i, start : start + 64])
    all_pairs = z[np.triu_indices(n, 1)]
    return [(int(i), int(j)) for i, j in np.argwhere(z > _stands_out(all_pairs, threshold))]


def _stands_out(z: np.ndarray, threshold: float) -> float:
    """The ``z`` that counts, given those of many pairs, nearly all of them of different places."""
    if len(z) < NULL_IMAGES:
        return threshold
    low, middle = np.quantile(z, (0.1, 0.5))
    return max(threshold, float(middle + STANDS_OUT * (middle - low)))


def _confirmed(
    images: ImageSource, candidates: dict[tuple[int, int], Move], threshold: float
) -> dict[tuple[int, int], tuple[float, str]]:
    """Candidates whose finer thumbnails correlate significantly: ``r`` and what relates them."""
    if not candidates:
        return {}
    grid = images.shape[1:]
    usual = np.linspace(0, len(images) - 1, min(NULL_IMAGES, len(images))).astype(int)
    rows = np.unique(np.concatenate([np.array(list(candidates)).ravel(), usual]))
    fine = _texture(thumbnails(images, FINE_SIDE[len(grid)], rows), images.periodic, fixed=False)
    picture = {int(row): image for row, image in zip(rows, fine, strict=True)}
    waves = {row: fft.rfftn(image) for row, image in picture.items()}
    null = [
        _correlation_peak(waves[i], waves[j], fine.shape[1:])[2]
        for i, j in combinations(dict.fromkeys(usual.tolist()), 2)
    ]
    threshold = _stands_out(np.array(null), threshold)
    still = _moves(grid)[0]
    found = {}
    for (i, j), move in candidates.items():
        other = waves[j] if move == still else fft.rfftn(_apply(picture[j], move))
        r, shift, z = _correlation_peak(waves[i], other, fine.shape[1:])
        if z > threshold:
            found[i, j] = (r, _relation(move, shift, fine.shape[1:]))
    return found


def _correlation_peak(
    a: np.ndarray, b: np.ndarray, grid: tuple[int, ...]
) -> tuple[float, tuple[int, ...], float]:
    """Highest correlation over cyclic shifts, the shift in pixels, and its significance.

    ``a`` and ``b`` are real Fourier transforms of images of unit norm on ``grid``.
    """
    peaks = fft.irfftn(a * b.conj(), s=grid)
    at = np.unravel_index(int(peaks.argmax()), peaks.shape)
    shift = tuple(int(s if s <= side // 2 else s - side) for s, side in zip(at, grid, strict=True))
    twice = np.full(a.shape[-1], 2.0)  # the half that a real transform leaves out
    twice[0] = 1.0
    if grid[-1] % 2 == 0:
        twice[-1] = 1.0
    power_a, power_b = np.abs(a) ** 2, np.abs(b) ** 2
    overlap = (power_a * power_b * twice).sum()
    effective = (power_a * twice).sum() * (power_b * twice).sum() / max(overlap, 1e-30)
    r = float(peaks[at])
    return r, shift, float(_significance(np.array(r), np.array(effective)))


def _relation(move: Move, shift: tuple[int, ...], grid: tuple[int, ...]) -> str:
    if move[0] != tuple(range(len(grid))) or -1 in move[1]:
        return "mirrored or rotated"
    moved = any(abs(s) > 0.02 * length for s, length in zip(shift, grid, strict=True))
    return "shifted or overlapping" if moved else "same field"
