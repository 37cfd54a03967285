"""Coverage by group: exact tests, families of them, and the worst group."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from iceframe.measure.uncertainty.coverage import coverage_by_group, holm


def test_values_are_scipys(rng):
    groups = rng.integers(0, 3, 200)
    inside = rng.random(200) < 0.85
    rows = {row.group: row for row in coverage_by_group(inside, groups)}
    raw = []
    for code in range(3):
        mine = inside[groups == code]
        oracle = stats.binomtest(int(mine.sum()), len(mine), 0.9, alternative="less")
        raw.append(oracle.pvalue)
        together = stats.binomtest(int(mine.sum()), len(mine)).proportion_ci(1 - 0.05 / 3)
        assert rows[str(code)].low == pytest.approx(together.low)
        assert rows[str(code)].high == pytest.approx(together.high)
    np.testing.assert_allclose([rows[str(c)].p for c in range(3)], holm(np.array(raw)))


def test_families_of_groups_rarely_raise_a_false_alarm(rng):
    alarms, outside = 0, 0
    groups = np.repeat(np.arange(20), 40)
    for _ in range(400):
        rows = coverage_by_group(rng.random(800) < 0.9, groups)
        alarms += any(row.falls_short() for row in rows)
        outside += not rows[0].low <= 0.9 <= rows[0].high
    assert alarms / 400 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    assert outside / 400 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_a_group_that_falls_short_is_found(rng):
    groups = np.repeat(np.arange(10), 100)
    found = 0
    for _ in range(100):
        inside = rng.random(1000) < np.where(groups == 7, 0.75, 0.9)
        worst = coverage_by_group(inside, groups)[0]
        found += worst.group == "7" and worst.falls_short()
    assert found >= 85


def test_small_groups_are_left_out():
    assert coverage_by_group(np.ones(9, bool), np.zeros(9)) == ()
    rows = coverage_by_group(np.ones(19, bool), np.repeat(["a", "b"], [9, 10]))
    assert [row.group for row in rows] == ["b"]
    assert rows[0].p == 1.0


def test_wrong_use_is_refused():
    with pytest.raises(ValueError, match="do not match"):
        coverage_by_group(np.ones(3, bool), np.zeros(2))
    with pytest.raises(ValueError, match="level"):
        coverage_by_group(np.ones(3, bool), np.zeros(3), 1.0)
