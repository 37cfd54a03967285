"""Real tables and micrographs, read as a materials scientist would expect."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from iceframe.core.errors import InputError
from iceframe.ingest import read


def test_matbench_steels(shared_data: Path) -> None:
    data = read(shared_data / "tables" / "matbench_steels.json.bz2", "yield strength")
    assert (len(data), data.task, data.layout) == (312, "regression", "matbench")
    assert data.composition == "composition"
    assert data.features == ()
    assert data.ids[0] == "mb-steels-001"
    assert data.y[:2].tolist() == [2411.5, 1123.1]


def test_matbench_metals(shared_data: Path) -> None:
    data = read(shared_data / "tables" / "matbench_expt_is_metal.json.bz2", "is_metal")
    assert (len(data), data.task) == (4921, "classification")
    assert data.classes == ("False", "True")


def test_matbench_structures_keep_the_space_group(shared_data: Path) -> None:
    data = read(shared_data / "tables" / "matbench_jdft2d.json.bz2", "exfoliation_en")
    assert data.features == ("spg_num", "crys_sys")


def test_nims_fatigue(shared_data: Path) -> None:
    data = read(shared_data / "tables" / "nims_fatigue_agrawal2014.csv", "Fatigue")
    assert (len(data), data.task, len(data.features)) == (437, "regression", 25)
    assert "Sl. No." not in data.features
    assert data.ids[0] == "1"


def test_high_entropy_alloys(shared_data: Path) -> None:
    path = shared_data / "tables" / "mpea_borg2020.csv"
    target = "PROPERTY: YS (MPa)"
    with pytest.raises(InputError, match="--drop-invalid"):
        read(path, target)
    data = read(path, target, drop_invalid=True)
    assert (len(data), data.task) == (1067, "regression")
    assert data.composition == "FORMULA"
    assert data.groups == {"reference": "REFERENCE: doi"}
    assert data.units[target] == "MPa"
    assert "PROPERTY: Processing method" in data.features
    assert "PROPERTY: Test temperature ($^\\circ$C)" in data.features
    assert not [name for name in data.features if name.startswith(("REFERENCE", "IDENTIFIER"))]
    assert np.isfinite(data.y).all()


def test_uhcs_micrographs(shared_data: Path) -> None:
    start = time.perf_counter()
    data = read(shared_data / "micrographs" / "uhcs", "constituent")
    assert time.perf_counter() - start < 30
    assert data.images is not None
    assert data.images.shape == (1, 237, 322)
    assert data.classes == ("network", "pearlite", "spheroidite")
    assert len(data.images.metadata()) == 600


def test_superalloy_micrographs_from_their_specimen_table(shared_data: Path) -> None:
    folder = shared_data / "micrographs" / "superalloy"
    data = read(folder / "specimens.csv", require_target=False)
    assert len(data) == 23
    assert data.groups == {"specimen": "specimen"}
    assert data.images is not None
    assert all(name.startswith("images/") for name in data.images.names)
    assert read(folder, require_target=False).fingerprint == data.fingerprint


def test_the_electrode_volume(shared_data: Path) -> None:
    path = shared_data / "volumes" / "electrode.tiff"
    data = read(path, require_target=False, kind="phase")
    assert data.images is not None
    assert data.images.shape == (1, 256, 256, 256)
    values, counts = np.unique(data.images.read([0]), return_counts=True)
    assert values.tolist() == [0, 0.5, 1]
    np.testing.assert_allclose(counts / counts.sum(), [0.45, 0.40, 0.15], atol=0.02)
    assert len(read(path, require_target=False, pages="frames", kind="phase")) == 256
