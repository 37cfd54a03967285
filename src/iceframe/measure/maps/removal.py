"""Images with a part taken away, and what the model answers to them.

What stands in the place of a voxel that is taken away decides whether the model is asked about
images that it could meet. A *fill* is one choice (:data:`FILLS`):

- ``mean``: the mean background image: "not known". Grey where there should be a phase.
- ``other phase``: ``lo + hi − x`` with the background's levels: stays an image of two phases.
- ``blur``: the image itself, blurred by a Gaussian of an eighth of its shortest side.
- ``background``: the background image whose mean (volume fraction) is nearest: real structure.
- ``linear``: every removed voxel becomes the weighted mean of its neighbours, solved for all at
  once, plus noise: Rong, Leemann, Borisov, Kasneci & Kasneci 2022, arXiv 2202.00449. The
  weights are 2^(d−1) of a face neighbour, half of that for each further axis (in two dimensions
  1/6 and 1/12); neighbours beyond the edge are left out.

Every fill of an image depends on that image, the background and the seed alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from iceframe.core.errors import UsageError
from iceframe.core.seeds import generator
from iceframe.measure.image_model import batch_size

if TYPE_CHECKING:
    from torch import Tensor

    from iceframe.measure.explainer import Background
    from iceframe.measure.image_model import ImageModel

FILLS = ("mean", "other phase", "blur", "background", "linear")
BLUR = 8  # the blur's standard deviation is the shortest side over this
IMPUTATION_NOISE = 0.01  # standard deviation, of grey levels in [0, 1]; as in the reference's code
IMPUTATION_ERROR = 1e-5  # of the largest equation's residual when the solver stops
MOST_ITERATIONS = 2000  # of the solver
ROUNDING = 1e-6  # differences below this share of the largest value count as none, in float32

Filling = Callable[["Tensor", "Tensor"], "Tensor"]
"""Images ``(b, channels, *grid)`` of the samples ``i`` with the voxels ``removed`` ``(b, *grid)``
filled; ``i`` is ``(b,)``, or ``(1,)`` where all are of one sample."""


def filling(
    fill: str | Tensor, x: Tensor, background: Background | None = None, seed: int = 0
) -> Filling:
    """The function that fills removed voxels of images ``x`` ``(n, channels, *grid)``.

    ``fill``: one of :data:`FILLS`, or what stands in the place of every voxel: of the shape of
    ``x``, or with an axis of 1 where it is common to all.

    Raises
    ------
    UsageError : an unknown fill, or one that needs a background and has none.
    """
    if isinstance(fill, str) and fill == "linear":
        noise = generator(seed, "imputation noise").normal(0, IMPUTATION_NOISE, x.shape[1:])
        return partial(_imputed, x, like(x, noise))
    return partial(_replaced, x, replacement(fill, x, background))


def replacement(fill: str | Tensor, x: Tensor, background: Background | None = None) -> Tensor:
    """What stands in the place of every voxel: a tensor that broadcasts to ``x``. Every fill but
    ``linear``, whose replacement depends on what else is removed."""
    if not isinstance(fill, str):
        return fill.to(x)
    if fill == "blur":
        periodic = background is not None and background.images.periodic
        return blurred(x, min(x.shape[2:]) / BLUR, periodic)
    if fill not in ("mean", "other phase", "background"):
        raise UsageError("Unknown fill.", got=fill, allowed=", ".join(FILLS))
    if background is None:
        raise UsageError(
            "This fill needs background images.",
            got=fill,
            hint="pass a Background, or use 'blur' or 'linear'",
        )
    if fill == "other phase":
        return background.flipped(x)
    if fill == "mean":
        return like(x, background.mean)[None]
    return nearest_background(x, background)


def like(x: Tensor, values: np.ndarray) -> Tensor:
    """An array as a tensor of the type and the device of ``x``."""
    import torch

    return torch.as_tensor(np.array(values)).to(x)


def blurred(x: Tensor, width: float, periodic: bool = False) -> Tensor:
    """Images under a Gaussian of standard deviation ``width`` pixels, axis by axis; continued at
    the edges by their own values there, or periodically."""
    import torch

    for axis in range(2, x.ndim):
        side = x.shape[axis]
        reach = min(math.ceil(3 * width), side - 1) if periodic else math.ceil(3 * width)
        offsets = torch.arange(-reach, reach + 1)
        weights = torch.exp(-0.5 * (offsets / width) ** 2)
        weights = (weights / weights.sum()).to(x)
        at = torch.arange(side)[:, None] + offsets  # (side, 2 reach + 1): where each one looks
        at = at % side if periodic else at.clamp(0, side - 1)
        matrix = torch.zeros(side, side).to(x)
        matrix.index_put_(
            (torch.arange(side)[:, None].expand_as(at).to(x.device), at.to(x.device)),
            weights.expand(at.shape),
            accumulate=True,
        )
        x = torch.movedim(torch.movedim(x, axis, -1) @ matrix.T, -1, axis)
    return x


def nearest_background(x: Tensor, background: Background) -> Tensor:
    """For each image the background image whose mean per channel is nearest, other than itself."""
    import torch

    images = background.images
    own = x.flatten(2).double().mean(2).cpu().numpy()  # (n, channels)
    apart = np.abs(own[:, None] - background.means[None]).sum(2)  # (n, images)
    order = np.argsort(apart, axis=1, kind="stable")
    first = like(x, images.read(order[:, 0]))
    if order.shape[1] == 1:
        return first
    second = like(x, images.read(order[:, 1]))
    itself = (first == x).flatten(1).all(1).view(-1, *(1 for _ in x.shape[1:]))
    return torch.where(itself, second, first)


def imputed(x: Tensor, removed: Tensor) -> Tensor:
    """Images ``(n, channels, *grid)`` whose ``removed`` voxels ``(n, *grid)`` are the weighted
    means of their neighbours, without the noise.

    The equations ``Σ_q w_pq (u_p − u_q) = 0`` for removed ``p`` are solved by conjugate gradients
    for all images at once. An image that is removed whole becomes its mean.
    """
    import torch

    free = removed[:, None].to(x.dtype)  # (n, 1, *grid)
    axes = tuple(range(2, x.ndim))
    total = _neighbours(torch.ones_like(free[:1]))  # (1, 1, *grid): Σ_q w_pq inside the grid

    def residual_of(u: Tensor) -> Tensor:
        return free * (_neighbours(u) - total * u)

    u = torch.where(removed[:, None], x.mean(axes, keepdim=True), x)
    residual = residual_of(u)
    direction = residual / total
    size = (residual * direction).sum(axes, keepdim=True)  # (n, channels, 1, …)
    enough = IMPUTATION_ERROR * x.abs().amax(axes, keepdim=True) * total.max()  # of each image
    for _ in range(MOST_ITERATIONS):
        # An image that is done stays as it is: its answer must not depend on the others'.
        busy = residual.abs().amax(axes, keepdim=True) > enough
        if not busy.any():
            break
        along = -residual_of(direction)
        curvature = (direction * along).sum(axes, keepdim=True)
        step = torch.where(busy & (curvature > 0), size / curvature, 0.0)
        u = u + step * direction
        residual = residual - step * along
        scaled = residual / total
        new = (residual * scaled).sum(axes, keepdim=True)
        direction = scaled + torch.where(size > 0, new / size, 0.0) * direction
        size = new
    return u


def _neighbours(u: Tensor) -> Tensor:
    """Σ_q w_pq u_q inside the grid: [1, 2, 1] along every axis, less the middle."""
    import torch

    total = u
    for axis in range(2, u.ndim):
        side = u.shape[axis]
        spread = 2 * total
        spread.narrow(axis, 1, side - 1).add_(total.narrow(axis, 0, side - 1))
        spread.narrow(axis, 0, side - 1).add_(total.narrow(axis, 1, side - 1))
        total = spread
    return torch.sub(total, u, alpha=2 ** (u.ndim - 2))


def _imputed(x: Tensor, noise: Tensor, i: Tensor, removed: Tensor) -> Tensor:
    return imputed(x[i], removed) + noise * removed[:, None]


def _replaced(x: Tensor, instead: Tensor, i: Tensor, removed: Tensor) -> Tensor:
    import torch

    return torch.where(removed[:, None], instead if len(instead) == 1 else instead[i], x[i])


def scores_without(
    model: ImageModel,
    x: Tensor,
    codes: Tensor | None,
    fill: Filling,
    removed: Callable[[Tensor, Tensor], Tensor],
    asked: Tensor,
) -> Tensor:
    """Scores ``(n, m)`` of ``n`` images with ``m`` sets of voxels taken away from each.

    Parameters
    ----------
    removed : of samples ``i`` (as in :data:`Filling`) and sets ``j`` ``(b,)``: which voxels,
        ``(b, *grid)``.
    asked : ``(n, m)``, which to ask for; NaN elsewhere.

    No more images than the model is asked about at once are held in memory.
    """
    import torch

    scores = torch.full(asked.shape, torch.nan, device=x.device)
    for i, j in (pair.T for pair in asked.nonzero().split(batch_size(tuple(x.shape[2:])))):
        own = i[:1] if i[0] == i[-1] else i  # in rising order: spares copies of one image
        images = fill(own, removed(own, j))
        scores[i, j] = model.scores(images, None if codes is None else codes[i])
    return scores


def varies(maps: Tensor) -> np.ndarray:
    """Which maps ``(n, *grid)`` differ anywhere, beyond rounding: ``(n,)``. The others, and those
    that are not finite, say nothing about where.

    Examples
    --------
    >>> import torch
    >>> varies(torch.tensor([[[1.0, 2.0]], [[1.0, 1.0]]]))
    array([ True, False])
    """
    flat = maps.flatten(1)
    low, high = flat.amin(1), flat.amax(1)
    result = (high - low) > ROUNDING * flat.abs().amax(1)  # False where NaN
    return (result & flat.isfinite().all(1)).cpu().numpy()
