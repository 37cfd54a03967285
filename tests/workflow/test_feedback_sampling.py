"""Where a measurement is worth most: against brute force, and where the answer is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from iceframe.balance.situation import Measured
from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.core.values import Fold, Representation, Splits
from iceframe.scale.rung import Inputs
from iceframe.workflow.feedback.asking import experiments
from iceframe.workflow.feedback.sampling import NOISE, distances, most_telling, standardised
from iceframe.workflow.feedback.simulation import recipe_of, worth
from iceframe.workflow.feedback.variant import Variant, left_out, only_trained_on
from iceframe.workflow.folds import name_of_splits

FEATURES = ("time", "route", "gap", "low")


def variance(x: np.ndarray, known: np.ndarray, scale: float) -> np.ndarray:
    """Posterior variance at ``x`` of a process told of ``known``: the textbook formula."""

    def k(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.exp(-0.5 * ((a[:, None] - b[None]) ** 2).sum(-1) / scale**2)

    gram = k(known, known) + NOISE * np.eye(len(known))
    return 1 - np.einsum("ij,ji->i", k(x, known), np.linalg.solve(gram, k(known, x)))


def test_the_pick_lowers_the_variance_most() -> None:
    rng = np.random.default_rng(0)
    known, x = rng.normal(size=(12, 2)), rng.normal(size=(30, 2)) * 2
    order, gains = most_telling(x, known, 3)
    a, b = standardised(x, known), standardised(known, known)
    gaps = np.sqrt(((b[:, None] - b[None]) ** 2).sum(-1))
    scale = float(np.median(gaps[np.triu_indices(len(b), 1)]))
    told, total = b, variance(a, b, scale).sum()
    for pick, gain in zip(order, gains, strict=True):
        before = variance(a, told, scale).sum()
        after = [variance(a, np.vstack([told, a[i]]), scale).sum() for i in range(len(a))]
        assert after[pick] == pytest.approx(min(after))
        assert gain == pytest.approx((before - after[pick]) / total, rel=1e-6)
        told = np.vstack([told, a[pick]])


def test_no_sample_is_picked_twice_and_missing_values_are_no_news() -> None:
    x = np.array([[0.0, np.nan], [0.0, np.nan], [3.0, 1.0]])
    order, gains = most_telling(x, np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]), 5)
    assert sorted(order) == [0, 1, 2]
    assert np.isfinite(gains).all()


def test_distance_counts_in_deviations_of_what_is_known() -> None:
    known = np.array([[0.0, 0.0], [2.0, 200.0]])
    assert distances(np.array([[4.0, 200.0]]), known) == pytest.approx([2.0])
    flat = np.array([[1.0, 5.0], [3.0, 5.0]])  # the second feature does not vary
    assert distances(np.array([[1.0, 9.0]]), flat) == pytest.approx([0.0])


def test_experiments_are_drawn_from_what_is_known_of_each_column() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"time": rng.uniform(1, 2, 30), "route": rng.integers(0, 3, 30), "gap": np.nan}
    )
    table["low"] = np.where(table.index < 3, np.inf, rng.uniform(5, 6, 30))  # so is an end called
    table["y"] = table["time"]
    data = Dataset(table.set_axis([f"s{i}" for i in range(30)]), "y", "regression", FEATURES)

    def inputs(_: str, new: Dataset) -> Inputs:
        values = new.table[list(FEATURES)].to_numpy(float)
        return Inputs(Representation(values, FEATURES, ("",) * 4))

    def predict(new: Dataset, rung: str) -> pd.DataFrame:
        return pd.DataFrame({"mean": 0.0, "low": -1.0, "high": 1.0}, index=new.ids)

    bench: Any = SimpleNamespace(
        variants={"": Variant("", data)},
        measured={"ridge": Measured("ridge", "", 0, 1.0)},
        unlabelled=None,
        seed=0,
        inputs=inputs,
        run_of=lambda _: SimpleNamespace(predict=predict),
    )
    found = experiments(bench, "ridge", 20)
    assert found["time"].between(1, 2).all()
    assert found["time"].nunique() == 20  # between those that are known
    assert set(found["route"]) <= {0, 1, 2}
    assert found["gap"].isna().all()
    assert found["low"].between(5, 6).all()
    assert (found["low (predicted)"] == -1.0).all()


def test_worth_needs_both_or_either() -> None:
    assert np.argmax(worth(np.array([0.0, 1.0, 0.9]), np.array([0.0, 1.0, 0.9]))) == 1
    assert np.argmax(worth(np.zeros(3), np.array([0.0, 1.0, 0.9]))) == 1


# -- folds that are handed over --------------------------------------------------------------------


def test_new_samples_are_trained_on_in_every_fold_and_tested_in_none() -> None:
    fold = np.arange(9) % 3
    made = (
        Fold(f"fold{i}", np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(3)
    )
    splits = Splits("random", tuple(made))
    more = only_trained_on(splits, 9, 4)
    for before, after in zip(splits.folds, more.folds, strict=True):
        np.testing.assert_array_equal(before.test, after.test)
        assert set(after.train) - set(before.train) == {9, 10, 11, 12}
    keep = np.arange(9) != 4
    ids = np.arange(9)[keep]
    for before, after in zip(splits.folds, left_out(splits, keep).folds, strict=True):
        assert set(ids[after.test]) == set(before.test) - {4}
        assert set(ids[after.train]) == set(before.train) - {4}


@pytest.fixture
def ten() -> Dataset:
    table = pd.DataFrame({"x": np.arange(10.0), "y": np.arange(10.0)}, index=list("abcdefghij"))
    return Dataset(table, "y", "regression", ("x",))


def test_the_name_of_splits_tells_them_apart(ten: Dataset) -> None:
    one = Splits("random", (Fold("fold0", np.arange(5), np.arange(5, 10)),))
    other = Splits("random", (Fold("fold0", np.arange(6), np.arange(6, 10)),))
    assert name_of_splits(one, ten).startswith("random#")
    assert name_of_splits(one, ten) == name_of_splits(one, ten)
    assert name_of_splits(one, ten) != name_of_splits(other, ten)


@pytest.mark.parametrize(
    ("folds", "words"),
    [
        ((), "no folds"),
        ((Fold("fold0", np.arange(5), np.arange(5, 11)),), "not in the data"),
        ((Fold("fold0", np.arange(6), np.arange(5, 10)),), "twice"),
        ((Fold("fold0", np.arange(6), np.arange(0)),), "empty"),
    ],
)
def test_impossible_splits_are_refused(ten: Dataset, folds: tuple[Fold, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        name_of_splits(Splits("random", folds), ten)


def test_what_was_not_simulated_has_no_recipe(ten: Dataset) -> None:
    with pytest.raises(InputError, match="recipe"):
        recipe_of(ten)
