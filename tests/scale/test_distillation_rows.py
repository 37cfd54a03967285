"""Rows made between neighbours stay possible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.core.values import Representation
from iceframe.scale.distillation.made import made_rows


def _alloys(rng: np.random.Generator, n: int = 40) -> Representation:
    fractions = rng.dirichlet([1.0, 1.0, 0.3], size=n)
    route = np.eye(2)[rng.integers(2, size=n)]
    values = np.column_stack([fractions, rng.normal(size=n), route, rng.integers(1, 9, size=n)])
    values[::5, 3] = np.nan
    names = ("Fe fraction", "Ni fraction", "Cr fraction", "time", "route = cast", "route = rolled",
             "steps")  # fmt: skip
    return Representation(values, names, ("",) * 7, {"fractions": (0, 1, 2)})


def test_mixtures_add_up_and_categories_and_whole_numbers_stay_what_they_are(rng):
    table = _alloys(rng)
    rows = made_rows(table, 500, 0).values
    assert np.allclose(rows[:, :3].sum(axis=1), 1)
    assert rows[:, :3].min() >= 0
    assert np.array_equal(np.unique(rows[:, 4:6], axis=0), [[0, 1], [1, 0]])
    assert set(rows[:, 6]) <= set(table.values[:, 6])
    assert np.isnan(rows[:, 3]).any()
    assert len(np.unique(rows, axis=0)) > 400  # most of them are new


def test_columns_move_alone_where_nothing_ties_them(rng):
    x = np.repeat([[0.0, 0.0], [1.0, 1.0]], 6, axis=0) + 0.01 * rng.normal(size=(12, 2))
    rows = made_rows(Representation(x, ("a", "b"), ("", "")), 300, 0).values
    assert (np.abs(rows[:, 0] - rows[:, 1]) < 0.5).all()  # each stays among its neighbours,
    kept = np.stack([np.isin(rows[:, j], x[:, j]) for j in (0, 1)])
    assert (kept[0] != kept[1]).mean() > 0.2  # but its columns do not move as one


@settings(deadline=None, max_examples=25)
@given(n=st.integers(2, 12), d=st.integers(1, 5), seed=st.integers(0, 100))
def test_rows_stay_within_the_data_and_follow_the_seed(n, d, seed):
    x = np.random.default_rng(seed).normal(size=(n, d))
    table = Representation(x, tuple(map(str, range(d))), ("",) * d)
    rows = made_rows(table, 30, seed)
    assert rows.names == table.names
    assert (rows.values >= x.min(axis=0) - 1e-12).all()
    assert (rows.values <= x.max(axis=0) + 1e-12).all()
    assert np.array_equal(rows.values, made_rows(table, 30, seed).values)
    assert not np.array_equal(rows.values, made_rows(table, 30, seed + 1).values)


def test_a_column_without_a_value_stays_empty(rng):
    x = np.column_stack([rng.normal(size=9), np.full(9, np.nan)])
    rows = made_rows(Representation(x, ("a", "b"), ("", "")), 20, 0).values
    assert np.isnan(rows[:, 1]).all()
    assert np.isfinite(rows[:, 0]).all()
    assert pytest.approx(rows[:, 0].mean(), abs=1.5) == x[:, 0].mean()
