"""Which candidates count: the burden of proof is on the more complex one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from plant import FACTS

from iceframe.balance.candidates import gather
from iceframe.balance.goal import Goal
from iceframe.balance.keeping import (
    SHOWN,
    better,
    choose,
    decided,
    in_scope,
    probability_better,
    rope_of,
)
from iceframe.balance.situation import Measured, Situation
from iceframe.core.values import Evidence

MEAN = ("mean", "", 0.0, [1.0, 1.02, 0.98, 1.01, 0.99])
RIDGE = ("ridge", "", 0.2, [0.50, 0.52, 0.48, 0.51, 0.49])


def situation(*rows, **more) -> Situation:
    """A situation from (rung, variant, complexity, fold losses, PF* folds if any)."""
    evidence, candidates, variants = [], {}, {"": {"n": 100, "by": ""}}
    for step, (rung, variant, complexity, folds, *maps) in enumerate(rows):
        name = f"{rung} @ {variant}" if variant else rung
        candidates[name] = Measured(rung, variant, step, 1.0)
        variants.setdefault(variant, {"n": 200, "by": "simulate"})
        evidence.append(
            Evidence(name, "fidelity", "mae", float(np.mean(folds)), folds=tuple(folds),
                     better="lower", n=100)
        )  # fmt: skip
        evidence.append(Evidence(name, "complexity", "complexity", complexity))
        for values in maps:
            evidence.append(
                Evidence(name, "transparency", "pf_star", float(np.mean(values)),
                         folds=tuple(values), better="higher")
            )  # fmt: skip
    given = {"candidates": candidates, "evidence": tuple(evidence), "variants": variants, **more}
    return Situation("regression", "mae", 100, 80.0, 20.0, tuple(FACTS.values()), **given)


def pair(held: Situation, one: str, other: str):
    found = {c.name: c for c in gather(held.evidence, held.loss)}
    return found[one], found[other], rope_of(list(found.values()), held)


def test_in_doubt_the_simpler_one_where_the_decision_alone_takes_the_more_complex():
    lucky = ("svm", "", 0.5, [0.35, 0.65, 0.33, 0.66, 0.39])  # 0.024 better, by chance
    held = situation(MEAN, RIDGE, lucky)
    one, other, rope = pair(held, "svm", "ridge")
    assert other.loss - one.loss > rope
    assert probability_better(one, other, held) < SHOWN
    assert decided(held.evidence, held, Goal()).rung == "svm"
    found = choose(held, Goal())
    assert found.leader == "ridge"
    assert "not shown to be better" in found.rejected["svm"]


def test_an_escalation_that_is_shown_to_pay_is_made():
    held = situation(MEAN, RIDGE, ("svm", "", 0.5, [0.44, 0.47, 0.42, 0.46, 0.43]))
    found = choose(held, Goal())
    assert found.leader == "svm"
    assert found.rejected == {}


def test_a_difference_that_does_not_matter_is_no_reason_to_climb():
    sure = ("svm", "", 0.5, [v - 0.015 for v in RIDGE[3]])  # in every fold, inside the ROPE of 0.02
    held = situation(MEAN, RIDGE, sure)
    one, other, rope = pair(held, "svm", "ridge")
    assert probability_better(one, other, held) == 1.0
    assert not better(one, other, rope, held)
    assert choose(held, Goal()).leader == "ridge"
    precise = replace(held, rope=0.005)
    assert choose(precise, Goal()).leader == "svm"


def test_the_simplest_that_nothing_beats_and_not_merely_the_simplest():
    """Where the best of many beats the first rung, what lies between is asked first."""
    between = ("ebm", "", 0.4, [0.43, 0.50, 0.40, 0.49, 0.42])
    best = ("svm", "", 0.5, [0.42, 0.45, 0.43, 0.46, 0.41])
    held = situation(MEAN, RIDGE, between, best)
    one, other, rope = pair(held, "svm", "ridge")
    assert better(one, other, rope, held)
    one, other, rope = pair(held, "svm", "ebm")
    assert not better(one, other, rope, held)
    found = choose(held, Goal())
    assert found.leader == "ebm"
    assert found.rejected == {}


def test_changed_data_that_bring_nothing_are_left():
    """Although the candidate on them came out a little simpler, and a little better."""
    more = ("ridge", "simulated 1", 0.19, [v - 0.01 for v in RIDGE[3]])
    found = choose(situation(MEAN, RIDGE, more), Goal())
    assert found.leader == "ridge"
    assert "not measurably better than `ridge`" in found.rejected["ridge @ simulated 1"]
    much = ("ridge", "simulated 1", 0.21, [v - 0.1 for v in RIDGE[3]])
    assert choose(situation(MEAN, RIDGE, much), Goal()).leader == "ridge @ simulated 1"


def test_better_maps_are_a_reason_to_climb():
    plain = ("cnn", "", 0.5, [0.30, 0.31, 0.29, 0.30, 0.30], [0.30, 0.32, 0.28, 0.31, 0.29])
    taught = ("sobolev_cnn", "", 0.6, [0.30, 0.31, 0.29, 0.30, 0.30], [0.9, 0.88, 0.92, 0.9, 0.9])
    assert choose(situation(MEAN, plain, taught), Goal()).leader == "sobolev_cnn"
    alike = (*taught[:4], [v + 0.03 for v in plain[4]])
    assert choose(situation(MEAN, plain, alike), Goal()).leader == "cnn"


def test_one_fold_tells_which_is_better_and_no_more():
    held = situation(("mean", "", 0.0, [1.0]), ("ridge", "", 0.2, [0.5]), ("svm", "", 0.5, [0.6]))
    assert choose(held, Goal()).leader == "ridge"


def test_equal_folds_are_no_improvement():
    held = situation(MEAN, RIDGE, ("svm", "", 0.5, RIDGE[3]))
    one, other, _ = pair(held, "svm", "ridge")
    assert probability_better(one, other, held) == 0.0
    assert choose(held, Goal()).leader == "ridge"


def test_what_may_not_be_chosen_beats_nothing():
    cheat = ("svm", "", 0.1, [0.1, 0.12, 0.09, 0.1, 0.11])
    held = situation(MEAN, RIDGE, cheat)
    low = Evidence("svm", "fidelity", "coverage_90", 0.4, n=200)
    held = replace(held, evidence=(*held.evidence, low))
    assert choose(held, Goal()).leader == "ridge"
    torn = replace(held, evidence=(*held.evidence[:4], replace(held.evidence[4], folds=(0.1, 0.1))))
    assert choose(torn, Goal()).leader == "ridge"


def test_out_of_scope_only_complexity_and_the_mean_stay():
    honest = ("ridge", "mended 1", 0.2, [0.7, 0.72, 0.69, 0.7, 0.71])
    held = in_scope(situation(MEAN, RIDGE, honest), ["mended 1"])
    found = choose(held, Goal())
    assert found.leader == "ridge @ mended 1"
    rows = {(e.rung, e.metric) for e in held.evidence}
    assert ("ridge", "mae") not in rows
    assert {("ridge", "complexity"), ("mean", "mae")} <= rows


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_unit_of_the_loss_does_not_matter(scale):
    rows = (MEAN, RIDGE, ("ebm", "", 0.4, [0.43, 0.50, 0.40, 0.49, 0.42]),
            ("svm", "", 0.5, [0.42, 0.45, 0.43, 0.46, 0.41]))  # fmt: skip
    scaled = [(r, v, c, [scale * f for f in folds]) for r, v, c, folds in rows]
    assert choose(situation(*scaled), Goal()).leader == "ebm"


def test_accuracies_are_compared_as_errors():
    rows = [(r, v, c, [1 - f / 2 for f in folds]) for r, v, c, folds in
            (MEAN, RIDGE, ("svm", "", 0.5, [0.44, 0.47, 0.42, 0.46, 0.43]))]  # fmt: skip
    held = situation(*rows)
    evidence = tuple(
        replace(e, metric="balanced_accuracy", better="higher") if e.metric == "mae" else e
        for e in held.evidence
    )
    held = replace(held, evidence=evidence, task="classification", loss="balanced_accuracy")
    assert choose(held, Goal()).leader == "svm"
