"""The forest's median is the weighted median by its definition."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.scale.median_forest import MedianExtraTrees


@pytest.mark.parametrize("leaf", [1, 4])
def test_the_median_by_its_definition(leaf, rng):
    """Weights by hand: 1 / (samples in the leaf) of every tree; half of them lie on each side."""
    x, new = rng.normal(size=(60, 3)), rng.normal(size=(25, 3))
    y = x[:, 0] + rng.standard_t(2, size=60)
    forest = MedianExtraTrees(15, min_samples_leaf=leaf, random_state=0).fit(x, y)
    seen, there = forest.apply(x), forest.apply(new)
    shared = there[:, None, :] == seen[None]
    weights = (shared / shared.sum(axis=1, keepdims=True)).mean(axis=2)
    for row, answer in zip(weights, forest.predict(new), strict=True):
        assert answer in y
        assert row[y < answer].sum() <= 0.5 + 1e-9
        assert row[y > answer].sum() <= 0.5 + 1e-9


def test_far_off_samples_do_not_move_it(rng):
    x = rng.uniform(size=(300, 2))
    y = np.where(rng.uniform(size=300) < 0.1, 1000.0, 1.0)
    forest = MedianExtraTrees(50, min_samples_leaf=5, random_state=0).fit(x, y)
    assert np.median(forest.predict(x)) == 1.0
    assert super(MedianExtraTrees, forest).predict(x).mean() == pytest.approx(y.mean(), rel=0.3)
