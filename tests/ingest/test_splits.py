"""Folds: partition, balance, copies and groups on one side, the official ones, and errors."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.ingest.balanced import assign_groups, even_clusters
from iceframe.ingest.duplicates import duplicate_groups
from iceframe.ingest.splits import make_splits


def regression(n: int = 60, seed: int = 0, **columns: object) -> Dataset:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    table["y"] = table["a"] + rng.normal(size=n)
    for name, values in columns.items():
        table[name] = values
    table.index = [f"s{i}" for i in range(n)]
    return Dataset(table, "y", "regression", ("a", "b", "c"))


def classified(counts: dict[str, int], seed: int = 0) -> Dataset:
    labels = [name for name, count in counts.items() for _ in range(count)]
    data = regression(len(labels), seed)
    table = data.table.assign(y=labels)
    return Dataset(table, "y", "classification", ("a", "b", "c"))


def with_role(data: Dataset, values: object, role: str = "specimen") -> Dataset:
    table = data.table.assign(piece=values)
    return Dataset(table, data.target, data.task, data.features, groups={role: "piece"})


def assert_partition(splits, n: int) -> None:
    tested = np.concatenate([f.test for f in splits.folds])
    assert sorted(tested) == list(range(n))
    for fold in splits.folds:
        assert not set(fold.train) & set(fold.test)


@pytest.mark.parametrize("spec", ["auto", "random", "cluster", "matbench"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_sample_is_tested_once(spec: str, seed: int) -> None:
    data = regression(61, seed)
    splits = make_splits(data, spec, seed=seed)
    assert_partition(splits, 61)
    if spec != "cluster":
        assert {len(f.test) for f in splits.folds} == {12, 13}


def test_the_seed_decides_and_nothing_else() -> None:
    data = regression()
    first, again, other = (make_splits(data, "random", seed=s) for s in (3, 3, 4))
    assert all((a.test == b.test).all() for a, b in zip(first.folds, again.folds, strict=True))
    assert any(set(a.test) != set(b.test) for a, b in zip(first.folds, other.folds, strict=True))


def test_auto_stratifies_classes_and_says_so() -> None:
    data = classified({"bcc": 33, "fcc": 22, "hcp": 11})
    splits = make_splits(data)
    assert splits.spec == "stratified"
    assert "stratified" in splits.notes[0]
    for fold in splits.folds:
        counts = pd.Series(data.y[fold.test]).value_counts()
        assert abs(counts["bcc"] - 33 / 5) <= 1
        assert abs(counts["hcp"] - 11 / 5) <= 1
    assert {len(f.test) for f in splits.folds} == {13, 14}


def test_auto_keeps_specimens_whole_and_balances_their_classes() -> None:
    rng = np.random.default_rng(0)
    pieces = np.repeat(np.arange(30), 4)
    labels = np.repeat(np.where(np.arange(30) % 3 == 0, "a", "b"), 4)
    order = rng.permutation(120)
    base = regression(120)
    table = base.table.assign(y=labels[order], piece=pieces[order])
    data = Dataset(table, "y", "classification", base.features, groups={"specimen": "piece"})
    splits = make_splits(data)
    assert splits.spec == "grouped:piece"
    for fold in splits.folds:
        held = set(table["piece"].iloc[fold.test])
        assert not held & set(table["piece"].iloc[fold.train])
        assert len(fold.test) == 24
        assert (data.y[fold.test] == "a").sum() == 8


@pytest.mark.parametrize("spec", ["random", "cluster"])
@pytest.mark.parametrize("seed", range(4))
def test_copies_stay_on_one_side(spec: str, seed: int) -> None:
    data = regression(80, seed)
    rows = np.r_[np.arange(80), np.arange(12), np.arange(5)]
    data = Dataset(
        data.table.iloc[rows].set_axis([f"s{i}" for i in range(97)]),
        "y",
        "regression",
        data.features,
    )
    copies = duplicate_groups(data)
    for fold in make_splits(data, spec, seed=seed).folds:
        assert not set(copies[fold.train]) & set(copies[fold.test])


def test_groups_drop_training_copies_rather_than_merge() -> None:
    base = regression(60)
    rows = np.r_[np.arange(60), [0, 1]]  # copies of group 0's samples, in group 5
    table = base.table.iloc[rows].set_axis([f"s{i}" for i in range(62)])
    data = with_role(
        Dataset(table, "y", "regression", base.features),
        np.r_[np.repeat(np.arange(6), 10), [5, 5]],
    )
    splits = make_splits(data, "leave-out:piece")
    assert [len(f.test) for f in splits.folds] == [10, 10, 10, 10, 10, 12]
    assert [len(f.train) for f in splits.folds] == [50, 52, 52, 52, 52, 48]
    assert any("4 training samples" in note for note in splits.notes)


def test_copies_that_cannot_be_separated_are_said() -> None:
    table = pd.DataFrame({"a": np.arange(60) % 4, "y": np.random.default_rng(0).normal(size=60)})
    splits = make_splits(Dataset(table, "y", "regression", ("a",)))
    assert_partition(splits, 60)
    assert any("could not be kept on one side" in note for note in splits.notes)


def test_leave_out_names_its_folds_and_only_trains_on_the_ungrouped() -> None:
    data = with_role(regression(30), ["a/b"] * 10 + ["c"] * 10 + [None] * 10)
    splits = make_splits(data, "leave-out:piece", folds=99)
    assert [f.name for f in splits.folds] == ["a-b", "c"]
    assert all(set(range(20, 30)) <= set(f.train) for f in splits.folds)
    assert any("10 samples without 'piece'" in note for note in splits.notes)


def test_a_cluster_fold_is_a_cluster() -> None:
    rng = np.random.default_rng(0)
    where = np.repeat([0.0, 4.0, 8.0], 20)
    table = pd.DataFrame({"a": where + 0.1 * rng.normal(size=60), "b": rng.normal(size=60)})
    table["y"] = rng.normal(size=60)
    splits = make_splits(Dataset(table, "y", "regression", ("a",)), "cluster", folds=3)
    assert sorted(np.unique(where[f.test]).tolist() for f in splits.folds) == [[0.0], [4.0], [8.0]]


def test_clusters_of_images_and_of_formulas() -> None:
    rng = np.random.default_rng(0)
    rough = np.repeat([0.1, 0.6], 10)
    images = ArrayImages(rough[:, None, None, None] * rng.random((20, 1, 12, 12)))
    table = pd.DataFrame({"y": rng.normal(size=20), "formula": ["Fe2O3", "Al3Ti"] * 10})
    bright = make_splits(Dataset(table, "y", "regression", images=images), "cluster", folds=2)
    assert sorted(np.unique(rough[f.test]).tolist() for f in bright.folds) == [[0.1], [0.6]]
    table = table.assign(
        formula=[f"Fe{i + 2}O3" for i in range(10)] + [f"Al{i + 2}Ti" for i in range(10)]
    )
    kinds = make_splits(
        Dataset(table, "y", "regression", composition="formula"), "cluster", folds=2
    )
    assert sorted(sorted(f.test) for f in kinds.folds) == [list(range(10)), list(range(10, 20))]


def test_small_clusters_are_filled() -> None:
    rng = np.random.default_rng(0)
    values = np.vstack([rng.normal(size=(96, 2)), [[50.0, 50.0]]])
    labels = even_clusters(values, 4, 0)
    assert np.bincount(labels).min() >= 97 // 16


@pytest.mark.parametrize("task", ["steels", "jdft2d", "phonons"])
def test_matbench_folds_are_the_published_ones(shared_data, task: str) -> None:
    """Golden: the test sets of the per-sample predictions on the Matbench board."""
    import bz2
    import json

    packed = (shared_data / "tables" / f"matbench_{task}.json.bz2").read_bytes()
    table = json.loads(bz2.decompress(packed))
    ids = list(table["mbid"].values())
    target = next(c for c in table if c not in ("mbid", "composition", "spg_num", "crys_sys"))
    frame = pd.DataFrame({"composition": list(table["composition"].values())}, index=ids)
    frame[target] = list(table[target].values())
    splits = make_splits(
        Dataset(frame, target, "regression", composition="composition", layout="matbench"),
        "matbench",
    )
    path = shared_data / "anchors" / "matbench_v0.1_per_sample_predictions.csv.gz"
    with gzip.open(path, "rt") as file:
        board = pd.read_csv(file, dtype=str)
    board = board[board["task"].str.contains(task)]
    id_column = next(c for c in board if board[c].isin(ids).any())
    board = board.drop_duplicates(id_column).set_index(id_column)
    for i, fold in enumerate(splits.folds):
        assert {int(float(f)) for f in board.loc[frame.index[fold.test], "fold"]} == {i}


def test_matbench_reports_copies_and_leaves_the_folds_alone() -> None:
    from sklearn.model_selection import StratifiedKFold

    data = classified({"x": 30, "y": 30})
    rows = np.r_[np.arange(60), np.arange(60)]
    data = Dataset(
        data.table.iloc[rows].set_axis([f"s{i}" for i in range(120)]),
        "y",
        "classification",
        data.features,
    )
    splits = make_splits(data, "matbench")
    official = StratifiedKFold(5, shuffle=True, random_state=18012019).split(rows, data.y)
    for fold, (train, test) in zip(splits.folds, official, strict=True):
        assert (fold.train == train).all()
        assert (fold.test == test).all()
    assert any("copy on the other side" in note for note in splits.notes)


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_dealing_groups_is_whole_and_even(seed: int, folds: int, n_classes: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 40, 120)
    groups[60:] = 100 + np.arange(60)
    classes = rng.integers(0, n_classes, 120)
    fold = assign_groups(groups, classes, folds, rng)
    assert all(len(set(fold[groups == g])) == 1 for g in set(groups))
    sizes = np.bincount(fold, minlength=folds)
    assert np.ptp(sizes) <= max(2, n_classes)


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        ("radnom", UsageError, "Did you mean 'random'"),
        ("grouped:peice", UsageError, "Did you mean 'piece'"),
        ("grouped:y", UsageError, "is the target"),
        ("grouped", UsageError, "needs a column"),
        ("stratified", UsageError, "target is a number"),
        ("random:a", UsageError, "takes no column"),
    ],
)
def test_wrong_specifications(spec: str, error: type[Exception], says: str) -> None:
    data = regression(30, piece=np.arange(30) % 3)
    with pytest.raises(error, match=says):
        make_splits(data, spec)


@pytest.mark.parametrize(
    ("make", "arguments", "error", "says"),
    [
        (lambda: regression(10), {"folds": 1}, UsageError, "two folds"),
        (lambda: regression(10), {"folds": 11}, InputError, "fewer samples than folds"),
        (lambda: regression(1), {"folds": 2}, InputError, "Too few samples"),
        (lambda: regression(10), {"spec": "matbench", "folds": 3}, UsageError, "five official"),
        (lambda: classified({"a": 20, "b": 3}), {}, InputError, "Class 'b' has fewer samples"),
        (
            lambda: with_role(regression(30), np.arange(30) % 3),
            {},
            InputError,
            "fewer groups than there are folds",
        ),
        (
            lambda: with_role(regression(30), ["x"] * 30),
            {"spec": "leave-out:piece"},
            InputError,
            "fewer than two groups",
        ),
        (
            lambda: with_role(classified({"a": 20, "b": 20}), ["p"] * 20 + ["q"] * 20),
            {"spec": "leave-out:piece"},
            InputError,
            "holds every sample of class",
        ),
        (
            lambda: Dataset(pd.DataFrame({"y": np.arange(9.0)}), "y", "regression"),
            {"spec": "cluster", "folds": 3},
            InputError,
            "nothing to cluster",
        ),
    ],
)
def test_data_that_cannot_be_split(
    make, arguments: dict, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        make_splits(make(), **arguments)
