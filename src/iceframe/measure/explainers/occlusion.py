"""Occlusion and phase flips: what the score loses when a part of the image is replaced.

``d_B = f(x) − f(x with the voxels of B replaced)``, for blocks ``B`` that divide the grid. A voxel
gets ``d_B / |B|``, so that a block's sum is the change that was seen. Changes of different blocks
need not add up to anything, and no gap is reported. Only predictions are asked for.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from iceframe.measure.explainer import EXPLAINERS, Background, ImageExplainer, Needs
from iceframe.measure.image_model import batch_size
from iceframe.measure.model_flips import PATCHES, patch_boxes

if TYPE_CHECKING:
    from typing import ClassVar

    from torch import Tensor

    from iceframe.measure.image_model import ImageModel

MOST_FLIPS = 64**2  # of one image: every pixel up to 64², blocks of 2³ voxels at 32³


@EXPLAINERS.register("occlusion")
class Occlusion(ImageExplainer):
    """Patches of an even division of the grid, each filled with the mean background image.

    Trap: the mean of two-phase structures is a grey that no structure has, so the model is asked
    about what it was not trained on; and the map is no finer than the patches.
    """

    name = "occlusion"
    title = "occlusion"
    summary = "what the score loses when a patch is replaced by that of the mean image"
    reference = "Zeiler & Fergus 2014, https://arxiv.org/abs/1311.2901"
    needs: ClassVar[Needs] = "predictions"

    def maps(
        self,
        model: ImageModel,
        x: Tensor,
        codes: Tensor | None = None,
        background: Background | None = None,
        seed: int = 0,
    ) -> Tensor:
        import torch

        assert background is not None
        fill = torch.from_numpy(background.mean)[None].to(x.device).expand_as(x)
        return losses(model, x, fill, codes, PATCHES)


@EXPLAINERS.register("phase_flip")
class PhaseFlip(ImageExplainer):
    """Each voxel put into the other phase: the change that a structure can really make.

    A voxel becomes ``lo + hi − x`` in every channel, with the lowest and highest value of the
    background; in a grey image its negative. Grids of more than :data:`MOST_FLIPS` voxels are
    flipped in blocks, as small as that number allows.

    Trap: one voxel at a time. What two voxels do only together (a bridge of two) is not seen, and
    a block that holds both phases has them exchanged.
    """

    name = "phase_flip"
    title = "phase flip"
    summary = "what the score loses when a voxel is put into the other phase"
    reference = "Zeiler & Fergus 2014 (occlusion), https://arxiv.org/abs/1311.2901"
    needs: ClassVar[Needs] = "predictions"

    def maps(
        self,
        model: ImageModel,
        x: Tensor,
        codes: Tensor | None = None,
        background: Background | None = None,
        seed: int = 0,
    ) -> Tensor:
        assert background is not None
        return losses(model, x, background.flipped(x), codes, blocks_along(tuple(x.shape[2:])))


def blocks_along(grid: tuple[int, ...]) -> int:
    """Blocks along each axis: as many as pixels, or as :data:`MOST_FLIPS` allows.

    Examples
    --------
    >>> blocks_along((48, 64)), blocks_along((128, 128)), blocks_along((32, 32, 32))
    (64, 64, 16)
    """
    if math.prod(grid) <= MOST_FLIPS:
        return max(grid)
    return max(1, math.floor(MOST_FLIPS ** (1 / len(grid)) + 1e-9))


def losses(model: ImageModel, x: Tensor, fill: Tensor, codes: Tensor | None, blocks: int) -> Tensor:
    """Maps ``(n, *grid)`` of what the score loses when a block is replaced by that of ``fill``.

    ``fill``: of the shape of ``x``. ``blocks``: along each axis, at most one a pixel.
    """
    import torch

    grid = tuple(x.shape[2:])
    boxes = patch_boxes(grid, blocks)
    label = np.empty(grid, np.int64)
    for i, box in enumerate(boxes):
        label[box] = i
    owner = torch.from_numpy(label).to(x.device)  # (*grid): the block that a voxel is in
    size = torch.bincount(owner.flatten(), minlength=len(boxes))
    score = model.scores(x, codes)
    answers = []
    # All pairs of an image and a block, as many at a time as the model is asked.
    every, step = len(x) * len(boxes), batch_size(grid)
    for begin in range(0, every, step):
        pair = torch.arange(begin, min(begin + step, every), device=x.device)
        image, block = pair // len(boxes), pair % len(boxes)
        inside = owner == block.view(-1, *(1 for _ in grid))  # (b, *grid)
        changed = torch.where(inside[:, None], fill[image], x[image])
        answers.append(model.scores(changed, None if codes is None else codes[image]))
    lost = score[:, None] - torch.cat(answers).view(len(x), len(boxes))
    return (lost / size)[:, owner]
