"""The actions: a contract that all keep, and what each proposes where."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from plant import IMAGE, TABLE, Plant, Truth, planted

from iceframe.balance.action import ACTIONS
from iceframe.balance.actions.ask import MOST_GROWTH
from iceframe.balance.families import family_of
from iceframe.balance.goal import AXES, Goal
from iceframe.balance.keeping import choose
from iceframe.balance.situation import RungFacts
from iceframe.balance.standing import standing

ARGUMENTS = {
    "climb": {"rung", "variant"},
    "descend": {"rung", "variant"},
    "supervise": {"rung", "variant"},
    "pretrain": {"rung", "variant"},
    "distil": {"teacher", "student", "variant"},
    "neutralise": {"finding", "cue", "rung", "variant"},
    "repair": {"finding", "rung", "variant"},
    "simulate": {"samples", "rung", "variant"},
    "ask": {"samples", "rung", "variant"},
}
LADDER = (*IMAGE, "sobolev_cnn", "micrographs_probe", "distilled_ebm")
TRUTH = planted("image") | {
    "cnn": Truth(0.05, 0.8, slope=0.2, agreement=0.3),
    "sobolev_cnn": Truth(0.05, 0.7, slope=0.1, agreement=0.9),
    "micrographs_probe": Truth(0.3, 0.5),
    "distilled_ebm": Truth(0.2, 0.4),
}
FINDING = {
    "code": "duplicates-across-folds", "severity": "error", "title": "Copies in training: 12",
    "remedy": "", "cue": "", "samples": 12, "repaired": "",
}  # fmt: skip
CUE = {**FINDING, "code": "nuisance", "severity": "warning", "cue": "brightness", "samples": 0}


def plant(**more) -> Plant:
    given = {
        "start": ("mean", "ridge", "ebm", "svm", "cnn"),
        "options": {"physics": True, "generator": True, "unlabelled": 100},
        "findings": [FINDING, CUE],
        **more,
    }
    return Plant(TRUTH, LADDER, **given)


def proposals(action: str, from_plant: Plant, goal: Goal | None = None):
    goal = goal or Goal()
    situation = from_plant.situation()
    equilibrium = choose(situation, goal).equilibrium
    return list(ACTIONS[action]().propose(situation, equilibrium, goal))


@pytest.mark.parametrize("name", ACTIONS.names())
def test_every_action_keeps_the_contract(name):
    action = ACTIONS[name]
    assert action.name == name
    assert action.title and action.summary.endswith(".") and action.reference  # noqa: PT018
    assert any(axis in action.summary for axis in AXES)
    for goal in (Goal(), Goal(floors={"max_error": 1e-3, "pf_star": 0.99})):
        found = proposals(name, plant(), goal)
        assert found == proposals(name, plant(), goal)
        for proposal in found:
            assert proposal.action == name
            assert set(proposal.arguments) == ARGUMENTS[name]
            assert json.loads(json.dumps(proposal.as_dict(), allow_nan=False)) == proposal.as_dict()
            assert set(proposal.gains) <= set(AXES)
            assert all(0 <= share <= 1 for share in proposal.gains.values())
            assert proposal.seconds >= 0
            assert proposal.why.endswith(".")
            assert proposal.by_user is (name == "ask")


@pytest.mark.parametrize("name", sorted(set(ACTIONS.names()) - {"climb"}))
def test_nothing_but_climbing_starts_from_nothing(name):
    assert proposals(name, plant(start=())) == []


def test_some_proposal_of_every_action_was_checked():
    more = plant(start=("mean", "ridge", "ebm", "svm", "gp", "extra_trees", "mlp", "tree", "cnn",
                        "sobolev_cnn", "micrographs_probe"))  # fmt: skip
    floors = Goal(floors={"max_error": 1e-3})
    found = {n for n in ACTIONS.names() for p in (plant(), more) if proposals(n, p, floors)}
    assert found >= set(ARGUMENTS) - {"descend"}  # that needs changed data; see below


def test_climbing_offers_the_next_rung_of_every_family():
    found = [p.arguments["rung"] for p in proposals("climb", plant())]
    assert sorted(found) == ["extra_trees", "gp", "mlp", "tree"]


def test_teaching_waits_for_the_untaught_network():
    assert proposals("supervise", plant(start=("mean", "ridge"))) == []
    (found,) = proposals("supervise", plant())
    assert found.arguments == {"rung": "sobolev_cnn", "variant": ""}
    assert found.gains["transparency"] == 0.5
    assert "the maps of `cnn` agree to 0.29 of 1" in found.why
    no_law = plant(options={"physics": False})
    assert proposals("supervise", no_law) == []
    taught = plant(options={"physics": False, "sensitivities": 300})
    assert len(proposals("supervise", taught)) == 1


def test_distilling_needs_inputs_a_better_teacher_and_the_direct_glass_box():
    (found,) = proposals("distil", plant())
    assert found.arguments == {"teacher": "cnn", "student": "distilled_ebm", "variant": ""}
    # What would be left of the difference matters: the gains count little, unless a floor asks.
    held = {e.rung: e.value for e in plant().evidence if e.metric == "mae"}
    left = (held["ebm"] - held["cnn"]) / 2
    assert found.gains["transparency"] == pytest.approx(0.02 * held["mean"] / left)
    (asked,) = proposals("distil", plant(), Goal(floors={"min_transparency": 0.9}))
    assert asked.gains["transparency"] == 1.0
    assert asked.gains["complexity"] == pytest.approx(0.5, abs=0.02)
    near = plant(start=("mean", "ridge", "ebm", "cnn", "distilled_ebm"))
    assert proposals("distil", near) == []  # once
    assert proposals("distil", plant(options={"physics": True})) == []  # no inputs to label
    assert proposals("distil", plant(start=("mean", "ridge", "cnn"))) == []
    no_better = Plant(planted("linear"), LADDER, start=("mean", "ebm", "gp"))
    no_better.options = {"unlabelled": 100}
    assert proposals("distil", no_better) == []


def test_mending_names_the_finding_and_measures_the_leader():
    (found,) = proposals("repair", plant())
    assert found.arguments == {
        "finding": "duplicates-across-folds", "rung": "cnn", "variant": "",
    }  # fmt: skip
    (found,) = proposals("neutralise", plant())
    assert found.arguments["cue"] == "brightness"
    done = plant(findings=[{**FINDING, "repaired": "x"}, {**CUE, "repaired": "y"}])
    assert proposals("repair", done) == proposals("neutralise", done) == []


def everything() -> tuple[str, ...]:
    return tuple(r for r in LADDER if r != "distilled_ebm")


def test_simulating_waits_for_every_family_and_for_a_need():
    floors = Goal(floors={"max_error": 0.01})
    assert proposals("simulate", plant(), floors) == []  # trees, networks, … were not measured
    known = plant(start=everything(), n=250)
    (found,) = proposals("simulate", known, floors)
    assert found.arguments == {"samples": 200, "rung": "sobolev_cnn", "variant": ""}
    assert found.gains["fidelity"] == pytest.approx(1 - 2**-0.5)
    assert proposals("simulate", known, Goal()) == []  # nothing is missed, nothing is in doubt
    no_recipe = plant(start=everything(), options={"physics": True})
    assert proposals("simulate", no_recipe, floors) == []


def test_transparency_is_what_a_floor_names():
    known = Plant(planted("linear"), TABLE)
    for metric, value in (("gradient_agreement", 0.2), ("faithfulness", 0.8)):
        known._add("ridge", "transparency", metric, value, (), "higher")
    for floors, told in (({}, 0.2), ({"faithfulness": 0.5}, 0.8), ({"min_transparency": 0.5}, 0.8)):
        now = standing(known.situation(), "ridge", Goal(floors=floors))
        assert now.transparency(now.candidates["ridge"]) == told


def test_more_samples_are_not_made_for_a_model_that_is_too_slow():
    known = plant(start=everything(), n=250)
    for rung in everything():
        known._add(rung, "cost", "total_seconds", 100.0, (), "lower")
    slow = Goal(floors={"max_seconds": 50.0})
    assert proposals("simulate", known, slow) == []
    both = Goal(floors={"max_seconds": 50.0, "max_error": 0.01})
    (found,) = proposals("simulate", known, both)
    assert set(found.gains) == {"fidelity"}


def test_of_data_of_one_size_the_last_tell_how_the_loss_falls():
    known = plant(start=everything(), n=250, noise=0.0)
    for name, n in (("simulated 1", 450), ("simulated 2", 850), ("simulated 3", 850)):
        known.variants[name] = {"n": n, "by": "simulate"}
        known.measure("sobolev_cnn", name, 1)
    (found,) = proposals("simulate", known, Goal(floors={"max_error": 0.01}))
    before, after = 0.05 + 0.1 * 4**-0.5, 0.05 + 0.1 * 8**-0.5
    assert found.gains["fidelity"] == pytest.approx(1 - after / before)


def test_what_a_doubling_brought_foretells_the_next():
    known = plant(start=everything(), n=250, noise=0.0)
    known.variants["simulated 1"] = {"n": 450, "by": "simulate"}
    known.measure("sobolev_cnn", "simulated 1", 1)
    (found,) = proposals("simulate", known, Goal(floors={"max_error": 0.01}))
    before, after = 0.05 + 0.1 * 2**-0.5, 0.05 + 0.1 * 4**-0.5
    assert found.arguments["samples"] == 400
    assert found.gains["fidelity"] == pytest.approx(1 - after / before)


def test_what_may_be_better_is_fed_where_the_folds_cannot_tell():
    truth = planted("additive") | {"svm": Truth(0.27, 0.5), "ebm": Truth(0.3, 0.4)}
    doubtful = Plant(truth, TABLE, start=TABLE, options={"physics": True, "generator": True})
    for row in [e for e in doubtful.evidence if e.rung == "svm" and e.metric == "mae"]:
        doubtful.evidence.remove(row)
        folds = tuple(0.27 + d for d in (-0.26, 0.26, -0.26, 0.26, 0.0))
        doubtful._add("svm", "fidelity", "mae", 0.27, folds, "lower")
    assert choose(doubtful.situation(), Goal()).leader == "ebm"
    (found,) = proposals("simulate", doubtful)
    assert found.arguments["rung"] == "svm"
    assert "cannot tell" in found.why
    doubtful.variants["simulated 1"] = {"n": 540, "by": "simulate"}
    assert proposals("simulate", doubtful) == []  # once


@pytest.mark.parametrize(
    ("floors", "growth"),
    [({"max_error": 0.15}, 4.0), ({"mae": 0.1}, 9.0), ({"max_error": 1e-4}, MOST_GROWTH)],
)
def test_as_many_samples_are_asked_for_as_the_power_law_needs(floors, growth):
    known = Plant(planted("linear"), TABLE, noise=0.0)
    (found,) = proposals("ask", known, Goal(floors=floors))
    assert found.arguments == {
        "samples": round(240 * (growth - 1)), "rung": "ridge", "variant": "",
    }  # fmt: skip


def test_squares_of_errors_fall_twice_as_fast():
    known = Plant(planted("linear"), TABLE, noise=0.0)
    for rung, r2 in (("mean", 0.0), ("ridge", 0.84)):
        known._add(rung, "fidelity", "r2", r2, (), "higher")
    (found,) = proposals("ask", known, Goal(floors={"r2": 0.96}))
    assert found.arguments["samples"] == 240 * 3


def test_no_number_of_samples_is_named_for_what_samples_do_not_mend():
    assert proposals("ask", plant(), Goal(floors={"pf_star": 0.9})) == []
    assert proposals("ask", plant(), Goal(floors={"complexity": 0.01})) == []
    assert proposals("ask", plant(), Goal()) == []


def test_seconds_follow_what_was_measured():
    first = proposals("climb", plant(start=("mean", "ridge", "cnn")))
    seconds = {p.arguments["rung"]: p.seconds for p in first}
    assert seconds["svm"] == pytest.approx(1.0)
    assert seconds["svm"] < seconds["extra_trees"] < seconds["ebm"]
    slow = plant(start=("mean", "ridge", "cnn"))
    slow.measured = {
        name: type(m)(m.rung, m.variant, m.step, 10 * m.seconds)
        for name, m in slow.measured.items()
    }
    again = {p.arguments["rung"]: p.seconds for p in proposals("climb", slow)}
    assert np.allclose([again[r] / seconds[r] for r in seconds], 10)


def test_a_rung_is_of_the_family_that_it_names_unless_it_learned_elsewhere():
    mine = RungFacts("mine", "table", "light", True)
    assert family_of(mine) == "glass box"
    assert family_of(replace(mine, glass_box=False)) == "black box"
    assert family_of(replace(mine, input="crystal")) == "crystal"
    named = replace(mine, family="splines")
    assert family_of(named) == family_of(replace(named, input="image")) == "splines"
    assert family_of(replace(named, distilled="ebm")) == "distilled"
    assert family_of(replace(named, pretrained=True)) == "pretrained table"
    assert family_of(replace(named, supervised=True)) == "taught table"
