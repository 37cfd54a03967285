"""Certified thresholds: known answers, and a promise that is kept over many draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from iceframe.core.errors import UsageError
from iceframe.steer.guarantee import certified_threshold, fewest_samples


def test_known_threshold() -> None:
    """All samples up to 80 are good, all beyond bad; 100 of 111 answers may be promised at 0.2."""
    risk = np.arange(200.0)
    threshold = certified_threshold(risk, risk >= 100, 0.2)
    answered = int((risk <= threshold).sum())
    wrong = answered - 100
    assert binom.cdf(wrong, answered, 0.2) <= 0.05 < binom.cdf(wrong + 5, answered + 5, 0.2)


def test_all_good_answers_are_given() -> None:
    risk = np.arange(100.0)
    assert certified_threshold(risk, np.zeros(100, bool), 0.1) == 99.0


def test_infinite_risk_is_never_answered() -> None:
    risk = np.append(np.arange(100.0), np.full(50, np.inf))
    assert certified_threshold(risk, np.zeros(150, bool), 0.1) == 99.0


def test_nothing_can_be_promised() -> None:
    risk = np.arange(100.0)
    assert certified_threshold(risk, np.ones(100, bool), 0.1) == -np.inf
    assert certified_threshold(risk[:28], np.zeros(28, bool), 0.1) == -np.inf
    assert certified_threshold(risk[:29], np.zeros(29, bool), 0.1) == 28.0
    assert certified_threshold(risk[:0], np.zeros(0, bool), 0.1) == -np.inf


@pytest.mark.parametrize("target", [0.01, 0.05, 0.1, 0.3])
def test_fewest_samples_is_the_fewest(target: float) -> None:
    n = fewest_samples(target)
    assert certified_threshold(np.zeros(n), np.zeros(n, bool), target) == 0.0
    assert certified_threshold(np.zeros(n - 1), np.zeros(n - 1, bool), target) == -np.inf


def test_every_population_has_its_say() -> None:
    """The second half is bad throughout: no threshold that answers it holds there."""
    risk = np.tile(np.arange(100.0), 2)
    second = np.repeat([False, True], 100)
    both = certified_threshold(risk, second, 0.6)
    apart = certified_threshold(risk, second, 0.6, populations=[~second, second])
    assert both == 99.0
    assert apart == -np.inf


def test_the_promise_is_kept_over_many_draws() -> None:
    """The true selective risk exceeds the target in at most a share 1 − confidence of the draws.

    Bad with probability r at risk r, uniform on [0, 0.4]: answers up to t are bad with t/2, so that
    thresholds above 0.2 break the promise. Of 600 draws a share of 0.1 would break 60; 78 is the
    99th percentile.
    """
    rng = np.random.default_rng(5)
    broken = answered = 0
    for _ in range(600):
        risk = rng.uniform(0, 0.4, 1000)
        threshold = certified_threshold(risk, rng.uniform(size=1000) < risk, 0.1)
        broken += threshold > 0.2
        answered += threshold > 0.05
    assert broken <= binom.ppf(0.99, 600, 0.1)
    assert answered > 200  # it does answer


@pytest.mark.parametrize("target", [0.0, 1.0, -0.1, 2.0, float("nan"), "much"])
def test_a_risk_that_is_no_probability(target: float) -> None:
    with pytest.raises(UsageError, match=r"--risk"):
        certified_threshold(np.zeros(3), np.zeros(3, bool), target)


@pytest.mark.parametrize("share", [0.3, 0.65, 0.9])
def test_at_most_a_share_is_answered(rng: np.random.Generator, share: float) -> None:
    risk = rng.uniform(size=400)
    threshold = certified_threshold(risk, np.zeros(400, bool), 0.1, share=share)
    assert share - 0.03 <= (risk <= threshold).mean() <= share


@pytest.mark.parametrize("share", [0.0, -0.2, 1.1, float("nan")])
def test_a_share_that_cannot_be(share: float) -> None:
    with pytest.raises(UsageError, match="--share"):
        certified_threshold(np.ones(3), np.zeros(3, bool), 0.1, share=share)
