"""What every rung must do, whoever wrote it. A new rung is tested by being registered."""

from __future__ import annotations

import functools
from typing import Any, get_args

import numpy as np
import optuna
import pytest

from iceframe.balance.families import EFFORTS
from iceframe.core.crystals import Crystals
from iceframe.core.dataset import ArrayImages
from iceframe.core.values import Representation
from iceframe.scale.fitting import Fitted, context_for, fit
from iceframe.scale.log_odds import log_odds
from iceframe.scale.rung import RUNGS, Context, Effort, Inputs

N, D = 48, 6
ELEMENTS = ("Fe", "Ni", "Cr")

CASES = [
    pytest.param(name, classes, id=f"{name}-{classes or 'regression'}")
    for name, kind in RUNGS.items()
    for classes in (0, 2, 3)  # 0 stands for a regression
    if ("classification" if classes else "regression") in kind.tasks
]
NAMES = RUNGS.names()


def _inputs(seed: int = 0) -> Inputs:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(N, D))
    values[::7, 1] = np.nan  # some values are missing,
    values[:, 4] = np.nan  # one column is empty,
    values[:, 5] = 2.5  # one is constant
    names = tuple(f"feature {j}" for j in range(D))
    blocks = {"first": (0, 1, 2), "second": (3, 4, 5), "fractions": (6, 7, 8)}
    fractions = rng.dirichlet([2.0] * len(ELEMENTS), size=N)
    values = np.column_stack([values, fractions])
    names += tuple(f"{symbol} fraction" for symbol in ELEMENTS)
    table = Representation(values, names, ("",) * len(names), blocks)
    pixels = rng.uniform(size=(N, 1, 32, 32)).astype(np.float32)
    slopes = rng.normal(size=pixels.shape).astype(np.float32)  # for rungs that are taught by them
    images = ArrayImages(pixels, derivatives=slopes)
    return Inputs(table, images, _crystals(rng))


def _crystals(rng: np.random.Generator) -> Crystals:
    """Cells of caesium chloride's kind, of elements that every model knows."""
    edges = rng.uniform(3.2, 4.0, size=N)
    return Crystals(
        edges[:, None, None] * np.eye(3),
        2 * np.arange(N + 1),
        rng.choice([12, 13, 22, 26, 28], size=2 * N),
        np.tile([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]], (N, 1)),
        tuple(f"crystal{i}" for i in range(N)),
    )


def _target(inputs: Inputs, classes: int) -> np.ndarray:
    x = inputs.table.values
    y = 100 + 20 * x[:, 0] - 10 * x[:, 2] * x[:, 3]
    if not classes:
        return y
    return np.digitize(y, np.quantile(y, [0.4, 0.75][: classes - 1])).astype(np.int64)


def _context(inputs: Inputs, classes: int, seed: int = 0) -> Context:
    task = "classification" if classes else "regression"
    return context_for(inputs, task, n_classes=classes, seed=seed)


def _settings(name: str) -> dict[str, Any]:
    """Networks see each image twice only, and a teacher is what is quick: the contract does not ask
    what they learn."""
    if RUNGS[name].distils:
        return {"teacher": "ridge", "made": 1.0}
    slow = RUNGS[name].input != "table" and RUNGS[name].effort in {"heavy", "extreme"}
    return {"epochs": 2} if slow else {}


def _newly_fitted(name: str, classes: int, seed: int = 0) -> tuple[Fitted, Inputs]:
    inputs = _inputs()
    context = _context(inputs, classes, seed)
    return fit(RUNGS[name](), _settings(name), inputs, _target(inputs, classes), context), inputs


@functools.cache
def _fitted(name: str, classes: int, seed: int = 0) -> tuple[Fitted, Inputs]:
    return _newly_fitted(name, classes, seed)


@pytest.mark.parametrize(("name", "classes"), CASES)
def test_predicts_finite_values_for_new_samples_with_gaps(name, classes):
    fitted, _ = _fitted(name, classes)
    new = _inputs(seed=1)
    new.table.values[0] = np.nan
    predicted = fitted.predict(new)
    assert np.isfinite(predicted).all()
    if not classes:
        assert predicted.shape == (N,)
    else:
        assert predicted.shape == (N, classes)
        assert predicted.min() >= 0
        assert np.allclose(predicted.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(("name", "classes"), CASES)
def test_the_same_seed_gives_the_same_model(name, classes):
    first, inputs = _fitted(name, classes)
    second, _ = _newly_fitted(name, classes)
    assert np.array_equal(first.predict(inputs), second.predict(inputs))


@pytest.mark.parametrize(("name", "classes"), CASES)
def test_leaves_its_input_and_the_global_generators_alone(name, classes):
    import torch

    inputs, before = _inputs(), _inputs()
    y, context = _target(inputs, classes), _context(inputs, classes)
    legacy = np.random.mtrand._rand  # NumPy's global generator
    numpy_state, torch_state = legacy.get_state()[1].copy(), torch.get_rng_state()
    fit(RUNGS[name](), _settings(name), inputs, y, context).predict(inputs)
    assert np.array_equal(inputs.table.values, before.table.values, equal_nan=True)
    assert np.array_equal(legacy.get_state()[1], numpy_state)
    assert torch.equal(torch.get_rng_state(), torch_state)


@pytest.mark.parametrize(("name", "classes"), CASES)
def test_storing_and_loading_changes_nothing(name, classes, tmp_path):
    fitted, inputs = _fitted(name, classes)
    fitted.save(tmp_path)
    loaded = Fitted.load(tmp_path)
    assert (loaded.rung.name, loaded.settings, loaded.context) == (
        name,
        fitted.settings,
        fitted.context,
    )
    assert np.array_equal(loaded.predict(inputs), fitted.predict(inputs))
    assert loaded.describe() == fitted.describe()
    assert not [path for path in tmp_path.rglob("*") if path.suffix in {".pkl", ".pt", ".joblib"}]


@pytest.mark.parametrize(("name", "classes"), CASES)
def test_terms_of_a_glass_box_sum_to_its_prediction(name, classes):
    fitted, inputs = _fitted(name, classes)
    terms = fitted.terms(inputs)
    if not fitted.rung.glass_box:
        assert terms is None
        return
    predicted = fitted.predict(inputs)
    if classes:  # beyond a few millionths, 1 − p has no digits left to compare
        clear = predicted.min(axis=1) > 1e-6
        assert clear.sum() > N / 4
        predicted, terms = log_odds(predicted[clear]), terms[clear]
    assert terms.shape == (len(predicted), len(fitted.term_names()), *predicted.shape[1:])
    intercept = predicted - terms.sum(axis=1)  # the same for every sample
    assert np.ptp(intercept, axis=0).max() <= 1e-8 * max(1.0, np.abs(predicted).max())


@pytest.mark.parametrize(("name", "classes"), CASES)
def test_describes_itself_in_rows_that_a_report_can_show(name, classes):
    fitted, _ = _fitted(name, classes)
    for row in fitted.describe():
        assert row["term"]
        assert np.isfinite(row["importance"])
        assert len(row.get("x", [])) == len(row.get("y", []))
        assert row.get("rule", "rule")
    assert fitted.rung.parameters(fitted.estimator) >= 1


@pytest.mark.parametrize(("name", "classes"), CASES)
def test_what_its_space_suggests_can_be_built(name, classes):
    context = _context(_inputs(), classes)
    rung = RUNGS[name]()
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    for _ in range(5):
        settings = rung.space(study.ask(), context)
        assert hasattr(rung.build(settings, context), "fit")


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_is_and_where_it_comes_from(name):
    kind = RUNGS[name]
    assert kind.name == name
    assert kind.title
    assert kind.summary.endswith(".")
    assert "http" in kind.reference
    assert kind.effort in EFFORTS == get_args(Effort)
    assert set(kind.tasks) <= {"regression", "classification"}


@pytest.mark.parametrize("name", NAMES)
def test_says_which_models_it_is_akin_to(name):
    kind = RUNGS[name]
    if kind.input == "table" and not kind.distils:  # "glass box" is no family to learn from
        assert kind.family, "name the family: models that fail for the same reasons"
    assert kind.family == kind.family.strip().lower()
    assert kind.family not in {"glass box", "black box", "image", "crystal", "distilled"}
    if kind.untaught:
        base = RUNGS[kind.untaught]
        assert kind.supervised
        assert not base.supervised
        assert (base.input, base.effort) == (kind.input, kind.effort)
        assert set(kind.tasks) <= set(base.tasks)
    if kind.distils:
        student = RUNGS[kind.distils]
        assert student.glass_box
        assert kind.glass_box
        assert not student.distils
        assert set(kind.tasks) == set(student.tasks)
    assert sum([kind.supervised, kind.pretrained, bool(kind.distils)]) <= 1


@pytest.mark.parametrize("kin", ["untaught", "distils"])
def test_no_two_rungs_are_the_same_variant_of_another(kin):
    named = [getattr(kind, kin) for _, kind in RUNGS.items() if getattr(kind, kin)]
    assert sorted(named) == sorted(set(named))


def test_a_kind_of_rung_that_starts_elsewhere_or_is_taught_says_so():
    from iceframe.scale.image_rung import Supervised

    taught = {name for name, kind in RUNGS.items() if issubclass(kind, Supervised)}
    assert taught == {name for name, kind in RUNGS.items() if kind.supervised}
    assert {name for name, kind in RUNGS.items() if kind.pretrained} == {
        "chgnet_probe",
        "chgnet_tuned",
        "foundation_correction",
        "micrographs_probe",
        "micrographs_tuned",
    }
