"""Probes, subgroups, copies, shifts, transplants, unseen classes: known answers and nulls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from iceframe.core.values import Fold
from iceframe.measure.audits import copies, leave_out, probes, shifts, subgroups, transplant
from iceframe.measure.audits.image_shifts import GREY, PHASES, shifted
from iceframe.measure.audits.multiplicity import benjamini_hochberg, permutation_p

# -- multiplicity ----------------------------------------------------------------------------------


def test_adjusted_p_values_are_those_of_scipy(rng):
    p = rng.random(50) ** 2
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p))
    with_gap = np.insert(p, 7, np.nan)
    adjusted = benjamini_hochberg(with_gap)
    assert np.isnan(adjusted[7])
    np.testing.assert_allclose(np.delete(adjusted, 7), benjamini_hochberg(p))
    with pytest.raises(ValueError, match="0, 1"):
        benjamini_hochberg(np.array([1.2]))


def test_false_discoveries_stay_rare(rng):
    """30 of 40 nulls: the expected share of false discoveries is at most q."""
    false = []
    for _ in range(300):
        p = rng.random(40)
        p[:10] **= 8
        found = benjamini_hochberg(p) < 0.1
        false.append(found[10:].sum() / max(found.sum(), 1))
    assert np.mean(false) < 0.1


def test_p_values_of_deals_are_never_zero():
    assert permutation_p(10.0, np.zeros(99)) == pytest.approx(0.01)


# -- probes ----------------------------------------------------------------------------------------


def probed(seed: int, **more):
    rng = np.random.default_rng(seed)
    group = np.arange(150) % 3
    latents = rng.normal(size=(150, 12)) + group[:, None]
    return rng, group, latents, more


def test_what_is_held_and_tells_is_a_way_round():
    rng, group, latents, _ = probed(0)
    magnification = group + rng.normal(size=150)
    latents[:, 0] += 2 * magnification
    names = np.array(["in-lens", "side"])[(magnification > 1).astype(int)]
    found = {
        p.name: p
        for p in probes.probe(
            latents, {"mag": magnification, "detector": names, "order": rng.normal(size=150)}, group
        )
    }
    assert found["mag"].a_way_round
    assert found["detector"].a_way_round
    assert found["mag"].held > 0.4
    assert not found["order"].a_way_round
    assert found["order"].held_p > 0.05


def test_random_latents_hold_nothing():
    spoken = 0
    for seed in range(8):
        rng, group, _, _ = probed(seed)
        latents = rng.normal(size=(150, 12))
        nuisances = {f"q{i}": rng.normal(size=150) for i in range(4)}
        found = probes.probe(latents, nuisances, group, rng.normal(size=150), seed=seed)
        spoken += len(probes.examine(found, "features", 150).findings)
    assert spoken <= 1


def test_what_only_follows_the_target_is_not_held():
    """The latents hold the target, the quantity follows the target: nothing beyond it is held."""
    rng, group, latents, _ = probed(2)
    (one,) = probes.probe(latents, {"mag": group + rng.normal(size=150)}, group)
    assert one.tells > 0.2
    assert one.held_p > 0.05
    assert not one.a_way_round


def test_errors_that_follow_the_recording_are_found():
    rng, group, latents, _ = probed(3)
    lab = rng.normal(size=150)
    found = probes.probe(latents, {"lab": lab}, group, lab + 0.5 * rng.normal(size=150))
    done = probes.examine(found, "features", 150)
    assert [f.code for f in done.findings] == ["errors-follow-nuisance"]


def test_a_feature_that_tells_is_named_as_a_column_to_drop():
    rng, group, latents, _ = probed(4)
    batch = group + 0.5 * rng.normal(size=150)
    done = probes.examine(
        probes.probe(latents, {"batch": batch}, group, given=("batch",)), "features", 150
    )
    assert done.cues == {0: "column batch"}
    assert done.findings[0].code == "nuisance-feature"


def test_probes_bear_gaps_and_constants():
    rng, group, latents, _ = probed(5)
    latents[::7, 3], latents[:, 4], latents[:, 5] = np.nan, 1.0, np.nan
    gaps = np.where(np.arange(150) % 5 == 0, np.nan, rng.normal(size=150))
    for one in probes.probe(latents, {"gaps": gaps, "flat": np.ones(150)}, group):
        assert not one.a_way_round
    with pytest.raises(ValueError, match="samples"):
        probes.probe(latents[:5], {}, group[:5])


# -- subgroups -------------------------------------------------------------------------------------


def test_a_group_that_is_served_worse_is_found_and_others_are_not(rng):
    n = 300
    lab = np.array(["a", "b", "c"])[np.arange(n) % 3]
    losses = np.abs(rng.normal(size=n)) * np.where(lab == "b", 2.0, 1.0)
    inside = losses < np.quantile(losses, 0.9)
    groups = subgroups.subgroups(losses, inside, {"lab": lab, "even": (np.arange(n) // 3) % 2}, 0.9)
    done = subgroups.examine(groups, 0.9, "mean absolute error", "MPa")
    assert {f.code for f in done.findings} == {"subgroup-errors", "subgroup-coverage"}
    assert all("lab b" in f.evidence for f in done.findings)
    assert not any("even" in f.evidence for f in done.findings)


def test_a_group_without_any_error_still_has_an_interval():
    wrong = np.repeat([0.0, 0.0, 1.0], 20)
    half = {"half": np.repeat(["first", "second"], 30)}
    first, second = subgroups.subgroups(wrong, wrong == 0, half, 0.9)
    assert (first.loss, first.loss_low) == (0.0, 0.0)
    assert 0.1 < first.loss_high < 0.13  # Clopper and Pearson: 1 − 0.025^(1/30)
    assert second.loss_low > first.loss_high


def test_groups_at_random_are_silent():
    spoken = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        losses = rng.gamma(1.0, size=200)
        labels = {f"g{i}": rng.integers(0, 4, 200) for i in range(4)}
        groups = subgroups.subgroups(losses, rng.random(200) < 0.9, labels, 0.9, seed=seed)
        spoken += bool(subgroups.examine(groups, 0.9, "loss", "").findings)
    assert spoken <= 2


def test_small_groups_are_none(rng):
    labels = {"rare": np.array(["x"] * 5 + [""] * 95)}
    groups = subgroups.subgroups(rng.random(100), np.ones(100, bool), labels, 0.9)
    assert groups == ()
    assert subgroups.examine(groups, 0.9, "loss", "").skipped


# -- copies ----------------------------------------------------------------------------------------


def test_copies_that_flatter_the_score_are_a_warning(rng):
    losses = np.abs(rng.normal(size=120))
    leaked = np.arange(120) < 30
    ids = np.array([f"s{i}" for i in range(120)])
    fair = copies.examine(losses, leaked, ids, 40, "error", "")
    assert [f.code for f in fair.findings] == ["copies-in-training"]
    better = copies.examine(losses * np.where(leaked, 0.2, 1.0), leaked, ids, 40, "error", "")
    assert [f.code for f in better.findings] == ["copies-flatter"]
    assert better.facts["low"] > 0
    assert copies.examine(losses, np.zeros(120, bool), ids, 0, "error", "").findings == ()
    few = copies.examine(losses, np.arange(120) < 2, ids, 2, "error", "")
    assert "too few" in few.findings[0].evidence


# -- shifts ----------------------------------------------------------------------------------------


def test_curves_of_a_known_model(rng):
    """A model that answers the mean grey errs by exactly the offset."""
    x = rng.uniform(0.4, 0.6, (60, 1, 16, 16)).astype(np.float32)
    y = x.mean((1, 2, 3))
    zero = np.zeros(60)
    after = []
    for strength in GREY["brightness"][2]:
        moved = shifted(x, "brightness", "grey", strength, 0).mean((1, 2, 3))
        loss = np.abs(moved - y)
        after.append((strength, loss, loss <= 0.15))
        np.testing.assert_allclose(loss, strength, atol=1e-6)
    curve = shifts.curve("brightness", "grey levels", 0.0, (zero, zero <= 0.1), after, 0.9)
    losses = [p.loss for p in curve.points]
    assert losses == sorted(losses)
    # Coverage 1 at 0.1 and 0 at 0.2: 0.85 in between, linearly.
    assert curve.breaks == pytest.approx(0.115)
    done = shifts.examine([curve], 0.9, "error", "", 60)
    assert [f.code for f in done.findings] == ["shift-brightness"]
    assert done.findings[0].severity == "note"


def test_a_fall_of_coverage_that_may_be_chance_is_no_finding():
    inside = np.arange(20) >= 2
    worse = np.arange(20) >= 4
    curve = shifts.curve(
        "blur", "pixels", 0.0, (np.ones(20), inside), [(1.0, np.ones(20), worse)], 0.9
    )
    assert curve.breaks == pytest.approx(0.5)
    assert shifts.examine([curve], 0.9, "error", "", 20).findings == ()


def test_a_shift_that_is_borne_is_no_finding():
    fine = (np.ones(50), np.ones(50, bool))
    curve = shifts.curve("blur", "pixels", 0.0, fine, [(1.0, *fine)], 0.9)
    assert curve.breaks is None
    assert shifts.examine([curve], 0.9, "error", "", 50).findings == ()


@pytest.mark.parametrize("name", list(GREY))
def test_grey_shifts_move_images_the_more_the_stronger(name, rng):
    from scipy.ndimage import gaussian_filter

    x = gaussian_filter(rng.random((6, 1, 32, 40)), (0, 0, 2, 2)).astype(np.float32)
    x = (x - x.min()) / np.ptp(x)
    moved = [np.abs(shifted(x, name, "grey", s, 0) - x).mean() for s in GREY[name][2]]
    assert moved[0] > 0
    assert np.all(np.diff(moved) > 0)
    one = shifted(x, name, "grey", GREY[name][2][1], 0)
    assert one.shape == x.shape
    assert one.dtype == np.float32
    assert one.min() >= 0
    assert one.max() <= 1
    assert (one == shifted(x, name, "grey", GREY[name][2][1], 0)).all()


def test_phases_stay_phases(rng):
    x = rng.integers(0, 3, (4, 1, 20, 20)).astype(np.float32) / 2
    for name, (_, _, strengths) in PHASES.items():
        for strength in strengths:
            one = shifted(x, name, "phase", strength, 0)
            assert set(np.unique(one)) <= set(np.unique(x))
    flipped = shifted(x, "flips", "phase", 0.1, 0)
    assert (flipped != x).mean() == pytest.approx(0.1, abs=0.03)
    volume = rng.integers(0, 2, (2, 1, 8, 8, 8)).astype(np.float32)
    coarse = shifted(volume, "coarsening", "phase", 2.0, 0)
    cells = coarse.reshape(2, 1, 4, 2, 4, 2, 4, 2)
    assert (cells == cells[:, :, :, :1, :, :1, :, :1]).all()


def test_tables_get_noise_and_gaps_in_step_with_the_strength(rng):
    x = rng.normal(size=(200, 3))
    spread = np.array([1.0, 0.0, 2.0])
    one, two = (shifts.noisy(x, spread, s, 0) - x for s in (0.1, 0.2))
    np.testing.assert_allclose(two, 2 * one, atol=1e-12)
    assert (one[:, 1] == 0).all()
    few, many = (np.isnan(shifts.with_gaps(x, s, 0)) for s in (0.1, 0.4))
    assert (many | ~few).all()
    assert few.mean() == pytest.approx(0.1, abs=0.04)


# -- transplants -----------------------------------------------------------------------------------


def pixels_with_labels(rng, n=80):
    """The label sets the mean of the whole image: no place tells more than another."""
    y = np.arange(n) % 2
    x = rng.normal(0.5, 0.05, (n, 1, 32, 32)) + 0.1 * y[:, None, None, None]
    return x.astype(np.float32), y


def probabilities(score):
    p = 1 / (1 + np.exp(-score))
    return np.column_stack([1 - p, p])


def test_a_model_of_the_border_is_caught_and_a_fair_one_is_not(rng):
    x, y = pixels_with_labels(rng)
    asked = transplant.regions((32, 32))

    def border_only(images, of):
        return probabilities(100 * (images[:, 0, 0, :].mean(axis=1) - 0.55))

    def fair(images, of):
        return probabilities(100 * (images.mean(axis=(1, 2, 3)) - 0.55))

    caught = {f.name: f for f in transplant.followed(border_only, x, y, True, asked, 0)}
    assert caught["border"].follows
    assert caught["border"].beta > 0.8
    assert abs(caught["border"].control) < 0.05
    clean = transplant.followed(fair, x, y, True, asked, 0)
    assert not any(f.follows for f in clean if f.name != "brightness")
    assert next(f for f in clean if f.name == "brightness").follows
    done = transplant.examine(tuple(caught.values()), {"border": "border of 2 pixels"}, "cnn")
    assert done.findings[0].severity == "error"
    assert done.cues == {0: "border of 2 pixels"}


def test_of_a_number_the_slope_is_followed(rng):
    y = rng.normal(size=80)
    x = (0.5 + 0.05 * y[:, None, None, None] + rng.normal(0, 0.01, (80, 1, 32, 32))).astype("f4")
    box = transplant.box_region("scale bar", (24, 28, 20, 30), (32, 32))

    def of_box(images, of):
        return 20 * (images[:, 0, 24:28, 20:30].mean(axis=(1, 2)) - 0.5)

    (one,) = transplant.followed(of_box, x, y, False, [box], 0)
    assert one.beta == pytest.approx(1.0, abs=0.05)
    assert one.follows
    frame = transplant.frame_region("border", 2, (32, 32))
    assert frame.mask.sum() == 32**2 - 28**2
    assert not (frame.mask & frame.control).any()


def test_strangers_are_of_another_kind(rng):
    y = rng.integers(0, 3, 50)
    assert (y[transplant.strangers(y, True, 0)] != y).all()


# -- unseen classes --------------------------------------------------------------------------------


def test_the_matrix_knows_what_was_left_out():
    labels = np.array(["steel", "glass", "wood"])[np.arange(60) % 3]
    folds = [
        Fold(f"f{i}", np.arange(60)[np.arange(60) % 5 != i], np.arange(60)[i::5]) for i in (0, 1)
    ]

    def losses(train, fold):
        """1 for samples of classes that are trained on, else 3."""
        return np.where(np.isin(labels[fold.test], labels[train]), 1.0, 3.0)

    names, found, tested = leave_out.matrix(losses, labels, folds)
    assert names == ("glass", "steel", "wood")
    np.testing.assert_array_equal(found, np.vstack([np.ones(3), 1 + 2 * np.eye(3)]))
    assert tested.sum() == 24
    done = leave_out.examine(names, found, tested, "class", "error", "")
    assert [f.code for f in done.findings] == ["unseen-class"]
    assert done.findings[0].value == 3.0
    assert leave_out.examine(names, np.ones((4, 3)), tested, "class", "error", "").findings == ()
    with pytest.raises(ValueError, match="two classes"):
        leave_out.matrix(losses, np.full(60, "one"), folds)
