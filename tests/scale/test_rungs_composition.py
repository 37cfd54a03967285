"""Rule of mixtures, lasso, nearest neighbour, boosted trees, boosted pairs: known answers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from iceframe.core.errors import UsageError
from iceframe.core.values import Representation
from iceframe.scale.fitting import Fitted, context_for, fit, loss
from iceframe.scale.gaps import EmptyColumnsAsZero
from iceframe.scale.pair_boosting import PairBoostingClassifier, PairBoostingRegressor
from iceframe.scale.pair_tables import Tables, bin_edges
from iceframe.scale.rung import RUNGS, Inputs
from iceframe.scale.sparse_regression import SparseRegressor


@parametrize_with_checks(
    [
        SparseRegressor(products=3, random_state=0),
        PairBoostingRegressor(rounds=60, random_state=0),
        PairBoostingClassifier(rounds=60, random_state=0),
        EmptyColumnsAsZero(),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def _inputs(values: np.ndarray, names: tuple[str, ...] = (), **blocks: tuple[int, ...]) -> Inputs:
    d = values.shape[1]
    names = names or tuple(f"x{j}" for j in range(d))
    return Inputs(Representation(values, names, ("",) * d, blocks))


def _fit(name: str, inputs: Inputs, y: np.ndarray, settings=None, n_classes: int = 0) -> Fitted:
    task = "classification" if n_classes else "regression"
    return fit(
        RUNGS[name](), settings or {}, inputs, y, context_for(inputs, task, n_classes=n_classes)
    )


PROPERTIES = np.array([200.0, 80.0, 130.0])


def _alloys(rng, n=80):
    fractions = rng.dirichlet([3, 1, 1], size=n)
    names = ("Fe fraction", "Al fraction", "Cu fraction")
    return _inputs(fractions, names, fractions=(0, 1, 2)), fractions @ PROPERTIES


def test_rule_of_mixtures_finds_the_properties_of_the_elements(rng):
    inputs, y = _alloys(rng)
    fitted = _fit("rule_of_mixtures", inputs, y, {"penalty": 1e-8})
    found = {row["term"]: row["coefficient"] for row in fitted.describe()}
    assert [found[name] for name in inputs.table.names] == pytest.approx(PROPERTIES, rel=1e-5)
    assert fitted.predict(_inputs(np.eye(3))) == pytest.approx(PROPERTIES, rel=1e-5)
    assert fitted.rung.parameters(fitted.estimator) == 3


def test_elements_that_are_not_known_have_the_mean_property(rng):
    """By a strong penalty, or because the element was never seen (its fraction is lacking)."""
    inputs, y = _alloys(rng)
    shrunk = _fit("rule_of_mixtures", inputs, y, {"penalty": 1e9})
    found = [row["coefficient"] for row in shrunk.describe()]
    assert found == pytest.approx([y.mean()] * 3, rel=1e-5)
    fitted = _fit("rule_of_mixtures", inputs, y, {"penalty": 1e-8})
    half_unknown = fitted.predict(_inputs(np.array([[0.5, 0.0, 0.0]])))[0]
    assert half_unknown == pytest.approx((200 + PROPERTIES.mean()) / 2, rel=1e-5)


def test_rule_of_mixtures_needs_fractions(rng):
    with pytest.raises(UsageError, match="needs features"):
        _fit("rule_of_mixtures", _inputs(rng.normal(size=(9, 2))), np.arange(9.0))


def test_lasso_drops_what_is_not_needed(rng):
    x = rng.normal(size=(120, 30))
    fitted = _fit("lasso", _inputs(x), 3 * x[:, 4] - 2 * x[:, 9] + 0.2 * rng.normal(size=120))
    rows = fitted.describe()
    assert [row["term"] for row in rows[:2]] == ["x4", "x9"]
    assert rows[0]["coefficient"] == pytest.approx(3 * x[:, 4].std(), rel=0.05)
    assert fitted.rung.parameters(fitted.estimator) == len(rows) + 1
    assert len(rows) < 20


def test_lasso_names_a_product_and_shares_it(rng):
    x = rng.normal(size=(150, 5))
    y = x[:, 0] + x[:, 3] + 2 * x[:, 0] * x[:, 3] + 0.1 * rng.normal(size=150)
    fitted = _fit("lasso", _inputs(x), y, {"products": 6})
    rows = fitted.describe()
    assert rows[0]["term"] == "x0 × x3"
    assert not any("coefficient" in row for row in rows)  # slopes differ from sample to sample
    terms = fitted.terms(_inputs(x))
    assert np.abs(terms[:, [0, 3]]).mean(axis=0).min() > 0.8
    assert np.ptp(fitted.predict(_inputs(x)) - terms.sum(axis=1)) < 1e-9


def test_nearest_neighbour_remembers_and_weighs_features_alike(rng):
    x = rng.normal(size=(40, 2)) * [1.0, 1000.0]
    y = rng.normal(size=40)
    fitted = _fit("nearest_neighbour", _inputs(x), y)
    assert np.array_equal(fitted.predict(_inputs(x)), y)
    spread = x.std(axis=0)
    new = x[[3]] + [0.01, 0.01] * spread
    nearest = np.argmin((((x - new) / spread) ** 2).sum(axis=1))
    assert fitted.predict(_inputs(new))[0] == y[nearest]


@pytest.mark.parametrize("name", ["boosted_trees", "pair_boosting"])
def test_boosting_learns_an_interaction_and_uses_gaps(name, rng):
    x = rng.uniform(-1, 1, size=(240, 3))
    y = np.sign(x[:, 0]) * np.sign(x[:, 1])
    x[rng.uniform(size=240) < 0.3, 2] = np.nan
    y = y + np.where(np.isnan(x[:, 2]), 3.0, 0.0)  # that a value is missing says something
    train, test = np.arange(180), np.arange(180, 240)
    fitted = _fit(name, _inputs(x[train]), y[train])
    assert loss(y[test], fitted.predict(_inputs(x[test])), "regression") < 0.4  # of 1.5


def test_pairs_of_a_law_with_known_parts(rng):
    """``y = 2 a + b c``: what is single is said by one feature, what is not by the pair."""
    x = rng.uniform(-1, 1, size=(400, 3))
    y = 2 * x[:, 0] + 2 * x[:, 1] * x[:, 2]
    fitted = _fit("pair_boosting", _inputs(x), y)
    rows = fitted.describe()
    assert [row["term"] for row in rows[:2]] == ["x0", "x1 × x2"]
    assert rows[0]["importance"] == pytest.approx(2 / np.sqrt(3), rel=0.1)
    assert rows[1]["importance"] == pytest.approx(2 / 3, rel=0.1)
    assert rows[2]["importance"] < 0.15
    slope = np.polyfit(rows[0]["x"], rows[0]["y"], 1)[0]
    assert slope == pytest.approx(2, rel=0.1)


def test_purified_tables_are_the_same_function_with_empty_margins(rng):
    codes = rng.integers(5, size=(300, 3))
    codes[:, 2] = np.minimum(codes[:, 0], codes[:, 2])  # dependent features
    tables = Tables.zeros(3, 5, 1)
    tables.single = rng.normal(size=tables.single.shape)
    tables.double = rng.normal(size=tables.double.shape)
    pure = tables.purified(codes)

    def score(held):
        return held.base + held.of_single(codes).sum(axis=1) + held.of_pairs(codes).sum(axis=1)

    assert score(pure) == pytest.approx(score(tables))
    weight = np.stack([np.bincount(column, minlength=5) for column in codes.T]) / len(codes)
    assert np.einsum("db,dbk->dk", weight, pure.single) == pytest.approx(0, abs=1e-12)
    for (j, k), table in zip(pure.pairs, pure.double[..., 0], strict=True):
        assert weight[j] @ table == pytest.approx(0, abs=1e-12)
        assert table @ weight[k] == pytest.approx(0, abs=1e-12)
    assert pure.purified(codes).double == pytest.approx(pure.double)


def test_bins_are_dense_where_samples_are_and_reach_the_sparse_ends(rng):
    values = np.append(rng.uniform(0, 1, size=500), 10.0)
    edges = bin_edges(values, 32)
    assert len(edges) <= 31
    assert (edges < 1).sum() > 12
    assert (edges > 1).sum() > 10


def test_an_empty_column_becomes_zero_and_stays_so(rng):
    x = np.array([[np.nan, 1.0], [np.nan, np.nan]])
    filled = EmptyColumnsAsZero().fit(x).transform(np.array([[7.0, np.nan]]))
    assert filled[0, 0] == 0
    assert np.isnan(filled[0, 1])
