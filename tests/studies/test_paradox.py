"""The paradox study, whole and tiny; and the statistics that its answers rest on."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from studies.paradox import (
    complexity,
    data,
    inference,
    measures,
    models,
    questions,
    tables,
    truth,
)
from studies.paradox.data import coarsened, gamma_prime
from studies.paradox.inference import by_clusters, nested, rank_correlation, student
from studies.paradox.pieces import Piece, Sizes, Study, work_through
from studies.paradox.study import main
from studies.paradox.tables import verdict

TINY = Sizes(
    side=32, train=18, few=9, inside=9, shifted=3, truth=2, truth_shifted=2, per_phase=5, cheap=2,
    trials=1, epochs=1, replicates=2, bootstrap=40,
)  # fmt: skip


def test_the_study_runs_answers_and_goes_on_where_it_stopped(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICEFRAME_SHARED_DATA", str(tmp_path / "absent"))
    monkeypatch.setattr(measures, "image_explainers", lambda: ("input_gradient", "grad_cam"))
    monkeypatch.setattr(complexity, "REFITTED", ("volume_fraction", "cnn"))
    study = Study(tmp_path, (4.0,), 2, ("volume_fraction", "cnn", "sobolev_cnn"), TINY)
    for stage in (data, models, truth, measures):
        assert work_through("stage", stage.pieces(study)) == 0
    assert work_through("answer", questions.pieces(study)) == 0

    pairs = pd.read_csv(tmp_path / "tables" / "a-explainers-inside.csv")
    assert set(pairs["rung"]) == {"cnn", "sobolev_cnn"}
    assert set(pairs["explainer"]) == {"input_gradient", "grad_cam"}
    rungs = pd.read_csv(tmp_path / "tables" / "a-rungs.csv").set_index("rung")
    assert np.isfinite(rungs["R2"]).all()
    assert np.isnan(rungs.loc["volume_fraction", "PF* of the gradient"])
    networks = rungs.loc[["cnn", "sobolev_cnn"]]
    assert list(networks["n"]) == [TINY.train, TINY.few] * 2
    assert np.isfinite(networks[["C2", "C3", "model vs physics"]].astype(float)).all(axis=None)
    assert np.isfinite(networks.loc[["cnn"], "C1"]).all()
    metrics = pd.read_csv(tmp_path / "tables" / "c-metrics.csv").set_index("metric")
    assert np.isfinite(metrics.loc["explanation_vs_model inside", "all pairs"])
    # Importances foretell no signed change: infidelity is undefined for Grad-CAM, not zero.
    assert metrics.loc["infidelity", "pairs"] == metrics.loc["entropy", "pairs"] / 2
    answers = (tmp_path / "tables" / "answers.md").read_text(encoding="utf-8")
    assert [answers.count(f"({question})") for question in "abcd"] == [1, 1, 1, 1]
    for figure in ("a-paradox", "b-sobolev", "c-metrics", "d-shift", "maps"):
        text = (tmp_path / "figures" / f"{figure}.svg").read_text(encoding="utf-8")
        assert text.rstrip().endswith("</svg>")

    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.json")}
    assert work_through("again", [*models.pieces(study), *measures.pieces(study)]) == 0
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.json")} == stamps


def test_structures_are_the_same_at_every_contrast_and_tests_are_no_training(tmp_path) -> None:
    study = Study(tmp_path, (2.0, 20.0), 1, sizes=TINY)
    for piece in data.pieces(study):
        piece.make()
    soft, stiff = (data.training(study, c, 0) for c in study.contrasts)
    images = [d.images.read(range(len(d))) for d in (soft, stiff)]
    assert np.array_equal(*images)
    assert (soft.y < stiff.y).all()
    inside = data.test_set(study, "inside", 2.0)
    flat = {image.tobytes() for image in images[0][:, 0].astype(np.uint8)}
    assert not flat & {image.tobytes() for image in inside.phases}
    shifted = data.test_set(study, "contrast", 2.0)
    assert np.array_equal(shifted.phases, inside.phases[: TINY.shifted])
    np.testing.assert_allclose(shifted.y, data.solved(shifted.phases, 4.0), rtol=1e-6)


def test_windows_of_micrographs_are_mirrored_cells(shared_data) -> None:
    windows = gamma_prime(64, 46)
    assert windows.shape == (46, 64, 64)
    for axis in (1, 2):
        assert np.array_equal(windows, np.flip(windows, axis))
    assert 0.4 < windows.mean() < 0.65
    assert len({w.tobytes() for w in windows}) > 40


def test_coarsening_takes_the_majority() -> None:
    fine = np.zeros((1, 4, 4), np.uint8)
    fine[0, :2, :2] = [[1, 1], [1, 0]]
    fine[0, :2, 2:] = [[1, 0], [0, 1]]
    fine[0, 2:, :2] = [[0, 1], [1, 0]]
    assert coarsened(fine, 2).tolist() == [[[1, 1], [0, 0]]]


def test_a_piece_that_fails_leaves_the_others_and_is_counted(tmp_path) -> None:
    def broken() -> None:
        raise ValueError("no")

    pieces = [
        Piece("broken", tmp_path / "a", broken),
        Piece("sound", tmp_path / "b", lambda: (tmp_path / "b").touch()),
    ]
    assert work_through("stage", pieces) == 1
    assert (tmp_path / "b").exists()


def test_the_script_runs_from_anywhere(tmp_path) -> None:
    script = Path(data.__file__).with_name("study.py")
    command = [sys.executable, str(script), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "--contrasts" in done.stdout


@pytest.mark.parametrize("module", [data, models, inference, tables], ids=lambda m: m.__name__)
def test_examples_in_the_docstrings(module) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


def test_an_unknown_stage_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["everything"])
    assert "data, fit, truth, measure, answer" in capsys.readouterr().err.replace("'", "")


def test_one_added_column_has_the_p_value_of_its_slope(rng) -> None:
    x = rng.normal(size=40)
    table = pd.DataFrame({"x": x, "y": 0.4 * x + rng.normal(size=40)})
    line = stats.linregress(table["x"], table["y"])
    found = nested(table, "y", [], "x")
    assert found.p == pytest.approx(line.pvalue)
    assert found.gain == pytest.approx(line.rvalue**2)
    assert found.slope == pytest.approx(line.slope * x.std())


def test_a_column_that_says_nothing_new_adds_nothing(rng) -> None:
    """Effects of groups take what is between groups away."""
    group = np.repeat(np.arange(6), 5)
    table = pd.DataFrame(
        {"group": group, "x": group + 1e-3 * rng.normal(size=30), "a": rng.normal(size=30)}
    )
    table["y"] = table["group"] + 0.1 * rng.normal(size=30)
    without = nested(table, "y", ["a"], "x")
    assert without.r2 + without.gain > 0.99
    assert nested(table, "y", ["a"], "x", ["group"]).gain < 0.01


def test_rank_correlation_is_spearmans_and_its_interval_covers(rng) -> None:
    table = pd.DataFrame({"x": rng.normal(size=30)})
    table["y"] = table["x"] + rng.normal(size=30)
    found = rank_correlation(table, "x", "y")
    assert found.value == pytest.approx(stats.spearmanr(table["x"], table["y"]).statistic)
    covered = 0
    for seed in range(60):
        source = np.random.default_rng(seed)
        model = np.repeat(source.normal(size=40), 4)  # four pairs a model, all alike
        other = np.repeat(source.normal(size=40), 4)
        draw = pd.DataFrame({"m": np.repeat(np.arange(40), 4), "x": model, "y": other})
        by_model = rank_correlation(draw, "x", "y", (), ["m"], 200, seed)
        covered += not by_model.excludes(0.0)
    assert covered >= 51  # of 60, at 95 %: fewer than one in a thousand times by chance
    assert covered < 60


def test_bootstrap_by_clusters_is_as_wide_as_clusters_are_few(rng) -> None:
    table = pd.DataFrame({"seed": np.repeat(np.arange(12), 50)})
    table["x"] = np.repeat(rng.normal(size=12), 50)
    found = by_clusters(lambda t: float(t["x"].mean()), table, ["seed"], 400, 0)
    expected = 2 * 1.96 * table.groupby("seed")["x"].mean().std(ddof=0) / np.sqrt(12)
    assert found.high - found.low == pytest.approx(expected, rel=0.2)


def test_verdicts_follow_from_intervals() -> None:
    assert verdict(student([1.0, 1.1, 0.9]), 1) == "yes"
    assert verdict(student([1.0, 1.1, 0.9]), -1) == "no, the opposite"
    assert verdict(student([1.0, -1.1, 0.9]), 1) == "not shown"
    assert verdict(student([1.0]), 1) == "not shown"
