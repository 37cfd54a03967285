"""Intervals and sets: MAPIE's values, coverage on simulated truth, storage."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import PredefinedSplit

from iceframe.core.errors import InputError
from iceframe.core.files import read_json, write_json
from iceframe.measure.conformal import Conformal, LeftOut, calibrate, fold_parts
from iceframe.scale.rung import Rung


class LeastSquares(Rung):
    """Linear and logistic regression without settings."""

    name, title, summary, reference = "least_squares", "Least squares", "for tests", "none"

    def build(self, settings, context):
        return LinearRegression() if context.task == "regression" else LogisticRegression()

    def parameters(self, estimator):
        return 0


@pytest.mark.parametrize("level", [0.9, 0.6])
@pytest.mark.parametrize("n", [40, 61])
def test_intervals_equal_mapies(rng, table, context, n, level):
    mapie = pytest.importorskip("mapie.regression")
    x, new = rng.normal(size=(n, 3)), rng.normal(size=(25, 3))
    y = x @ [1.0, 2.0, 3.0] + rng.normal(size=n)
    parts = fold_parts(y, "regression", 5, context().seed, None)
    cv = PredefinedSplit(np.argmax([np.isin(np.arange(n), p) for p in parts], axis=0))
    oracle = mapie.CrossConformalRegressor(
        LinearRegression(), confidence_level=level, method="base", cv=cv
    )
    _, expected = oracle.fit_conformalize(x, y).predict_interval(new)
    conformal = calibrate(LeastSquares(), {}, table(x), y, context(), level=level)
    low, high = conformal.interval(LinearRegression().fit(x, y).predict(new))
    np.testing.assert_allclose(low, expected[:, 0, 0])
    np.testing.assert_allclose(high, expected[:, 1, 0])


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_regression_coverage_on_simulated_truth(rng, table, context, level):
    shares = []
    for seed in range(60):
        x = rng.normal(size=(260, 2))
        y = x @ [1.0, -1.0] + rng.standard_t(4, size=260)
        conformal = calibrate(
            LeastSquares(), {}, table(x[:60]), y[:60], context(seed=seed), level=level
        )
        predict = LinearRegression().fit(x[:60], y[:60]).predict
        low, high = conformal.interval(predict(x[60:]))
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
        model = LogisticRegression().fit(x[:90], codes[:90])
        sets = conformal.sets(model.predict_proba(x[90:]))
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
    sets = conformal.sets(LogisticRegression().fit(x, codes).predict_proba(x))
    assert np.all(sets.sum(1) == 1)
    assert np.all(sets[np.arange(120), codes])


def test_too_few_samples_give_infinite_intervals(table, context):
    x = np.arange(8.0)[:, None]
    conformal = calibrate(LeastSquares(), {}, table(x), np.sin(x[:, 0]), context(), level=0.9)
    low, high = conformal.interval(x[:, 0])
    assert np.all(low == -np.inf)
    assert np.all(high == np.inf)


def test_a_higher_level_is_never_narrower(rng, table, context):
    x = rng.normal(size=(80, 2))
    conformal = calibrate(LeastSquares(), {}, table(x), x[:, 0] + rng.normal(size=80), context())
    widths = [np.subtract(*conformal.interval(x[:, 0], level)[::-1]) for level in (0.5, 0.8, 0.95)]
    assert np.all(widths[0] <= widths[1])
    assert np.all(widths[1] <= widths[2])


def test_groups_stay_together(rng):
    groups = np.repeat(np.arange(12), 5)
    parts = fold_parts(rng.normal(size=60), "regression", 5, 0, groups)
    assert sorted(np.concatenate(parts).tolist()) == list(range(60))
    for one, other in itertools.combinations(parts, 2):
        assert not set(groups[one]) & set(groups[other])


def test_effort_sets_the_number_of_folds(rng, table, context, monkeypatch):
    counted = []
    count = lambda *given: counted.append(given[2]) or fold_parts(*given)  # noqa: E731
    monkeypatch.setattr("iceframe.measure.conformal.fold_parts", count)
    x = rng.normal(size=(30, 1))
    heavy = type("Heavy", (LeastSquares,), {"effort": "heavy"})
    for rung in (heavy(), LeastSquares()):
        calibrate(rung, {}, table(x), x[:, 0], context())
    assert counted == [3, 5]
    assert len(fold_parts(x[:4, 0], "regression", 5, 0, None)) == 4


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("group", [None, np.arange(50) // 2, np.repeat(["a", "b"], 25)])
def test_storage_round_trip(rng, tmp_path, task, group):
    predicted = rng.random(50) if task == "regression" else rng.dirichlet(np.ones(3), 50)
    left_out = LeftOut(rng.integers(0, 3, 50), predicted, np.arange(50) % 5, group)
    conformal = Conformal(task, 0.9, np.sort(left_out.scores()), left_out)
    conformal.save(tmp_path / "c.json")
    again = Conformal.load(tmp_path / "c.json")
    assert (again.task, again.level) == (task, 0.9)
    np.testing.assert_array_equal(again.scores, conformal.scores)
    for name, value in vars(left_out).items():
        np.testing.assert_array_equal(getattr(again.left_out, name), value)


def test_a_file_of_the_first_format_is_read(tmp_path):
    body = {"format": 1, "task": "regression", "level": 0.9, "scores": [1.0, 2.0]}
    write_json(tmp_path / "c.json", body)
    again = Conformal.load(tmp_path / "c.json")
    assert again.left_out is None
    assert again.scores.tolist() == [1.0, 2.0]


def test_left_out_answers_are_those_of_the_folds(rng, table, context):
    x = rng.normal(size=(40, 2))
    y = x[:, 0] + rng.normal(size=40)
    groups = np.arange(40) // 2
    kept = calibrate(LeastSquares(), {}, table(x), y, context(), groups=groups).left_out
    for fold in range(5):
        out = kept.fold == fold
        model = LinearRegression().fit(x[~out], y[~out])
        np.testing.assert_allclose(kept.residuals()[out], y[out] - model.predict(x[out]))
        assert not set(groups[out]) & set(groups[~out])
    np.testing.assert_array_equal(kept.truth, y)
    np.testing.assert_array_equal(kept.group, groups)


@pytest.mark.parametrize(
    "harm",
    [
        {"format": 99},
        {"level": 3},
        {"scores": [2.0, 1.0]},
        {"scores": "x"},
        {"task": "ranking"},
        {"left_out": {}},
        {"left_out": {"truth": [1.0], "predicted": [1.0], "fold": [0], "group": None}},
        {"left_out": {"truth": [1.0] * 9, "predicted": [1.0] * 9, "fold": [0] * 9, "group": None}},
    ],
)
def test_a_damaged_file_is_named(tmp_path, harm):
    path = tmp_path / "c.json"
    Conformal("regression", 0.9, np.arange(9.0)).save(path)
    write_json(path, {**read_json(path), **harm})
    with pytest.raises(InputError, match="stored intervals") as caught:
        Conformal.load(path)
    assert str(path) in str(caught.value)


def test_wrong_use_is_refused(rng, table, context):
    x = rng.normal(size=(20, 2))
    conformal = calibrate(LeastSquares(), {}, table(x), x[:, 0], context())
    with pytest.raises(ValueError, match="sets are for classifications"):
        conformal.sets(np.ones((2, 2)))
    with pytest.raises(ValueError, match="intervals are for regressions"):
        Conformal("classification", 0.9, np.arange(9.0)).interval(np.ones(2))
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
    np.testing.assert_allclose(from_images.scores, from_table.scores, rtol=1e-3)
