"""Curves of selective prediction: known answers."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.measure.fidelity import augrc
from iceframe.steer.curves import selective_risk, withheld


def test_a_perfect_and_a_useless_gate() -> None:
    bad = np.repeat([False, True], [90, 10])
    assert withheld(np.arange(100.0), bad) == 1.0
    assert withheld(-np.arange(100.0), bad) == 0.0
    assert np.isnan(withheld(np.arange(5.0), np.zeros(5, bool)))


def test_equal_risks_are_withheld_together() -> None:
    """A gate that cannot tell samples apart cannot withhold one of them."""
    assert withheld(np.zeros(10), np.repeat([False, True], 5)) == 0.0


def test_what_is_lost_is_at_most_what_is_allowed(rng: np.random.Generator) -> None:
    risk, bad = rng.uniform(size=500), rng.uniform(size=500) < 0.3
    for lost in (0.0, 0.05, 0.1, 0.5):
        assert withheld(risk, bad, lost) == pytest.approx(lost, abs=0.08)  # random: as many


def test_the_curve_ends_at_the_error_rate_and_its_area_is_augrc(rng: np.random.Generator) -> None:
    risk, bad = rng.uniform(size=400), rng.uniform(size=400) < 0.2
    answered, wrong = selective_risk(risk, bad)
    assert answered[-1] == 1.0
    assert wrong[-1] == pytest.approx(bad.mean())
    area = np.trapezoid(np.append(0, wrong * answered), np.append(0, answered))
    assert area == pytest.approx(augrc(bad.astype(float), risk))
