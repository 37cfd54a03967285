"""The representer: what it chooses, stores, refuses, and how good it is on real data."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.scale.represent import Representer, default_names


@pytest.fixture
def data(rng: np.random.Generator) -> Dataset:
    """Eight samples with columns, a composition, grey images and a target."""
    table = pd.DataFrame(
        {
            "formula": ["FeNi", "Fe3Al", "Ni3Al", "Fe", "Ni", "FeAl", "NiAl", "Fe2Ni"],
            "t": np.arange(8.0),
            "route": list("abababab"),
            "y": rng.random(8),
        },
        index=[f"s{i}" for i in range(8)],
    )
    return Dataset(
        table,
        target="y",
        task="regression",
        features=("t", "route"),
        composition="formula",
        images=ArrayImages(rng.random((8, 1, 32, 32)).astype(np.float32)),
    )


def test_defaults_follow_what_the_data_has(data: Dataset) -> None:
    grey = (
        *("gradient_orientation", "intensity", "local_binary_patterns"),
        *("power_spectrum", "two_point"),
    )
    assert default_names(data) == ("columns", "element_fractions", "magpie", *grey)
    assert default_names(replace(data, features=(), composition=None)) == grey
    assert default_names(replace(data, images=None, composition=None)) == ("columns",)
    assert data.images is not None
    phases = ArrayImages(np.round(data.images.read(range(8))), kind="phase")
    assert default_names(replace(data, features=(), composition=None, images=phases)) == (
        "two_point",
    )
    with pytest.raises(InputError, match="nothing to describe"):
        default_names(replace(data, features=(), composition=None, images=None))


def test_all_parts_side_by_side(data: Dataset) -> None:
    found = Representer().fit(data).transform(data)
    assert len(set(found.names)) == len(found.names)
    assert set(found.blocks) == {
        *("process", "fractions", "magpie", "intensity", "lbp"),
        *("orientation", "power_spectrum", "morphology", "two_point"),
    }
    assert sorted(p for b in found.blocks.values() for p in b) == list(range(len(found.names)))
    alone = Representer(["power_spectrum"]).fit(data).transform(data)
    at = list(found.blocks["power_spectrum"])
    np.testing.assert_array_equal(found.values[:, at], alone.values)
    assert tuple(found.names[i] for i in at) == alone.names
    assert len(found.references) == 8


def test_state_survives_json_and_needs_no_target(data: Dataset) -> None:
    representer = Representer().fit(data)
    expected = representer.transform(data)
    again = Representer.from_state(json.loads(json.dumps(representer.state(), allow_nan=False)))
    bare = replace(data, table=data.table.drop(columns="y"), target=None, task=None)
    found = again.transform(bare.take([5, 1]))
    assert found.names == expected.names
    assert found.units == expected.units
    assert found.blocks == expected.blocks
    np.testing.assert_allclose(found.values, expected.values[[5, 1]], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "broken",
    [
        {"version": 2, "descriptors": []},
        {"version": 1},
        {"version": 1, "descriptors": [{"name": "columns"}]},
        {"version": 1, "descriptors": [{"name": "columns", "state": {"units": 3}}]},
        {"version": 1, "descriptors": [{"name": "two_point", "state": {"format": {"shape": "x"}}}]},
        [],
    ],
)
def test_a_state_edited_by_hand_is_refused(broken: dict) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Representer.from_state(broken)


def test_missing_inputs_are_named(data: Dataset) -> None:
    representer = Representer().fit(data)
    table = data.table.drop(columns=["route", "formula"])
    with pytest.raises(InputError) as caught:
        representer.transform(replace(data, table=table, composition=None))
    assert caught.value.allowed == "route, formula"
    with pytest.raises(InputError, match="no images"):
        representer.transform(replace(data, images=None))


def test_a_formula_column_that_was_not_declared_is_found_by_name(data: Dataset) -> None:
    representer = Representer(["element_fractions"]).fit(data)
    expected = representer.transform(data).values
    found = representer.transform(replace(data, composition=None)).values
    np.testing.assert_array_equal(found, expected)
    renamed = data.table.rename(columns={"formula": "alloy"})
    found = representer.transform(replace(data, table=renamed, composition="alloy")).values
    np.testing.assert_array_equal(found, expected)


def test_a_descriptor_that_cannot_be_used(data: Dataset) -> None:
    with pytest.raises(UsageError, match="Did you mean 'magpie'"):
        Representer(["magpi"]).fit(data)
    with pytest.raises(InputError, match="needs images"):
        Representer(["two_point"]).fit(replace(data, images=None))


def test_equal_names_are_told_apart_by_their_block(data: Dataset) -> None:
    table = data.table.assign(**{"Fe fraction": 0.0})
    mixed = replace(data, table=table, features=("Fe fraction",), images=None)
    names = Representer(["columns", "element_fractions"]).fit(mixed).transform(mixed).names
    assert names == ("Fe fraction", "Al fraction", "Fe fraction [fractions]", "Ni fraction")


def test_notes_and_progress(data: Dataset) -> None:
    representer = Representer().fit(data)
    new = replace(data, table=data.table.assign(route="z", formula="FeCo"))
    calls: list[tuple[int, int]] = []
    representer.transform(new, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (8, 8)
    assert any("'z'" in note for note in representer.notes)
    assert any("Co" in note for note in representer.notes)
    representer.transform(data)
    assert representer.notes == ()


# ------------------------------------------------------------------------------------- real data


def test_steels_are_described_in_a_moment(shared_data: Path) -> None:
    import bz2

    import matminer.utils.data  # noqa: F401  the import is not what is timed

    with bz2.open(shared_data / "tables" / "matbench_steels.json.bz2") as file:
        table = pd.DataFrame(json.load(file))
    steels = Dataset(table, composition="composition")
    start = time.process_time()
    found = Representer().fit(steels).transform(steels)
    assert time.process_time() - start < 2
    assert found.values.shape == (312, 14 + 132)
    assert np.isfinite(found.values).all()
    np.testing.assert_allclose(found.values[:, :14].sum(axis=1), 1)


@pytest.mark.slow
def test_micrographs_are_told_apart(shared_data: Path) -> None:
    """UHCS, a support vector machine at fixed settings: at least 0.93 of the held-out images."""
    from PIL import Image
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    folder = shared_data / "micrographs" / "uhcs"
    labels = pd.read_csv(folder / "labels.csv", index_col="file")
    pixels = [
        np.asarray(Image.open(folder / f).convert("L"), np.float32) / 255 for f in labels.index
    ]
    steels = Dataset(labels, images=ArrayImages(np.stack(pixels)[:, None]))
    start = time.process_time()
    found = Representer().fit(steels).transform(steels)
    assert time.process_time() - start < 60
    model = make_pipeline(StandardScaler(), SVC(C=10, gamma="scale"))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    accuracy = cross_val_score(model, found.values, labels["constituent"], cv=folds)
    assert accuracy.mean() >= 0.93
