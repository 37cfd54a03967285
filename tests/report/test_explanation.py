"""One explained sample as a folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from report_views import regression_images, regression_table

from iceframe.core.values import Explanation
from iceframe.report import write_explanation
from iceframe.workflow.view import Explained, Trust

TRUST = Trust(
    "yes", "no", "A true picture of a wrong model.", {"faithfulness": 0.9, "pf_star": np.nan}
)


def test_a_row_is_written_as_page_json_and_table(tmp_path: Path) -> None:
    example = regression_table(40).rungs["ebm"].examples[3]
    values = np.array(example.contributions)
    explanation = Explanation(
        "exact terms", values, "yield strength", example.names, 2785.0, 1500.0, 0.004
    )
    page = write_explanation(Explained(explanation, example, TRUST), tmp_path / "why")
    text = page.read_text(encoding="utf-8")
    assert page == tmp_path / "why" / "explanation.html"
    assert "Why yield strength is predicted to be 2785" in text
    assert "starting from 1500" in text
    assert "<script" not in text
    body = json.loads((tmp_path / "why" / "explanation.json").read_text())
    assert body["contributions"] == dict(zip(example.names, example.contributions, strict=True))
    assert body["probability"] is None
    assert body["believed"]["of_material"] == "no"
    assert body["believed"]["scores"] == {"faithfulness": 0.9, "pf_star": None}
    assert "May it be believed?</b> A true picture of a wrong model." in text
    assert "Faithfulness" in text
    table = pd.read_csv(tmp_path / "why" / "attributions.csv")
    assert table["contribution"].abs().is_monotonic_decreasing
    np.testing.assert_allclose(table["contribution"].sum(), values.sum())


def test_an_image_is_written_with_its_map(tmp_path: Path) -> None:
    example = regression_images().rungs["cnn"].examples[0]
    assert example.map is not None
    explanation = Explanation(
        "integrated gradients", example.map, "conductivity", baseline=float("nan")
    )
    page = write_explanation(Explained(explanation, example, TRUST), tmp_path)
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/png") == 2
    assert "One scale for all maps" in text
    np.testing.assert_array_equal(np.load(tmp_path / "map.npy"), example.map)
    assert json.loads((tmp_path / "explanation.json").read_text())["baseline"] is None


def test_the_exact_physics_stands_beside_the_map(tmp_path: Path) -> None:
    example = regression_images().rungs["cnn"].examples[0]
    assert example.map is not None
    exact = replace(example, physics=np.asarray(example.map) / 7)
    explanation = Explanation("integrated gradients", example.map, "conductivity")
    text = write_explanation(Explained(explanation, exact, TRUST), tmp_path).read_text("utf-8")
    assert text.count("data:image/png") == 3
    assert "Exact physics" in text
    assert "the exact physics has its own" in text
    np.testing.assert_array_equal(np.load(tmp_path / "physics.npy"), exact.physics)
