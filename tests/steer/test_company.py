"""Samples judged together: a kind never seen is found, one drawn like the training data is not."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.measure.uncertainty.novelty import Novelty
from iceframe.steer import company
from iceframe.steer.company import company_p_values


def split(rng: np.random.Generator, n: int, *, gap: bool = False) -> np.ndarray:
    """Eight columns ``(n, 8)``, of which the first has a gap, in which a new kind lies."""
    x = rng.normal(size=(n, 8))
    side = rng.choice([-1.0, 1.0], n)
    x[:, 0] = rng.uniform(-0.3, 0.3, n) if gap else side * rng.uniform(0.5, 1.5, n)
    return x


def test_samples_like_the_training_data_are_seldom_called_strange() -> None:
    rng = np.random.default_rng(0)
    p = np.concatenate(
        [
            company_p_values(rng.normal(size=(60, 3)), rng.normal(size=(30, 3)), seed=seed)
            for seed in range(8)
        ]
    )
    assert p.min() > 0
    assert (p <= 0.1).mean() < 0.13
    assert 0.4 < p.mean() < 0.6


def test_a_kind_within_the_training_data_is_found_among_usual_samples() -> None:
    """No sample of it is far from the training data: distances see nothing, all together do."""
    rng = np.random.default_rng(1)
    train = split(rng, 200)
    new = np.concatenate([split(rng, 30), split(rng, 40, gap=True)])
    p = company_p_values(train, new)
    assert np.median(p[:30]) > 0.3
    assert (p[30:] < 0.1).mean() > 0.8
    distance = Novelty.fit(train).score(new)
    assert (distance[30:] > np.quantile(distance[:30], 0.9)).mean() < 0.3


def test_company_makes_the_stranger() -> None:
    rng = np.random.default_rng(2)
    train = np.concatenate([rng.uniform(0, 1, (80, 2)), rng.uniform(1.5, 2.5, (80, 2))])
    usual, gap = rng.uniform(0, 1, (40, 2)), rng.uniform(1.15, 1.35, (20, 2))
    alone = company_p_values(train, np.concatenate([usual, gap[:1]]))[40]
    among_its_like = company_p_values(train, np.concatenate([usual, gap]))[40]
    assert among_its_like < 0.05 < alone


def test_very_many_are_dealt_into_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(company, "MOST", 60)
    rng = np.random.default_rng(3)
    new = np.concatenate([rng.normal(size=(80, 2)), rng.normal(9.0, 1.0, (80, 2))])
    p = company_p_values(rng.normal(size=(150, 2)), new)
    assert p[80:].max() < p[:80].mean()


def test_the_same_seed_gives_the_same() -> None:
    rng = np.random.default_rng(4)
    train, new = rng.normal(size=(40, 2)), rng.normal(size=(9, 2))
    np.testing.assert_array_equal(company_p_values(train, new), company_p_values(train, new))


def test_nothing_to_tell_from() -> None:
    one = np.zeros((5, 2))
    assert company_p_values(one, np.empty((0, 2))).shape == (0,)
    assert company_p_values(one, np.ones((3, 2)), groups=np.zeros(5)).tolist() == [1.0] * 3
