"""Clean data raises no alarm: over seeds, kinds and sizes, nothing is found that is not there."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.ingest import check, make_splits

SEEDS = range(8)
DRAWS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal": lambda rng, n: rng.lognormal(0, 1.5, n),
    "uniform": lambda rng, n: rng.uniform(-1, 1, n),
    "exponential": lambda rng, n: rng.exponential(1.0, n),
    "integers": lambda rng, n: rng.integers(0, 50, n).astype(float),
}


def codes(data: Dataset, splits=None) -> list[str]:
    return [finding.code for finding in check(data, splits).findings]


def clean_table(task: str, seed: int, n: int = 200) -> Dataset:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "temperature (K)": rng.uniform(300, 1200, n),
            "time (h)": rng.lognormal(1.0, 1.0, n),
            "carbon (wt%)": rng.exponential(0.3, n),
            "route": rng.choice(["cast", "forged", "rolled"], n),
            "passes": rng.integers(1, 6, n),
            "yield (MPa)": rng.normal(500, 80, n),
        },
        index=[f"s{i}" for i in range(n)],
    )
    table["y"] = table["temperature (K)"] / 300 + table["carbon (wt%)"] + rng.normal(size=n)
    if task == "classification":
        table["y"] = np.where(table["y"] > table["y"].quantile(0.6), "brittle", "ductile")
    return Dataset(table, "y", task, tuple(table.columns[:-1]))


def grey_images(n: int, seed: int, length: float = 2.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    fields = np.stack([gaussian_filter(rng.normal(size=(48, 48)), length) for _ in range(n)])
    fields = fields / fields.std(axis=(1, 2), keepdims=True)
    contrast = rng.uniform(0.08, 0.12, (n, 1, 1))
    return np.clip(0.5 + contrast * fields, 0, 1)[:, None].astype(np.float32)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_clean_table_has_no_findings(task: str, seed: int) -> None:
    data = clean_table(task, seed)
    assert codes(data, make_splits(data, seed=seed)) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_clean_micrographs_only_lack_their_specimens(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.choice(["pearlite", "bainite", "martensite"], 90)
    data = Dataset(
        pd.DataFrame({"y": labels}),
        "y",
        "classification",
        images=ArrayImages(grey_images(90, seed + 500)),
    )
    assert codes(data, make_splits(data)) == ["specimen-unknown"]


@pytest.mark.parametrize("seed", range(3))
def test_simulated_phases_have_no_findings(seed: int) -> None:
    """The volume fraction drives the property: physics, not a nuisance."""
    from iceframe.physics import generate

    rng = np.random.default_rng(seed)
    fraction = rng.uniform(0.2, 0.8, 80)
    phases = generate(
        "random_field",
        80,
        (48, 48),
        volume_fraction=fraction,
        length=rng.uniform(3, 6, 80),
        anisotropy=1.0,
        seed=seed,
    ).phases
    table = pd.DataFrame({"y": 1 + 9 * fraction + 0.2 * rng.normal(size=80)})
    images = ArrayImages(phases[:, None].astype(np.float32), True, "phase")
    data = Dataset(table, "y", "regression", images=images)
    audit = check(data, make_splits(data))
    assert [f.code for f in audit.findings] == []
    assert "nuisance" not in audit.facts


@pytest.mark.parametrize("shape", DRAWS)
@pytest.mark.parametrize("n", [40, 20_000])
def test_no_outliers_nor_second_unit_in_ordinary_distributions(shape: str, n: int) -> None:
    from iceframe.ingest.audit.magnitudes import second_cloud
    from iceframe.ingest.audit.outliers import far_out

    for seed in range(5):
        rng = np.random.default_rng(seed)
        values = DRAWS[shape](rng, n)
        assert not far_out(values).any()
        assert not second_cloud(values).any()


@pytest.mark.parametrize("seed", range(3))
def test_facts_are_json_and_findings_carry_remedies(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = clean_table("classification", seed).table.assign(
        flat=1.0, piece=rng.integers(0, 40, 200)
    )
    table.iloc[:9, 0] = np.nan
    table.iloc[30:40] = table.iloc[20:30].to_numpy()
    features = (*table.columns[:6], "flat")
    data = Dataset(table, "y", "classification", features, groups={"specimen": "piece"})
    audit = check(data, make_splits(data, "stratified"))
    assert json.loads(json.dumps(dict(audit.facts), allow_nan=False))["n"] == 200
    assert len(audit.findings) >= 4
    for finding in audit.findings:
        assert finding.title
        assert finding.evidence
        assert finding.remedy
    order = ["error", "warning", "note"]
    ranks = [order.index(f.severity) for f in audit.findings]
    assert ranks == sorted(ranks)


def test_without_a_target_the_rest_is_still_checked() -> None:
    table = clean_table("regression", 0).table.drop(columns="y").assign(flat=3)
    audit = check(Dataset(table, features=tuple(table.columns)))
    assert [f.code for f in audit.findings] == ["constant-columns"]


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_almost_no_data(n: int) -> None:
    data = clean_table("regression", 0).take(np.arange(n))
    assert "few-samples" in codes(data)


def test_the_same_seed_gives_the_same_audit() -> None:
    data = clean_table("classification", 1)
    first, again = check(data, seed=3), check(data, seed=3)
    assert first == again
