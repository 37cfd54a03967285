"""The model's own flips: patches and sums over them."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.measure.model_flips import patch_boxes, patch_sums


@pytest.mark.parametrize("grid", [(8, 8), (7, 5), (3, 2), (4, 6, 5)])
def test_patches_cover_every_pixel_once(rng, grid):
    seen = np.zeros(grid, int)
    for box in patch_boxes(grid, 4):
        seen[box] += 1
    assert np.all(seen == 1)
    maps = rng.normal(size=(2, *grid))
    np.testing.assert_allclose(patch_sums(maps, 4).sum(1), maps.reshape(2, -1).sum(1))
