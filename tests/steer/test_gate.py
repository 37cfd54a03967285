"""The gate of one model: the promise, coverage after selection, monotonicity, storage, errors."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom
from simulated_answers import TOLERANCE, answers, calibration

from iceframe.core.errors import InputError, UsageError
from iceframe.measure.conformal import threshold
from iceframe.steer.gate import Gate, fit_gate


@pytest.fixture(scope="module")
def gate() -> Gate:
    return fit_gate(calibration(np.random.default_rng(0), 300, strange=300)).gate


def test_the_promise_holds_for_new_samples_over_many_draws() -> None:
    """Usual samples alone, and usual and strange ones together: broken in at most a tenth."""
    rng = np.random.default_rng(11)
    usual, odd = answers(rng, 20_000), answers(rng, 20_000, strange=True)
    broken = np.zeros(2, int)
    shares = []
    draws = 60
    for seed in range(draws):
        gate = fit_gate(calibration(np.random.default_rng(seed), 150, strange=150), seed=seed).gate
        passed = [gate.passes(signals) for signals, _ in (usual, odd)]
        wrong = [errors[p] > TOLERANCE for p, (_, errors) in zip(passed, (usual, odd), strict=True)]
        shares.append(passed[0].mean())
        broken += [len(w) > 0 and w.mean() > 0.1 for w in (wrong[0], np.concatenate(wrong))]
    assert np.all(broken <= binom.ppf(0.99, draws, 0.1))
    assert np.mean(shares) > 0.5


def test_coverage_holds_after_selection_where_it_did_not_before() -> None:
    """A strict gate answers easy samples alone: the old interval covers too many of them."""
    rng = np.random.default_rng(3)
    signals, errors = answers(rng, 20_000)
    naive, again = [], []
    for seed in range(20):
        data = calibration(np.random.default_rng(100 + seed), 800, tolerance=1.2)
        gate = fit_gate(data, seed=seed, target=0.25).gate
        passed = gate.passes(signals)
        if not gate.promise.kept:  # by chance nothing could be certified
            continue
        naive.append((errors[passed] <= threshold(np.sort(data.scores), 0.9)).mean())
        again.append((errors[passed] <= gate.quantile).mean())
    assert len(naive) > 5
    assert np.mean(naive) > 0.93
    assert 0.88 < np.mean(again) < 0.92


def test_a_stranger_or_less_certain_sample_is_never_more_readily_answered(gate: Gate) -> None:
    rng = np.random.default_rng(1)
    new = answers(rng, 500)[0]
    worse = new + rng.exponential(1.0, new.shape) * rng.integers(0, 2, new.shape)
    assert np.all(gate.risk(worse) >= gate.risk(new))
    assert not np.any(gate.passes(worse) & ~gate.passes(new))


def test_nothing_is_answered_beyond_what_was_tested(gate: Gate) -> None:
    calm = np.array([[0.1, 0.1]])
    assert gate.passes(calm).all()
    for far in ([[1e9, 0.1]], [[0.1, 1e9]], [[np.nan, 0.1]], [[0.1, np.inf]]):
        assert not gate.passes(np.array(far)).any()
        assert gate.risk(np.array(far)) == 1.0


def test_a_kind_that_calibration_did_not_hold_is_riskier_where_a_test_finds_it() -> None:
    """Strange calibration samples of a kind that is answered well, and a new kind that is not;
    a test finds both. The promise to usual samples stands."""
    rng = np.random.default_rng(21)
    data = calibration(rng, 300, strange=100)
    p = np.where(data.strange, 0.02, rng.uniform(0.02, 1.0, 400))
    held = replace(
        data,
        names=(*data.names, "company"),
        signals=np.column_stack([data.signals, -np.log(p)]),
        bad=data.bad & ~data.strange,
        surprises=("company",),
    )
    usual, errors = answers(rng, 5000)
    seen = np.column_stack([usual, -np.log(rng.uniform(0.02, 1.0, 5000))])
    kind = np.column_stack([answers(rng, 200)[0], np.full(200, -np.log(0.02))])
    refused = {}
    for name, found in (("given", held), ("learned", replace(held, surprises=()))):
        gate = fit_gate(found).gate
        refused[name] = (gate.risk(kind) > np.quantile(gate.risk(seen), 0.9)).mean()
        passed = gate.passes(seen)
        assert (errors[passed] > TOLERANCE).mean() < 0.1
    assert refused["given"] > 0.5 > refused["learned"]
    assert np.isinf(fit_gate(held).gate.reach[2])


def test_without_strange_samples_the_reach_is_shorter() -> None:
    data = calibration(np.random.default_rng(0), 300, strange=300)
    usual = data.take(~data.strange)
    assert np.all(fit_gate(usual).gate.reach < usual.signals.max(axis=0))
    np.testing.assert_array_equal(fit_gate(data).gate.reach, data.signals.max(axis=0))


def test_a_lower_risk_answers_less() -> None:
    data = calibration(np.random.default_rng(4), 400, strange=400)
    new = answers(np.random.default_rng(5), 1000)[0]
    shares = [fit_gate(data, target=t).gate.passes(new).mean() for t in (0.02, 0.05, 0.1, 0.3)]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1] == pytest.approx(1.0, abs=0.01)


def test_a_share_withholds_the_riskiest_and_keeps_the_promise() -> None:
    data = calibration(np.random.default_rng(4), 400, strange=400)
    usual, errors = answers(np.random.default_rng(5), 4000)
    odd, odd_errors = answers(np.random.default_rng(6), 4000, strange=True)
    whole, part = fit_gate(data).gate, fit_gate(data, share=0.8).gate
    passed = part.passes(usual)
    assert passed.mean() == pytest.approx(0.8, abs=0.05)
    assert not np.any(passed & ~whole.passes(usual))
    assert (errors[passed] > TOLERANCE).mean() < 0.1
    bad = odd_errors > TOLERANCE
    assert part.passes(odd)[bad].mean() < whole.passes(odd)[bad].mean()


def test_few_samples_promise_nothing() -> None:
    fit = fit_gate(calibration(np.random.default_rng(0), 20, tolerance=100.0))
    assert not fit.gate.promise.kept
    assert fit.gate.promise.needed == 29
    assert fit.gate.quantile == np.inf
    assert not fit.gate.passes(np.zeros((3, 2))).any()


def test_two_samples() -> None:
    data = calibration(np.random.default_rng(0), 2)
    assert not fit_gate(data).gate.passes(data.signals).any()
    with pytest.raises(InputError, match="Too few"):
        fit_gate(data.take(np.array([0])))


def test_the_samples_of_a_group_never_judge_each_other() -> None:
    """Every sample twice: with its twin elsewhere, the bad half of a pair would be foreseen."""
    data = calibration(np.random.default_rng(2), 100)
    twice = data.take(np.tile(np.arange(100), 2))
    together = fit_gate(twice)
    np.testing.assert_allclose(together.risk[:100], together.risk[100:])
    apart = fit_gate(replace(twice, groups=np.arange(200)))
    assert not np.allclose(apart.risk[:100], apart.risk[100:])


def test_stored_and_read_again(gate: Gate) -> None:
    again = Gate.from_state(json.loads(json.dumps(gate.state())))
    new = answers(np.random.default_rng(8), 200)[0]
    np.testing.assert_array_equal(again.passes(new), gate.passes(new))
    np.testing.assert_array_equal(again.risk(new), gate.risk(new))
    assert again.promise == gate.promise
    assert again.quantile == gate.quantile


@pytest.mark.parametrize("missing", ["weights", "known", "given", "promise", "threshold"])
def test_a_damaged_gate_is_refused(gate: Gate, missing: str) -> None:
    state = gate.state()
    del state[missing]
    with pytest.raises(InputError, match="damaged"):
        Gate.from_state(state)


def test_a_negative_weight_is_refused(gate: Gate) -> None:
    state = gate.state()
    state["weights"][0] = -1.0
    with pytest.raises(InputError, match="damaged"):
        Gate.from_state(state)


@pytest.mark.parametrize("option", ["target", "level", "confidence"])
def test_a_promise_that_cannot_be(option: str) -> None:
    data = calibration(np.random.default_rng(0), 40)
    with pytest.raises(UsageError, match="probability"):
        fit_gate(data, **{option: 1.5})  # type: ignore[arg-type]
