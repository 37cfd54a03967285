"""Deletion and insertion: how fast does the answer go when the map's first voxels go?

Voxels are removed in the order of the map, in steps; after step ``k`` the model answers
``f(x_k)``. Deletion (pixel flipping): Bach et al. 2015, doi 10.1371/journal.pone.0130140, and
Samek et al. 2017, doi 10.1109/TNNLS.2016.2599820; insertion, which starts with all voxels removed
and brings them back: Petsiuk, Das & Saenko 2018, arXiv 1806.07421; fills that stay near the images
that the model knows: Rong et al. 2022, arXiv 2202.00449, and :mod:`iceframe.measure.maps.removal`.

The change is counted from where a curve starts, as a share of the whole way
``f(x) − f(all removed)``, so that regressions in any unit and classifications compare.

``order="size"`` removes the largest ``|map|`` first and counts ``|change|``: a voxel that lowers a
property is as much a reason for the prediction as one that raises it, and derivatives,
contributions and importances can all be ranked so. It is the default. Its limit: changes of both
signs cancel. ``order="value"`` removes the largest signed value first and counts the signed
``f(x) − f(x_k)``; for contributions with their own baseline as the fill no order of an additive
model is better than its own. It says nothing for derivatives, whose sign is not that of a removal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from iceframe.core.errors import UsageError
from iceframe.core.seeds import generator
from iceframe.measure.maps.removal import (
    ROUNDING,
    Filling,
    filling,
    replacement,
    scores_without,
    varies,
)

if TYPE_CHECKING:
    from torch import Tensor, device

    from iceframe.measure.explainer import Background
    from iceframe.measure.image_model import ImageModel

Order = Literal["size", "value"]
STEPS = 32
RANDOM_ORDERS = 4


@dataclass(frozen=True)
class RemovalCurves:
    """What the model answers while voxels go, or come back.

    ``removed`` ``(steps + 1,)``: share of the voxels that is removed (deletion) or back
    (insertion). ``scores`` ``(n, steps + 1)``: in the order of the map; ``random``: the mean over
    random orders. ``area`` ``(n,)``: between the two, of changes relative to the whole change: 0
    is no better than chance, higher is better, NaN where undefined.
    """

    removed: np.ndarray
    scores: np.ndarray
    random: np.ndarray
    area: np.ndarray


def deletion(
    model: ImageModel,
    x: Tensor,
    maps: Tensor,
    codes: Tensor | None = None,
    background: Background | None = None,
    *,
    fill: str | Tensor = "mean",
    order: Order = "size",
    insertion: bool = False,
    steps: int = STEPS,
    random_orders: int = RANDOM_ORDERS,
    seed: int = 0,
) -> RemovalCurves:
    """Curves and area of images ``x`` ``(n, channels, *grid)`` and maps ``(n, *grid)``.

    ``area = ∫ (c(s) − c_random(s)) ds`` over the share ``s`` of voxels, with
    ``c = |f(x) − f(x_s)| / |f(x) − f(all removed)|`` (without the first bars for
    ``order="value"``); an insertion counts from ``f(all removed)``. Higher is better, random
    orders have 0. NaN for a constant map, and for an image whose whole change is no more than
    rounding. Reference: Samek et al. 2017, doi 10.1109/TNNLS.2016.2599820; arXiv 2202.00449.

    Parameters
    ----------
    codes : explained outputs ``(n,)``; what they score is the model's output, a class's logit.
    fill : what stands for a removed voxel (:data:`iceframe.measure.maps.removal.FILLS`, or images).
    steps : equal parts of the voxels, at most as many as there are voxels.
    random_orders : orders to compare with, the same for every image, in pairs of an order and its
        reverse; with 0 there is no area.
    seed : of those orders, of the order of ties in a map, and of a fill's noise.

    Trap: the ratio explodes for an image that the model answers as it answers the fill, which
    ``background``, ``blur`` and ``linear`` invite, as they keep the volume fraction: report the
    median. Scattered voxels make another kind of image than patches do, so that a map of large
    spots may differ from random orders by its spots alone; and ``mean``, ``blur`` and ``linear``
    are grey where a model of phases has only seen phases.

    Raises
    ------
    UsageError : an unknown fill or order, a background is needed and missing, fewer than one step.
    """
    if order not in ("size", "value"):
        raise UsageError("Unknown order of removal.", got=order, allowed="size, value")
    voxels = maps[0].numel()
    if not 1 <= steps <= voxels:
        raise UsageError(
            "The steps must be at least one voxel each.", got=steps, allowed=f"1 to {voxels}"
        )
    import torch

    cuts = torch.linspace(0, voxels, steps + 1, dtype=torch.float64).round().int().to(x.device)
    # Removing a voxel that is like its fill changes nothing: the model need not be asked again.
    differs = torch.ones_like(x[:, 0], dtype=torch.bool)
    if not (isinstance(fill, str) and fill == "linear"):
        differs = (replacement(fill, x, background) != x).any(1)
    filled = filling(fill, x, background, seed)

    def curve(sequence: Tensor) -> np.ndarray:
        return _curve(model, x, codes, filled, differs.flatten(1), sequence, cuts, insertion)

    values = (maps.abs() if order == "size" else maps).flatten(1)
    ties = torch.as_tensor(generator(seed, "order of ties").permutation(voxels)).to(x.device)
    sequence = ties[values[:, ties].argsort(dim=1, descending=True, stable=True)]
    scores = curve(sequence)
    random = np.stack(
        [curve(one.expand(len(x), -1)) for one in _shuffled(voxels, random_orders, seed, x.device)]
        or [scores * np.nan]
    )
    share = cuts.cpu().numpy() / voxels
    # c(s) of the map less the mean c(s) of the random orders
    gain = _relative(scores, order, insertion) - _relative(random, order, insertion).mean(axis=0)
    area = np.sum((gain[:, 1:] + gain[:, :-1]) / 2 * np.diff(share), axis=1)
    return RemovalCurves(share, scores, random.mean(axis=0), np.where(varies(values), area, np.nan))


def _shuffled(voxels: int, count: int, seed: int, device: device) -> list[Tensor]:
    """Random orders ``(voxels,)``, every second one the reverse of the last: what one removes
    early the other removes late, and for an additive model their mean area has no noise."""
    import torch

    orders = []
    for k in range(count):
        order = generator(seed, "random order", k // 2).permutation(voxels)
        orders.append(torch.as_tensor(order[:: 1 - 2 * (k % 2)].copy()).to(device))
    return orders


def _curve(
    model: ImageModel,
    x: Tensor,
    codes: Tensor | None,
    filled: Filling,
    differs: Tensor,
    sequence: Tensor,
    cuts: Tensor,
    insertion: bool,
) -> np.ndarray:
    """Scores ``(n, steps + 1)`` after the first ``cuts`` voxels of each ``sequence``
    ``(n, voxels)`` are removed, or brought back."""
    import torch

    places = torch.arange(sequence.shape[1], dtype=torch.int32, device=x.device)
    rank = torch.empty_like(sequence, dtype=torch.int32)
    rank.scatter_(1, sequence, places.expand_as(rank))
    rank = rank.view(len(x), *x.shape[2:])

    def removed(i: Tensor, j: Tensor) -> Tensor:
        first = rank[i] < cuts[j].view(-1, *(1 for _ in x.shape[2:]))
        return ~first if insertion else first

    changed = differs.gather(1, sequence).cumsum(1)  # of the first voxels, how many change x
    changed = torch.cat([torch.zeros_like(changed[:, :1]), changed], 1)[:, cuts]  # (n, steps + 1)
    asked = torch.ones_like(changed, dtype=torch.bool)
    asked[:, 1:] = changed[:, 1:] != changed[:, :-1]
    scores = scores_without(model, x, codes, filled, removed, asked)
    steps = torch.arange(len(cuts), device=x.device)
    last = torch.where(asked, steps, 0).cummax(1).values  # the last step that was asked about
    return scores.gather(1, last).double().cpu().numpy()


def _relative(scores: np.ndarray, order: Order, insertion: bool) -> np.ndarray:
    """Changes ``(…, steps + 1)`` of scores since the start, as a share of the whole change; NaN
    where there is no more of that than rounding."""
    since = scores - scores[..., :1]
    whole = np.abs(since[..., -1:])
    size = np.maximum(np.abs(scores[..., :1]), np.abs(scores[..., -1:]))
    signed = since if insertion else -since
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (np.abs(since) if order == "size" else signed) / whole
    return np.where(whole > ROUNDING * size, share, np.nan)
