"""The cue study, whole and tiny: what it plants is there, and it goes on where it stopped."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from studies.cues import study
from studies.cues.planting import KINDS, Planting, draw, plant, shown


@pytest.fixture
def small(monkeypatch):
    def pictures(n):
        rng = np.random.default_rng(0)
        x = [gaussian_filter(rng.standard_normal((48, 64)), 1 + i // n) for i in range(2 * n)]
        x = [rng.uniform(0.45, 0.55) + 0.1 * one / one.std() for one in x]
        return np.clip(x, 0, 1)[:, None].astype(np.float32), np.repeat(["fine", "coarse"], n)

    monkeypatch.setattr(study, "simulated", lambda n: pictures(60))
    monkeypatch.setattr(study, "TESTED", 20)


def test_the_study_runs_reports_and_goes_on(small, tmp_path, capsys):
    asked = ["--out", str(tmp_path), "--sources", "simulated", "--each", "40"]
    assert study.main(["run", *asked, "--plantings", "1", "--controls", "1"]) == 0
    first = (tmp_path / "cases.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in first.splitlines()]
    assert [row["kind"] for row in rows] == [*KINDS, "control"]
    assert all(row["kind"] in row["found"] for row in rows[:-1])
    assert rows[-1]["found"] == []
    assert all(0 <= row[name] <= 1 for row in rows[:-1] for name in study.SCORES)
    torn = first + '{"source": "simul'
    (tmp_path / "cases.jsonl").write_text(torn, encoding="utf-8")
    assert study.main(["run", "report", *asked, "--plantings", "1", "--controls", "1"]) == 0
    assert (tmp_path / "cases.jsonl").read_text(encoding="utf-8") == first
    assert "| simulated | scale bar | 1 | 100.0% |" in capsys.readouterr().out


def test_real_pictures_that_are_absent_are_left_out(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ICEFRAME_SHARED_DATA", str(tmp_path / "absent"))
    assert study.main(["run", "--out", str(tmp_path / "out"), "--sources", "uhcs"]) == 0
    assert "uhcs: left out" in capsys.readouterr().err


def test_what_is_planted_is_where_it_says():
    rng = np.random.default_rng(0)
    x = rng.uniform(0.4, 0.6, (6, 1, 48, 64)).astype(np.float32)
    show = np.arange(6) < 3
    for kind in KINDS:
        how = draw(kind, (48, 64), rng)
        planted = plant(x, show, how)
        assert (planted[~show] == x[~show]).all()
        assert (planted[show] != x[show]).any()
    bar = plant(x, show, Planting("scale bar", 1.0, 1.0, box=(40, 44, 10, 30)))
    assert (bar[show, 0, 40:44, 10:30] == 1).all()
    assert (bar != x).sum() == 3 * 4 * 20
    labels = np.arange(4000) % 2 == 0
    followed = shown(labels, Planting("border", 0.9, 0.5, width=2), rng)
    assert followed[labels].mean() == pytest.approx(0.9, abs=0.02)
    assert followed[~labels].mean() == pytest.approx(0.1, abs=0.02)
