"""The physics that a sidecar or a recipe states."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from iceframe.core.errors import InputError
from iceframe.core.values import Law
from iceframe.ingest import read
from iceframe.ingest.law import law_from, law_of_recipe

STATED = {"elasticity": {"young": [1, 10], "poisson": [0.3, 0.3]}, "component": "C11"}


def _folder(path, kind="phase", physics=STATED):
    path.mkdir()
    rng = np.random.default_rng(0)
    for i in range(24):
        Image.fromarray((rng.random((8, 8)) > 0.5).astype(np.uint8) * 255).save(path / f"{i}.png")
    rows = "".join(f"{i}.png,{i * 1.5}\n" for i in range(24))
    (path / "labels.csv").write_text("file,C11\n" + rows)
    (path / "dataset.json").write_text(json.dumps({"kind": kind, "physics": physics}))
    return path


def test_a_sidecar_states_the_physics(tmp_path):
    law = read(_folder(tmp_path / "d"), "C11").law
    assert law == Law("elasticity", {"young": (1.0, 10.0), "poisson": (0.3, 0.3)}, "C11")
    assert law.phases == 2


def test_physics_of_phases_is_not_used_for_grey_images(tmp_path):
    data = read(_folder(tmp_path / "d", kind="grey"), "C11")
    assert data.law is None
    assert any("not of kind 'phase'" in note for note in data.notes)


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"component": "C11"}, "names no property"),
        ({"elasticity": 3, "component": "C11"}, "names no property"),
        ({**STATED, "conductivity": {"values": [1, 2]}}, "names no property"),
        ({**STATED, "component": "C99"}, "Which component"),
        ({**STATED, "component": None}, "Which component"),
        ({"conductivity": {"values": [1]}, "component": "k_xx"}, "one number a phase"),
        ({"conductivity": {"values": "1, 2"}, "component": "k_xx"}, "list of numbers"),
        ({"conductivity": {"values": [1, True]}, "component": "k_xx"}, "list of numbers"),
        ({"conductivity": {"values": [1, -2]}, "component": "k_xx"}, "impossible"),
        ({"conductivity": {"values": [1, float("nan")]}, "component": "k_xx"}, "impossible"),
        ({"elasticity": {"young": [1, 2], "poisson": [0.3, 0.5]}, "component": "C11"}, "possible"),
        ({"elasticity": {"young": [1, 2], "poisson": [0.3]}, "component": "C11"}, "one number a"),
        ({"elasticity": {"young": [1, 2]}, "component": "C11"}, "list of numbers"),
        ({"elasticity": {**STATED["elasticity"], "state": "x"}, "component": "C11"}, "state"),
    ],
)
def test_what_is_wrong_is_said(stated, said):
    with pytest.raises(InputError, match=said) as error:
        law_from(stated, "dataset.json")
    assert "dataset.json" in str(error.value)


def test_a_recipe_states_its_law_where_constants_do_not_vary():
    recipe = {"property": {"conductivity": {"values": [1.0, 20.0], "unit": "W/(m K)"}}}
    law = law_of_recipe(recipe, "k_xy", 2)
    assert law is not None
    assert law.constants == {"values": (1.0, 20.0)}
    assert law_of_recipe(recipe, "volume_fraction", 2) is None
    assert law_of_recipe(recipe, "k_xz", 2) is None
    drawn = {"property": {"conductivity": {"values": [1.0, {"low": 2, "high": 5}]}}}
    assert law_of_recipe(drawn, "k_xx", 2) is None
    assert law_of_recipe({}, "k_xx", 2) is None
