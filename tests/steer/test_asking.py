"""What is asked for: a missing or odd column, and the samples that speak for most others."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.measure.uncertainty.novelty import Novelty
from iceframe.steer.asking import (
    ASKED_SHARE,
    Columns,
    missing_column,
    odd_column,
    worth_measuring,
)


def test_only_columns_that_a_person_measures_are_asked_for(rng: np.random.Generator) -> None:
    columns = Columns.of(rng.normal(size=(50, 3)), np.array([2]))
    assert missing_column(np.array([np.nan, 0.0, 0.0]), columns) is None
    assert missing_column(np.array([np.nan, 0.0, np.nan]), columns) == 2


def test_one_odd_column_is_named_and_two_are_not(rng: np.random.Generator) -> None:
    x = rng.normal(size=(200, 4))
    columns, novelty = Columns.of(x, np.arange(4)), Novelty.fit(x)
    row = np.zeros(4)
    row[1] = 40.0
    assert odd_column(row, columns, novelty.p_values) == 1
    row[3] = -40.0
    assert odd_column(row, columns, novelty.p_values) is None
    assert odd_column(np.zeros(4), columns, novelty.p_values) is None


def test_a_sample_that_is_strange_inside_every_range_names_no_column() -> None:
    t = np.linspace(-1, 1, 200)
    x = np.column_stack([t, t])
    novelty = Novelty.fit(x)
    assert odd_column(np.array([0.9, -0.9]), Columns.of(x, np.arange(2)), novelty.p_values) is None


def test_a_column_of_nothing_is_no_fault() -> None:
    x = np.column_stack([np.arange(5.0), np.full(5, np.nan)])
    columns = Columns.of(x, np.arange(2))
    assert missing_column(np.array([1.0, np.nan]), columns) is None


def test_nothing_to_ask_for() -> None:
    assert worth_measuring(np.empty((0, 0)), 1.0) == {}
    assert worth_measuring(np.zeros((1, 1)), 1.0) == {0: 0}


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), m=st.integers(1, 40), radius=st.floats(0.01, 2))
def test_the_samples_asked_for(seed: int, m: int, radius: float) -> None:
    x = np.random.default_rng(seed).normal(size=(m, 2))
    distance = np.linalg.norm(x[:, None] - x[None], axis=2)
    chosen = worth_measuring(distance, radius)
    assert 1 <= len(chosen) <= max(1, np.ceil(ASKED_SHARE * m))
    spoken = list(chosen.values())
    assert spoken == sorted(spoken, reverse=True)  # the most useful first
    assert spoken[0] == (distance <= radius).sum(axis=1).max() - 1
    assert len(chosen) + sum(spoken) <= m
