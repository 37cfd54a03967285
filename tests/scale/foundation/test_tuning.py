"""Fine-tuning: begins at the correction, learns beyond it, bounded in memory, stored whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iceframe.core.errors import InputError
from iceframe.scale.foundation import tuning
from iceframe.scale.foundation.chgnet_features import chgnet_features
from iceframe.scale.foundation.chgnet_network import graphs_of, new_network
from iceframe.scale.foundation.energy_correction import EnergyCorrection
from iceframe.scale.foundation.tuning import EnergyNetwork, TunedRegressor, passes


@pytest.fixture(scope="module")
def target(perovskites):
    """An energy, and a part that is not linear in energy and composition."""
    found = chgnet_features(perovskites)
    largest = found.moments.reshape(-1, 5).max(axis=1)
    return 0.9 * found.energies + 0.3 * np.tanh(3 * largest)


def test_without_a_step_it_is_the_correction(perovskites, target):
    few, y = perovskites.take(range(10)), target[:10]
    model = TunedRegressor(epochs=1, learning_rate=0.0).fit(few, y)
    correction = EnergyCorrection().fit(few, y)
    assert np.abs(model.predict(few) - correction.predict(few)).max() < 1e-5


def test_training_goes_beyond_the_correction(perovskites, target):
    few = perovskites.take(range(16))
    model = TunedRegressor(epochs=6, batch_size=4).fit(few, target[:16])
    history = model.history_.training[:, 0]
    assert history[-1] < 0.7 * history[0]
    tuned = np.abs(model.predict(few) - target[:16]).mean()
    assert tuned < 0.7 * np.abs(model.correction_.predict(few) - target[:16]).mean()
    stored = TunedRegressor().restore(*model.state())
    assert np.array_equal(stored.predict(few), model.predict(few))
    assert stored.n_parameters() == model.n_parameters() > 400_000
    arrays, values = model.state()
    del arrays[next(name for name in arrays if name.startswith("weight:"))]
    with pytest.raises(InputError, match="does not fit"):
        TunedRegressor().restore(arrays, values)


def test_the_seed_decides_and_nothing_else(perovskites, target):
    few, y = perovskites.take(range(12)), target[:12]
    state = torch.get_rng_state()
    first, again, other = (
        TunedRegressor(epochs=1, batch_size=4, random_state=seed).fit(few, y).predict(few)
        for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_batches_in_parts_have_the_gradient_of_the_whole(perovskites, monkeypatch):
    graphs = [graph for _, graph in graphs_of(perovskites, range(3))]
    start = torch.zeros(3)

    def gradient() -> torch.Tensor:
        module = EnergyNetwork(new_network(), scale=2.0)
        module((graphs, start)).square().sum().backward()
        return module.network.mlp.layers[0].weight.grad

    whole = gradient()
    monkeypatch.setattr(tuning, "TRAINED_EDGES", 1)
    assert torch.allclose(gradient(), whole, rtol=1e-4, atol=1e-5 * float(whole.abs().max()))


def test_gradients_are_bounded(perovskites):
    module = EnergyNetwork(new_network(), scale=1e6)
    tuning._clip_gradients(module)
    graphs = [graph for _, graph in graphs_of(perovskites, [0])]
    module((graphs, torch.zeros(1))).square().sum().backward()
    norms = [float(p.grad.norm()) for p in module.parameters() if p.grad is not None]
    assert max(norms) <= tuning.CLIP * 1.001
    assert max(norms) > 0.5 * tuning.CLIP


def test_odd_crystals_are_answered_by_the_correction(perovskites, odd_crystals, target):
    few, y = perovskites.take(range(12)), target[:12]
    model = TunedRegressor(epochs=1, batch_size=4).fit(few, y)
    answers, corrected = model.predict(odd_crystals), model.correction_.predict(odd_crystals)
    assert np.isfinite(answers).all()
    assert np.array_equal(answers[:2], corrected[:2])
    with pytest.raises(InputError, match="too few"):
        TunedRegressor(epochs=1).fit(odd_crystals.take([0, 1, 0, 1]), np.arange(4.0))


def test_more_samples_are_passed_less_often():
    assert passes(50, 16) == tuning.MOST_PASSES
    assert passes(5500, 16) == tuning.FEWEST
    assert passes(0, 16) == tuning.MOST_PASSES


def test_of_many_samples_some_choose_the_best_weights(perovskites, target, monkeypatch):
    monkeypatch.setattr(tuning, "MANY", 12)
    monkeypatch.setattr(tuning, "HELD_OUT", 0.25)
    parts = []
    divide = tuning.inner_parts

    def seen(*args: object) -> object:
        parts.append(divide(*args))
        return parts[-1]

    monkeypatch.setattr(tuning, "inner_parts", seen)
    TunedRegressor(epochs=1).fit(perovskites.take(range(12)), target[:12])
    TunedRegressor(epochs=1).fit(perovskites.take(range(11)), target[:11])
    many, few = parts
    assert (many.training.size, many.validation.size) == (9, 3)
    assert not np.intersect1d(many.training, many.validation).size
    assert few.training.size == few.validation.size == 11
