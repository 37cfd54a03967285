"""Whether an explanation may be believed, from its scores."""

from __future__ import annotations

import math

import pytest

from iceframe.measure.belief import believe

GOOD = {"faithfulness": 0.9, "seed_stability": 0.8, "mprt": 0.1}


@pytest.mark.parametrize(
    ("scores", "of_model", "of_material"),
    [
        ({}, "unknown", "unknown"),
        (GOOD, "yes", "unknown"),
        ({**GOOD, "pf_star": 0.9}, "yes", "yes"),
        ({**GOOD, "pf_star": 0.5}, "yes", "partly"),
        ({**GOOD, "pf_star": -0.2}, "yes", "no"),
        ({**GOOD, "seed_stability": 0.5}, "partly", "unknown"),
        ({**GOOD, "seed_stability": 0.1}, "no", "unknown"),
        ({**GOOD, "mprt": 0.8}, "no", "unknown"),
        ({**GOOD, "faithfulness": 0.2, "pf_star": 0.9}, "no", "yes"),
        ({**GOOD, "faithfulness": math.nan}, "unknown", "unknown"),
        ({"pf_star": 0.8}, "unknown", "yes"),
    ],
)
def test_the_worst_of_what_was_measured_decides(scores, of_model, of_material):
    belief = believe(scores)
    assert (belief.of_model, belief.of_material) == (of_model, of_material)


def test_the_sentence_says_both_answers_and_why():
    assert believe({**GOOD, "seed_stability": 0.1}).sentence == (
        "Not to be believed: another seed draws another picture."
    )
    assert "unknown: no physics was computed" in believe(GOOD).sentence
    assert "physical agreement 0.90" in believe({**GOOD, "pf_star": 0.9}).sentence
    assert "but not of the material" in believe({**GOOD, "pf_star": 0.0}).sentence
    assert "only alike" in believe({**GOOD, "seed_stability": 0.5}).sentence
    assert believe({}).sentence.startswith("Unknown")


def test_the_terms_of_a_glass_box_are_the_model_whatever_they_score():
    belief = believe({"faithfulness": 0.1}, exact=True)
    assert belief.of_model == "yes"
    assert "the terms are the model" in belief.sentence
