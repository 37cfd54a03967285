"""Learning curves on simulated truth: intervals cover, planted laws and sizes come back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from iceframe.measure.learning_curve import (
    FARTHEST,
    complete,
    draw_curves,
    fit_power_law,
    mean_interval,
    reach,
)

SIZES = np.array([16.0, 32, 64, 128, 256, 512, 1000])
SHARED = 0.3


def law(a: float, b: float, c: float, sizes: np.ndarray = SIZES) -> np.ndarray:
    return a + b * sizes**-c


def noisy(truth: np.ndarray, repeats: int, rng: np.random.Generator, noise: float) -> np.ndarray:
    """Errors ``(repeats, sizes)`` that scatter by ``noise``, a part SHARED of it in common."""
    common = rng.normal(size=len(truth))
    own = rng.normal(size=(repeats, len(truth)))
    return truth * (1 + noise * (np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * own))


# -- the interval of the mean ----------------------------------------------------------------------


def test_the_interval_covers_though_repeats_share_their_test_samples() -> None:
    """A straight line fitted to subsets of one data set; the truth is that of fresh data."""
    rng = np.random.default_rng(5)
    n, held, train, repeats, datasets = 200, 60, 20, 5, 400

    def error(x: np.ndarray, y: np.ndarray, tx: np.ndarray, ty: np.ndarray) -> float:
        slope, offset = np.polyfit(x, y, 1)
        return float(np.mean(np.abs(ty - slope * tx - offset)))

    def sample(size: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(size=size)
        return x, x + rng.normal(size=size)

    fresh = [error(*sample(train), *sample(400)) for _ in range(2000)]
    truth = float(np.mean(fresh))
    inside, naive = 0, 0
    for _ in range(datasets):
        x, y = sample(n)
        errors = []
        for _ in range(repeats):
            order = rng.permutation(n)
            test, used = order[:held], order[held : held + train]
            errors.append(error(x[used], y[used], x[test], y[test]))
        _, low, high = mean_interval(np.array(errors), held / n)
        inside += low <= truth <= high
        _, low, high = mean_interval(np.array(errors), 0.0)
        naive += low <= truth <= high
    assert 0.92 <= inside / datasets <= 0.995
    assert naive / datasets < 0.9  # what the correction is for


def test_of_even_errors_it_is_students_interval(rng: np.random.Generator) -> None:
    values = 3 + 0.01 * rng.normal(size=6)
    mean, low, high = mean_interval(values, 0.0)
    expected = stats.t.interval(0.95, 5, values.mean(), stats.sem(values))
    assert (low - mean, high - mean) == pytest.approx(np.subtract(expected, mean), rel=0.01)
    assert mean == pytest.approx(values.mean())
    assert mean_interval(100 * values, 0.0) == pytest.approx((100 * mean, 100 * low, 100 * high))


def test_of_skewed_errors_it_covers_better_than_students_and_stays_positive() -> None:
    rng = np.random.default_rng(3)
    drawn = rng.lognormal(0, 1, (2000, 5))
    truth = np.exp(0.5)
    inside = [low <= truth <= high for _, low, high in (mean_interval(e, 0.0) for e in drawn)]
    low, high = stats.t.interval(0.95, 4, drawn.mean(axis=1), stats.sem(drawn, axis=1))
    assert np.mean(inside) > 0.86
    assert np.mean(inside) > np.mean((low <= truth) & (truth <= high)) + 0.04
    assert min(mean_interval(e, 0.3)[1] for e in drawn) > 0


def test_errors_of_zero_are_errors_too() -> None:
    mean, low, high = mean_interval(np.array([0.0, 0.1, 0.2]), SHARED)
    assert 0 < low < mean < high
    assert mean_interval(np.zeros(3), SHARED) == (0, 0, 0)


def test_a_wild_size_does_not_reach_what_it_never_came_near(rng: np.random.Generator) -> None:
    errors = np.tile([50.0, 0.6, 0.25, 0.12, 0.09], (5, 1))
    errors[:, 0] *= [0.05, 0.1, 0.3, 1.5, 3.05]
    found = reach(SIZES[:5], errors * (1 + 0.02 * rng.normal(size=(5, 5))), 0.1, SHARED, rng)
    assert found.how == "measured"
    assert found.low > 128


def test_one_repeat_has_no_interval() -> None:
    mean, low, high = mean_interval(np.array([2.0]), SHARED)
    assert mean == 2.0
    assert np.isnan([low, high]).all()


def test_drawn_curves_have_the_interval_of_the_mean_at_every_size(
    rng: np.random.Generator,
) -> None:
    errors = noisy(law(0.1, 4, 0.5), 5, rng, 0.1)
    curves = draw_curves(errors, SHARED, rng, 40_000)
    for column in range(len(SIZES)):
        mean, low, high = mean_interval(errors[:, column], SHARED)
        drawn = np.quantile(curves[:, column], (0.025, 0.5, 0.975))
        np.testing.assert_allclose(drawn, (low, mean, high), atol=0.06 * (high - low))


def test_drawn_curves_keep_how_repeats_vary_together(rng: np.random.Generator) -> None:
    level = np.array([[0.8], [1.0], [1.2], [0.9]])
    curves = draw_curves(level * law(0, 4, 0.5), SHARED, rng, 500)
    ratio = curves / law(0, 4, 0.5)
    np.testing.assert_allclose(ratio, np.repeat(ratio[:, :1], len(SIZES), axis=1), rtol=1e-9)


def test_incomplete_sizes_and_empty_repeats_are_left_out() -> None:
    nan = np.nan
    errors = np.array([[3, 2, 1], [nan, nan, nan], [3, nan, 1], [4, 2, nan]])
    rows, columns = complete(errors)
    assert rows.tolist() == [0, 2, 3]
    assert columns.tolist() == [0]
    rows, columns = complete(np.full((2, 3), nan))
    assert len(rows) == len(columns) == 0


# -- the power law ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b", "c"), [(0.0, 4.0, 0.5), (0.1, 4.0, 0.5), (0.05, 10.0, 1.0)])
def test_a_planted_power_law_comes_back(
    a: float, b: float, c: float, rng: np.random.Generator
) -> None:
    found = fit_power_law(SIZES, noisy(law(a, b, c), 5, rng, 1e-4), SHARED, rng, 300)
    assert found.identifiable
    assert found.a == pytest.approx(a, abs=2e-3)
    assert found.b == pytest.approx(b, rel=0.02)
    assert found.c == pytest.approx(c, rel=0.01)
    np.testing.assert_allclose(found.at(SIZES), law(a, b, c), rtol=1e-3)


def test_the_fit_is_the_least_squares_fit_of_scipy(rng: np.random.Generator) -> None:
    errors = noisy(law(0.1, 4, 0.5), 5, rng, 0.03)
    mean = errors.mean(axis=0)
    found = fit_power_law(SIZES, errors, SHARED, rng, 300)
    expected, _ = optimize.curve_fit(
        lambda n, a, b, c: a + b * n**-c, SIZES, mean, (0.1, 4, 0.5), mean, bounds=(0, np.inf)
    )
    assert (found.a, found.b, found.c) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize(("a", "repeats"), [(0.0, 5), (0.1, 3), (0.1, 5)])
def test_the_interval_of_the_exponent_covers(a: float, repeats: int) -> None:
    rng = np.random.default_rng(11)
    inside, known = 0, 0
    for _ in range(150):
        found = fit_power_law(
            SIZES, noisy(law(a, 4, 0.5), repeats, rng, 0.06), SHARED, rng, draws=300
        )
        known += found.identifiable
        inside += found.identifiable and found.c_low <= 0.5 <= found.c_high
    assert known > 100
    assert inside / known >= 0.88


@pytest.mark.parametrize(
    ("sizes", "truth", "repeats", "noise", "reason"),
    [
        (SIZES[:3], law(0, 4, 0.5)[:3], 5, 0.01, "sizes or more"),
        (SIZES, law(0, 4, 0.5), 1, 0.01, "two repeats"),
        (SIZES, np.ones(7), 5, 0.05, "does not fall"),
        (SIZES, 1 / np.arange(1, 8) ** 0.0 + np.arange(7), 5, 0.05, "does not fall"),
        (SIZES[:4], law(0.4, 2, 0.5)[:4], 3, 0.2, "exponent|does not fall"),
        (SIZES, np.append(law(0, 4, 0.5)[:-1], 0.0), 5, 0.0, "zero"),
    ],
)
def test_what_cannot_be_told_is_not_told(
    sizes: np.ndarray,
    truth: np.ndarray,
    repeats: int,
    noise: float,
    reason: str,
    rng: np.random.Generator,
) -> None:
    import re

    found = fit_power_law(sizes, noisy(truth, repeats, rng, noise), SHARED, rng, 300)
    assert not found.identifiable
    assert re.search(reason, found.reason)
    assert np.isnan([found.a, found.b, found.c]).all()


# -- the size needed -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "c", "wanted", "how"),
    [
        (0.0, 4.0, 0.5, 0.3, "measured"),
        (0.05, 10.0, 1.0, 0.12, "measured"),
        (0.0, 4.0, 0.5, 0.1, "extrapolated"),
        (0.1, 4.0, 0.5, 0.2, "extrapolated"),
    ],
)
def test_the_size_of_a_planted_law_comes_back_and_its_interval_covers(
    a: float, b: float, c: float, wanted: float, how: str
) -> None:
    truth = (b / (wanted - a)) ** (1 / c)
    rng = np.random.default_rng(7)
    found = [
        reach(SIZES, noisy(law(a, b, c), 5, rng, 0.06), wanted, SHARED, rng, draws=300)
        for _ in range(150)
    ]
    assert np.mean([f.low <= truth <= f.high for f in found]) >= 0.88
    assert np.mean([f.how == how for f in found]) > 0.9
    sizes = [f.size for f in found if f.how == how]
    assert np.median(sizes) == pytest.approx(truth, rel=0.1)
    # The interval says something: it is no wider than a small factor.
    assert np.median([f.high / f.low for f in found if f.how == how]) < 6


def test_a_pure_power_law_is_interpolated_exactly(rng: np.random.Generator) -> None:
    errors = np.tile(law(0, 4, 0.5), (3, 1))
    found = reach(SIZES, errors, 0.2, SHARED, rng, 50)
    assert found.how == "measured"
    assert (found.low, found.size, found.high) == pytest.approx((400, 400, 400))


def test_an_error_below_the_floor_is_never_reached(rng: np.random.Generator) -> None:
    found = reach(SIZES, noisy(law(0.5, 4, 0.8), 5, rng, 0.01), 0.3, SHARED, rng, 300)
    assert found.how == "not reached"
    assert np.isnan(found.size)
    assert np.isinf(found.high)


def test_nothing_is_extrapolated_far_beyond_the_data(rng: np.random.Generator) -> None:
    errors = noisy(law(0, 4, 0.5), 5, rng, 0.002)
    near = reach(SIZES, errors, float(law(0, 4, 0.5, 0.8 * FARTHEST * SIZES[-1])), SHARED, rng, 300)
    far = reach(SIZES, errors, float(law(0, 4, 0.5, 1.5 * FARTHEST * SIZES[-1])), SHARED, rng, 300)
    assert near.how == "extrapolated"
    assert far.how == "not reached"


def test_the_smallest_size_may_do(rng: np.random.Generator) -> None:
    found = reach(SIZES, noisy(law(0, 4, 0.5), 5, rng, 0.01), 2.0, SHARED, rng, 300)
    assert found.how == "at the smallest size"
    assert (found.size, found.low, found.high) == (16, 0, 0)


def test_one_lucky_size_is_not_enough(rng: np.random.Generator) -> None:
    curve = np.array([1.0, 0.3, 0.9, 0.8, 0.7, 0.6, 0.5])
    found = reach(SIZES, np.tile(curve, (3, 1)), 0.55, SHARED, rng, 50)
    assert found.size > 512


def test_a_single_repeat_gives_a_size_without_interval(rng: np.random.Generator) -> None:
    found = reach(SIZES, law(0, 4, 0.5)[None], 0.2, SHARED, rng)
    assert found.size == pytest.approx(400)
    assert np.isnan([found.low, found.high]).all()
    assert reach(SIZES, law(0, 4, 0.5)[None], 0.01, SHARED, rng).how == "not reached"


@settings(max_examples=40)
@given(
    st.lists(st.floats(0.01, 10), min_size=7, max_size=7),
    st.floats(0.05, 5),
    st.floats(1.1, 3),
    st.floats(1e-3, 1e3),
)
def test_stricter_goals_need_more_and_units_do_not_matter(
    curve: list[float], wanted: float, stricter: float, unit: float
) -> None:
    errors = np.array([curve])

    def size(goal: float, scale: float = 1.0) -> float:
        found = reach(SIZES, scale * errors, scale * goal, SHARED, np.random.default_rng(0))
        return np.inf if found.how == "not reached" else found.size

    assert size(wanted / stricter) >= size(wanted)
    assert size(wanted * 1.0001, unit) == pytest.approx(size(wanted * 1.0001), rel=1e-3)
