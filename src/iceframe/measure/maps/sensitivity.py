"""Sensitivity: how far does the map move when the image hardly does?

``‖φ(x') − φ(x)‖ / ‖φ(x)‖`` over neighbours ``x'`` of the image, its maximum and its mean: Yeh,
Hsieh, Suggala, Inouye & Ravikumar 2019, arXiv 1901.09392, §3, with the norm relative to the map's,
so that maps in any unit compare. The explained output stays that of ``x``.

Neighbours are made in two ways (:data:`PERTURBATIONS`):

- ``noise``: uniform in ``[−radius, radius]`` at every voxel, the same for all images.
- ``boundary``: of an image of two phases, a few voxels next to the other phase take it: what
  another segmentation of the same micrograph would differ in. Which ones follows from random
  numbers that are the same for all images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from iceframe.core.errors import UsageError
from iceframe.core.seeds import generator
from iceframe.measure.image_model import batch_size
from iceframe.measure.maps.removal import replacement, varies

if TYPE_CHECKING:
    from torch import Tensor

    from iceframe.measure.explainer import Background, ImageExplainer
    from iceframe.measure.image_model import ImageModel

Perturbation = Literal["noise", "boundary"]
PERTURBATIONS = ("noise", "boundary")
NEIGHBOURS = 10  # of each image
RADIUS = 0.02  # of the noise, of grey levels in [0, 1]
BOUNDARY_SHARE = 0.05  # of the voxels next to the other phase that take it


@dataclass(frozen=True)
class Sensitivity:
    """Relative change of each map over the neighbours of its image: ``(n,)`` each."""

    maximum: np.ndarray
    average: np.ndarray


def sensitivity(
    explainer: ImageExplainer,
    model: ImageModel,
    x: Tensor,
    maps: Tensor,
    codes: Tensor | None = None,
    background: Background | None = None,
    *,
    perturbation: Perturbation = "noise",
    noise: Tensor | None = None,
    neighbours: int = NEIGHBOURS,
    radius: float = RADIUS,
    share: float = BOUNDARY_SHARE,
    seed: int = 0,
    explainer_seed: int = 0,
) -> Sensitivity:
    """Maximum and average sensitivity of an explainer at images ``(n, channels, *grid)``.

    ``max`` and ``mean`` over neighbours of ``‖φ(x') − φ(x)‖₂ / ‖φ(x)‖₂``; arXiv 1901.09392, §3.
    Lower is better, 0 does not move. NaN for a constant map, and under ``boundary`` for an image
    that does not show two phases.

    Parameters
    ----------
    maps : the explainer's maps of ``x``, ``(n, *grid)``, with ``explainer_seed``.
    noise : what is added to every image, ``(neighbours, channels, *grid)``; drawn if ``None``.
    share : of the voxels at a boundary that change sides, at least one.
    seed : of the neighbours. explainer_seed : of the explainer, the same for every neighbour.

    Trap: a map that does not look at the image does not move either: an edge filter is stable, and
    explains nothing. The maximum grows with the number of neighbours.

    Raises
    ------
    UsageError : an unknown perturbation, no neighbours, or ``boundary`` without a background.
    """
    import torch

    if perturbation not in PERTURBATIONS:
        raise UsageError(
            "Unknown perturbation.", got=perturbation, allowed=", ".join(PERTURBATIONS)
        )
    if noise is not None:
        neighbours = len(noise)
    if neighbours < 1:
        raise UsageError("There must be a neighbour.", got=neighbours, allowed="1 or more")
    draws = generator(seed, "neighbours", perturbation)
    flips = perturbation == "boundary"
    if noise is None:
        shape = (neighbours, *(x.shape[2:] if flips else x.shape[1:]))
        low, high = (0.0, 1.0) if flips else (-radius, radius)
        noise = torch.from_numpy(draws.uniform(low, high, shape))
    noise = noise.to(x)
    defined = varies(maps)
    if flips:
        boundary, other = at_boundary(x), replacement("other phase", x, background)
        defined &= boundary.flatten(1).any(1).cpu().numpy()
    moved = torch.empty(len(x), neighbours, dtype=torch.float64, device=x.device)
    every = torch.ones_like(moved, dtype=torch.bool).nonzero()
    for i, k in (pair.T for pair in every.split(batch_size(tuple(x.shape[2:])))):
        if flips:
            chosen = lowest(noise[k], boundary[i], share)
            near = torch.where(chosen[:, None], other[i], x[i])
        else:
            near = x[i] + noise[k]
        now = explainer.maps(
            model, near, None if codes is None else codes[i], background, explainer_seed
        )
        moved[i, k] = (now - maps[i]).flatten(1).norm(dim=1).double()
    size = maps.flatten(1).norm(dim=1).double().cpu().numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(defined[:, None], moved.cpu().numpy() / size[:, None], np.nan)
    return Sensitivity(relative.max(axis=1), relative.mean(axis=1))


def at_boundary(x: Tensor) -> Tensor:
    """Voxels with a face neighbour of the other phase, ``(n, *grid)``; none in an image whose
    values are not two.

    Examples
    --------
    >>> import torch
    >>> at_boundary(torch.tensor([[[[0.0, 0.0, 1.0, 1.0]]]]))[0, 0].tolist()
    [False, True, True, False]
    """
    import torch

    flat = x.flatten(1)
    low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
    phases = ((flat == low) | (flat == high)).all(1)
    result = torch.zeros_like(x[:, 0], dtype=torch.bool)
    for axis in range(2, x.ndim):
        side = x.shape[axis]
        step = (x.narrow(axis, 0, side - 1) != x.narrow(axis, 1, side - 1)).any(1)
        result.narrow(axis - 1, 0, side - 1).logical_or_(step)
        result.narrow(axis - 1, 1, side - 1).logical_or_(step)
    return result & phases.view(-1, *(1 for _ in x.shape[2:]))


def lowest(numbers: Tensor, candidates: Tensor, share: float) -> Tensor:
    """Of each image the ``share`` of its ``candidates`` with the lowest numbers, at least one:
    all three ``(b, *grid)``; none where there are no candidates."""
    import torch

    flat = torch.where(candidates, numbers, torch.inf).flatten(1)
    count = (candidates.flatten(1).sum(1) * share).round().long().clamp(min=1)
    limit = flat.sort(dim=1).values.gather(1, count[:, None] - 1)  # (b, 1)
    return ((flat <= limit) & flat.isfinite()).view(candidates.shape)
