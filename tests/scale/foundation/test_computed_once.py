"""What was computed is not computed again, and nothing that was done is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iceframe.scale.foundation.computed_once import computed_once
from iceframe.scale.foundation.feature_cache import FeatureCache

KEYS = ("a", "bb", "ccc", "bb", "dddd")
LENGTHS = tuple(map(len, KEYS))


class Model:
    """The row of a key is its place in the alphabet, as often as the key is long."""

    def __init__(self, keys: tuple[str, ...] = KEYS, failing: str = "") -> None:
        self.keys, self.failing = keys, failing
        self.computed: list[list[int]] = []

    def batches(self, lacking: np.ndarray) -> list[np.ndarray]:
        return [lacking[start : start + 2] for start in range(0, len(lacking), 2)]

    def compute(self, index: np.ndarray) -> dict[int, np.ndarray]:
        if self.failing in [self.keys[i] for i in index]:
            raise RuntimeError("out of memory")
        self.computed.append(index.tolist())
        return {int(i): np.full(len(self.keys[i]), ord(self.keys[i][0])) for i in index}


def rows(model: Model, cache: FeatureCache, **options: object) -> list[list[float]]:
    lengths = tuple(map(len, model.keys))
    found = computed_once(
        model.keys,
        lengths,
        cache,
        model.batches,
        model.compute,
        **options,  # type: ignore[arg-type]
    )
    return [row.tolist() for row in found]


WANTED = [[97], [98, 98], [99] * 3, [98, 98], [100] * 4]


def test_each_content_is_computed_once_and_told_in_order(tmp_path: Path) -> None:
    cache, model = FeatureCache("kind", tmp_path), Model()
    seen: list[tuple[int, int]] = []
    assert rows(model, cache, progress=lambda done, n: seen.append((done, n))) == WANTED
    assert model.computed == [[0, 1], [2, 4]]
    assert seen == [(1, 5), (3, 5), (5, 5)]
    later = Model(("dddd", "e", "a"))
    assert rows(later, cache) == [[100] * 4, [101], [97]]
    assert later.computed == [[1]]


def test_what_was_done_before_an_interruption_is_kept(tmp_path: Path) -> None:
    cache = FeatureCache("kind", tmp_path)
    with pytest.raises(RuntimeError, match="memory"):
        rows(Model(failing="ccc"), cache)
    model = Model()
    assert rows(model, cache) == WANTED
    assert model.computed == [[2, 4]]


def test_a_kept_row_of_another_length_is_not_taken(tmp_path: Path) -> None:
    cache, model = FeatureCache("kind", tmp_path), Model()
    cache.write({"bb": np.zeros(3), "a": np.zeros(1)})
    assert rows(model, cache) == [[0], *WANTED[1:]]
    assert model.computed == [[1, 2], [4]]


def test_nothing_is_asked_where_there_is_nothing(tmp_path: Path) -> None:
    model = Model(())
    assert rows(model, FeatureCache("kind", tmp_path)) == []
    assert model.computed == []
