"""Each table rung finds what it should, and says the truth about itself."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from iceframe.core.values import Representation
from iceframe.scale.fitting import context_for, fit, loss, tune
from iceframe.scale.gaussian_process import ARDClassifier, ARDRegressor
from iceframe.scale.log_odds import log_odds
from iceframe.scale.rung import RUNGS, Inputs
from iceframe.scale.trees import TreeClassifier, TreeRegressor
from iceframe.scale.vector_machine import CalibratedSVC


@parametrize_with_checks(
    [
        ARDRegressor(steps=20),
        ARDClassifier(steps=20),
        CalibratedSVC(),
        TreeClassifier(),
        TreeRegressor(),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def _table(values: np.ndarray, **blocks: tuple[int, ...]) -> Inputs:
    d = values.shape[1]
    names = tuple(f"x{j}" for j in range(d))
    return Inputs(Representation(values, names, ("",) * d, blocks))


def _regression(rng, law, n=200, d=4, noise=0.05):
    x = rng.uniform(-1, 1, size=(n, d))
    return _table(x), law(x) + noise * rng.normal(size=n)


def _fit(name, inputs, y, settings=None, n_classes=0):
    task = "classification" if n_classes else "regression"
    context = context_for(inputs, task, n_classes=n_classes)
    return fit(RUNGS[name](), settings or {}, inputs, y, context)


def test_mean_is_the_mean(rng):
    inputs, y = _regression(rng, lambda x: x[:, 0])
    assert np.allclose(_fit("mean", inputs, y).predict(inputs), y.mean())
    codes = (y > 0.3).astype(int)
    shares = _fit("mean", inputs, codes, n_classes=2).predict(inputs)
    assert np.allclose(shares, [1 - codes.mean(), codes.mean()])


def test_ridge_reads_the_slopes_off_a_straight_law(rng):
    inputs, y = _regression(rng, lambda x: 5 + 3 * x[:, 0] - x[:, 2], noise=0)
    fitted = _fit("ridge", inputs, y, {"penalty": 1e-6})
    rows = {row["term"]: row for row in fitted.describe()}
    spread = inputs.table.values.std(axis=0)
    assert rows["x0"]["coefficient"] == pytest.approx(3 * spread[0], rel=1e-6)
    assert rows["x2"]["coefficient"] == pytest.approx(-spread[2], rel=1e-6)
    rise = np.diff(rows["x0"]["y"]) / np.diff(rows["x0"]["x"])
    assert rise == pytest.approx(3, rel=1e-6)
    assert fitted.rung.parameters(fitted.estimator) == 5


def test_ridge_classes_report_one_coefficient_each(rng):
    inputs, y = _regression(rng, lambda x: x[:, 0])
    codes = np.digitize(y, [-0.3, 0.3])
    first = _fit("ridge", inputs, codes, n_classes=3).describe()[0]
    assert first["term"] == "x0"
    assert np.sign(first["coefficient"][0]) == -1
    assert np.sign(first["coefficient"][2]) == 1


def test_ebm_finds_a_curve_that_ridge_cannot(rng):
    inputs, y = _regression(rng, lambda x: x[:, 1] ** 2)
    fitted = _fit("ebm", inputs, y, {"pairs": 0})
    assert loss(y, fitted.predict(inputs), "regression") < 0.08
    top = fitted.describe()[0]
    assert top["term"] == "x1"
    middle = np.interp(0.0, top["x"], top["y"])
    assert min(top["y"][0], top["y"][-1]) > middle + 0.5


def test_ebm_reports_a_pair_and_splits_it_between_its_members(rng):
    inputs, y = _regression(rng, lambda x: np.sign(x[:, 0]) * np.sign(x[:, 3]), n=300)
    fitted = _fit("ebm", inputs, y, {"pairs": 1})
    assert fitted.describe()[0]["features"] == ["x0", "x3"]
    shares = np.abs(fitted.terms(inputs)).mean(axis=0)
    assert shares[[0, 3]].min() > 4 * shares[[1, 2]].max()


def test_ebm_screens_columns_inside_the_fold(rng):
    values = rng.normal(size=(120, 60))
    y = values[:, 17] + np.sin(values[:, 42])
    fitted = _fit("ebm", _table(values), y, {"columns": 15, "pairs": 0})
    terms = fitted.terms(_table(values))
    used = np.flatnonzero(np.abs(terms).sum(axis=0))
    assert len(used) <= 15
    assert {17, 42} <= set(used)


def test_tree_contributions_follow_the_path(rng):
    """Two questions: the change at each is credited to the feature that was asked about."""
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]).repeat(5, axis=0)
    y = 10 * x[:, 0] + 2 * x[:, 1]
    fitted = _fit("tree", _table(x), y, {"depth": 2, "leaf": 1})
    terms = fitted.terms(_table(np.array([[1.0, 0.0]])))
    assert terms == pytest.approx(np.array([[5.0, -1.0]]))
    rules = [row["rule"] for row in fitted.describe() if "rule" in row]
    assert rules[0] == "x0 ≤ 0.5 and x1 ≤ 0.5 → 0 (5 samples)"
    assert len(rules) == 4
    assert fitted.rung.parameters(fitted.estimator) == 2 * 3 + 4


def test_tree_says_where_missing_values_go(rng):
    x = rng.uniform(size=(80, 1))
    y = (x[:, 0] > 0.5).astype(float)
    x[:20][y[:20] == 0] = np.nan
    rules = [row.get("rule", "") for row in _fit("tree", _table(x), y).describe()]
    assert any("or missing" in rule for rule in rules)


def test_laplace_correction_by_hand():
    tree = TreeClassifier(max_depth=1).fit([[0.0]] * 3 + [[1.0]], ["a", "a", "b", "b"])
    assert tree.predict_proba([[0.0]])[0] == pytest.approx([3 / 5, 2 / 5])
    assert log_odds(tree.predict_proba([[0.0]]))[0, 0] == pytest.approx(np.log(1.5))


def test_extra_trees_count_their_numbers(rng):
    inputs, y = _regression(rng, lambda x: x[:, 0], n=20)
    fitted = _fit("extra_trees", inputs, y, {"leaf": 20})
    assert fitted.rung.parameters(fitted.estimator) == 200  # stumps without a question
    one = DecisionTreeRegressor(max_depth=1).fit(inputs.table.values, y)
    from iceframe.scale.rungs.tree import count_parameters

    assert count_parameters(one.tree_) == 4  # feature, threshold, two values


@pytest.mark.parametrize("name", ["gp", "svm", "extra_trees"])
def test_black_boxes_learn_an_interaction(name, rng):
    inputs, y = _regression(rng, lambda x: x[:, 0] * x[:, 1], n=240)
    train, test = np.arange(180), np.arange(180, 240)
    fitted = _fit(name, inputs.take(train), y[train])
    error = loss(y[test], fitted.predict(inputs.take(test)), "regression")
    assert error < 0.5 * np.abs(y[test] - np.median(y[train])).mean()
    assert fitted.describe() == []


def test_gp_finds_which_feature_matters(rng):
    inputs, y = _regression(rng, lambda x: np.sin(3 * x[:, 2]), n=80)
    process = _fit("gp", inputs, y).estimator["model"]
    raw = process.hyperparameters_["covar_module.raw_lengthscale"].ravel()
    assert np.argmin(raw) == 2


def test_gp_beyond_its_search_size_still_uses_the_rest(rng, monkeypatch):
    monkeypatch.setattr("iceframe.scale.gaussian_process.MOST_FOR_SEARCH", 30)
    monkeypatch.setattr("iceframe.scale.gaussian_process.MOST_FOR_CONDITIONING", 60)
    inputs, y = _regression(rng, lambda x: np.sin(3 * x[:, 0]), n=90, d=1)
    process = _fit("gp", inputs, y).estimator["model"]
    assert process.x_.shape == (60, 1)
    assert np.abs(process.predict(inputs.table.values) - y).mean() < 2


def test_gp_gives_back_its_prior_where_the_search_fails(rng, monkeypatch):
    from botorch.exceptions.errors import ModelFittingError

    def fail(*args, **options):
        raise ModelFittingError("no")

    monkeypatch.setattr("botorch.fit.fit_gpytorch_mll", fail)
    inputs, y = _regression(rng, lambda x: x[:, 0])
    assert loss(y, _fit("gp", inputs, y).predict(inputs), "regression") < 0.1


@pytest.mark.parametrize("name", ["gp", "svm"])
def test_probabilities_are_calibrated(name, rng):
    """Labels drawn with known probabilities: the mean log loss must be near its least value."""
    x = rng.uniform(-2, 2, size=(900, 1))
    truth = 1 / (1 + np.exp(-2 * x[:, 0]))
    codes = (rng.uniform(size=900) < truth).astype(int)
    inputs = _table(x)
    train, test = np.arange(300), np.arange(300, 900)
    settings = {"cost": 1.0, "gamma": 0.2} if name == "svm" else {}
    p = _fit(name, inputs.take(train), codes[train], settings, 2).predict(inputs.take(test))
    t = truth[test]
    divergence = np.mean(t * np.log(t / p[:, 1]) + (1 - t) * np.log((1 - t) / p[:, 0]))
    assert divergence < 0.03


def test_an_unknown_kernel_names_the_known(rng):
    with pytest.raises(ValueError, match="matern52"):
        ARDRegressor(kernel="cubic").fit(rng.normal(size=(5, 1)), np.arange(5.0))


def test_tuning_picks_the_block_that_carries_the_signal(rng):
    values = rng.normal(size=(80, 20))
    inputs = _table(values, signal=(0, 1), noise=tuple(range(2, 20)))
    y = values[:, 0] - values[:, 1] + 0.1 * rng.normal(size=80)
    context = context_for(inputs, "regression")
    assert tune(RUNGS["svm"](), inputs, y, context, trials=12)["blocks"] == "signal"
