"""Folds that look ahead: order, ties, dates, extremes, and what cannot be put in order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.ingest.forward import forward_folds
from iceframe.ingest.splits import make_splits


def data_with(y: object = None, **columns: object) -> Dataset:
    table = pd.DataFrame(columns)
    rng = np.random.default_rng(0)
    table["a"] = rng.normal(size=len(table))
    table["y"] = rng.normal(size=len(table)) if y is None else y
    task = "regression" if pd.api.types.is_numeric_dtype(table["y"]) else "classification"
    return Dataset(table.set_axis([f"s{i}" for i in range(len(table))]), "y", task, ("a",))


@given(
    years=st.lists(st.integers(1990, 2010), min_size=8, max_size=60),
    steps=st.integers(2, 5),
)
@settings(max_examples=80, deadline=None)
def test_the_past_never_sees_the_future(years: list[int], steps: int) -> None:
    values = np.array(years, float)
    data = data_with(year=values)
    if len(np.unique(values)) < steps + 1:
        with pytest.raises(InputError, match="too few different values"):
            forward_folds(data, "year", steps)
        return
    folds, _ = forward_folds(data, "year", steps)
    assert [fold.name for fold in folds] == [f"step{i + 1}" for i in range(steps)]
    for fold, after in zip(folds, [*folds[1:], None], strict=True):
        assert values[fold.train].max() < values[fold.test].min()
        assert set(fold.train) == set(np.flatnonzero(values < values[fold.test].min()))
        if after is not None:
            assert values[fold.test].max() < values[after.test].min()
    assert values[folds[-1].test].max() == values.max()


def test_blocks_are_even_where_nothing_is_tied() -> None:
    splits = make_splits(data_with(order=np.random.default_rng(0).permutation(60)), "forward:order")
    assert [len(fold.test) for fold in splits.folds] == [10] * 5
    assert [len(fold.train) for fold in splits.folds] == [10, 20, 30, 40, 50]


@pytest.mark.parametrize(
    "dates",
    [
        ["2019-05-01", "2020-01-31", "2021-12-24", "2022-02-02"],
        ["01.05.2019", "31.01.2020", "24.12.2021", "02.02.2022"],
        ["05/01/2019", "01/31/2020", "12/24/2021", "02/02/2022"],
    ],
)
def test_dates_are_put_in_order(dates: list[str]) -> None:
    rank = np.random.default_rng(0).integers(0, 4, 40)
    splits = make_splits(data_with(made=np.array(dates, object)[rank]), "forward:made", 3)
    for step, fold in enumerate(splits.folds, start=1):
        assert set(rank[fold.test]) == {step}
        assert set(rank[fold.train]) == set(range(step))


def test_samples_without_a_date_take_no_part() -> None:
    years = np.arange(30.0)
    years[::5] = np.nan
    splits = make_splits(data_with(year=years), "forward:year", 3)
    for fold in splits.folds:
        assert np.isfinite(years[np.concatenate([fold.train, fold.test])]).all()
    assert any("6 samples without 'year'" in note for note in splits.notes)


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ("forward:route", InputError, "neither numbers nor dates"),
        ("forward:day", InputError, "day or the month comes first"),
        ("forward:yaer", UsageError, "Did you mean 'year'"),
        ("forward", UsageError, "needs a column"),
        ("forward:y", UsageError, "is the target"),
        ("extremes:year", UsageError, "takes no column"),
    ],
)
def test_what_cannot_be_put_in_order(spec: str, error: type[Exception], words: str) -> None:
    days = [f"0{1 + i % 9}/02/2020" for i in range(20)]
    data = data_with(year=np.arange(20), route=["cast", "rolled"] * 10, day=days)
    with pytest.raises(error, match=words):
        make_splits(data, spec)


def test_extremes_are_tested_by_models_of_the_middle() -> None:
    y = np.random.default_rng(0).permutation(100.0 + np.arange(100))
    splits = make_splits(data_with(y=y, x=y), "extremes", folds=99)
    low, high = splits.folds
    assert (low.name, high.name) == ("lowest", "highest")
    assert sorted(y[low.test]) == list(range(100, 110))
    assert sorted(y[high.test]) == list(range(190, 200))
    for fold in splits.folds:
        assert sorted(y[fold.train]) == list(range(110, 190))


def test_ties_at_an_end_stay_together() -> None:
    y = np.r_[np.zeros(15), np.arange(1.0, 86.0)]
    low, high = make_splits(data_with(y=y, x=y), "extremes").folds
    assert len(low.test) == 15
    assert len(high.test) == 10


def test_where_most_targets_are_zero_the_low_end_is_not_extreme() -> None:
    y = np.r_[np.zeros(60), np.arange(1.0, 41.0)]
    splits = make_splits(data_with(y=y, x=y), "extremes")
    assert [fold.name for fold in splits.folds] == ["highest"]
    assert (y[splits.folds[0].test] > 30).all()
    assert set(splits.folds[0].train) == set(np.flatnonzero(y <= 30))
    assert any("60 samples share the lowest" in note for note in splits.notes)


@pytest.mark.parametrize(
    ("y", "error", "words"),
    [
        (np.arange(40.0) % 2, InputError, "no extremes"),
        (["a", "b"] * 20, UsageError, "Classes have no extremes"),
    ],
)
def test_no_extremes(y: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make_splits(data_with(y=y, x=np.arange(40.0)), "extremes")


def test_copies_of_a_test_sample_are_not_trained_on() -> None:
    order = np.arange(40.0)
    data = data_with(order=order)
    data.table.loc["s0", "a"] = data.table.loc["s39", "a"]
    last = make_splits(data, "forward:order", 3).folds[-1]
    assert 39 in last.test
    assert 0 not in last.train
