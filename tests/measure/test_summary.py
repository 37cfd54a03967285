"""From folds and samples to Evidence: closed forms, calibration, and what is missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from iceframe.core.errors import UsageError
from iceframe.measure import summary
from iceframe.measure.complexity import Estimate
from iceframe.measure.metrics import METRICS


def test_every_metric_says_its_direction_and_axis():
    for name, metric in METRICS.items():
        assert metric.better in ("higher", "lower", "neither"), name
        assert metric.axis in ("complexity", "fidelity", "transparency", "cost"), name
        assert metric.summary
    with pytest.raises(UsageError, match="Did you mean 'rmse'"):
        METRICS["rmsee"]


def test_the_fold_interval_covers_the_mean_as_often_as_it_says(rng):
    """Fold means with the correlation n_test/(n_train + n_test) that Nadeau and Bengio assume."""
    k, hits = 5, 0
    rho = 1 / k
    for _ in range(2000):
        folds = np.sqrt(rho) * rng.normal() + np.sqrt(1 - rho) * rng.normal(size=k)
        row = summary.from_folds("r", "mae", folds, n_train=k - 1, n_test=1)
        hits += row.low <= 0 <= row.high
    assert hits / 2000 == pytest.approx(0.95, abs=0.015)


def test_a_failed_fold_stays_visible():
    row = summary.from_folds("r", "mae", [1.0, float("nan"), 3.0], n_train=2, n_test=1)
    assert (row.value, len(row.folds)) == (2.0, 3)
    assert row.low < 2 < row.high
    alone = summary.from_folds("r", "mae", [1.0], n_train=2, n_test=1)
    assert alone.value == 1.0
    assert np.isnan(alone.low)
    assert np.isnan(summary.from_folds("r", "mae", [], n_train=2, n_test=1).value)


def test_the_bootstrap_interval_covers(rng):
    hits = 0
    for seed in range(200):
        row = summary.from_samples("r", "faithfulness", rng.normal(0.3, 1, 40), seed=seed)
        hits += row.low <= 0.3 <= row.high
    assert 0.88 <= hits / 200 <= 0.99


def test_samples_without_a_value():
    row = summary.from_samples("r", "completeness_gap", [0.1, 0.2, 9.0, np.nan], statistic="median")
    assert (row.value, row.n, row.note) == (0.2, 3, "undefined for 1 of 4 samples")
    empty = summary.from_samples("r", "faithfulness", [np.nan])
    assert np.isnan(empty.value)
    with pytest.raises(ValueError, match="mean or median"):
        summary.from_samples("r", "faithfulness", [1.0], statistic="mode")


def _regression_predictions(rng):
    frame = pd.DataFrame({"fold": np.repeat(["1", "2", "3"], 40), "y": rng.normal(size=120)})
    frame["mean"] = frame["y"] + rng.normal(size=120) / 2
    frame["low"], frame["high"] = frame["mean"] - 0.8, frame["mean"] + 0.8
    return frame


def test_fidelity_of_a_regression(rng):
    frame = _regression_predictions(rng)
    rows = {
        r.metric: r
        for r in summary.fidelity_evidence("gp", frame, "regression", n=120, unit="MPa", seed=3)
    }
    assert set(rows) == {
        "mae", "rmse", "r2", "interval_score_90", "augrc", "coverage_90", "worst_group_coverage",
    }  # fmt: skip
    by_fold = (frame["y"] - frame["mean"]).abs().groupby(frame["fold"]).mean()
    assert rows["mae"].folds == pytest.approx(tuple(by_fold))
    assert (rows["mae"].unit, rows["r2"].unit, rows["coverage_90"].unit) == ("MPa", "", "")
    inside = (frame["y"] - frame["mean"]).abs() <= 0.8
    assert rows["coverage_90"].value == pytest.approx(inside.mean())
    assert (rows["coverage_90"].n, len(rows["coverage_90"].folds)) == (120, 3)
    assert rows["worst_group_coverage"].value <= rows["coverage_90"].value
    assert rows["worst_group_coverage"].note.startswith("predicted fifth")
    assert all(r.axis == "fidelity" and r.seed == 3 for r in rows.values())
    grouped = summary.fidelity_evidence(
        "gp", frame, "regression", n=120, groups=np.repeat(["a", "b"], 60)
    )
    assert grouped[-1].note in ("group a", "group b")


def test_fidelity_of_a_classification():
    frame = pd.DataFrame(
        {
            "fold": ["1", "1", "2", "2"],
            "y": ["fcc", "bcc", "fcc", "bcc"],
            "mean": ["fcc", "bcc", "bcc", "bcc"],
            "p_bcc": [0.2, 0.9, 0.6, 0.7],
            "p_fcc": [0.8, 0.1, 0.4, 0.3],
            "covered": [True, True, False, True],
            "set_size": [1, 1, 1, 2],
        }
    )
    rows = {
        r.metric: r
        for r in summary.fidelity_evidence("svm", frame, "classification", ("bcc", "fcc"), n=4)
    }
    assert rows["balanced_accuracy"].folds == (1.0, 0.5)
    assert rows["accuracy"].value == 0.75
    assert rows["coverage_90"].value == 0.75
    assert rows["set_size_90"].value == 1.25
    assert rows["worst_group_coverage"].note == "no group of ten samples or more"


def test_transparency_pools_samples_and_keeps_folds():
    quality = [
        {"faithfulness": [1.0, 0.5], "completeness_gap": [0.0, 0.1]},
        {"faithfulness": [0.0, float("nan")], "completeness_gap": [0.2, 50.0]},
    ]
    rows = {r.metric: r for r in summary.transparency_evidence("cnn", quality)}
    assert rows["faithfulness"].value == 0.5
    assert rows["faithfulness"].folds == (0.75, 0.0)
    assert rows["completeness_gap"].value == pytest.approx(0.15)


def test_shift_is_the_loss_on_each_cluster():
    clusters = [
        pd.DataFrame({"y": [1.0, 2.0], "mean": [2.0, 3.0], "fold": "a"}),
        pd.DataFrame({"y": [1.0], "mean": [4.0], "fold": "b"}),
    ]
    (row,) = summary.shift_evidence("gp", clusters, "regression", unit="MPa")
    assert (row.metric, row.value, row.folds, row.unit) == (
        "leave_cluster_out",
        2.0,
        (1.0, 3.0),
        "MPa",
    )
    codes = [pd.DataFrame({"y": [0, 1], "p0": [0.9, 0.8], "p1": [0.1, 0.2], "position": [0, 1]})]
    (row,) = summary.shift_evidence("svm", codes, "classification")
    assert row.value == 0.5


def test_complexity_from_stored_estimates():
    part = {
        "value": 0.4,
        "low": 0.3,
        "high": 0.5,
        "replicates": 5,
        "note": "ridge",
        "surrogate_r2": 0.6,
    }
    gdf = {"value": 9.0, "low": 7.0, "high": 12.0, "replicates": 8, "n": 99, "shares": []}
    final = {"c2": part, "c3": {**part, "shares": [0.5, 0.5]}, "parameters": 12}
    rows = {
        r.metric: r for r in summary.complexity_evidence("gp", final, [gdf, {**gdf, "value": 8.0}])
    }
    assert rows["c1"].value == pytest.approx(0.5)  # ln 10 / ln 100
    assert rows["complexity"].value == pytest.approx(0.45)
    assert rows["complexity"].low < 0.45 < rows["complexity"].high
    assert (rows["gdf"].value, rows["gdf_small"].value) == (9.0, 8.0)
    assert rows["parameters"].value == 12
    assert "8 disturbances of 99 samples" in rows["gdf"].note


def test_a_missing_part_leaves_the_composite_missing():
    gone = Estimate(float("nan"))
    assert np.isnan(summary.composite_estimate(Estimate(0.5, 0.4, 0.6), gone, gone).value)
