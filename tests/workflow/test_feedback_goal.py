"""What a search is asked: more time, and options that are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from iceframe.balance.record import replay
from iceframe.core.dataset import Dataset
from iceframe.core.errors import UsageError
from iceframe.core.ledger import FILE, Ledger
from iceframe.ingest import read
from iceframe.workflow.feedback import run_balanced
from iceframe.workflow.feedback.step import Step

QUICK: dict[str, Any] = {"folds": 2, "workers": 1, "trials": 0}


@pytest.fixture(scope="module")
def data(alloys: Callable[..., pd.DataFrame]) -> Dataset:
    return read(alloys(30), "strength")


def test_with_more_time_a_search_goes_on(data: Dataset, tmp_path: Path) -> None:
    ladder, out = ["ridge", "nearest_neighbour"], tmp_path / "run"
    short = run_balanced(
        data, out=out, ladder=ladder, budget=1e-3, forbid=["distil", "repair"], **QUICK
    )
    assert short.equilibrium.status == "BUDGET_EXHAUSTED"
    assert list(short.candidates) == ["mean", "ridge"]
    told: list[Step] = []
    whole = run_balanced(
        data, out=out, ladder=ladder, forbid=["distil", "repair"], tell=told.append, **QUICK
    )
    assert whole.equilibrium.status == "CONVERGED"
    assert whole.equilibrium.rung == "ridge"
    assert "nearest_neighbour" in whole.candidates
    assert [s.number for s in told if s.verdict is None] == list(range(len(whole.trajectory)))
    ledger = Ledger.open(out / FILE)
    assert ledger.verify() == ()
    entries = [(entry.kind, entry.body) for entry in ledger.entries()]
    assert [kind for kind, _ in entries].count("goal") == 2
    assert replay(entries) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"floors": {"maee": 1}}, "Did you mean 'mae'"),
        ({"ladder": []}, "ladder is empty"),
        ({"ladder": ["ridge", "ridge"]}, "twice"),
        ({"ladder": ["rige"]}, "Did you mean 'ridge'"),
        ({"ladder": ["cnn"]}, "needs images"),
        ({"forbid": ["climbb"]}, "Did you mean 'climb'"),
        ({"priorities": ["fidelity"]}, "name each axis once"),
        ({"budget": 0.0}, "not above zero"),
        ({"folds": 1}, "two folds"),
    ],
)
def test_wrong_options_are_refused(
    data: Dataset, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        run_balanced(data, **{"out": tmp_path / "run", **QUICK, **options})
