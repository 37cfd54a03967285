"""One explained sample as a folder."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from report_views import regression_images, regression_table

from iceframe.core.values import Explanation
from iceframe.report import write_explanation
from iceframe.workflow.view import (
    ConceptEffects,
    Counterfactual,
    Explained,
    Neighbourhood,
    Trust,
)

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


def image_explained(**answers: object) -> Explained:
    example = regression_images().rungs["cnn"].examples[0]
    assert example.map is not None
    explanation = Explanation("integrated gradients", example.map, "conductivity")
    return replace(Explained(explanation, example, TRUST), **answers)


def concepts() -> ConceptEffects:
    row = {"unit": "px", "value": 4.0, "deviation": 1.0, "sd": 2.0, "r2": 0.9, "present": True}
    row |= {"effect": 1.5, "low": 1.0, "high": 2.0, "p": 0.001, "p_adjusted": 0.002, "used": True}
    used = {"concept": "chord <length>", **row, "note": "varies with 'x' (r = 0.80)"}
    held = {"concept": "anisotropy", **row, "used": False, "note": "present, not used"}
    held |= {"effect": -0.5, "low": float("nan"), "p_adjusted": 0.4}
    left = {f"S2({i})": "follows from those before it" for i in range(5)} | {
        "grain": "does not vary"
    }
    return ConceptEffects(
        pd.DataFrame([used, held]), "GPa", left, "what enters head", 100, "the run's data", 1000,
        0.05, "The network uses chord <length>.", "Kim et al. 2018, https://arxiv.org/abs/1711.11279",
    )  # fmt: skip


def change(phases: np.ndarray, changed: np.ndarray, **other: object) -> Counterfactual:
    solved = {"before": 5.0, "after": 5.1, "ratio": 0.2, "agrees": False, "worked": False}
    found = Counterfactual(
        "+0.5 GPa", phases, changed, 5.0, 5.5, True, "", "GPa", 0.5, 0.55, True, False, solved,
        "It fools the model.", "Wachter, Mittelstadt & Russell 2018",
    )  # fmt: skip
    return replace(found, **other)


def neighbours(images: np.ndarray | None, features: pd.DataFrame | None = None) -> Neighbourhood:
    rows = {"id": ["a", "b"], "distance": [0.5, 0.75], "measured": [4.5, 6.25]}
    return Neighbourhood(
        pd.DataFrame(rows), "activations of 'cnn'", 0.4, 0.6, False, images, features,
        "The 2 nearest were measured 4.5 to 6.25.", "Papernot & McDaniel 2018",
    )  # fmt: skip


def test_what_was_not_asked_is_not_on_the_page(tmp_path: Path) -> None:
    text = write_explanation(image_explained(), tmp_path).read_text("utf-8")
    body = json.loads((tmp_path / "explanation.json").read_text())
    assert not {"concepts", "counterfactual", "neighbours"} & set(body)
    assert "<h2" not in text
    assert not (tmp_path / "counterfactual.npy").exists()


def test_descriptors_have_a_section_and_a_key(tmp_path: Path) -> None:
    text = write_explanation(image_explained(concepts=concepts()), tmp_path).read_text("utf-8")
    assert "Which descriptors the network uses" in text
    assert "chord &lt;length&gt;" in text
    assert "chord <length>" not in text
    assert "+1.50<small>+1 to +2</small>" in text
    assert "varies with" in text
    assert "present, not used" not in text  # the verdict says so
    assert text.count('<tr class="chosen">') == 1
    assert "(follows from those before it): S2(0), S2(1), S2(2) and 2 more." in text
    assert "(does not vary): grain." in text
    body = json.loads((tmp_path / "explanation.json").read_text())["concepts"]
    assert [row["used"] for row in body["table"]] == [True, False]
    assert body["table"][1]["low"] is None
    assert body["images"] == 100


def test_a_changed_structure_is_shown_with_its_flips(tmp_path: Path) -> None:
    phases = np.zeros((6, 6), bool)
    phases[:, :3] = True
    changed = np.zeros((6, 6), bool)
    changed[0, 2:4] = True  # one pixel each way
    explained = image_explained(counterfactual=change(phases, changed))
    text = write_explanation(explained, tmp_path).read_text("utf-8")
    assert text.count("data:image/png") == 4  # image, map, and two more
    assert "2 of 36" in text
    assert "5 → 5.50 GPa" in text
    assert "True over predicted change" in text
    drawn = pixels(text.split('alt="Changed')[0].rsplit('src="', 1)[1].split('"')[0])
    red, blue = drawn[..., 0], drawn[..., 2]
    np.testing.assert_array_equal(np.argwhere(red > blue + 50), [[0, 3]])  # became second phase
    np.testing.assert_array_equal(np.argwhere(blue > red + 50), [[0, 2]])
    np.testing.assert_array_equal(np.load(tmp_path / "counterfactual.npy"), phases ^ changed)
    body = json.loads((tmp_path / "explanation.json").read_text())["counterfactual"]
    assert body["flips"] == 2
    assert body["solved"]["ratio"] == 0.2
    assert "phases" not in body


def test_of_a_volume_the_slice_with_most_changes_is_shown(tmp_path: Path) -> None:
    changed = np.zeros((5, 6, 7), bool)
    changed[3, 1, 1:4] = changed[0, 0, 0] = True
    found = change(np.zeros((5, 6, 7), bool), changed, solved=None)
    text = write_explanation(image_explained(counterfactual=found), tmp_path).read_text("utf-8")
    assert "slice 4 of 5" in text
    assert "Changed voxels" in text
    assert "Solver" not in text


def test_neighbours_are_shown_with_what_was_measured(tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((2, 6, 6))
    text = write_explanation(image_explained(neighbours=neighbours(images)), tmp_path).read_text(
        "utf-8"
    )
    assert text.count("data:image/png") == 4
    assert "measured <b>6.25</b>" in text
    assert "0.400 is usual" in text
    body = json.loads((tmp_path / "explanation.json").read_text())["neighbours"]
    assert body["table"][0] == {"id": "a", "distance": 0.5, "measured": 4.5}


def test_neighbours_without_pictures_show_the_features_that_contribute_most(
    tmp_path: Path,
) -> None:
    example = regression_table(40).rungs["ebm"].examples[3]
    columns = sorted(example.names, reverse=True)
    features = pd.DataFrame([range(len(columns)), [0.5] * len(columns)], columns=columns)
    explanation = Explanation("exact terms", np.array(example.contributions), "y", example.names)
    explained = Explained(explanation, example, TRUST, neighbours=neighbours(None, features))
    text = write_explanation(explained, tmp_path).read_text("utf-8")
    shown = text.split('aria-label="Nearest samples"')[1]
    heads = "".join(f'<th scope="col">{name}</th>' for name in example.names[:4])
    assert f'<th scope="col">Distance</th>{heads}</tr>' in shown
    assert example.names[4] not in shown
    first = "".join(f"<td>{columns.index(name)}</td>" for name in example.names[:4])
    assert f'<th scope="row">a</th><td>4.5</td><td>0.500</td>{first}</tr>' in shown
    assert "this one" in shown


def pixels(uri: str) -> np.ndarray:
    """The picture of a data URI, ``(h, w, 3)``."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)
