"""A run over crystals, from files to predictions: models of tables and models of crystals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from iceframe.core.crystals import Crystals
from iceframe.core.errors import InputError, UsageError
from iceframe.ingest import read
from iceframe.report import write_report
from iceframe.scale.rung import RUNGS, Context, StatefulRung
from iceframe.workflow import prepare
from iceframe.workflow.session import Run, open_run
from iceframe.workflow.settings import rungs_named

NAME = "volume_line"


class VolumeLine:
    """Least squares on the volume per atom and the mean atomic number."""

    def fit(self, crystals: Crystals, y: np.ndarray) -> VolumeLine:
        self.weights_ = np.linalg.lstsq(self._columns(crystals), y, rcond=None)[0]
        return self

    def predict(self, crystals: Crystals) -> np.ndarray:
        return np.asarray(self._columns(crystals) @ self.weights_)

    def _columns(self, crystals: Crystals) -> np.ndarray:
        number = np.bincount(crystals.owners, crystals.numbers) / crystals.sizes
        return np.column_stack([np.ones(len(crystals)), crystals.volumes / crystals.sizes, number])

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return {"weights": self.weights_}, {}

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> VolumeLine:
        self.weights_ = arrays["weights"]
        return self

    def n_parameters(self) -> int:
        return 3


class VolumeLineRung(StatefulRung):
    name = NAME
    title = "line in the volume per atom"
    summary = "A model of crystals that is fitted at once."
    reference = "Gauss 1809"
    input = "crystal"
    tasks = ("regression",)

    def build(self, settings: Mapping[str, Any], context: Context) -> VolumeLine:
        return VolumeLine()


@pytest.fixture(scope="module", autouse=True)
def volume_line() -> Iterator[None]:
    RUNGS.names()
    RUNGS.register(NAME)(VolumeLineRung)
    yield
    del RUNGS._entries[NAME]


@pytest.fixture(scope="module")
def halides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty CIF files; the target is a line in the volume and in the number of the metal."""
    folder = tmp_path_factory.mktemp("halides")
    rng = np.random.default_rng(0)
    rows = []
    for i in range(60):
        metal, halogen = ("Li", "Na", "K", "Rb", "Cs")[i % 5], ("F", "Cl", "Br", "I")[i // 5 % 4]
        structure = Structure(
            Lattice.cubic(rng.uniform(3.6, 5.2)), [metal, halogen], [[0, 0, 0], [0.5, 0.5, 0.5]]
        )
        CifWriter(structure).write_file(folder / f"c{i:02}.cif")
        mean_number = np.mean(structure.atomic_numbers)
        target = 2 + 0.1 * structure.volume / 2 - 0.05 * mean_number + rng.normal(0, 0.05)
        rows.append((f"c{i:02}.cif", round(target, 4)))
    pd.DataFrame(rows, columns=["file", "gap"]).to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def finished(halides: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    from iceframe.workflow.session import run

    return run(
        halides, "gap", ladder=["mean", "ridge", NAME], out=tmp_path_factory.mktemp("r") / "run",
        descriptors=["element_fractions"], folds=3, workers=1, trials=2, shift=False,
    )  # fmt: skip


def value(run: Run, rung: str, metric: str) -> float:
    rows = run.evidence[(run.evidence["rung"] == rung) & (run.evidence["metric"] == metric)]
    assert len(rows) == 1
    return float(rows["value"].iloc[0])


def test_models_of_tables_and_of_crystals_are_measured_alike(finished: Run) -> None:
    assert not finished.failures
    measured = finished.evidence.groupby("rung")["metric"].agg(set)
    assert {"mae", "coverage_90", "gdf", "faithfulness", "seed_stability"} <= measured[NAME]
    assert measured[NAME] == measured["ridge"]
    assert value(finished, NAME, "mae") < 0.06 < value(finished, "ridge", "mae")
    assert finished.equilibrium.rung == NAME
    assert value(finished, NAME, "coverage_90") > 0.8


def test_three_weights_are_three_degrees_of_freedom(finished: Run) -> None:
    rows = finished.evidence[finished.evidence["rung"] == NAME].set_index("metric")["value"]
    assert rows["gdf"] == pytest.approx(3, abs=0.5)


def test_elements_explain_a_model_of_crystals(finished: Run, halides: Path) -> None:
    explained = finished.explain_sample(halides, "c05.cif", rung=NAME)
    assert set(explained.example.names) == {"Li", "Cl"}
    assert explained.example.feature_values == (0.5, 0.5)
    assert np.isfinite(explained.example.contributions).all()


def test_new_crystals_are_predicted(finished: Run, halides: Path) -> None:
    whole = finished.predict(halides)
    assert whole.index[5] == "c05.cif"
    one = finished.predict(halides / "c05.cif")
    assert len(one) == 1
    np.testing.assert_allclose(one["mean"].iloc[0], whole["mean"].iloc[5])
    structure = Structure.from_file(halides / "c05.cif")
    held = prepare.read_crystals(
        prepare.prepared_folder(finished.store) / prepare.BACKGROUND_CRYSTALS
    )
    assert len(held) == prepare.BACKGROUND_SAMPLES
    assert held.names[0] == "c00.cif"
    frame = pd.DataFrame({"structure": [structure]})
    np.testing.assert_allclose(finished.predict(frame)["mean"], one["mean"])
    assert finished.predict(halides, rung="ridge")["mean"].notna().all()


def test_a_formula_alone_is_no_crystal(finished: Run) -> None:
    formulas = pd.DataFrame({"composition": ["NaCl", "KBr"]})
    assert len(finished.predict(formulas, rung="ridge")) == 2
    with pytest.raises(InputError, match="looks at crystals"):
        finished.predict(formulas)


def test_a_stored_run_predicts_and_reports(finished: Run, halides: Path, tmp_path: Path) -> None:
    again = open_run(finished.folder)
    pd.testing.assert_frame_equal(again.predict(halides), finished.predict(halides))
    page = write_report(again.view(), tmp_path / "report.html").read_text(encoding="utf-8")
    assert NAME in page


def test_inner_folds_keep_one_composition_together(halides: Path) -> None:
    from iceframe.ingest import make_splits

    data = read(halides, "gap")
    splits = make_splits(data, "grouped:composition", 4)
    labels = prepare.inner_groups(data, splits)
    formulas = data.table["composition"].to_numpy()
    assert len(np.unique(labels)) == len(np.unique(formulas)) == 20
    for label in np.unique(labels):
        assert len(set(formulas[labels == label])) == 1


@pytest.mark.parametrize("spec", ["extremes", "forward:order"])
def test_runs_that_look_ahead(
    halides: Path, quick_run: Callable[..., Run], spec: str, tmp_path: Path
) -> None:
    labels = pd.read_csv(halides / "labels.csv").assign(order=np.arange(60))
    data = read(halides, "gap")
    ahead = read(
        pd.DataFrame({"composition": data.table["composition"], "gap": labels["gap"].to_numpy(),
                      "order": labels["order"].to_numpy()}), "gap", features=["order"],
    )  # fmt: skip
    run = quick_run(ahead, ladder=["mean", "ridge"], splits=spec)
    assert not run.failures
    assert {f.name for f in run.splits.folds} in (
        {"lowest", "highest"}, {"step1", "step2", "step3"},
    )  # fmt: skip
    assert value(run, "mean", "mae") > 0


def test_the_ladder_of_all_crystal_rungs(halides: Path, alloy_table: Path) -> None:
    named = rungs_named(["mean", "crystals"], read(halides, "gap"))
    assert named[0] == "mean"
    assert set(named[1:]) == {n for n, r in RUNGS.items() if r.input == "crystal"}
    with pytest.raises(UsageError, match="needs crystals"):
        rungs_named(["crystals"], read(alloy_table, "strength"))
    with pytest.raises(UsageError, match="needs crystals"):
        rungs_named([NAME], read(alloy_table, "strength"))


def test_the_usual_ladder_looks_at_the_crystals_too(halides: Path) -> None:
    numbers = read(halides, "gap")
    assert rungs_named(None, numbers)[-2:] == ("foundation_correction", "chgnet_probe")
    labels = pd.read_csv(halides / "labels.csv")
    kinds = np.where(labels["gap"] > labels["gap"].median(), "wide", "narrow")
    classes = replace(
        numbers, table=numbers.table.assign(kind=kinds), target="kind", task="classification"
    )
    assert "foundation_correction" not in rungs_named(None, classes)
    assert "chgnet_probe" in rungs_named(None, classes)
