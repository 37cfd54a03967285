"""Fixtures of the tests of foundation models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from iceframe.core.crystals import Crystals
from iceframe.core.values import Representation

# Of both sides of every bond that matters here: metals, an oxide former, a halogen.
POOL = (3, 8, 9, 11, 12, 13, 17, 22, 26, 28)


@pytest.fixture(autouse=True, scope="session")
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache of these tests is theirs: nothing in the user's own is read or written."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICEFRAME_CACHE", str(folder))
        yield folder


def _perovskites(n: int, seed: int = 0) -> Crystals:
    rng = np.random.default_rng(seed)
    edges = rng.uniform(3.8, 4.4, n)
    ideal = np.array([[0, 0, 0], [0.5] * 3, [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    moved = ideal + rng.normal(scale=0.01, size=(n, 5, 3))
    cells = rng.choice(POOL, size=(n, 3))[:, [0, 1, 2, 2, 2]]
    names = tuple(f"perovskite {i}" for i in range(n))
    return Crystals(
        edges[:, None, None] * np.eye(3),
        5 * np.arange(n + 1),
        cells.ravel(),
        moved.reshape(-1, 3),
        names,
    )


@pytest.fixture(scope="session")
def perovskites() -> Crystals:
    """Forty cells of five atoms of random elements, a little out of shape."""
    return _perovskites(40)


@pytest.fixture(scope="session")
def odd_crystals() -> Crystals:
    """Two cells that CHGNet cannot describe, of curium and of an atom alone in 9 Å, and iron."""
    return Crystals(
        np.array([3.5, 9.0, 2.8665])[:, None, None] * np.eye(3),
        np.array([0, 1, 2, 4]),
        np.array([96, 18, 26, 26]),
        np.array([[0, 0, 0], [0, 0, 0], [0, 0, 0], [0.5, 0.5, 0.5]]),
        ("curium", "argon, dilute", "iron"),
    )


@pytest.fixture(scope="session")
def empty_table(perovskites: Crystals) -> Representation:
    """The shared table of forty samples without a column: crystals are all there is."""
    return Representation(np.empty((len(perovskites), 0)), (), ())
