"""The controller over a plant of which the truth is known: where it ends, and by which way."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np
import pytest
from plant import (
    COMPLEXITIES,
    IMAGE,
    LEVELS,
    TABLE,
    Plant,
    Search,
    Truth,
    planted,
    search,
)

from iceframe.balance.action import Verdict
from iceframe.balance.controller import changes, init, step
from iceframe.balance.goal import Goal
from iceframe.balance.record import replay, situation_as_dict, situation_from_dict
from iceframe.balance.standing import standing
from iceframe.balance.state import Outcome
from iceframe.core.ledger import canonical
from iceframe.core.values import Status

RIGHT = {
    "constant": "mean", "linear": "ridge", "additive": "ebm", "interacting": "svm", "image": "cnn",
}  # fmt: skip
TWO_PHASE = planted("image", noise=0.05) | {
    "cnn": Truth(0.02, 0.8, slope=0.1, agreement=0.3),
    "sobolev_cnn": Truth(0.01, 0.7, slope=0.04, agreement=0.88),
}
PHYSICS = {"physics": True, "generator": True}


def two_phase(**more) -> Plant:
    return Plant(TWO_PHASE, (*IMAGE, "sobolev_cnn"), n=150, **more)


def cue(**more) -> list[dict]:
    return [
        {
            "code": "nuisance-baseline", "severity": "warning", "title": "Brightness tells",
            "remedy": "", "cue": "brightness", "samples": 0, "repaired": "", **more,
        }
    ]  # fmt: skip


def reached(found: Search, action: str) -> int:
    """The position of the first such action."""
    return found.actions.index(action)


@pytest.mark.parametrize("truth", LEVELS)
def test_the_right_rung_is_chosen(truth):
    found = search(Plant(planted(truth), IMAGE))
    assert (found.chosen, found.status) == (RIGHT[truth], "CONVERGED")
    assert found.outcome.reasons


def test_every_family_is_tried_and_a_hopeless_one_once():
    found = search(Plant(planted("linear"), IMAGE))
    tried = {p.arguments["rung"] for p in found.proposals}
    assert tried == {"tree", "ebm", "svm", "extra_trees", "mlp", "cnn"}
    assert any("`gp` is not expected to help" in reason for reason in found.outcome.reasons)


def test_nothing_is_climbed_where_the_loss_is_within_the_rope_of_zero():
    perfect = planted("linear") | {"ridge": Truth(0.01, 0.2)}
    found = search(Plant(perfect, IMAGE))
    assert (found.chosen, found.proposals) == ("ridge", [])


def test_the_order_of_the_ladder_does_not_matter():
    orders = [list(IMAGE) for _ in range(4)]
    for seed, order in enumerate(orders):
        random.Random(seed).shuffle(order)
    found = [search(Plant(planted("additive"), order)) for order in orders]
    assert len({tuple(f.actions) for f in found}) == 1
    assert {f.chosen for f in found} == {"ebm"}


def test_the_order_of_the_evidence_does_not_matter():
    plant = two_phase(options=PHYSICS, start=("mean", "ridge", "svm", "cnn", "ebm"))
    situation, goal = plant.situation(), Goal(floors={"pf_star": 0.85})
    shuffled = list(situation.evidence)
    random.Random(1).shuffle(shuffled)
    other = replace(situation, evidence=tuple(shuffled), ladder=situation.ladder[::-1])
    (_, one), (_, two) = step(init(goal), situation), step(init(goal), other)
    assert one == two


def test_the_first_thing_measured_is_the_mean():
    found = search(Plant(planted("linear"), TABLE, start=()))
    assert found.proposals[0].arguments == {"rung": "mean", "variant": ""}
    assert found.chosen == "ridge"


def test_teaching_meets_floors_that_climbing_does_not():
    goal = Goal(floors={"pf_star": 0.85})
    assert search(two_phase(options=PHYSICS), goal).chosen == "sobolev_cnn"
    alone = search(two_phase(options=PHYSICS), replace(goal, forbidden=("supervise",)))
    assert (alone.chosen, alone.status) == (None, "INFEASIBLE")
    assert "supervise" not in alone.actions


def test_two_floors_need_teaching_and_then_more_samples_for_what_was_taught():
    goal = Goal(floors={"max_error": 0.03, "pf_star": 0.85})
    found = search(two_phase(options=PHYSICS), goal)
    assert found.chosen is not None
    assert found.chosen.startswith("sobolev_cnn @ simulated")
    assert found.status == "CONVERGED"
    assert reached(found, "supervise") < reached(found, "simulate")
    samples = [p.arguments for p in found.proposals if p.action == "simulate"]
    assert [(s["rung"], s["samples"]) for s in samples] == [
        ("sobolev_cnn", 120), ("sobolev_cnn", 240),
    ]  # fmt: skip


def test_without_physics_nothing_is_taught_or_simulated():
    found = search(two_phase(), Goal(floors={"pf_star": 0.85}))
    assert not {"supervise", "simulate"} & set(found.actions)


def test_a_harmful_action_is_rejected_and_stays_in_the_record():
    found = search(Plant(planted("linear"), TABLE))
    rejected = [s for s in found.states[-1].steps if not s.verdict.kept]
    assert {c for s in rejected for c in s.candidates} == {
        "tree",
        "ebm",
        "svm",
        "extra_trees",
        "mlp",
    }
    assert all(s.leader == "ridge" for s in rejected)
    svm = next(s for s in rejected if s.candidates == ("svm",))
    assert svm.verdict.changes["fidelity"] < -0.1
    assert svm.verdict.changes["complexity"] < -1
    assert "worse than `ridge`" in svm.verdict.why


def test_more_samples_that_bring_nothing_are_rejected():
    flat = TWO_PHASE | {"sobolev_cnn": Truth(0.045, 0.7, agreement=0.88)}
    plant = Plant(flat, (*IMAGE, "sobolev_cnn"), n=150, options=PHYSICS)
    found = search(plant, Goal(floors={"max_error": 0.03, "pf_star": 0.85}))
    assert (found.chosen, found.status) == (None, "INFEASIBLE")
    assert found.outcome.nearest.startswith("sobolev_cnn")
    assert found.actions.count("simulate") < 10


def test_a_failing_rung_is_noted_and_passed_over():
    broken = planted("image") | {"svm": Truth(0.5, 0.5, fails=True)}
    found = search(Plant(broken, IMAGE))
    failed = next(s for s in found.states[-1].steps if s.candidates == ("svm",))
    assert failed.verdict == Verdict(False, "`svm` failed: it does not fit.")
    assert found.chosen == "cnn"
    assert "gp" in [p.arguments["rung"] for p in found.proposals]  # the next of its family


def test_an_action_that_measures_nothing_is_not_proposed_again():
    class Deaf(Plant):
        def perform(self, proposal, number):
            if proposal.arguments["rung"] != "svm":
                super().perform(proposal, number)

    found = search(Deaf(planted("interacting"), TABLE))
    svm = next(s for s in found.states[-1].steps if s.proposal and not s.candidates)
    assert "could not be carried out" in svm.verdict.why
    assert [p.arguments["rung"] for p in found.proposals].count("svm") == 1
    assert found.chosen == "gp"


# -- the data ----------------------------------------------------------------------------------

FLATTERED = dict.fromkeys(("tree", "ebm", "svm", "gp", "extra_trees", "mlp"), 0.7)


def test_a_cue_is_neutralised_before_models_are_tried_and_only_honest_numbers_count():
    found = search(Plant(planted("linear"), TABLE, findings=cue(), flattery=FLATTERED))
    assert found.actions[0] == "neutralise"
    assert found.chosen == "ridge @ mended 1"
    after = {p.arguments["variant"] for p in found.proposals[1:]}
    assert after == {"mended 1"}
    forbidden = search(
        Plant(planted("linear"), TABLE, findings=cue(), flattery=FLATTERED),
        Goal(forbidden=("neutralise",)),
    )
    assert forbidden.chosen in FLATTERED  # what a cue does, left where it is


def test_neutralising_is_kept_although_the_loss_is_higher():
    plant = Plant(
        planted("linear"), TABLE, start=("mean", "svm"), findings=cue(), flattery=FLATTERED
    )
    found = search(plant)
    first = found.states[1].steps[-1]
    assert first.proposal is not None
    assert (first.proposal.action, first.verdict.kept) == ("neutralise", True)
    assert first.verdict.changes["fidelity"] < -1
    assert found.chosen == "ridge @ mended 1"


@pytest.mark.parametrize(("severity", "kept"), [("error", True), ("warning", False)])
def test_a_repair_that_costs_is_kept_only_where_the_results_were_wrong(severity, kept):
    finding = cue(code="conflicting-duplicates", severity=severity, cue="", samples=7)
    plant = Plant(
        planted("linear"), TABLE, start=("mean", "svm"), findings=finding, flattery=FLATTERED
    )
    found = search(plant)
    assert found.actions[0] == "repair"
    assert found.states[1].steps[-1].verdict.kept is kept
    assert (found.states[-1].root == "mended 1") is kept


def test_a_floor_that_is_missed_comes_before_the_data_and_these_before_models():
    def first(goal: Goal) -> str:
        wrong = cue(code="conflicting-duplicates", severity="error", cue="", samples=7)
        plant = two_phase(start=("mean", "ridge", "cnn"), options=PHYSICS, findings=wrong)
        return step(init(goal), plant.situation())[1].action

    assert first(Goal()) == "repair"
    assert first(Goal(floors={"max_error": 2.0})) == "repair"  # met
    assert first(Goal(floors={"pf_star": 0.85})) in ("climb", "supervise")


@pytest.mark.parametrize(("axis", "action"), [("transparency", "supervise"), ("fidelity", "climb")])
def test_the_first_axis_goes_first(axis, action):
    """At equal prospects: teaching serves transparency, climbing does not."""
    others = [a for a in ("fidelity", "transparency", "complexity") if a != axis]
    plant = two_phase(start=("mean", "ridge", "cnn"), options=PHYSICS)
    _, said = step(init(Goal(priorities=(axis, *others))), plant.situation())
    assert said.action == action


def test_what_is_no_fault_is_not_repaired():
    for change in ({"severity": "note"}, {"samples": 0}, {"code": "target-outliers"}):
        finding = cue(**{"code": "conflicting-duplicates", "cue": "", "samples": 7, **change})
        assert "repair" not in search(Plant(planted("linear"), TABLE, findings=finding)).actions


def test_a_repair_that_cannot_be_done_is_asked_for_once():
    class Deaf(Plant):
        def perform(self, proposal, number):
            if proposal.action != "repair":
                super().perform(proposal, number)

    finding = cue(code="conflicting-duplicates", severity="error", cue="", samples=7)
    found = search(Deaf(planted("image"), IMAGE, findings=finding))
    assert found.actions.count("repair") == 1
    assert found.chosen == "cnn"


def test_a_simpler_rung_is_measured_where_more_data_made_it_good_enough():
    learns = planted("image") | {
        "cnn": Truth(0.25, 0.8, slope=0.08),
        "svm": Truth(0.0, 0.5, slope=0.343, power=0.122),
    }
    plant = Plant(learns, IMAGE, n=120, start=("mean", "ridge", "svm", "cnn"), noise=0.02)
    plant.variants["simulated 900"] = {"n": 1000, "by": "simulate"}
    plant.measure("cnn", "simulated 900", 0)
    found = search(plant)
    assert found.states[0].leader == "cnn @ simulated 900"
    below = [p.arguments for p in found.proposals if p.action == "descend"]
    assert {"rung": "svm", "variant": "simulated 900"} in below
    assert found.chosen == "svm @ simulated 900"
    assert {"rung": "ridge", "variant": "simulated 900"} not in below  # hopeless already


# -- endings -----------------------------------------------------------------------------------


def test_a_budget_ends_the_search_and_says_what_is_left():
    plant = Plant(planted("image"), IMAGE)
    found = search(plant, Goal(seconds=20))
    assert (found.chosen, found.status) == ("svm", "BUDGET_EXHAUSTED")
    assert plant.elapsed <= 20
    assert "cnn" in found.outcome.equilibrium.remedy
    assert "--budget" in found.outcome.equilibrium.remedy


def test_no_action_starts_after_the_budget():
    plant = Plant(planted("image"), IMAGE)
    situation = replace(plant.situation(), elapsed=100.0)
    _, said = step(init(Goal(seconds=50)), situation)
    assert isinstance(said, Outcome)
    assert said.equilibrium.status is Status.BUDGET_EXHAUSTED


def test_floors_that_are_met_in_every_fold_need_no_more_budget():
    plant = Plant(planted("image"), IMAGE)
    met = search(plant, Goal(seconds=20, floors={"max_error": 0.8}))
    assert (met.chosen, met.status) == ("svm", "CONVERGED")
    assert any("not needed" in reason for reason in met.outcome.reasons)
    barely = float(max(next(e for e in plant.evidence if e.rung == "svm").folds)) - 1e-6
    again = search(Plant(planted("image"), IMAGE), Goal(seconds=20, floors={"max_error": barely}))
    assert again.status == "BUDGET_EXHAUSTED"


@pytest.mark.parametrize("most", [1, 3])
def test_the_number_of_actions_is_bounded(most):
    found = search(Plant(planted("image"), IMAGE), Goal(most_actions=most))
    assert len(found.proposals) == most
    assert found.status == "BUDGET_EXHAUSTED"
    assert f"{most} actions were taken" in found.outcome.equilibrium.remedy


def test_what_cannot_be_met_names_the_nearest_and_how_many_samples_would_help():
    found = search(Plant(planted("linear"), TABLE), Goal(floors={"max_error": 0.2}))
    assert (found.chosen, found.status) == (None, "INFEASIBLE")
    assert found.outcome.nearest == "ridge"
    assert "`ridge` would with max_error at 0.3" in found.outcome.equilibrium.remedy
    (ask,) = found.outcome.asks
    assert ask.by_user
    expected = 240 * ((found_loss(found, "ridge") / 0.2) ** 2 - 1)  # n^-1/2 is taken
    assert ask.arguments["samples"] == pytest.approx(expected, abs=1.01)
    assert str(ask.arguments["samples"]) in found.outcome.equilibrium.remedy
    assert {p.arguments["rung"] for p in found.proposals} == set(TABLE) - {"mean", "ridge"}


def test_what_budget_and_physics_would_bring_is_said_where_floors_are_missed():
    plant = Plant(planted("image"), IMAGE)
    short = search(plant, Goal(seconds=20, floors={"max_error": 0.1})).outcome
    assert short.equilibrium.status is Status.BUDGET_EXHAUSTED
    assert f"`{short.nearest}` is the nearest to the floors" in short.equilibrium.remedy
    lawless = search(two_phase(), Goal(floors={"pf_star": 0.85})).outcome
    assert "a network can be taught" in lawless.equilibrium.remedy


def found_loss(found: Search, name: str) -> float:
    last = [body for kind, body in found.records if kind == "situation"]
    rows = [row for body in last for row in body["evidence"]]
    return next(r["value"] for r in rows if r["rung"] == name and r["metric"] == "mae")


def test_a_choice_that_hangs_on_the_weight_of_c1_is_oscillating():
    plant = Plant(planted("linear"), TABLE, start=("mean", "svm", "tree"))
    plant.truth = plant.truth | {"svm": Truth(0.3, 0.5), "tree": Truth(0.3, 0.5)}
    plant.__post_init__()
    parts = {"svm": (0.6, 0.3, 0.3), "tree": (0.3, 0.7, 0.7)}
    rows = []
    for row in plant.evidence:
        if row.rung in parts and row.axis == "complexity":
            c1, c2, c3 = parts[row.rung]
            whole = 0.5 * c1 + 0.25 * (c2 + c3)
            row = replace(row, value={"c1": c1, "c2": c2, "c3": c3}.get(row.metric, whole))
        rows.append(row)
    forbidden = ("climb",)
    _, said = step(
        init(Goal(forbidden=forbidden)), replace(plant.situation(), evidence=tuple(rows))
    )
    assert isinstance(said, Outcome)
    assert said.equilibrium.status is Status.OSCILLATING
    assert "`svm`" in said.equilibrium.remedy
    assert "`tree`" in said.equilibrium.remedy


def test_a_choice_that_comes_back_is_a_cycle():
    """Evidence that changes under the search, so that every action undoes the last."""

    class Fickle(Plant):
        def situation(self):
            found = super().situation()
            flip = len(self.measured) % 2
            scale = {"mean": 1.0, "ridge": 0.5 if flip else 0.9, "svm": 0.9 if flip else 0.4}
            rows = [
                replace(e, value=e.value * (s := scale.get(e.rung, 1.5)),
                        folds=tuple(f * s for f in e.folds))
                if e.metric == "mae" else e
                for e in found.evidence
            ]  # fmt: skip
            return replace(found, evidence=tuple(rows))

    found = search(Fickle(planted("constant"), TABLE, start=("mean", "ridge", "svm")))
    assert found.status == "OSCILLATING"
    choices = found.states[-1].choices
    assert choices[0] == choices[2] != choices[1]
    assert "went round" in found.outcome.equilibrium.remedy
    assert "climb" in found.outcome.equilibrium.remedy
    assert len(found.proposals) < 4


# -- record ------------------------------------------------------------------------------------


def test_a_search_goes_on_from_situations_that_went_through_json():
    plant = two_phase(options=PHYSICS)
    goal = Goal(floors={"max_error": 0.03, "pf_star": 0.85}, seconds=9000.0)
    straight = search(two_phase(options=PHYSICS), goal)
    state = init(goal)
    for number in range(1, 40):
        situation = situation_from_dict(json.loads(canonical(situation_as_dict(plant.situation()))))
        state, said = step(state, situation)
        if isinstance(said, Outcome):
            break
        plant.perform(said, number)
    assert state == straight.states[-1]
    assert json.dumps(said.as_dict()) == json.dumps(straight.outcome.as_dict())


def test_a_situation_with_what_is_not_finite_round_trips():
    plant = Plant(planted("linear"), TABLE)
    plant._add("ridge", "fidelity", "interval_score_90", float("inf"), (float("nan"),), "lower")
    situation = plant.situation()
    again = situation_from_dict(situation_as_dict(situation))
    assert canonical(situation_as_dict(again)) == canonical(situation_as_dict(situation))
    assert np.isinf(again.evidence[-1].value)
    assert again.candidates == situation.candidates
    assert again.ladder == situation.ladder


def test_every_decision_is_replayed_bit_for_bit():
    goal = Goal(floors={"max_error": 0.03, "pf_star": 0.85})
    found = search(two_phase(options=PHYSICS), goal)
    assert replay(found.records) == []
    noted = [*found.records]
    noted.insert(3, ("performed", {"seconds": 3.0}))
    assert replay(noted) == []


@pytest.mark.parametrize("kind", ["verdict", "proposal", "outcome"])
def test_a_decision_that_was_recorded_otherwise_is_found(kind):
    records = search(Plant(planted("linear"), TABLE)).records
    last = max(i for i, (k, _) in enumerate(records) if k == kind)
    body = dict(records[last][1])
    if kind == "verdict":
        body["leader"] = "svm"
    elif kind == "proposal":
        body["seconds"] = np.nextafter(body["seconds"], 1e9)
    else:
        body["equilibrium"] = {**body["equilibrium"], "rung": "svm"}
    (found,) = replay([*records[:last], (kind, body), *records[last + 1 :]])
    assert f"entry {last + 1} ({kind})" in found


def test_a_changed_situation_changes_what_is_decided():
    records = search(Plant(planted("linear"), TABLE)).records
    first = next(i for i, (kind, _) in enumerate(records) if kind == "situation")
    body = dict(records[first][1])
    body["elapsed"] = 1e9
    changed = [("goal", {**records[0][1], "seconds": 10.0}), ("situation", body), *records[2:]]
    assert replay(changed)


def test_records_without_a_goal_or_a_decision_are_faulted():
    records = search(Plant(planted("constant"), TABLE)).records
    assert "no goal stands before it" in replay(records[1:])[0]
    assert "no decision is due" in replay([*records, records[-1]])[0]
    assert replay(records[:-1]) == ["the end: outcome is missing"]
    last = max(i for i, (kind, _) in enumerate(records) if kind == "proposal")
    (found,) = replay([*records[:last], *records[last + 1 :]])
    assert found == f"entry {last + 1} (situation): proposal is missing before it"


def test_evidence_is_written_once():
    found = search(Plant(planted("linear"), TABLE))
    situations = [body for kind, body in found.records if kind == "situation"]
    known = [body["evidence_from"] for body in situations]
    written = [len(body["evidence"]) for body in situations]
    assert known == [sum(written[:i]) for i in range(len(situations))]


def test_every_rung_of_the_plant_has_a_complexity():
    assert set(COMPLEXITIES) >= set(TABLE)


def test_next_to_full_transparency_no_share_of_what_is_missing_is_told():
    plant = Plant(planted("linear"), TABLE, start=("mean", "ridge", "svm"))
    for row in [e for e in plant.evidence if e.metric == "faithfulness"]:
        plant.evidence.remove(row)
    for name, value in (("ridge", 1.0 - 1e-12), ("svm", 0.9)):
        plant._add(name, "transparency", "faithfulness", value, (), "higher")
    now = standing(plant.situation(), "ridge", Goal())
    ridge, svm = now.candidates["ridge"], now.candidates["svm"]
    assert "transparency" not in changes(ridge, svm, now)
    assert changes(svm, ridge, now)["transparency"] == pytest.approx(1.0)
