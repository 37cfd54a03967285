"""What a run keeps of the uncertainty of held-out answers, and the evidence made of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from iceframe.measure import summary
from iceframe.measure.conformal import Conformal, LeftOut
from iceframe.measure.uncertainty import scores
from iceframe.measure.uncertainty.held_out import (
    calibration_estimates,
    fold_columns,
    shift_columns,
    shift_estimates,
)


def calibrated(y, predicted, task="regression"):
    left_out = LeftOut(y, predicted, np.zeros(len(y), int))
    return Conformal(task, 0.9, np.sort(left_out.scores()), left_out)


def held_out(rng, n=60, width=1.0):
    """Held-out rows of a model whose residuals were ``width`` times those that come."""
    conformal = calibrated(width * rng.normal(size=200), np.zeros(200))
    y, mean = rng.normal(size=n), np.zeros(n)
    low, high = conformal.interval(mean)
    frame = pd.DataFrame({"fold": np.arange(n) % 3, "y": y, "mean": mean, "low": low, "high": high})
    return frame.assign(**fold_columns(conformal, y, mean)), conformal


def test_columns_of_a_fold(rng):
    frame, conformal = held_out(rng)
    members = frame["mean"].to_numpy() + conformal.left_out.residuals()[:, None]
    np.testing.assert_allclose(frame["crps"], scores.crps_ensemble(members, frame["y"].to_numpy()))
    inside = (frame["y"] >= frame["low"]) & (frame["y"] <= frame["high"])
    np.testing.assert_array_equal(inside, frame["needed_level"] < 0.9)
    p = rng.dirichlet(np.ones(2), 50)
    codes = rng.integers(0, 2, 50)
    assert fold_columns(calibrated(codes, p, "classification"), codes, p) == {}
    assert fold_columns(Conformal("regression", 0.9, np.arange(9.0)), codes, codes) == {}


def test_a_model_that_answers_no_number_has_no_crps(rng):
    conformal = calibrated(rng.normal(size=30), np.zeros(30))
    columns = fold_columns(conformal, np.ones(2), np.array([np.inf, 0.0]))
    assert np.isnan(columns["crps"]).tolist() == [True, False]
    broken = calibrated(np.append(np.ones(9), np.nan), np.zeros(10))
    assert np.isnan(fold_columns(broken, np.ones(2), np.ones(2))["needed_level"]).all()


def test_evidence_of_a_regression(rng):
    frame, _ = held_out(rng)
    rows = {
        e.metric: e for e in summary.fidelity_evidence("gp", frame, "regression", n=90, unit="MPa")
    }
    crps, area = rows["crps"], rows["miscalibration_area"]
    assert crps.value == pytest.approx(frame["crps"].mean())
    assert (crps.unit, crps.better, len(crps.folds)) == ("MPa", "lower", 3)
    assert area.value == scores.miscalibration_area(frame["needed_level"].to_numpy())
    assert area.low <= area.value <= area.high
    assert (area.n, area.note) == (60, "0.04 by chance alone for a calibrated model")
    wide = held_out(rng, width=3.0)[0]
    assert calibration_estimates(wide, "regression")["miscalibration_area"].low > 0.15


def test_folds_without_the_columns_give_no_evidence_of_them(rng):
    frame = held_out(rng)[0].drop(columns=["crps", "needed_level"])
    metrics = {e.metric for e in summary.fidelity_evidence("gp", frame, "regression", n=90)}
    assert not metrics & {"crps", "miscalibration_area"}
    assert calibration_estimates(frame.assign(needed_level=np.nan), "regression") == {}


def test_evidence_of_a_classification(rng):
    p = rng.dirichlet(np.ones(2), size=200)
    codes = (rng.random(200) > p[:, 0]).astype(int)
    frame = pd.DataFrame({"y": np.array(["bcc", "fcc"])[codes], "p_bcc": p[:, 0], "p_fcc": p[:, 1]})
    found = calibration_estimates(frame, "classification", ("bcc", "fcc"))["calibration_error"]
    assert found.value == scores.calibration_error(codes, p)
    assert found.low <= found.value <= found.high
    assert "by chance alone" in found.note


@pytest.fixture
def elsewhere(rng):
    """A law whose noise grows with x, calibrated at x ~ N(0, 1): ``elsewhere(mean)``."""

    def make(mean):
        x, new = rng.normal(size=(600, 1)), rng.normal(size=(300, 1)) + mean
        y, truth = (
            part[:, 0] + np.exp(0.6 * part[:, 0]) * rng.normal(size=len(part)) for part in (x, new)
        )
        model = LinearRegression().fit(x, y)
        conformal = calibrated(y, model.predict(x))
        return pd.DataFrame(shift_columns(conformal, truth, model.predict(new), x, new))

    return make


def test_coverage_elsewhere_without_and_with_weights(elsewhere):
    near = shift_estimates([elsewhere(1.0), elsewhere(1.0)])
    plain, weighted = near["shift_coverage_90"], near["shift_coverage_90_weighted"]
    assert plain.high < 0.85
    assert weighted.value == pytest.approx(0.9, abs=0.06)
    assert plain.replicates == 600


def test_where_weights_do_not_reach_it_is_said(elsewhere):
    frame = elsewhere(12.0)
    assert frame["refused"].all()
    found = shift_estimates([frame])["shift_coverage_90_weighted"]
    assert np.isnan(found.value)
    assert found.replicates == 0
    assert "no finite interval for 300 of 300" in found.note


def test_shift_evidence_holds_the_coverage(elsewhere):
    frame = elsewhere(1.0).assign(y=0.0, mean=1.0)
    rows = {
        e.metric: e for e in summary.shift_evidence("gp", [frame, frame], "regression", unit="K")
    }
    assert set(rows) == {"leave_cluster_out", "shift_coverage_90", "shift_coverage_90_weighted"}
    assert rows["shift_coverage_90"].n == 600
    assert rows["shift_coverage_90"].value == frame["covered"].mean()


def test_sets_elsewhere_always_hold_the_most_probable_class(rng):
    p = np.tile([0.9, 0.1], (100, 1))
    codes = np.zeros(100, int)
    conformal = calibrated(codes, p, "classification")
    x = rng.normal(size=(100, 2))
    far = np.tile([0.4, 0.6], (2, 1))
    columns = shift_columns(conformal, np.array([1, 0]), far, x, x[:2])
    assert columns["covered"].tolist() == [True, False]
    assert columns["refused"].all()  # two new samples teach no shift
