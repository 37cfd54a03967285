"""Infidelity: does the map foretell how the model's answer changes when parts are changed?

For a change ``I`` of the image ``x``, a map ``Φ`` of derivatives foretells a change of the score by
``IᵀΦ``; the model answers ``Δ = f(x) − f(x − I)``. The infidelity is ``E_I[(IᵀΦ − Δ)²]``:
Yeh, Hsieh, Suggala, Inouye & Ravikumar 2019, arXiv 1901.09392, §2.

The changes here replace one patch at a time by a fill of :mod:`iceframe.measure.maps.removal`: its
square removal with ``mean``, and a phase flip with ``other phase``.

What a map foretells follows from what its values mean:

- ``derivative``: ``Σ_p φ_p I_p``. Maps are summed over channels, so that this is defined where the
  change is the same in every channel (one channel is), and NaN elsewhere.
- ``contribution``: a share of ``f(x) − f(b)`` for each voxel's way from the baseline ``b``. Its
  derivative on that way is ``φ_p / (x_p − b_p)``, so that
  ``IᵀΦ = Σ_p φ_p (x_p − fill_p)/(x_p − b_p)``. Where ``x_p = b_p`` the map makes no claim: 0. Where
  the fill *is* the baseline, nothing is divided: ``Σ_p φ_p``, for any number of channels.
- ``importance``: no sign, nothing is foretold: NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from iceframe.measure.maps.removal import ROUNDING, filling, replacement, scores_without, varies
from iceframe.measure.model_flips import PATCHES, patch_boxes

if TYPE_CHECKING:
    from torch import Tensor

    from iceframe.measure.explainer import Background, Meaning
    from iceframe.measure.image_model import ImageModel


def infidelity(
    model: ImageModel,
    x: Tensor,
    maps: Tensor,
    codes: Tensor | None = None,
    background: Background | None = None,
    *,
    meaning: Meaning = "derivative",
    baseline: Tensor | None = None,
    fill: str | Tensor = "mean",
    masks: Tensor | None = None,
    scaled: bool = True,
    normalised: bool = True,
) -> np.ndarray:
    """Expected squared error of what maps foretell, per image: ``(n,)``.

    ``E_I[(β IᵀΦ − Δ)²] / E_I[Δ²]``, mean over ``masks``; arXiv 1901.09392. Lower is better, 0 is
    exact. NaN for a constant map, for an ``importance``, and (where ``normalised``) for an image
    whose changes leave the score as it is.

    Parameters
    ----------
    x : images ``(n, channels, *grid)``. maps : ``(n, *grid)``. codes : explained outputs ``(n,)``.
    meaning : what the maps say. baseline : what contributions count from, ``(n or 1, channels,
        *grid)``; the mean background image if ``None``.
    fill : what a patch is replaced by, as in :func:`iceframe.measure.maps.removal.replacement`.
    masks : the changes, ``(m, *grid)`` of bool; :func:`patch_masks` if ``None``.
    scaled : β is the factor of each map that fits best, ``E[IᵀΦ Δ]/E[(IᵀΦ)²]``; else 1.
        A map that is right but for its size then has no error.
    normalised : divide by the variance of the change about zero, so that models whose answers are
        in other units compare, and a map that foretells nothing has 1; with ``scaled`` no map has
        more. (About zero, not about the mean: a map has no constant to add.)

    Trap: patches filled by a constant are images that the model has never met; with two phases use
    ``fill="other phase"``. Where a contribution's baseline is close to the voxel's value, but is
    not the fill, the division blows its claim up. Small infidelity says nothing about truth.

    Raises
    ------
    UsageError : an unknown fill, or a background is needed and missing.
    """
    if masks is None:
        masks = patch_masks(tuple(x.shape[2:]))
    masks = masks.to(x.device)
    instead = replacement(fill, x, background)
    foretold = _foretold(x, maps, instead, masks, meaning, baseline, background)
    before = model.scores(x, codes)
    asked = masks.new_ones(len(x), len(masks))
    after = scores_without(model, x, codes, filling(instead, x), lambda i, j: masks[j], asked)
    change = (before[:, None] - after).double()
    if scaled:
        size = foretold.square().sum(1, keepdim=True)
        factor = (foretold * change).sum(1, keepdim=True) / size
        foretold = foretold * factor.where(size > 0, 0.0)
    error = (foretold - change).square().mean(1).cpu().numpy()
    if normalised:
        moment = change.square().mean(1).cpu().numpy()
        nothing = (ROUNDING * before.abs().cpu().numpy()) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.where(moment > nothing, error / moment, np.nan)
    return np.where(varies(maps), error, np.nan)


def patch_masks(grid: tuple[int, ...], patches: int = PATCHES) -> Tensor:
    """One mask a patch of a near-equal division of a grid, row-major: bool ``(m, *grid)``.

    Examples
    --------
    >>> patch_masks((4, 4), 2)[1].int().tolist()
    [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    """
    import torch

    boxes = patch_boxes(grid, patches)
    masks = torch.zeros(len(boxes), *grid, dtype=torch.bool)
    for mask, box in zip(masks, boxes, strict=True):
        mask[box] = True
    return masks


def _foretold(
    x: Tensor,
    maps: Tensor,
    instead: Tensor,
    masks: Tensor,
    meaning: Meaning,
    baseline: Tensor | None,
    background: Background | None,
) -> Tensor:
    """IᵀΦ of every image and mask, ``(n, m)`` in double precision."""
    import torch

    change = x - instead
    tiny = ROUNDING * x.abs().flatten(1).amax(1).view(-1, *(1 for _ in x.shape[1:]))
    if meaning == "derivative":
        of_voxel = change[:, :1].double()
        same = (change - of_voxel).abs() <= tiny  # in every channel
    elif meaning == "contribution":
        way = x - replacement("mean" if baseline is None else baseline, x, background)
        there = way.abs() > tiny
        share = (change.double() / way).where(there, 0.0)  # (n, channels, *grid)
        # All channels that have a way to go must go the same share of it.
        of_voxel = share.gather(1, share.abs().argmax(1, keepdim=True))
        same = ((share - of_voxel) * way).abs() <= tiny
        same |= ~there
    else:
        return torch.full((len(x), len(masks)), torch.nan, dtype=torch.float64, device=x.device)
    of_voxel = (of_voxel[:, 0] * maps).flatten(1)
    foretold = of_voxel @ masks.flatten(1).double().T
    return foretold.where(same.flatten(1).all(1)[:, None], torch.nan)
