"""The gate study on made-up data: a class that is far away and wrongly answered is withheld."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from studies.gate.pieces import Described, left_out
from studies.gate.study import main
from studies.gate.tables import at, operating, paired

LABELS = ("near", "next", "far")


@pytest.fixture(autouse=True)
def quick_ladder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studies.gate.pieces.LADDER", ("mean", "ridge", "svm"))
    monkeypatch.setattr("studies.gate.pieces.FOLDS", 3)
    monkeypatch.setattr("iceframe.steer.company.TREES", 15)
    monkeypatch.setattr("iceframe.workflow.gating.signals.TREES", 15)


@pytest.fixture(scope="module")
def made() -> Described:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(180, 3))
    labels = np.repeat(LABELS, 60)
    x[labels == "next", 0] += 2
    x[labels == "far", 0] += 9
    y = x[:, 0] + 0.5 * x[:, 1] + 0.1 * rng.normal(size=180)
    y[labels == "far"] += 20  # another law
    return Described("regression", x, y, labels, np.arange(180), x)


def test_a_far_class_is_withheld(made: Described) -> None:
    rows = left_out(made, "far", 0.1, 0)
    unseen = rows["unseen"].to_numpy()
    assert unseen.sum() == 60
    assert (~unseen).sum() == 24
    assert rows["bad"][unseen].all()
    assert not rows["passes"][unseen].any()
    assert not rows["passes together"][unseen].any()
    assert rows["few"].notna().sum() == 24 + 10
    assert rows["gate"][unseen].min() > rows["gate"][~unseen].quantile(0.9)


def test_the_stages_go_on_where_they_stopped(
    made: Described, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made.save(tmp_path / "data" / "steels.npz")
    assert main(["describe", "measure", "answer", "--out", str(tmp_path), "--data", "steels"]) == 0
    first = capsys.readouterr().out
    assert first.count("measured steels") == 3
    assert "| steels | far |" in first
    main(["measure", "answer", "--out", str(tmp_path), "--data", "steels"])
    assert "measured steels" not in capsys.readouterr().out


def test_tables(made: Described) -> None:
    cases = {
        name: left_out(made, name, 0.1, 0).assign(data="made", left_out=name) for name in LABELS[1:]
    }
    against = paired(cases).set_index(["score", "against"])
    assert against.loc[("gate", "random"), "high"] < 0
    assert against.loc[("together", "random"), "high"] < 0
    found = at(cases).set_index("left out")
    assert found.loc["far", "together, good seen"] == 1.0
    assert found.loc["far", "label, all good"] == 1.0  # no good answer is lost with the class
    for judged in ("", " together", " strict"):
        assert operating(cases, judged)["risk, seen"].iloc[0] <= 0.1
    strict, free = operating(cases, " strict"), operating(cases, " together")
    assert strict["answered, seen"].iloc[0] <= free["answered, seen"].iloc[0]
