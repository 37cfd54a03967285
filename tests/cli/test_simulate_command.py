"""``iceframe simulate``: from a recipe to a run, and what it says when something is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from iceframe.workflow.simulate.templates import TEMPLATES

Cli = Callable[..., Any]  # gives code, out, err; see conftest

RECIPE = """\
generator: random_field
shape: [16, 16]
samples: 40
factors:
  volume_fraction: [0.2, 0.8]
property:
  conductivity: {values: [1, 10]}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def test_from_a_recipe_to_an_explanation(iceframe: Cli, recipe: Path, tmp_path: Path) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    ended = iceframe("simulate", recipe, "--out", data, "--workers", "1")
    assert ended.code == 0, ended.err
    assert "40 samples" in ended.out
    assert f"iceframe run {data} --target k_xx" in ended.out
    ended = iceframe("check", data, "--target", "k_xx", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["n"] == 40
    ended = iceframe(
        "run", data, "--target", "k_xx", "--out", run, "--ladder", "mean,ridge", "--trials", "2",
        "--folds", "3", "--workers", "1", "--no-shift",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert "ridge" in ended.out
    ended = iceframe("predict", run, data, "--rung", "ridge", "--out", tmp_path / "p.csv")
    assert ended.code == 0, ended.err
    predicted = pd.read_csv(tmp_path / "p.csv", index_col="id")
    truth = pd.read_parquet(data / "samples.parquet").set_index("id")["k_xx"]
    assert predicted["mean"].corr(truth) > 0.8
    ended = iceframe("explain", run, data, "--rung", "ridge", "--sample", "s00003",
                     "--out", tmp_path / "why")  # fmt: skip
    assert ended.code == 0, ended.err
    assert (tmp_path / "why" / "explanation.html").exists()


def test_json_and_a_second_time(iceframe: Cli, recipe: Path, tmp_path: Path) -> None:
    first = iceframe("simulate", recipe, "--out", tmp_path / "data", "--json")
    assert first.code == 0, first.err
    body = json.loads(first.out)
    assert body["samples"] == 40
    assert body["statuses"] == {"CONVERGED": 40}
    again = iceframe("simulate", recipe, "--out", tmp_path / "data", "--json")
    assert json.loads(again.out) == body


def test_dry_run_writes_nothing(iceframe: Cli, recipe: Path, tmp_path: Path) -> None:
    ended = iceframe("simulate", recipe, "--out", tmp_path / "data", "--dry-run")
    assert ended.code == 0, ended.err
    for word in ("40 samples", "16 × 16", "k_xy", "time: about", "size: about"):
        assert word in ended.out
    assert not (tmp_path / "data").exists()
    body = json.loads(iceframe("simulate", recipe, "--dry-run", "--json", "--workers", "1").out)
    assert body["samples"] == 40
    assert body["bytes"] > 40 * 16 * 16 / 8
    assert body["seconds"] > 0


def test_what_a_dry_run_tried_in_vain(iceframe: Cli, recipe: Path) -> None:
    recipe.write_text(RECIPE + "solver: {max_iterations: 2}\n")
    ended = iceframe("simulate", recipe, "--dry-run")
    assert ended.code == 0
    assert "have no property" in ended.err


def test_samples_without_property_are_told(iceframe: Cli, recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(RECIPE + "solver: {max_iterations: 2}\n")
    ended = iceframe("simulate", recipe, "--out", tmp_path / "data", "--workers", "1")
    assert ended.code == 0
    assert "40 of 40 samples have no property" in ended.err
    assert "raise max_iterations" in ended.err
    ended = iceframe("run", tmp_path / "data", "--target", "k_xx", "--out", tmp_path / "run")
    assert ended.code == 1
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_can_be_used_as_they_are(iceframe: Cli, name: str, tmp_path: Path) -> None:
    ended = iceframe("simulate", "--template", name)
    assert ended.code == 0
    path = tmp_path / f"{name}.yaml"
    path.write_text(ended.out)
    ended = iceframe("simulate", path, "--dry-run", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["failed"] == 0


def test_the_help_names_every_template(iceframe: Cli) -> None:
    ended = iceframe("simulate", "--help")
    for name in TEMPLATES:
        assert name in ended.out


def refused(ended: Any, code: int, *words: str) -> None:
    assert ended.code == code, ended.err or ended.out
    assert "Traceback" not in ended.err
    assert ended.err.count("Error:") == 1
    for word in words:
        assert word in ended.err, ended.err


def test_refusals(iceframe: Cli, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    refused(iceframe("simulate"), 2, "Which recipe", "--template conduction")
    refused(iceframe("simulate", recipe), 2, "Where to", "--out")
    refused(iceframe("simulate", "--template", "elastik"), 2, "Did you mean 'elastic'")
    refused(iceframe("simulate", tmp_path / "no.yaml", "--out", out), 1, "not found", "--template")
    refused(iceframe("simulate", recipe, "--out", out, "--workers", "0"), 2, "workers")
    recipe.write_text(RECIPE.replace("[1, 10]", "[1, -10]"))
    refused(iceframe("simulate", recipe, "--out", out), 1, "recipe.yaml, line 7", "values[1]")
    recipe.write_text(RECIPE.replace("random_field", "random_fields"))
    refused(iceframe("simulate", recipe, "--out", out), 2, "line 1, generator", "'random_field'")
    assert not out.exists()


def test_interrupting_keeps_what_is_done(
    iceframe: Cli, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from iceframe.workflow.simulate import session

    make, done = session.make_part, []

    def interrupted(*given: Any) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(given)
        make(*given)

    monkeypatch.setattr(session, "make_part", interrupted)
    ended = iceframe("simulate", recipe, "--out", tmp_path / "data", "--workers", "1")
    assert ended.code == 130
    assert "8 of 40 samples are kept" in ended.err
    monkeypatch.setattr(session, "make_part", make)
    assert iceframe("simulate", recipe, "--out", tmp_path / "data").code == 0


def test_generators_are_listed(iceframe: Cli) -> None:
    ended = iceframe("list", "generators", "--json")
    names = [row["name"] for row in json.loads(ended.out)["available"]]
    assert {"random_field", "voronoi"} <= set(names)
