"""The nuisance baseline: flagged when planted, silent by chance, its interval calibrated."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.ingest import check, make_splits
from iceframe.ingest.audit import nuisance
from iceframe.ingest.looks import looks


class Recorded(ArrayImages):
    """Images with a record of how they were taken."""

    def metadata(self) -> pd.DataFrame:
        return pd.DataFrame({"file_bytes": getattr(self, "sizes", np.zeros(len(self)))})


def images(n: int, seed: int, contrast: np.ndarray | float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    fields = np.stack([gaussian_filter(rng.normal(size=(40, 40)), 1.5) for _ in range(n)])
    fields /= fields.std(axis=(1, 2), keepdims=True)
    fields *= np.broadcast_to(contrast, n)[:, None, None]
    return np.clip(0.5 + fields, 0, 1)[:, None].astype(np.float32)


def found(data: Dataset) -> dict[str, object]:
    return {f.code: f for f in check(data, make_splits(data)).findings}


@pytest.mark.parametrize("seed", range(5))
def test_contrast_that_tells_the_class_is_flagged(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.choice(["a", "b"], 100)
    contrast = np.where(labels == "a", 0.08, 0.10) + 0.03 * rng.random(100)
    data = Dataset(
        pd.DataFrame({"y": labels}),
        "y",
        "classification",
        images=ArrayImages(images(100, seed, contrast)),
    )
    audit = check(data, make_splits(data))
    facts = audit.facts["nuisance"]
    assert facts["flagged"]
    assert facts["chance"] == 0.5
    assert facts["low"] < facts["score"] < facts["high"]
    assert facts["score"] > 0.75
    assert set(facts["cues"][:2]) == {"contrast", "sharpness"}
    finding = next(f for f in audit.findings if f.code == "nuisance")
    assert finding.severity == "warning"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("cue", ["file size", "magnification", "operator"])
def test_metadata_that_tells_a_number_is_flagged(cue: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=120)
    source = Recorded(images(120, seed))
    table = pd.DataFrame({"y": y})
    if cue == "file size":
        object.__setattr__(source, "sizes", 1000 + 100 * y + 50 * rng.normal(size=120))
    elif cue == "magnification":
        table[cue] = np.where(y + 0.3 * rng.normal(size=120) > 0, 500, 2000)
    else:
        table[cue] = np.where(y + 0.3 * rng.normal(size=120) > 0, "ann", "bob")
    audit = check(Dataset(table, "y", "regression", images=source))
    assert audit.facts["nuisance"]["flagged"]
    assert audit.facts["nuisance"]["cues"][0] == cue


@pytest.mark.parametrize("seed", range(3))
def test_a_table_is_judged_by_its_record_columns_only(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"carbon": rng.normal(size=150), "year": rng.integers(1990, 2010, 150)})
    table["y"] = 3 * table["carbon"] + rng.normal(size=150)
    features = ("carbon", "year")
    quiet = check(Dataset(table, "y", "regression", features))
    assert quiet.facts["nuisance"]["cues"] == ["year"]
    assert not quiet.facts["nuisance"]["flagged"]
    table["y"] += table["year"] - 2000
    assert "nuisance" in found(Dataset(table, "y", "regression", features))
    assert "nuisance" not in check(Dataset(table, "y", "regression", ("carbon",))).facts


def test_chance_is_seldom_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calibration: with cues that know nothing, not one of 24 data sets is flagged, and the
    interval holds the chance level in most."""
    monkeypatch.setattr(nuisance, "TREES", 20)
    flagged, held = 0, 0
    for seed in range(24):
        rng = np.random.default_rng(seed)
        table = pd.DataFrame(rng.normal(size=(60, 3)), columns=["gain", "exposure", "lab"])
        table["y"] = rng.choice(["a", "b", "c"], 60, p=[0.5, 0.3, 0.2])
        data = Dataset(table, "y", "classification", ("gain", "exposure", "lab"))
        facts = nuisance.examine(data, None, seed)[1]["nuisance"]
        flagged += facts["flagged"]
        held += facts["low"] <= facts["chance"] <= facts["high"]
    assert flagged == 0
    assert held >= 19


def test_in_phase_images_the_file_size_is_the_material() -> None:
    y = np.linspace(0, 1, 60)
    source = Recorded((images(60, 0) > 0.5).astype(np.float32), kind="phase")
    object.__setattr__(source, "sizes", 1000 * y)
    data = Dataset(pd.DataFrame({"y": y}), "y", "regression", images=source)
    assert nuisance.nuisance_cues(data).shape == (60, 0)
    grey = Recorded(images(60, 0))
    object.__setattr__(grey, "sizes", 1000 * y)
    data = Dataset(pd.DataFrame({"y": y}), "y", "regression", images=grey)
    assert "file size" in nuisance.nuisance_cues(data)


def test_one_specimen_in_many_images_widens_the_interval() -> None:
    rng = np.random.default_rng(0)
    piece = np.repeat(np.arange(12), 10)
    labels = np.where(piece % 2, "a", "b")
    contrast = (0.09 + 0.02 * rng.random(12))[piece] + 0.001 * rng.normal(size=120)
    table = pd.DataFrame({"y": labels, "piece": piece})
    source = ArrayImages(images(120, 0, contrast))
    alone = check(Dataset(table, "y", "classification", images=source)).facts["nuisance"]
    data = Dataset(table, "y", "classification", images=source, groups={"specimen": "piece"})
    whole = check(data, make_splits(data)).facts["nuisance"]
    assert alone["flagged"]
    assert not whole["flagged"]
    assert whole["high"] - whole["low"] > 2 * (alone["high"] - alone["low"])


def test_blank_saturated_and_odd_images_are_named() -> None:
    grey = images(60, 1)
    grey[7] = 0.5
    grey[11] = (grey[11] > 0.5).astype(np.float32)
    grey[23] = np.random.default_rng(0).random(grey[23].shape)
    table = pd.DataFrame({"y": np.random.default_rng(2).normal(size=60)})
    table.index = [f"m{i}.png" for i in range(60)]
    findings = found(Dataset(table, "y", "regression", images=ArrayImages(grey)))
    assert findings["blank-images"].samples == ("m7.png",)
    assert findings["saturated-images"].samples == ("m11.png",)
    assert "m23.png" in findings["odd-images"].samples


def test_looks_of_volumes_and_tiny_images() -> None:
    volume = np.random.default_rng(0).random((2, 1, 5, 5, 5)).astype(np.float32)
    values = looks(ArrayImages(volume)).values
    assert values.shape == (2, 5)
    assert values[0, 0] == pytest.approx(volume[0].mean())
    assert values[0, 2] > 0
    assert looks(ArrayImages(volume[:, :, :2, :2, :2])).column("sharpness").tolist() == [0, 0]


@pytest.mark.slow
def test_uhcs_nuisance_baseline(shared_data) -> None:
    """Published micrographs whose class can be told from grey levels and file size alone."""
    from PIL import Image

    folder = shared_data / "micrographs" / "uhcs"
    labels = pd.read_csv(folder / "labels.csv", index_col="file")
    grey = [np.asarray(Image.open(folder / f).convert("L"), np.float32) / 255 for f in labels.index]
    source = Recorded(np.stack(grey)[:, None], names=tuple(labels.index))
    object.__setattr__(
        source, "sizes", np.array([(folder / f).stat().st_size for f in labels.index])
    )
    data = Dataset(labels, "constituent", "classification", images=source)
    audit = check(data, make_splits(data))
    assert audit.facts["nuisance"]["flagged"]
    assert 0.55 <= audit.facts["nuisance"]["accuracy"] <= 0.75
    assert {f.code for f in audit.findings} >= {"nuisance", "duplicates", "specimen-unknown"}
