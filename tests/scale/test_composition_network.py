"""Attention on compositions: it learns, is indifferent to order, bears gaps, survives storage."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone

from iceframe.core.errors import UsageError
from iceframe.scale.composition_estimator import CompositionClassifier, CompositionRegressor
from iceframe.scale.composition_network import CompositionEnsemble, amount_features, tokens_of
from iceframe.scale.element_features import element_features
from iceframe.scale.rung import RUNGS, Context

ELEMENTS = (26, 28, 24, 13)
QUICK = {"members": 2, "width": 16, "epochs": 3, "batch_size": 16}


@pytest.fixture
def alloys(rng):
    """Fractions of four elements and a temperature; a product of two fractions matters."""
    fractions = rng.dirichlet([1.0] * 4, size=160)
    fractions[::3, 3] = 0.0
    fractions /= fractions.sum(axis=1, keepdims=True)
    x = np.column_stack([fractions, rng.normal(size=160)])
    return x, 500 + 2000 * x[:, 0] * x[:, 1] + 50 * x[:, 4]


def quick(**settings):
    return CompositionRegressor(elements=ELEMENTS, plain=(4,), **{**QUICK, **settings})


def test_learns_an_interaction_of_elements_beside_a_plain_column(alloys) -> None:
    x, y = alloys
    model = quick(width=32, epochs=60, learning_rate=6e-3, dropout=0.0).fit(x[:120], y[:120])
    assert model.score(x[120:], y[120:]) > 0.8
    assert model.members_predict(x[120:]).std(axis=0).min() > 0


def test_neither_the_order_of_columns_nor_the_scale_of_amounts_matters(alloys) -> None:
    x, y = alloys
    model = quick().fit(x, y)
    predicted = model.predict(x)
    moved = clone(model).set_params(elements=ELEMENTS[::-1], columns=(3, 2, 1, 0))
    moved.restore(*model.state())
    assert np.allclose(moved.predict(x), predicted, rtol=1e-5)
    percent = x.copy()
    percent[:, :4] *= 100
    assert np.allclose(model.predict(percent), predicted, rtol=1e-5)


def test_an_element_that_is_not_there_is_not_seen(alloys) -> None:
    """A composition alone, and the same padded beside one with more elements, are one."""
    x, y = alloys
    model = quick().fit(x, y)
    pair = x[[0, 1]]
    assert pair[0, 3] == 0
    assert pair[1, 3] > 0
    assert np.allclose(model.predict(pair[:1]), model.predict(pair)[:1], rtol=1e-5)


def test_begins_at_the_rule_of_mixtures(alloys) -> None:
    x, _ = alloys
    y = x[:, :4] @ [100.0, 200.0, 300.0, 400.0]
    model = quick(epochs=1, learning_rate=1e-12).fit(x, y)
    state = model.network_.stacked["reference"][0, :, 0].detach().numpy()
    slopes = (state * model.scale_ + model.shift_)[list(ELEMENTS)]
    assert np.all(np.diff(slopes) > 50)
    unseen = np.delete(state, ELEMENTS)
    assert np.abs(unseen).max() == 0


def test_attention_is_shared_among_the_elements_that_are_there(alloys) -> None:
    x, y = alloys
    model = quick().fit(x, y)
    seen = model.attention(x)
    assert seen.shape == (len(x), 4)
    assert np.allclose(seen.sum(axis=1), 1, atol=1e-5)
    assert np.array_equal(seen > 0, x[:, :4] > 0)
    pure = np.array([[0, 0, 1.0, 0, 0]])
    assert np.allclose(model.attention(pure), [[0, 0, 1, 0]])


def test_gaps_and_empty_compositions_are_borne(alloys) -> None:
    x, y = alloys
    x = x.copy()
    x[::7, 4] = np.nan
    x[3, :4] = np.nan
    x[4, :4] = 0.0
    model = quick().fit(x, y)
    predicted = model.predict(x)
    assert np.isfinite(predicted).all()
    x[3, 4] = x[4, 4]
    again = model.predict(x[3:5])
    assert again[0] == again[1]  # both are one element that nothing is known of


def test_classes_by_name(alloys) -> None:
    x, _ = alloys
    named = np.where(x[:, 0] > x[:, 1], "iron", "nickel")
    model = CompositionClassifier(
        elements=ELEMENTS, plain=(4,), **{**QUICK, "epochs": 40}, learning_rate=6e-3
    )
    model.fit(x[:120], named[:120])
    assert model.score(x[120:], named[120:]) > 0.8
    assert np.allclose(model.predict_proba(x).sum(axis=1), 1)


def test_the_same_seed_repeats_itself_and_another_does_not(alloys) -> None:
    x, y = alloys
    first = quick(dropout=0.2).fit(x, y).predict(x)
    assert np.array_equal(first, quick(dropout=0.2).fit(x, y).predict(x))
    assert not np.array_equal(first, quick(dropout=0.2, random_state=1).fit(x, y).predict(x))


def test_fractions_in_columns_that_are_not_there_are_refused(alloys) -> None:
    x, y = alloys
    with pytest.raises(UsageError, match="column 9"):
        quick(columns=(0, 1, 2, 9)).fit(x, y)


def test_members_do_not_see_each_other() -> None:
    """Side by side, a member answers as it does alone."""
    torch.manual_seed(0)
    shape = {"plain": 1, "width": 16, "layers": 2, "heads": 4}
    pair = CompositionEnsemble(2, torch.tensor(ELEMENTS), 1, **shape).eval()
    alone = CompositionEnsemble(1, torch.tensor(ELEMENTS), 1, **shape).eval()
    x = torch.rand(2, 5, 5)
    for member in range(2):
        alone.load_state_dict({k: v[[member]] for k, v in pair.state_dict().items()})
        assert torch.allclose(alone(x[[member]])[0], pair(x)[member], atol=1e-6)


def test_tokens_are_as_many_as_the_richest_composition_has_elements() -> None:
    x = torch.tensor([[0.5, 0.0, 0.5, 0.0, 7.0], [0.1, 0.2, 0.0, 0.7, 8.0]])
    found = tokens_of(x, torch.tensor(ELEMENTS))
    assert found.numbers.shape == (2, 3)
    assert sorted(found.numbers[0].tolist()) == [0, 24, 26]
    assert found.numbers[1].tolist() == [13, 28, 26]
    assert found.plain.tolist() == [[7.0], [8.0]]


def test_traces_can_be_told_apart() -> None:
    """0.1 % and 0.2 % differ as clearly as 10 % and 20 %."""
    features = amount_features(torch.tensor([0.001, 0.002, 0.1, 0.2]))
    assert torch.dist(features[0], features[1]) > 0.3 * torch.dist(features[2], features[3])


def test_element_features_order_elements_as_chemists_do() -> None:
    """Iron is nearer to cobalt than to chlorine, and sodium to potassium than to iodine."""
    table = element_features()
    gap = np.linalg.norm(table[:, None] - table[None], axis=2)
    assert gap[26, 27] < gap[26, 17]
    assert gap[11, 19] < gap[11, 53]


def context(names, blocks, n=160):
    return Context("regression", n, len(names), blocks=blocks, feature_names=tuple(names))


def test_the_rung_reads_elements_from_names_and_leaves_statistics_out() -> None:
    names = ["temperature", "Fe fraction", "Ni fraction", "mean atomic weight"]
    blocks = {"process": (0,), "fractions": (1, 2), "magpie": (3,)}
    rung = RUNGS["composition_attention"]()
    model = rung.build({}, context(names, blocks))
    assert (model.elements, model.columns, model.plain) == ((26, 28), (1, 2), (0,))
    assert rung.build({"statistics": True}, context(names, blocks)).plain == (0, 3)
    large = rung.build({}, context(names, blocks, 5000))
    assert large.batch_size > model.batch_size


def test_storage_round_trip(alloys, tmp_path) -> None:
    x, y = alloys
    names = ["Fe fraction", "Ni fraction", "Cr fraction", "Al fraction", "temperature"]
    about = context(names, {"fractions": (0, 1, 2, 3), "process": (4,)})
    rung, settings = RUNGS["composition_attention"](), {"epochs": 1, "width": 48}
    model = rung.build(settings, about).fit(x, y)
    rung.save(model, tmp_path)
    loaded = rung.load(tmp_path, settings, about)
    assert np.array_equal(loaded.predict(x), model.predict(x))
    assert np.array_equal(loaded.attention(x), model.attention(x))
    assert rung.parameters(loaded) == rung.parameters(model) > 10_000
