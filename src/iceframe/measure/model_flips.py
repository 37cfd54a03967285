"""The model's own flips: how its answer changes when one thing is taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from iceframe.measure.explainer import Attributions, explained_codes, mean_image, picked
from iceframe.measure.table_model import affordable_draws, few_rows, table_function

if TYPE_CHECKING:
    from iceframe.scale.fitting import Fitted
    from iceframe.scale.rung import Inputs

PATCHES = 8  # occluded patches along each axis of an image


def flips(
    fitted: Fitted,
    inputs: Inputs,
    background: Inputs,
    *,
    seed: int = 0,
    codes: np.ndarray | None = None,
    patches: int = PATCHES,
) -> np.ndarray:
    """The model's own answer when one thing is taken away: ``f(x) − f(x without j)``, ``(n, d)``.

    Tables: feature j takes the values of 8 to 32 background rows, averaged. Images: a patch of a
    ``patches × patches`` grid is filled with the mean background image, patches in row-major order
    (Zeiler & Fergus 2014, arXiv 1311.2901). Crystals: an element is swapped for others
    (:mod:`~iceframe.measure.element_swaps`), NaN where there is none. For a classification,
    of the predicted class's probability, or of ``codes``.
    """
    if fitted.rung.input == "image":
        return _occlusion(fitted, inputs, background, codes, patches)
    if fitted.rung.input == "crystal":
        return _swaps(fitted, inputs, background, codes, seed)
    predict = table_function(fitted, inputs)
    x = inputs.table.values
    rows = few_rows(background, affordable_draws(*x.shape), seed).table.values
    predicted = predict(x)
    codes = explained_codes(fitted, inputs, codes)
    f = picked(predicted, codes)
    n, d = x.shape
    result = np.empty((n, d))
    for j in range(d):
        changed = np.repeat(x[None], len(rows), axis=0)  # (rows, n, d)
        changed[:, :, j] = rows[:, j, None]
        answer = picked(predict(changed.reshape(-1, d)), np.tile(codes, len(rows)))
        result[:, j] = f - answer.reshape(len(rows), n).mean(0)
    return result


def _occlusion(
    fitted: Fitted, inputs: Inputs, background: Inputs, codes: np.ndarray | None, patches: int
) -> np.ndarray:
    from iceframe.core.dataset import ArrayImages
    from iceframe.scale.rung import Inputs

    source = inputs.images
    assert source is not None
    assert background.images is not None
    base = mean_image(background.images)
    predicted = fitted.predict(inputs)
    codes = explained_codes(fitted, inputs, codes)
    f = picked(predicted, codes)
    boxes = patch_boxes(source.shape[1:], patches)
    result = np.empty((len(inputs), len(boxes)))
    for i in range(len(inputs)):
        batch = np.repeat(source.read([i]), len(boxes), axis=0)
        for k, box in enumerate(boxes):
            batch[k][_all_of(box)] = base[_all_of(box)]
        rows = inputs.table.take(np.full(len(boxes), i))
        answer = fitted.predict(Inputs(rows, ArrayImages(batch, source.periodic, source.kind)))
        result[i] = f[i] - picked(answer, np.full(len(boxes), codes[i]))
    return result


def _swaps(
    fitted: Fitted, inputs: Inputs, background: Inputs, codes: np.ndarray | None, seed: int
) -> np.ndarray:
    from iceframe.measure.element_swaps import DRAWS, Players, answers, substitutes

    assert inputs.crystals is not None
    assert background.crystals is not None
    players = Players.of(inputs.crystals)
    codes = explained_codes(fitted, inputs, codes)
    f = picked(fitted.predict(inputs), codes)
    drawn = substitutes(players, background.crystals, DRAWS, seed)
    crystal, column = np.nonzero(players.present)
    by = np.tile(players.numbers, (DRAWS, len(crystal), 1))
    by[:, np.arange(len(crystal)), column] = drawn[:, column]
    index = np.tile(crystal, DRAWS)
    said = picked(answers(fitted, inputs, players, index, by.reshape(len(index), -1)), codes[index])
    result = np.full(players.present.shape, np.nan)
    result[crystal, column] = f[crystal] - said.reshape(DRAWS, -1).mean(axis=0)
    return result


def patch_boxes(grid: tuple[int, ...], patches: int = PATCHES) -> list[tuple[slice, ...]]:
    """Slices of a near-equal division of a grid, row-major; never more patches than pixels.

    Examples
    --------
    >>> patch_boxes((4, 4), 2)[1]
    (slice(0, 2, None), slice(2, 4, None))
    """
    edges = [np.linspace(0, size, min(patches, size) + 1).round().astype(int) for size in grid]
    counts = [len(e) - 1 for e in edges]
    return [
        tuple(slice(int(e[i]), int(e[i + 1])) for e, i in zip(edges, corner, strict=True))
        for corner in np.ndindex(*counts)
    ]


def _all_of(box: tuple[slice, ...]) -> tuple[slice, ...]:
    """The box in every channel (or sample) of the axis before the grid."""
    return (slice(None), *box)


def patch_sums(maps: np.ndarray, patches: int = PATCHES) -> np.ndarray:
    """Maps ``(n, *grid)`` summed over the patches of :func:`flips`: ``(n, number of patches)``.

    Examples
    --------
    >>> patch_sums(np.ones((1, 4, 4)), 2)
    array([[4., 4., 4., 4.]])
    """
    boxes = patch_boxes(maps.shape[1:], patches)
    return np.stack([maps[_all_of(b)].reshape(len(maps), -1).sum(1) for b in boxes], axis=1)


def on_parts(attributions: Attributions, patches: int = PATCHES) -> np.ndarray:
    """Attributions of the parts that :func:`flips` takes away: ``(n, d)``."""
    if attributions.values.ndim > 2:
        return patch_sums(attributions.values, patches)
    return np.asarray(attributions.values)


def foretold_flips(
    attributions: Attributions, inputs: Inputs, background: Inputs, patches: int = PATCHES
) -> np.ndarray:
    """What attributions say that :func:`flips` will find: ``(n, d)``.

    A contribution is what is taken away, and a derivative is taken times the distance from the mean
    of the background. An importance has no sign: compare it with the size of the flips.
    """
    if attributions.meaning != "derivative":
        return on_parts(attributions, patches)
    if attributions.values.ndim == 2:
        away = inputs.table.values - np.nanmean(background.table.values, axis=0)
        return np.asarray(attributions.values * away)
    assert inputs.images is not None
    assert background.images is not None
    away = inputs.images.read(np.arange(len(inputs))) - mean_image(background.images)
    return patch_sums(attributions.values * away.mean(axis=1), patches)
