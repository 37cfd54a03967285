"""The feedback loop over tiny simulated images: teaching by physics, simulating, cues, distilling.

Networks are trained for one step: what is tested is what they are given, not what they learn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import InputError
from iceframe.ingest import read
from iceframe.ingest.neutral import without_cue
from iceframe.physics.homogenisation import homogenize
from iceframe.physics.properties import Conductivity
from iceframe.scale.image_rung import ImageRung
from iceframe.workflow.feedback import run_balanced
from iceframe.workflow.feedback.balanced import BalancedRun
from iceframe.workflow.feedback.ladder import ladder_for
from iceframe.workflow.feedback.simulation import pool_of
from iceframe.workflow.session import open_run, run
from iceframe.workflow.simulate import simulate

from .feedback_script import Script, asked

QUICK: dict[str, Any] = {"folds": 2, "workers": 1, "trials": 0, "descriptors": ["intensity"]}
RECIPE = {
    "generator": "overlapping_spheres",
    "shape": [10, 10],
    "samples": 20,
    "seed": 3,
    "factors": {"volume_fraction": [0.2, 0.6], "size": 4},
    "property": {"conductivity": {"values": [1, 10]}},
}


@pytest.fixture(scope="module", autouse=True)
def _one_step() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageRung, "steps", 1)
        patch.setattr(ImageRung, "epochs", 1)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Simulated conductivities, without sensitivities."""
    return read(simulate(RECIPE, out=tmp_path_factory.mktemp("made") / "set", workers=1), "k_xx")


@pytest.fixture(scope="module")
def script() -> Any:
    return Script(
        asked("supervise", rung="sobolev_cnn"),
        asked("simulate", samples=4, rung="ridge"),
        asked("distil", teacher="ridge", student="distilled_ridge"),
        rung="sobolev_cnn",
    )


@pytest.fixture(scope="module")
def found(data: Dataset, script: Any, tmp_path_factory: pytest.TempPathFactory) -> BalancedRun:
    out = tmp_path_factory.mktemp("balanced") / "run"
    return run_balanced(data, out=out, ladder=["ridge", "cnn"], controller=script, **QUICK)


def test_taught_and_distilled_rungs_are_on_offer(data: Dataset) -> None:
    offered = ladder_for(["ridge", "cnn"], data)
    assert offered == ("mean", "ridge", "cnn", "sobolev_cnn", "distilled_ridge")
    assert ladder_for(["ridge", "cnn"], data, ["supervise", "distil"]) == ("mean", "ridge", "cnn")
    unknown = replace(data, law=None)
    assert "sobolev_cnn" not in ladder_for(["ridge", "cnn"], unknown)
    assert "micrographs_probe" not in ladder_for(None, data)  # it looks at pictures, not at phases


def test_sensitivities_are_computed_where_they_are_missing(found: BalancedRun, script: Any) -> None:
    step = found.folder / "steps" / "001-supervise"
    assert open_run(step).header["settings"]["ladder"] == ["sobolev_cnn"]
    kept = next((found.folder / "units").glob("sensitivities-*"))
    slopes = np.load(kept / "slopes.npy")
    assert slopes.shape == (20, 1, 10, 10)
    assert np.isfinite(slopes).all()
    given = found.run_of("mean").splits.folds
    taught = found.run_of("sobolev_cnn").splits.folds
    for a, b in zip(given, taught, strict=True):
        np.testing.assert_array_equal(a.test, b.test)
        np.testing.assert_array_equal(a.train, b.train)


def test_a_step_over_a_known_law_can_be_continued(found: BalancedRun, data: Dataset) -> None:
    events: list[Any] = []
    again = run(
        data, ladder=["mean", "ridge"], out=found.folder / "steps" / "000-start", shift=False,
        watch=events.append, **QUICK,
    )  # fmt: skip
    assert not events
    assert again.rungs == ("mean", "ridge")


def test_gradient_agreement_is_measured(found: BalancedRun) -> None:
    rows = found.evidence[found.evidence["metric"] == "gradient_agreement"]
    assert set(rows["rung"]) == {"sobolev_cnn"}  # tables have no gradient
    row = rows.iloc[0]
    assert -1 <= row["low"] <= row["value"] <= row["high"] <= 1
    assert row["n"] == 20
    assert row["axis"] == "transparency"


def test_simulated_samples_are_solved_by_the_law_and_only_trained_on(
    found: BalancedRun, data: Dataset, script: Any
) -> None:
    more = found.run_of("ridge @ simulated 4")
    given = found.run_of("ridge")
    assert more.header["facts"]["n"] == 24
    tested = [set(r.predictions["id"]) for r in (more, given)]
    assert tested[0] == tested[1] == set(data.ids)
    assert all({20, 21, 22, 23} <= set(fold.train.tolist()) for fold in more.splits.folds)
    kept = next((found.folder / "units").glob("simulated-*"))
    with np.load(kept / "solved.npz") as solved:
        exact = homogenize(solved["phases"], Conductivity([1.0, 10.0])).tensor[:, 0, 0]
        np.testing.assert_allclose(solved["target"], exact, rtol=1e-3)
        assert len(solved["target"]) == 4
    assert script.situations[0].generator
    assert script.situations[0].physics
    assert script.situations[-1].variants["simulated 4"] == {"n": 24, "by": "simulate"}


def test_a_pool_is_like_the_data_and_new(data: Dataset) -> None:
    pool = pool_of(data, 5, seed=1)
    assert data.images is not None
    assert pool.images is not None
    assert pool.images.shape == data.images.shape
    assert list(pool.table.columns) == list(data.table.columns)
    assert pool.table["k_xx"].isna().all()
    mine, new = (source.read(np.arange(len(source))) for source in (data.images, pool.images))
    assert set(np.unique(new)) <= {0.0, 1.0}
    assert not any((a == b).all() for a in mine for b in new)
    np.testing.assert_array_equal(pool_of(data, 5, seed=1).images.read([0]), new[:1])


def test_a_student_may_ask_about_structures_that_nobody_solved(found: BalancedRun) -> None:
    assert found.trajectory["verdict"].iloc[-1] == "as scripted"
    step = open_run(found.folder / "steps" / "003-distil")
    assert step.header["identity"]["unlabelled"]


def test_the_chosen_network_answers_for_new_structures(found: BalancedRun, data: Dataset) -> None:
    answers = found.predict(pool_of(data, 3, seed=2))
    assert np.isfinite(answers["mean"]).all()
    explanation = found.explain(data, 0)
    assert explanation.values.shape == (10, 10)


def test_what_was_taken_out_is_taken_out_of_new_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(0.3, 0.6, (20, 1, 12, 12)).astype(np.float32)
    table = pd.DataFrame({"y": values.std(axis=(1, 2, 3))}, index=[f"s{i}" for i in range(20)])
    data = Dataset(table, "y", "regression", images=ArrayImages(values), name="greys")
    script = Script(
        asked("neutralise", finding="nuisance", cue="border of 2 pixels", rung="ridge"),
        rung="ridge @ without border of 2 pixels",
    )
    found = run_balanced(data, out=tmp_path / "run", ladder=["ridge"], controller=script, **QUICK)
    answers = found.predict(data)
    step = open_run(tmp_path / "run" / "steps" / "001-neutralise")
    direct = step.predict(without_cue(data, "border of 2 pixels"), rung="ridge")
    pd.testing.assert_frame_equal(answers, direct)
    pd.testing.assert_frame_equal(open_run(found.folder).predict(data), direct)
    assert script.situations[0].generator is False


def test_what_was_taken_out_is_taken_out_of_samples_without_a_target(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(0.3, 0.6, (32, 1, 12, 12)).astype(np.float32)
    values[:, :, :2] = 1.0  # a bright edge, on which a model of the whole image would look
    table = pd.DataFrame({"y": values.std(axis=(1, 2, 3))}, index=[f"s{i}" for i in range(32)])
    whole = Dataset(table, "y", "regression", images=ArrayImages(values), name="greys")
    data, others = whole.take(np.arange(20)), whole.take(np.arange(20, 32))
    cue, rung = "border of 2 pixels", "ridge @ without border of 2 pixels"
    here = {"variant": f"without {cue}"}
    script = Script(
        asked("neutralise", finding="nuisance", cue=cue, rung="ridge"),
        asked("distil", teacher="ridge", student="distilled_ridge", **here),
        rung=rung,
        asks=(asked("ask", samples=4, rung="ridge", **here),),
    )
    found = run_balanced(
        data, out=tmp_path / "run", ladder=["ridge"], controller=script, unlabelled=others, **QUICK
    )
    student = f"distilled_ridge @ {here['variant']}"
    taught = found.run_of(student).header["identity"]["unlabelled"]
    assert taught == without_cue(others, cue).fingerprint
    assert found.asked is not None
    listed = pd.read_csv(found.asked, index_col="id")
    answers = found.predict(others, candidate=rung).loc[listed.index]  # these take it out, too
    np.testing.assert_allclose(listed["mean"], answers["mean"])


def test_a_planted_cue_is_told_to_the_controller(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = rng.uniform(0.3, 0.5, (40, 1, 24, 24)).astype(np.float32)
    marked = np.arange(40) % 2 == 1
    values[marked, :, 20:22, 4:14] = 1.0  # a scale bar on one class alone
    labels = np.where(marked, "cast", "forged")
    table = pd.DataFrame({"route": labels}, index=[f"s{i}" for i in range(40)])
    data = Dataset(table, "route", "classification", images=ArrayImages(values), name="greys")
    script = Script(rung="mean")
    run_balanced(data, out=tmp_path / "run", ladder=["mean"], controller=script, **QUICK)
    cues = [f["cue"] for f in script.situations[0].findings if f["cue"]]
    assert any(cue.startswith("scale bar at ") for cue in cues)


def test_a_taught_rung_needs_a_law(tmp_path: Path) -> None:
    images = ArrayImages(np.zeros((12, 1, 8, 8), np.float32))
    table = pd.DataFrame({"y": np.arange(12.0)}, index=[f"s{i}" for i in range(12)])
    data = Dataset(table, "y", "regression", images=images)
    with pytest.raises(InputError, match="sensitivity"):
        run_balanced(data, out=tmp_path / "run", ladder=["sobolev_cnn"], **QUICK)
