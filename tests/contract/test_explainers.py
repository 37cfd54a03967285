"""What every explainer must do, whoever wrote it. A new one is tested by being registered."""

from __future__ import annotations

import functools
import re
from typing import get_args

import numpy as np
import pytest

from iceframe.core.crystals import Crystals
from iceframe.core.dataset import ArrayImages
from iceframe.core.errors import UsageError
from iceframe.core.values import Representation
from iceframe.measure.attribution import default_explainer
from iceframe.measure.element_swaps import Players
from iceframe.measure.explainer import (
    EXPLAINERS,
    Background,
    Explainer,
    ImageExplainer,
    Meaning,
    Needs,
)
from iceframe.measure.image_model import ImageModel
from iceframe.measure.maps.quality import map_quality
from iceframe.measure.metrics import METRICS
from iceframe.scale.fitting import Fitted, context_for, fit
from iceframe.scale.rung import RUNGS, Inputs

NAMES = EXPLAINERS.names()
OF_IMAGES = [name for name in NAMES if EXPLAINERS[name].input == "image"]
OF_TABLES = [name for name in NAMES if EXPLAINERS[name].input == "table"]
GRIDS = {"2-D": (12, 16), "3-D": (8, 8, 8)}


def images(grid: tuple[int, ...], n: int = 20) -> Inputs:
    """Two phases of varied shares, periodic."""
    rng = np.random.default_rng(3)
    values = rng.uniform(size=(n, 1, *grid)) < rng.uniform(0.2, 0.8, (n, 1, *[1] * len(grid)))
    plain, fractions = rng.normal(size=(n, 3)), rng.dirichlet([2.0, 2.0], size=n)
    names = ("a", "b", "c", "Fe fraction", "Ni fraction")
    blocks = {"plain": (0, 1, 2), "fractions": (3, 4)}
    table = Representation(np.hstack([plain, fractions]), names, ("", "K", "", "", ""), blocks)
    return Inputs(table, ArrayImages(values.astype(np.float32), True, "phase"), crystals(n))


def crystals(n: int) -> Crystals:
    """Cells of caesium chloride's kind, of four metals."""
    rng = np.random.default_rng(4)
    return Crystals(
        rng.uniform(2.8, 3.4, size=n)[:, None, None] * np.eye(3),
        2 * np.arange(n + 1),
        rng.choice([13, 22, 26, 28], size=2 * n),
        np.tile([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]], (n, 1)),
        tuple(f"crystal{i}" for i in range(n)),
    )


@functools.cache
def fitted(rung: str, classes: int, shape: str) -> tuple[Fitted, Inputs]:
    """A rung that saw a little, and what it saw."""
    inputs = images(GRIDS[shape])
    assert inputs.images is not None
    share = inputs.images.read(np.arange(len(inputs))).reshape(len(inputs), -1).mean(1)
    x = inputs.table.values
    y = 10 * share + x[:, 0] - 2 * x[:, 1]
    if classes:
        y = np.digitize(y, np.quantile(y, [0.3, 0.7][: classes - 1])).astype(np.int64)
    task = "classification" if classes else "regression"
    quick = RUNGS[rung].input == "table" and RUNGS[rung].effort != "heavy"
    settings = {} if quick else {"epochs": 2}
    context = context_for(inputs, task, n_classes=classes)
    return fit(RUNGS[rung](), settings, inputs, y, context), inputs


def model_for(name: str) -> str:
    """A rung that the explainer goes with."""
    kind = EXPLAINERS[name]
    if kind.input == "image":
        return "vit" if kind.needs == "attention" else "cnn"
    if kind.input == "crystal":
        return "crystal_graph"
    if kind.needs == "attention":
        return "composition_attention"
    return "ridge" if kind.needs == "glass box" else "extra_trees"


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    kind = EXPLAINERS[name]
    assert kind.name == name
    assert kind.needs in get_args(Needs)
    assert kind.meaning in get_args(Meaning)
    for text in (kind.title, kind.summary, kind.reference):
        assert text
        assert not text.endswith(".")
    assert re.search(r"10\.\d{4}|arXiv|arxiv|the model itself|\d{4}", kind.reference)


def parts_of(kind: type[Explainer], inputs: Inputs, shape: str) -> tuple[int, ...]:
    """Of what the values of a sample are: voxels, features, or the elements that occur."""
    if kind.input == "image":
        return GRIDS[shape]
    if kind.input == "table":
        return (inputs.table.values.shape[1],)
    assert inputs.crystals is not None
    return (len(np.unique(inputs.crystals.numbers)),)


@pytest.mark.parametrize("shape", GRIDS)
@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("name", NAMES)
def test_it_explains_what_it_goes_with(name: str, classes: int, shape: str) -> None:
    kind = EXPLAINERS[name]
    if kind.input != "image" and shape == "3-D":
        pytest.skip("tables and crystals have no grid")
    model, inputs = fitted(model_for(name), classes, shape)
    if name == "site_contributions" and classes:
        assert "no mean over sites" in kind().refusal(model)
        return
    few = inputs.take(np.arange(4))
    found = kind().explain(model, few, inputs, seed=1)
    assert found.values.shape == (4, *parts_of(kind, few, shape))
    absent = np.isnan(found.values)
    if kind.input == "crystal":
        assert few.crystals is not None
        np.testing.assert_array_equal(absent, ~Players.of(few.crystals).present)
        assert found.names == Players.of(few.crystals).names
    else:
        assert not absent.any()
    assert np.nanmax(np.abs(found.values)) > 0
    assert found.method == kind.title
    assert found.reference == kind.reference
    assert found.meaning == kind.meaning
    if kind.meaning == "importance":
        assert np.nanmin(found.values) >= 0
    expected = model.predict(few).argmax(1) if classes else np.full(4, -1)
    np.testing.assert_array_equal(found.target, expected)
    again = kind().explain(model, few, inputs, seed=1)
    np.testing.assert_allclose(again.values, found.values, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_a_map_does_not_depend_on_its_company(name: str) -> None:
    model, inputs = fitted(model_for(name), 0, "2-D")
    together = EXPLAINERS[name]().explain(model, inputs.take(np.arange(3)), inputs, seed=2)
    alone = EXPLAINERS[name]().explain(model, inputs.take(np.array([1])), inputs, seed=2)
    size = np.abs(together.values).max()
    np.testing.assert_allclose(alone.values[0], together.values[1], atol=1e-4 * size)


@pytest.mark.parametrize("name", NAMES)
def test_it_refuses_what_it_does_not_go_with_and_says_why(name: str) -> None:
    other = "ridge" if EXPLAINERS[name].input == "image" else "cnn"
    model, inputs = fitted(other, 0, "2-D")
    assert EXPLAINERS[name]().refusal(model)
    with pytest.raises(UsageError, match=f"'{name}' cannot be used here: "):
        EXPLAINERS[name]().explain(model, inputs, inputs)


@pytest.mark.parametrize(
    "rung", ["ridge", "tree", "ebm", "extra_trees", "cnn", "two_point_pca", "crystal_graph"]
)
def test_every_kind_of_rung_has_an_explainer(rung: str) -> None:
    model, inputs = fitted(rung, 0, "2-D")
    assert not EXPLAINERS[default_explainer(model, inputs)]().refusal(model)


@pytest.mark.parametrize("shape", GRIDS)
@pytest.mark.parametrize("name", [n for n in OF_IMAGES if n != "phase_flip"])
def test_every_metric_judges_every_map(name: str, shape: str) -> None:
    """A number for each metric, but where the maps' meaning leaves it undefined."""
    explainer = EXPLAINERS[name]()
    assert isinstance(explainer, ImageExplainer)
    model, inputs = fitted(model_for(name), 0, shape)
    few = inputs.take(np.arange(3))
    assert few.images is not None
    assert inputs.images is not None
    found = explainer.explain(model, few, inputs)
    quality = map_quality(
        ImageModel.of(model), explainer, few.images, found, Background(inputs.images), few=2
    )
    assert set(quality) <= set(METRICS.names())
    for metric, values in quality.items():
        assert values.shape == (3,), metric
        if metric == "infidelity" and explainer.meaning == "importance":
            assert np.isnan(values).all()
        else:
            assert np.isfinite(values).any(), metric
