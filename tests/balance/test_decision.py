"""The decision rule: known cases, edge cases, and laws that hold for any evidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.balance.decision import decide
from iceframe.core.errors import UsageError
from iceframe.core.values import Evidence, Status


def rows(
    rung, complexity, folds, *, parts=None, unit="MPa", metric="mae", coverage=None, n=300, **more
):
    """Evidence of one rung."""
    better = "lower" if metric == "mae" else "higher"
    value = float(np.mean(folds)) if len(folds) else float("nan")
    result = [
        Evidence(rung, "fidelity", metric, value, folds=tuple(folds), better=better, unit=unit)
    ]
    if complexity is not None:
        result.append(Evidence(rung, "complexity", "complexity", complexity))
    for name, part in zip(("c1", "c2", "c3"), parts or (), strict=False):
        result.append(Evidence(rung, "complexity", name, part))
    if coverage is not None:
        result.append(Evidence(rung, "fidelity", "coverage_90", coverage, n=n))
    for name, measured in more.items():
        folds, value = (
            (measured, float(np.mean(measured))) if isinstance(measured, tuple) else ((), measured)
        )
        result.append(Evidence(rung, "transparency", name, value, folds=folds))
    return result


MEAN = rows("mean", 0.0, [230, 220, 235, 228, 231])
RIDGE = rows("ridge", 0.2, [110, 114, 109, 108, 112])
EBM = rows("ebm", 0.3, [81, 80, 83, 79.5, 82])
TREES = rows("extra_trees", 0.6, [79, 78.5, 81, 78, 80])
LADDER = MEAN + RIDGE + EBM + TREES
SIZES = {"n_train": 240, "n_test": 60}


def choose(evidence, **options):
    return decide(evidence, **{**SIZES, "rope": 4.6, **options})


def test_the_simplest_rung_that_is_not_inferior_is_chosen():
    result = choose(LADDER)
    assert (result.rung, result.status) == ("ebm", Status.CONVERGED)
    assert result.reasons[0] == (
        "`ebm` is 1.8 MPa worse than `extra_trees`, inside the ±4.6 MPa that repeat error explains "
        "(P > 0.99), and is half as complex."
    )
    assert [step["rung"] for step in result.trajectory] == ["mean", "ridge", "ebm", "extra_trees"]
    assert [step["admitted"] for step in result.trajectory] == [False, False, True, True]
    assert result.trajectory[3]["probability"] == 1.0


def test_a_small_rope_asks_for_the_best():
    result = choose(LADDER, rope=0.5)
    assert result.rung == "extra_trees"
    assert "lowest mean absolute error, 79.3 MPa" in result.reasons[0]


def test_scatter_between_folds_is_no_reason_for_a_more_complex_rung():
    noisy = rows("ebm", 0.3, [70, 95, 72, 90, 78.5])  # 1.8 worse on average
    result = choose(MEAN + noisy + TREES)
    assert result.rung == "ebm"
    assert "1.8 MPa worse than `extra_trees`, inside the ±4.6 MPa" in result.reasons[0]
    assert "(P = 0." in result.reasons[0]  # how sure that is stands beside it
    worse = rows("ebm", 0.3, [75, 100, 77, 95, 83.5])  # 6.8 worse
    assert choose(MEAN + worse + TREES).rung == "extra_trees"


def test_without_a_rope_two_per_cent_of_the_dummy_counts_as_equal():
    assert choose(LADDER, rope=None).rung == "ebm"  # 2 % of 229 MPa is 4.6 MPa
    assert "2 % of the loss of `mean`" in choose(LADDER, rope=None).reasons[0]
    assert choose(EBM + TREES, rope=None).rung == "extra_trees"  # 2 % of 81 MPa is 1.6 MPa


def test_a_large_repeat_error_counts_up_to_a_tenth_of_the_loss_of_the_mean():
    wide = choose(LADDER, rope=500.0)  # more than the mean's own loss, 229 MPa
    assert wide == choose(LADDER, rope=90.0)
    assert wide.rung != "mean"
    assert any("10 % of the loss of `mean` (repeat error is larger)" in r for r in wide.reasons)
    assert not any("is larger" in r for r in choose(LADDER, rope=22.0).reasons)
    assert choose(EBM + TREES, rope=500.0).rung == "ebm"  # nothing to measure it by


def test_every_other_rung_gets_a_sentence():
    result = choose(LADDER)
    for name in ("mean", "ridge", "extra_trees"):
        said = [r for r in result.reasons[1:] if r.startswith(f"`{name}`")]
        assert len(said) == 1
        assert said[0].endswith(".")
    assert "more complex than needed (0.60 against 0.30)" in result.reasons[-1]


def test_classification_compares_balanced_accuracy_in_points():
    evidence = (
        rows("mean", 0.0, [0.25] * 5, metric="balanced_accuracy", unit="")
        + rows("ridge", 0.2, [0.90, 0.91, 0.89, 0.90, 0.90], metric="balanced_accuracy", unit="")
        + rows("svm", 0.5, [0.91, 0.92, 0.90, 0.91, 0.91], metric="balanced_accuracy", unit="")
    )
    result = decide(evidence, task="classification", rope=0.02, **SIZES)
    assert result.rung == "ridge"
    assert "`ridge` is 1.0 points worse than `svm`, inside the ±2.0 points" in result.reasons[0]
    assert decide(evidence, task="classification", **SIZES).rung == "ridge"  # 2 % of 0.75
    best = decide(evidence, task="classification", rope=0.001, **SIZES)
    assert best.reasons[0].startswith("`svm` has the highest balanced accuracy, 91.0 %")


# -- coverage --------------------------------------------------------------------------------------


def test_refuted_coverage_refuses_and_unproven_coverage_does_not():
    bad = choose(MEAN + RIDGE + rows("ebm", 0.3, [81] * 5, coverage=0.80) + TREES)
    assert bad.rung == "extra_trees"
    assert any("hold 80.0 % of 300 held-out samples, less than 85 %" in r for r in bad.reasons)
    for coverage, n in ((0.87, 300), (0.80, 10)):
        evidence = MEAN + RIDGE + rows("ebm", 0.3, [81] * 5, coverage=coverage, n=n) + TREES
        assert choose(evidence).rung == "ebm"


def test_no_rung_that_holds_its_level_is_infeasible():
    result = choose(rows("ridge", 0.1, [1, 2], coverage=0.5))
    assert (result.rung, result.status) == (None, Status.INFEASIBLE)
    assert "iceframe check" in result.remedy


# -- floors ----------------------------------------------------------------------------------------


def test_floors_come_first():
    evidence = (
        rows("ridge", 0.1, [100, 101, 99], faithfulness=0.9)
        + rows("ebm", 0.3, [80, 81, 79], faithfulness=0.8)
        + rows("gp", 0.6, [60, 61, 59], faithfulness=0.3)
    )
    assert choose(evidence).rung == "gp"
    assert choose(evidence, floors={"faithfulness": 0.6}).rung == "ebm"
    assert choose(evidence, floors={"min_transparency": 0.85}).rung == "ridge"
    assert choose(evidence, floors={"mae": 70}).rung == "gp"
    assert choose(evidence, floors={"max_error": 70}).rung == "gp"
    result = choose(evidence, floors={"faithfulness": 0.6})
    assert any(
        "`gp` has a faithfulness (floor `faithfulness`) of 0.30, below the 0.60" in r
        for r in result.reasons
    )


def test_floors_that_no_rung_meets_name_the_nearest():
    result = choose(LADDER, floors={"mae": 70})
    assert (result.rung, result.status) == (None, Status.INFEASIBLE)
    assert "`extra_trees` would with mae at 79.3 MPa instead of 70.0 MPa" in result.remedy
    assert len(result.reasons) == 4


def test_a_floor_on_what_was_not_measured_refuses_with_a_sentence():
    result = choose(LADDER, floors={"faithfulness": 0.5})
    assert result.status is Status.INFEASIBLE
    assert "`ebm` has no faithfulness" in " ".join(result.reasons)


def test_seconds_come_from_cost_evidence():
    evidence = [
        *LADDER,
        *(Evidence(r, "cost", "total_seconds", s) for r, s in
          (("mean", 1), ("ridge", 2), ("ebm", 90), ("extra_trees", 20))),
    ]  # fmt: skip
    assert choose(evidence, floors={"max_seconds": 60}).rung == "extra_trees"


def test_transparency_floor_prefers_physical_agreement():
    evidence = rows("cnn", 0.5, [1.0, 1.1], faithfulness=0.9, pf_star=0.1)
    assert choose(evidence, floors={"min_transparency": 0.5}).status is Status.INFEASIBLE


@pytest.mark.parametrize(
    ("floors", "said"),
    [
        ({"mea": 90}, "Did you mean 'mae'"),
        ({"mae": float("nan")}, "finite"),
        ({"x": 1}, "Unknown floor"),
    ],
)
def test_unknown_floors_are_refused(floors, said):
    with pytest.raises(UsageError, match=said) as caught:
        choose(LADDER, floors=floors)
    assert caught.value.exit_code == 2


def test_a_negative_rope_is_refused():
    with pytest.raises(UsageError, match="below zero"):
        choose(LADDER, rope=-1.0)


# -- physical agreement ----------------------------------------------------------------------------


def test_an_accurate_rung_that_sees_the_wrong_physics_is_refused():
    right = rows("sobolev", 0.7, [1.0, 1.1, 0.9], pf_star=(0.90, 0.91, 0.89))
    wrong = rows("cnn", 0.5, [1.0, 1.1, 0.9], pf_star=(0.30, 0.31, 0.29))
    result = choose(right + wrong, rope=0.2)
    assert result.rung == "sobolev"
    assert any("PF* 0.30 against 0.90" in reason for reason in result.reasons)


def test_accuracy_and_physics_in_different_rungs_is_infeasible():
    accurate = rows("cnn", 0.5, [1.0, 1.1, 0.9], pf_star=(0.30, 0.31, 0.29))
    physical = rows("ridge", 0.1, [9.0, 9.1, 8.9], pf_star=(0.90, 0.91, 0.89))
    result = choose(accurate + physical, rope=0.2)
    assert (result.rung, result.status) == (None, Status.INFEASIBLE)
    assert "physical sensitivities" in result.remedy


def test_a_rung_without_maps_is_not_refused_for_it():
    result = choose(
        rows("cnn", 0.5, [1.0, 1.1, 0.9], pf_star=(0.9, 0.9, 0.9))
        + rows("ridge", 0.1, [1.0, 1.1, 0.9])
    )
    assert result.rung == "ridge"


# -- sensitivity and budget ------------------------------------------------------------------------


def test_a_choice_that_hangs_on_the_weight_of_c1_oscillates():
    smooth = rows("gp", 0.45, [10, 10.1, 9.9], parts=(0.6, 0.1, 0.5))
    rough = rows("tree", 0.50, [10, 10.1, 9.9], parts=(0.2, 0.9, 0.7))
    result = choose(smooth + rough)
    assert result.status is Status.OSCILLATING
    assert result.rung == "gp"  # at equal halves
    assert "`gp` for 0.25 to 0.55; `tree` for 0.60 to 0.75" in result.remedy
    assert "`gp` and `tree`" in result.remedy


def test_an_exhausted_budget_says_how_to_go_on():
    evidence = [*LADDER, Evidence("gp", "fidelity", "mae", 70.0, folds=(70.0, 71.0))]
    result = choose(evidence, exhausted=True)
    assert (result.rung, result.status) == ("ebm", Status.BUDGET_EXHAUSTED)
    assert "--budget" in result.remedy
    assert "`gp` has a loss on 2 of 5 folds only, because the budget ran out." in result.reasons
    nothing = choose([], exhausted=True)
    assert (nothing.rung, nothing.status) == (None, Status.BUDGET_EXHAUSTED)


# -- edges -----------------------------------------------------------------------------------------


def test_one_rung_is_its_own_equilibrium():
    result = choose(RIDGE)
    assert (result.rung, result.status) == ("ridge", Status.CONVERGED)


def test_no_evidence_is_infeasible():
    result = choose([])
    assert (result.rung, result.status, result.reasons) == (
        None,
        Status.INFEASIBLE,
        ("No rung was measured.",),
    )


def test_a_failed_rung_is_refused_with_its_reason():
    failed = [Evidence("gp", "fidelity", "mae", float("nan"), note="Cholesky failed.")]
    result = choose(LADDER + failed)
    assert result.rung == "ebm"
    assert "`gp` was not measured: Cholesky failed." in result.reasons
    partly = choose(LADDER + rows("gp", 0.1, [1, 1, float("nan"), 1, 1]))
    assert "`gp` has a loss on 4 of 5 folds only." in partly.reasons


def test_two_folds_identical_losses_and_ties():
    same = rows("b", 0.3, [5.0, 5.0]) + rows("a", 0.3, [5.0, 5.0]) + rows("c", 0.1, [5.0, 5.0])
    result = choose(same, rope=0.0)
    assert result.rung == "c"
    assert choose(same[2:4] + same[:2], rope=0.0).rung == "a"


def test_one_fold_admits_the_best_alone():
    result = choose(rows("a", 0.1, [5.0]) + rows("b", 0.3, [4.9]))
    assert result.rung == "b"
    assert any("one fold cannot tell" in reason for reason in result.reasons)


def test_a_rung_of_unknown_complexity_is_tried_last():
    unknown = rows("gp", None, [79, 78.5, 81, 78, 80])
    assert choose(EBM + unknown).rung == "ebm"
    alone = choose(unknown)
    assert alone.rung == "gp"
    assert any("was not measured; it was tried last" in reason for reason in alone.reasons)


# -- laws ------------------------------------------------------------------------------------------

fold_losses = st.lists(st.floats(1, 100).map(lambda v: round(v, 2)), min_size=4, max_size=4)
complexities = st.floats(0.01, 1).map(lambda v: round(v, 3))
ladders = st.lists(st.tuples(complexities, fold_losses), min_size=1, max_size=6)


def _evidence(ladder, factor=1.0):
    return [
        row
        for i, (complexity, folds) in enumerate(ladder)
        for row in rows(f"r{i}", complexity, [factor * f for f in folds], parts=(complexity,) * 3)
    ]


@given(ladders, st.floats(0, 20), st.randoms())
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_evidence_does_not_matter(ladder, rope, random):
    evidence = _evidence(ladder)
    shuffled = random.sample(evidence, len(evidence))
    assert decide(evidence, rope=rope, **SIZES) == decide(shuffled, rope=rope, **SIZES)


@given(ladders, st.integers(0, 40), st.sampled_from([2.0**-10, 0.5, 2.0, 1024.0]))
@settings(max_examples=60, deadline=None)
def test_the_unit_of_the_loss_does_not_matter(ladder, half_points, factor):
    rope = half_points / 2
    before = decide(_evidence(ladder), rope=rope, **SIZES)
    after = decide(_evidence(ladder, factor), rope=rope * factor, **SIZES)
    assert (before.rung, before.status) == (after.rung, after.status)
    assert (
        decide(_evidence(ladder), **SIZES).rung == decide(_evidence(ladder, factor), **SIZES).rung
    )


@given(
    ladders, st.floats(0, 50), complexities, st.lists(st.floats(0.01, 5), min_size=4, max_size=4)
)
@settings(max_examples=100, deadline=None)
def test_a_dominated_rung_never_wins(ladder, rope, extra, worse):
    complexity, folds = ladder[0]
    dominated = (complexity + extra, [a + b for a, b in zip(folds, worse, strict=True)])
    evidence = _evidence([*ladder, dominated])
    assert decide(evidence, rope=rope, **SIZES).rung != f"r{len(ladder)}"


@given(ladders, st.floats(0, 50))
@settings(max_examples=60, deadline=None)
def test_something_is_always_chosen_and_everything_is_explained(ladder, rope):
    result = decide(_evidence(ladder), rope=rope, **SIZES)
    assert result.rung is not None
    for i in range(len(ladder)):
        assert any(f"`r{i}`" in reason for reason in result.reasons)


@given(ladders, st.floats(0, 20), st.floats(0, 20))
@settings(max_examples=60, deadline=None)
def test_a_wider_rope_never_asks_for_more_complexity(ladder, narrow, more):
    value = {f"r{i}": c for i, (c, _) in enumerate(ladder)}
    first = decide(_evidence(ladder), rope=narrow, **SIZES).rung
    second = decide(_evidence(ladder), rope=narrow + more, **SIZES).rung
    assert value[second] <= value[first]


def test_a_difference_of_rounding_is_not_called_worse():
    best, same = (0.1, 0.2, 0.3, 0.1, 0.3), (0.3, 0.1, 0.1 + 0.2, 0.2, 0.1)
    rows = [
        Evidence("low", "fidelity", "mae", 0.2, folds=best, better="lower"),
        Evidence("low", "complexity", "complexity", 0.6),
        Evidence("same", "fidelity", "mae", 0.2, folds=same, better="lower"),
        Evidence("same", "complexity", "complexity", 0.3),
    ]
    found = decide(rows, rope=0.01, n_train=80, n_test=20)
    said = " ".join([*found.reasons, *(str(step["why"]) for step in found.trajectory)])
    assert "e-1" not in said
    assert "as good as" in said
