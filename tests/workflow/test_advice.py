"""What a run says to do next, from what it measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from iceframe.core.values import Audit, Equilibrium, Evidence, Status
from iceframe.workflow.advice import next_steps

GOOD = {"faithfulness": 0.9, "seed_stability": 0.9, "pf_star": 0.8, "mae": 1.0}


def advice(rung: str = "cnn", **scores: float) -> str:
    """The steps of a run that chose ``rung`` and measured ``scores`` of it."""
    evidence = [
        Evidence(rung, "transparency", metric, value) for metric, value in (GOOD | scores).items()
    ]
    work = cast(Any, SimpleNamespace(context=SimpleNamespace(task="regression")))
    chosen = Equilibrium(rung, Status.CONVERGED, "")
    return "\n".join(next_steps(chosen, evidence, Audit(()), work))


def test_what_is_good_needs_no_warning():
    assert advice().count("\n") == 0
    assert "Predict new samples with `cnn`" in advice()


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"faithfulness": 0.2}, "Do not show the explanations of `cnn` as findings"),
        ({"seed_stability": 0.3}, "change from seed to seed (agreement 0.30)"),
        ({"pf_star": 0.03}, "Do not read the maps of `cnn` as physics"),
        ({"pf_star": -0.4}, "PF* -0.40"),
        ({"leave_cluster_out": 2.0}, "errs 2.0 times as much"),
    ],
)
def test_what_was_measured_says_what_to_do(scores, said):
    assert said in advice(**scores)


def test_what_was_not_measured_is_not_warned_of():
    assert "physics" not in advice(pf_star=float("nan"))
