"""Disentanglement: codes with known scores, laws, oracles, coverage, dependence of factors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_mutual_info_score, mutual_info_score, roc_auc_score

from iceframe.core.errors import InputError, UsageError
from iceframe.measure.latents import disentanglement as scores
from iceframe.measure.latents.disentanglement import (
    dci,
    disentanglement,
    disentanglement_table,
    explicitness,
    factor_dependence,
    factor_vae,
    mig,
    modularity,
    sap,
)
from iceframe.measure.latents.latent_code import LEAST_SAMPLES, centred
from iceframe.measure.latents.mutual_information import (
    binned,
    entropy,
    expected_information,
    information,
    joint_counts,
)
from iceframe.measure.latents.predictability import _held_out_area

PLAIN = [mig, sap, factor_vae, modularity, explicitness]
TURN = np.sqrt(0.5) * np.array([[1.0, -1.0], [1.0, 1.0]])


def lasso(z, v, **more):
    return dci(z, v, importance="lasso", **{"resamples": 0, **more})


@pytest.fixture
def factors(rng):
    return rng.random((800, 3))


# --------------------------------------------------------------------------------- known scores


def test_identity_has_every_score(factors):
    found = disentanglement(factors, factors, resamples=20, model_resamples=2)
    assert set(found.scores) == {
        "MIG", "SAP", "FactorVAE", "modularity", "explicitness",
        "DCI disentanglement", "DCI completeness", "DCI informativeness",
    }  # fmt: skip
    for score in found.scores.values():
        assert score.value == pytest.approx(1.0, abs=0.02), score
        assert score.low <= score.value <= score.high
        assert score.n == 800
    np.testing.assert_allclose(found.importance, np.eye(3), atol=0.02)
    assert found.notes == ()
    assert mig(factors, factors, resamples=0).value == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("metric", [mig, sap, modularity, explicitness])
def test_order_scale_and_sign_of_latents_do_not_matter(metric, rng, factors):
    code = factors + 0.1 * rng.normal(size=factors.shape)
    other = (code * [-3.0, 1e4, 1e-4] + [5.0, 0.0, -1.0])[:, [2, 0, 1]]
    plain, changed = metric(code, factors, resamples=0), metric(other, factors, resamples=0)
    assert 0.3 < plain.value < 1.0
    assert changed.value == pytest.approx(plain.value, abs=0.01)


def test_order_and_scale_do_not_matter_to_models_and_votes(rng, factors):
    code = factors + 0.1 * rng.normal(size=factors.shape)
    other = (code * [-3.0, 1e4, 1e-4] + [5.0, 0.0, -1.0])[:, [2, 0, 1]]
    for importance in ("lasso", "permutation", "forest", "boosting"):
        a = dci(code, factors, importance=importance, resamples=0)
        b = dci(other, factors, importance=importance, resamples=0)
        np.testing.assert_allclose(b.importance, a.importance[[2, 0, 1]], atol=0.03)
        assert b.disentanglement.value == pytest.approx(a.disentanglement.value, abs=0.03)
    votes = [factor_vae(z, factors, resamples=0).value for z in (code, other)]
    assert votes[0] == pytest.approx(votes[1], abs=0.02)
    assert votes[0] > 0.95


def test_rotation_by_45_degrees_is_informative_and_nothing_else(rng):
    v = rng.random((1000, 2))
    z = (v - 0.5) @ TURN
    assert mig(z, v, resamples=0).value < 0.03
    assert sap(z, v, resamples=0).value < 0.05
    assert modularity(z, v, resamples=0).value < 0.15
    assert factor_vae(z, v, resamples=0).above_chance < 0.25
    for importance in ("lasso", "permutation", "forest"):
        three = dci(z, v, importance=importance, resamples=0)
        assert three.disentanglement.value < 0.02
        assert three.completeness.value < 0.02
        assert three.informativeness.value > 0.98
    assert explicitness(z, v, resamples=0).value > 0.99


def test_noise_has_nothing(rng, factors):
    found = disentanglement(rng.normal(size=(800, 4)), factors, resamples=5, model_resamples=1)
    for score in found.scores.values():
        assert abs(score.above_chance) < 0.08, score
    assert any("Factors that the latents do not predict" in note for note in found.notes)
    assert any("Latents that know no factor" in note for note in found.notes)
    assert lasso(rng.normal(size=(800, 4)), factors).disentanglement.value == 0.0


def test_a_copy_of_a_latent_lowers_completeness_only(factors):
    z = np.column_stack([factors, factors[:, 0]])
    three = dci(z, factors, resamples=0)
    assert three.disentanglement.value > 0.98
    # two equal shares of four: 1 - ln 2/ln 4 = 1/2 of that factor, the other two are whole
    assert three.completeness.value == pytest.approx((0.5 + 1 + 1) / 3, abs=0.02)
    assert three.completeness.parts[0] == pytest.approx(0.5, abs=0.03)
    assert mig(z, factors, resamples=0).parts == pytest.approx((0, 1, 1), abs=0.01)
    assert sap(z, factors, resamples=0).parts == pytest.approx((0, 1, 1), abs=0.02)
    assert modularity(z, factors, resamples=0).value > 0.99
    assert factor_vae(z, factors, resamples=0).value > 0.99


def test_a_latent_of_two_factors_is_not_modular(factors):
    z = np.column_stack([factors[:, 0] + factors[:, 1], factors[:, 2]])
    found = modularity(z, factors, resamples=0)
    # two equal terms of three: 1 - 1/(3 - 1)
    assert found.parts == pytest.approx((0.5, 1.0), abs=0.06)
    three = dci(z, factors, resamples=0)
    assert three.disentanglement.parts[0] == pytest.approx(1 - np.log(2) / np.log(3), abs=0.08)
    assert three.disentanglement.parts[1] > 0.95
    impure = dci(z, factors, importance="forest", resamples=0)
    assert impure.disentanglement.parts[1] < 0.8  # the trap that the docstring names
    two = modularity(z[:, :1], factors[:, :2], resamples=0)
    assert two.value < 0.1


def test_unordered_classes(rng):
    shade = rng.integers(4, size=900)
    v = np.column_stack([shade, rng.random(900)])
    z = np.column_stack([np.array([2.0, 0.0, 3.0, 1.0])[shade], v[:, 1]])  # no order of the labels
    asked = {"classes": [0], "resamples": 5}
    for metric in (mig, sap, factor_vae, modularity):
        assert metric(z, v, **asked).value > 0.97, metric
    three = dci(z, v, **asked)
    assert three.disentanglement.value > 0.98
    assert three.informativeness.value > 0.98
    assert dci(z, v, importance="lasso", **asked).informativeness.value > 0.9
    # as a number the same labels are not linear in the latent
    assert sap(z, v, resamples=0).parts[0] < 0.3
    one_hot = np.column_stack([np.eye(4)[shade], v[:, 1]])
    assert explicitness(one_hot, v, **asked).value > 0.99
    noise = rng.normal(size=(900, 3))
    three = dci(noise, v, importance="lasso", **asked)
    assert three.disentanglement.value == 0.0


# ----------------------------------------------------------------------------- formulas and oracles


def test_information_equals_scikit_learns(rng):
    a = rng.integers(5, size=300)
    b = np.where(rng.random(300) < 0.5, a, rng.integers(5, size=300))
    joint = joint_counts(a[None], b[None], (5, 5))[0]
    own, chance = information(joint), expected_information(joint)
    assert own == pytest.approx(mutual_info_score(a, b))
    least = min(entropy(joint.sum(0)), entropy(joint.sum(1)))
    expected = adjusted_mutual_info_score(a, b, average_method="min")
    assert (own - chance) / (least - chance) == pytest.approx(expected)
    shuffled = joint_counts(
        np.broadcast_to(a, (400, 300)), rng.permuted(np.broadcast_to(b, (400, 300)), axis=1), (5, 5)
    )
    assert information(shuffled).mean() == pytest.approx(chance, rel=0.05)


def test_correction_for_chance_takes_the_samples_out(rng):
    """Truth: a latent with noise; without the correction 60 samples would say too much or less."""
    gaps, plain = {}, {}
    for n, times in ((60, 60), (2000, 5)):
        found, raw = [], []
        for _ in range(times):
            v = rng.random((n, 2))
            z = np.column_stack([v[:, 0] + 0.3 * rng.normal(size=n), rng.normal(size=n)])
            found.append(mig(z, v, bins=4, resamples=0).parts[0])
            codes = binned(z[:, 0], 4), binned(v[:, 0], 4)
            raw.append(mutual_info_score(*codes) / np.log(4))
        gaps[n], plain[n] = np.mean(found), np.mean(raw)
    assert abs(gaps[60] - gaps[2000]) < 0.03
    assert plain[60] - plain[2000] > 0.04


def test_bins_have_equal_counts_and_keep_levels(rng):
    assert np.bincount(binned(rng.normal(size=1000), 8)).tolist() == [125] * 8
    assert binned(np.array([3.0, 1.0, 3.0, 7.0]), 5).tolist() == [1, 0, 1, 2]
    for sign in (1, -1):  # most values tied at one end
        tied = binned(sign * np.r_[np.zeros(90), np.arange(1, 11)], 5)
        assert sorted(np.bincount(tied)) == [10, 90]


def test_area_under_the_curve_equals_scikit_learns(rng):
    z = rng.normal(size=(400, 2))
    answer = (z[:, :1] + rng.normal(size=(400, 1)) > 0.3).astype(float)
    train, test = np.arange(200), np.arange(200, 400)
    slope = np.linalg.lstsq(np.c_[np.ones(200), z[:200]], answer[:200], rcond=None)[0]
    expected = roc_auc_score(answer[200:, 0], z[200:] @ slope[1:, 0])
    assert _held_out_area(z, answer, train, test)[0] == pytest.approx(expected, abs=1e-4)


def test_sap_is_the_gap_of_squared_correlations(rng, factors):
    z = factors @ rng.normal(size=(3, 4)) + 0.2 * rng.normal(size=(800, 4))
    r2 = np.sort(np.corrcoef(z.T, factors.T)[:4, 4:] ** 2, axis=0)
    assert sap(z, factors, resamples=0).parts == pytest.approx(r2[-1] - r2[-2])


# ---------------------------------------------------------------------------------- the intervals


def noisy(n, rng):
    v = rng.random((n, 2))
    latents = [v[:, 0] + 0.15 * rng.normal(size=n), v[:, 1] + 0.3 * v[:, 0], rng.normal(size=n)]
    return np.column_stack(latents), v


@pytest.mark.parametrize(
    ("metric", "times"),
    [
        (lambda z, v, **more: mig(z, v, bins=6, **more), 100),
        (sap, 100),
        (explicitness, 40),
        (lambda z, v, **more: lasso(z, v, **more).informativeness, 30),
    ],
    ids=["mig", "sap", "explicitness", "dci"],
)
def test_intervals_cover_on_simulated_truth(metric, times, rng):
    truth = metric(*noisy(60_000, rng), resamples=0).value
    found = [metric(*noisy(400, rng), resamples=40, seed=s) for s in range(times)]
    inside = np.mean([s.low <= truth <= s.high for s in found])
    # 0.95, less what 40 resamples cost, less three standard errors
    assert inside >= 0.93 - 3 * np.sqrt(0.93 * 0.07 / times)
    spread = np.std([s.value for s in found])
    assert 0.7 < np.mean([s.high - s.low for s in found]) / 3.92 / spread < 1.6


def test_same_seed_same_numbers(factors):
    z = factors + 0.2 * np.random.default_rng(3).normal(size=factors.shape)
    for metric in (*PLAIN, lambda z, v, **more: lasso(z, v, **more).completeness):
        first = metric(z, factors, resamples=4, seed=1)
        assert metric(z, factors, resamples=4, seed=1) == first
        assert metric(z, factors, resamples=4, seed=2) != first
        assert first.resamples == 4


def test_an_interval_stays_in_its_range_and_holds_its_value():
    low, high = centred(0.99, np.array([0.8, 0.9, 1.0]))
    assert low < 0.99 < high == 1.0
    assert np.isnan(centred(0.5, np.array([]))).all()
    assert np.isnan(centred(np.nan, np.ones(3))).all()


# ------------------------------------------------------------------------------------- edges


def test_a_constant_latent_says_nothing(factors):
    z = np.column_stack([np.full(800, 0.1), factors])
    for metric in PLAIN:
        found = metric(z, factors, resamples=3)
        assert found.value == pytest.approx(1.0, abs=0.02), metric
        assert any("Constant latents say nothing: 0" in note for note in found.notes)
    three = dci(z, factors, resamples=0)
    assert three.disentanglement.value > 0.98
    assert np.isnan(three.disentanglement.parts[0])
    assert three.importance[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("metric", PLAIN)
def test_only_constant_latents(metric, factors):
    found = metric(np.ones((800, 2)), factors, resamples=3)
    assert found.above_chance == pytest.approx(0.0, abs=1e-9)


def test_a_constant_factor_is_undefined_and_left_out(factors):
    v = np.column_stack([factors, np.full(800, 7.0)])
    for metric in (mig, sap, factor_vae, explicitness):
        found = metric(factors, v, resamples=3)
        assert np.isnan(found.parts[3])
        assert found.value == pytest.approx(1.0, abs=0.02)
        assert any("Constant factors have no score" in note for note in found.notes)
    assert modularity(factors, v, resamples=3).value > 0.99
    three = lasso(factors, v)
    assert np.isnan(three.importance[:, 3]).all()
    assert np.isnan(three.completeness.parts[3])
    assert three.completeness.value > 0.98


def test_only_constant_factors_have_no_score():
    z, v = np.random.default_rng(0).normal(size=(80, 2)), np.ones((80, 2))
    for metric in (*PLAIN, *(lambda z, v, a=a: getattr(dci(z, v), a) for a in
                             ("disentanglement", "completeness", "informativeness"))):  # fmt: skip
        found = metric(z, v)
        assert np.isnan([found.value, found.low, found.high]).all()
        assert found.notes


def test_one_factor_or_one_latent(factors):
    one = factors[:, :1]
    assert mig(one, one, resamples=2).value == pytest.approx(1.0, abs=1e-9)
    assert np.isnan(modularity(one, one).value)
    assert np.isnan(factor_vae(one, one).value)
    assert np.isnan(lasso(factors, one).disentanglement.value)
    three = lasso(one, factors)
    assert np.isnan(three.completeness.value)
    assert "two latents" in three.completeness.notes[-1]


@pytest.mark.parametrize("metric", [*PLAIN, dci, lambda z, v: factor_dependence(v)])
def test_bad_input(metric, rng):
    v = rng.random((LEAST_SAMPLES, 2))
    with pytest.raises(InputError, match="Too few samples"):
        metric(v[1:], v[1:])
    broken = v.copy()
    broken[3, 1] = np.nan
    with pytest.raises(InputError, match="row 3, column 1"):
        metric(broken, broken)
    with pytest.raises(InputError, match="must be numbers"):
        metric(v.astype(str), v.astype(str))
    with pytest.raises(InputError, match="table"):
        metric(v[..., None], v[..., None])


def test_more_bad_input(rng):
    v = rng.random((60, 2))
    with pytest.raises(InputError, match="one row for each sample"):
        mig(v, v[1:])
    with pytest.raises(InputError, match="factor 1, class"):
        mig(v, v, classes=[1])
    with pytest.raises(UsageError, match="does not exist"):
        mig(v, v, classes=[2])
    with pytest.raises(UsageError, match="permutation, forest, boosting, lasso"):
        dci(v, v, importance="gain")


# ------------------------------------------------------------------------- dependence of factors


def test_independent_factors_are_rarely_flagged(rng):
    flagged = [
        bool(factor_dependence(rng.random((120, 4)), permutations=199, seed=s).dependent)
        for s in range(200)
    ]
    assert np.mean(flagged) <= 0.05  # the level is 0.01


def test_correlated_factors_are_flagged(rng):
    v = rng.normal(size=(250, 4))
    v[:, 2] = 0.5 * v[:, 0] + np.sqrt(0.75) * v[:, 2]
    found = factor_dependence(v, names=["size", "angle", "share", "noise"])
    assert found.dependent == ((0, 2),)
    assert found.correlation[0, 2] == pytest.approx(np.corrcoef(v[:, 0], v[:, 2])[0, 1], abs=0.06)
    assert "size and share were not sampled independently" in found.notes[0]
    assert found.p[0, 2] == found.p[2, 0] <= 0.01
    assert np.isnan(np.diag(found.p)).all()
    everything = disentanglement(
        v, v, names=["size", "angle", "share", "noise"], resamples=0, model_resamples=0
    )
    assert everything.notes[0] == found.notes[0]


def test_dependence_that_no_rank_correlation_sees_is_flagged(rng):
    v = rng.normal(size=(300, 2))
    v[:, 1] = v[:, 0] ** 2 + 0.5 * v[:, 1]
    found = factor_dependence(v)
    assert abs(found.correlation[0, 1]) < 0.15
    assert found.dependent == ((0, 1),)
    kind = rng.integers(3, size=300)
    sizes = factor_dependence(np.column_stack([kind, v[:, 0] + (kind == 1)]), classes=[0])
    assert np.isnan(sizes.correlation[0, 1])
    assert sizes.dependent == ((0, 1),)


def test_a_full_grid_and_constant_factors_are_not_flagged():
    grid = np.stack(np.meshgrid(np.arange(8.0), np.arange(9.0), [1.0]), axis=-1).reshape(-1, 3)
    found = factor_dependence(grid)
    assert found.dependent == ()
    assert found.information[0, 1] == 0.0
    assert np.isnan(found.p[2]).all()
    assert len(found.notes) == 1
    assert factor_dependence(grid[:, :1]).notes == ("There are no two factors.",)


def test_everything_public_is_listed():
    assert all(hasattr(scores, name) for name in scores.__all__)


# ------------------------------------------------------------------------------------- the table


def test_the_table_holds_every_score_once(factors):
    quick = {"resamples": 20, "model_resamples": 2}
    table = disentanglement_table(factors, factors, **quick).set_index("score")
    found = disentanglement(factors, factors, **quick)
    assert set(table.index) == set(found.scores)
    assert table.index.is_unique
    for name, score in found.scores.items():
        row = table.loc[name]
        assert (row.value, row.low, row.high) == (score.value, score.low, score.high)
        assert row.chance == score.chance
        assert row.direction == "higher"
        assert row.reference
        assert row.warning == ""


def test_the_table_warns_of_factors_that_hang_together(factors):
    tied = factors.copy()
    tied[:, 1] = 0.7 * tied[:, 0] + 0.3 * tied[:, 1]
    named = pd.DataFrame(tied, columns=["volume fraction", "length", "orientation"])
    table = disentanglement_table(named, named, resamples=5, model_resamples=2)
    for warning in table["warning"]:
        assert "volume fraction and length were not sampled independently" in warning
        assert "orientation" not in warning
    said = disentanglement_table(tied, tied, names=["a", "b", "c"], resamples=5, model_resamples=2)
    assert said["warning"].str.contains("a and b were not").all()


def test_the_table_passes_bad_input_on(factors):
    with pytest.raises(InputError, match="one row for each sample"):
        disentanglement_table(factors[:-1], factors)
    with pytest.raises(UsageError, match="importance"):
        disentanglement_table(factors, factors, importance="hope")
