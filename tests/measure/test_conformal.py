"""Intervals and sets: MAPIE's values, coverage on simulated truth, storage."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold

from iceframe.core.errors import InputError
from iceframe.core.files import read_json, write_json
from iceframe.measure.conformal import Conformal, calibrate, cross_sets, plus_interval
from iceframe.scale.fitting import context_for
from iceframe.scale.rung import RUNGS, Rung


class LeastSquares(Rung):
    """Linear and logistic regression without settings."""

    name, title, summary, reference = "least_squares", "Least squares", "for tests", "none"

    def build(self, settings, context):
        return LinearRegression() if context.task == "regression" else LogisticRegression()

    def parameters(self, estimator):
        return 0


@pytest.mark.parametrize("level", [0.9, 0.6])
@pytest.mark.parametrize("n", [40, 61])
def test_intervals_equal_mapies(rng, n, level):
    mapie = pytest.importorskip("mapie.regression")
    x, new = rng.normal(size=(n, 3)), rng.normal(size=(25, 3))
    y = x @ [1.0, 2.0, 3.0] + rng.normal(size=n)
    cv = KFold(5, shuffle=True, random_state=3)
    oracle = mapie.CrossConformalRegressor(LinearRegression(), confidence_level=level, cv=cv)
    _, expected = oracle.fit_conformalize(x, y).predict_interval(new)
    residuals, member, predicted = np.empty(n), np.empty(n, int), []
    for k, (train, test) in enumerate(cv.split(x)):
        model = LinearRegression().fit(x[train], y[train])
        residuals[test], member[test] = abs(y[test] - model.predict(x[test])), k
        predicted.append(model.predict(new))
    low, high = plus_interval(np.array(predicted), residuals, member, level)
    np.testing.assert_allclose(low, expected[:, 0, 0])
    np.testing.assert_allclose(high, expected[:, 1, 0])


def test_sets_equal_mapies_where_the_two_thresholds_agree(rng):
    """MAPIE asks for α(n − 1) or more, the paper for more than α(n + 1) − 1: both 6 of 61 here."""
    mapie = pytest.importorskip("mapie.classification")
    n = 61
    codes = rng.integers(0, 3, n)
    x, new = rng.normal(size=(n, 2)) + codes[:, None], rng.normal(size=(60, 2)) + 1
    cv = StratifiedKFold(5, shuffle=True, random_state=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = mapie.CrossConformalClassifier(LogisticRegression(), confidence_level=0.9, cv=cv)
        _, expected = oracle.fit_conformalize(x, codes).predict_set(new, agg_scores="crossval")
    scores, member, new_scores = np.empty(n), np.empty(n, int), []
    for k, (train, test) in enumerate(cv.split(x, codes)):
        model = LogisticRegression().fit(x[train], codes[train])
        scores[test] = 1 - model.predict_proba(x[test])[np.arange(len(test)), codes[test]]
        member[test] = k
        new_scores.append(1 - model.predict_proba(new))
    sets = cross_sets(np.array(new_scores), scores, member, 0.9)
    np.testing.assert_array_equal(sets, expected[:, :, 0])


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_regression_coverage_on_simulated_truth(rng, table, context, level):
    shares = []
    for seed in range(60):
        x = rng.normal(size=(260, 2))
        y = x @ [1.0, -1.0] + rng.standard_t(4, size=260)
        conformal = calibrate(
            LeastSquares(), {}, table(x[:60]), y[:60], context(seed=seed), level=level
        )
        low, high = conformal.interval(table(x[60:]))
        shares.append(np.mean((y[60:] >= low) & (y[60:] <= high)))
    assert np.mean(shares) == pytest.approx(level, abs=0.02)


def test_classification_coverage_on_simulated_truth(rng, table, context):
    shares, sizes = [], []
    for seed in range(40):
        codes = rng.integers(0, 3, 290)
        x = rng.normal(size=(290, 2)) + 0.8 * np.column_stack([codes == 1, codes == 2])
        conformal = calibrate(
            LeastSquares(), {}, table(x[:90]), codes[:90],
            context("classification", n_classes=3, seed=seed),
        )  # fmt: skip
        sets = conformal.sets(table(x[90:]))
        shares.append(sets[np.arange(200), codes[90:]].mean())
        sizes.append(sets.sum(1).mean())
    assert np.mean(shares) == pytest.approx(0.90, abs=0.02)
    assert 1.5 < np.mean(sizes) < 2.9


def test_a_sure_model_keeps_one_class_in_every_set(rng, table, context):
    codes = np.repeat([0, 1], 60)
    x = rng.normal(size=(120, 1)) + 12.0 * codes[:, None]
    conformal = calibrate(
        LeastSquares(), {}, table(x), codes, context("classification", n_classes=2)
    )
    sets = conformal.sets(table(x))
    assert np.all(sets.sum(1) == 1)
    assert np.all(sets[np.arange(120), codes])


def test_the_set_of_the_paper_by_brute_force(rng):
    calibration, member = rng.random(33), rng.integers(0, 3, 33)
    scores = rng.random((3, 10, 4))
    calibration[:5] = scores[member[:5], 0, 0]  # ties
    sets = cross_sets(scores, calibration, member, 0.8)
    for j in range(10):
        for c in range(4):
            smaller = sum(calibration[i] < scores[member[i], j, c] for i in range(33))
            assert sets[j, c] == (smaller < 0.8 * 34)


def test_too_few_samples_give_infinite_intervals(table, context):
    x = np.arange(8.0)[:, None]
    conformal = calibrate(LeastSquares(), {}, table(x), np.sin(x[:, 0]), context(), level=0.9)
    low, high = conformal.interval(table(x))
    assert np.all(low == -np.inf)
    assert np.all(high == np.inf)


def test_a_higher_level_is_never_narrower(rng, table, context):
    x = rng.normal(size=(80, 2))
    conformal = calibrate(LeastSquares(), {}, table(x), x[:, 0] + rng.normal(size=80), context())
    widths = [np.subtract(*conformal.interval(table(x), level)[::-1]) for level in (0.5, 0.8, 0.95)]
    assert np.all(widths[0] <= widths[1])
    assert np.all(widths[1] <= widths[2])


def test_groups_stay_together(rng, table, context):
    groups = np.repeat(np.arange(12), 5)
    x = rng.normal(size=(60, 2))
    conformal = calibrate(LeastSquares(), {}, table(x), x[:, 0], context(), groups=groups)
    assert all(len(np.unique(conformal.member[groups == g])) == 1 for g in range(12))


def test_effort_sets_the_number_of_folds(rng, table, context):
    x = rng.normal(size=(30, 1))
    heavy = type("Heavy", (LeastSquares,), {"effort": "heavy"})
    assert len(calibrate(heavy(), {}, table(x), x[:, 0], context()).models) == 3
    assert len(calibrate(LeastSquares(), {}, table(x), x[:, 0], context()).models) == 5
    assert len(calibrate(LeastSquares(), {}, table(x[:4]), x[:4, 0], context()).models) == 4


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_storage_round_trip(rng, table, tmp_path, task):
    x = rng.normal(size=(50, 2))
    y = x[:, 0] if task == "regression" else (x[:, 0] > 0).astype(int)
    rung = RUNGS["ridge"]()
    about = context_for(table(x), task, n_classes=0 if task == "regression" else 2)
    conformal = calibrate(rung, {}, table(x), y, about)
    conformal.to_folder(tmp_path / "c")
    again = Conformal.from_folder(tmp_path / "c")
    if task == "regression":
        np.testing.assert_array_equal(again.interval(table(x)), conformal.interval(table(x)))
    else:
        np.testing.assert_array_equal(again.sets(table(x)), conformal.sets(table(x)))
    assert not [p for p in (tmp_path / "c").rglob("*") if p.suffix in (".pkl", ".joblib")]


@pytest.mark.parametrize("harm", ["format", "level", "scores", "pickle", "cut", "gone"])
def test_a_damaged_folder_is_named(rng, table, tmp_path, harm):
    x = rng.normal(size=(20, 2))
    about = context_for(table(x), "regression")
    conformal = calibrate(RUNGS["ridge"](), {}, table(x), x[:, 0], about)
    conformal.to_folder(tmp_path)
    record = read_json(tmp_path / "conformal.json")
    if harm == "format":
        write_json(tmp_path / "conformal.json", {**record, "format": 99})
    elif harm == "level":
        write_json(tmp_path / "conformal.json", {**record, "level": 3})
    elif harm == "scores":
        np.savez(tmp_path / "scores.npz", scores=np.zeros(3), member=np.full(3, 9))
    elif harm == "pickle":
        np.savez(tmp_path / "scores.npz", scores=np.array([{}], object), member=np.zeros(1, int))
    elif harm == "cut":
        (tmp_path / "scores.npz").write_bytes((tmp_path / "scores.npz").read_bytes()[:50])
    else:
        (tmp_path / "scores.npz").unlink()
    with pytest.raises(InputError, match="stored intervals") as caught:
        Conformal.from_folder(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_wrong_use_is_refused(rng, table, context):
    x = rng.normal(size=(20, 2))
    conformal = calibrate(LeastSquares(), {}, table(x), x[:, 0], context())
    with pytest.raises(ValueError, match="sets are for classifications"):
        conformal.sets(table(x))
    with pytest.raises(ValueError, match="level"):
        calibrate(LeastSquares(), {}, table(x), x[:, 0], context(), level=1.0)
    with pytest.raises(ValueError, match="two samples"):
        calibrate(LeastSquares(), {}, table(x[:1]), x[:1, 0], context())


class Brightness(Rung):
    """Least squares on the mean grey level, read from images in batches."""

    name, title, summary, reference = "brightness", "Brightness", "for tests", "none"
    input = "image"

    def build(self, settings, context):
        return BrightnessEstimator()

    def parameters(self, estimator):
        return 2


class BrightnessEstimator:
    def _grey(self, source):
        return source.read(np.arange(len(source))).mean((1, 2, 3))[:, None]

    def fit(self, source, y):
        self.model = LinearRegression().fit(self._grey(source), y)
        return self

    def predict(self, source):
        return self.model.predict(self._grey(source))


def test_images_are_calibrated_as_tables_are(rng, images, table, context):
    values = rng.random((50, 1, 4, 4))
    y = 10 * values.mean((1, 2, 3)) + rng.normal(size=50)
    grey = values.astype(np.float32).mean((1, 2, 3))[:, None]
    from_images = calibrate(Brightness(), {}, images(values), y, context())
    from_table = calibrate(LeastSquares(), {}, table(grey), y, context())
    np.testing.assert_allclose(
        from_images.interval(images(values)), from_table.interval(table(grey)), rtol=1e-4
    )
