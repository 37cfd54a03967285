"""The recipe "add a rung in one file" works as it stands: the block is saved, found and fitted."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from .conftest import REPOSITORY

TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPE = TEXT.split("<!-- recipe: start -->")[1].split("<!-- recipe: end -->")[0]
MODULE = "neighbours_from_the_recipe"


def code() -> str:
    blocks = re.findall(r"^```python\n(.*?)^```$", RECIPE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1, "the recipe is one file"
    return blocks[0]


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The recipe's file, imported; the registry is as before afterwards."""
    from iceframe.scale.rung import RUNGS

    RUNGS.names()
    path = tmp_path / f"{MODULE}.py"
    path.write_text(code(), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__(MODULE)
    yield path
    del RUNGS._entries["neighbours"], sys.modules[MODULE]


def test_the_file_is_found_by_lying_in_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the recipe: a file beside the others, in a package that a registry owns."""
    from iceframe.core.registry import Registry
    from iceframe.scale import rung

    package = tmp_path / "rungs_for_the_recipe"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "neighbours.py").write_text(code(), encoding="utf-8")
    registry: Registry[type] = Registry("rung", package.name)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(rung, "RUNGS", registry)
    assert registry.names() == ["neighbours"]
    assert registry["neighbours"].title == "k nearest neighbours"


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_it_is_tuned_fitted_stored_and_loaded(
    added: Path, task: str, rng: np.random.Generator, tmp_path: Path
) -> None:
    from iceframe.core.values import Representation
    from iceframe.scale.fitting import Fitted, context_for, fit, tune
    from iceframe.scale.rung import RUNGS, Inputs

    x = rng.normal(size=(60, 2))
    x[::7, 1] = np.nan
    y = x[:, 0] ** 2 if task == "regression" else (x[:, 0] > 0).astype(np.int64)
    inputs = Inputs(Representation(x, ("a", "b"), ("", "")))
    rung = RUNGS["neighbours"]()
    n_classes = 0 if task == "regression" else 2
    context = context_for(inputs, task, n_classes=n_classes, seed=0)
    settings = tune(rung, inputs, y, context, trials=4)
    assert 1 <= settings["k"] <= 20
    fitted = fit(rung, settings, inputs, y, context)
    answers = fitted.predict(inputs)
    assert answers.shape == ((60,) if task == "regression" else (60, 2))
    assert rung.parameters(fitted.estimator) == 120
    fitted.save(tmp_path / "model")
    np.testing.assert_allclose(Fitted.load(tmp_path / "model").predict(inputs), answers)


def test_one_neighbour_has_as_many_degrees_of_freedom_as_samples(
    added: Path, rng: np.random.Generator
) -> None:
    """The recipe's rung is measured like any other, and this answer is known."""
    from iceframe.core.values import Representation
    from iceframe.measure.complexity import generalised_degrees_of_freedom
    from iceframe.scale.fitting import context_for, fit
    from iceframe.scale.rung import RUNGS, Inputs

    x, y = rng.normal(size=(30, 2)), rng.normal(size=30)
    inputs = Inputs(Representation(x, ("a", "b"), ("", "")))
    context = context_for(inputs, "regression", seed=0)
    rung = RUNGS["neighbours"]()
    estimate = generalised_degrees_of_freedom(
        lambda target: fit(rung, {"k": 1}, inputs, target, context).predict(inputs), y, replicates=3
    )
    assert estimate.value == pytest.approx(30)


def test_the_shell_lines_of_the_recipe_name_real_things() -> None:
    assert (REPOSITORY / "tests" / "scale").is_dir()
    assert "--ladder mean,neighbours" in RECIPE


def test_the_how_to_page_shows_the_same_text() -> None:
    page = (REPOSITORY / "docs" / "how-to" / "add-a-rung.md").read_text(encoding="utf-8")
    assert "{include} ../../CONTRIBUTING.md" in page
    assert '"<!-- recipe: start -->"' in page
