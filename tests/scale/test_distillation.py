"""A student learns what its teacher says, and a teacher says nothing that it only remembers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from iceframe.core.dataset import ArrayImages
from iceframe.core.errors import InputError, UsageError
from iceframe.core.values import Representation
from iceframe.scale.distillation.student import ACCOUNT_FILE, MADE, lesson_of
from iceframe.scale.distillation.teacher import CHECKED, teach, unlabelled_for, usual_teachers
from iceframe.scale.fitting import Fitted, context_for, fit, tune
from iceframe.scale.rung import RUNGS, Inputs, Rung

STUDENTS = sorted(kind.distils for _, kind in RUNGS.items() if kind.distils)


def _table(x: np.ndarray) -> Representation:
    names = tuple(f"x{j}" for j in range(x.shape[1]))
    return Representation(x, names, ("",) * x.shape[1], {})


def _noisy(rng: np.random.Generator, n: int = 80) -> tuple[Inputs, np.ndarray, np.ndarray]:
    """Inputs, a straight truth, and what is measured of it, a few times far off."""
    x = rng.uniform(-1, 1, size=(n, 3))
    truth = 3 * x[:, 0] - 2 * x[:, 1]
    return Inputs(_table(x)), truth, truth + rng.standard_t(2, size=n)


class _Line:
    """Knows the truth of :func:`_noisy`, whatever it is fitted to."""

    def fit(self, x: Any, y: Any) -> _Line:
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return 3 * x[:, 0] - 2 * x[:, 1]


class _Oracle(Rung):
    name, title, summary, reference = "oracle", "Oracle", "The truth.", "none"
    tasks = ("regression",)

    def build(self, settings: Mapping[str, Any], context: Any) -> Any:
        return _Line()

    def parameters(self, estimator: Any) -> int:
        return 2


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> str:
    RUNGS.names()  # all others are there
    monkeypatch.setitem(RUNGS._entries, "oracle", _Oracle)
    return "oracle"


def _distilled(name: str, inputs: Inputs, y: np.ndarray, classes: int = 0, /, **settings: Any):
    task = "classification" if classes else "regression"
    context = context_for(inputs, task, n_classes=classes)
    return fit(RUNGS[f"distilled_{name}"](), settings, inputs, y, context)


def test_every_distilled_rung_names_the_glass_box_that_it_becomes():
    assert STUDENTS == ["ebm", "lasso", "pair_boosting", "ridge", "symbolic", "tree"]
    for student in STUDENTS:
        kind, taught = RUNGS[student], RUNGS[f"distilled_{student}"]
        assert (taught.input, taught.glass_box) == (kind.input, kind.glass_box) == ("table", True)
        assert set(taught.tasks) == set(kind.tasks)


def test_a_student_that_can_be_the_teacher_becomes_it(rng, oracle):
    inputs, truth, y = _noisy(rng)
    fitted = _distilled("ridge", inputs, y, teacher=oracle, share=1.0, student={"penalty": 1e-6})
    assert np.abs(fitted.predict(inputs) - truth).max() < 1e-6
    account = fitted.estimator.account_
    assert account.fidelity == pytest.approx(1.0)
    assert account.teacher_loss == pytest.approx(np.abs(y - truth).mean())
    assert (account.teacher, account.rows, account.fresh) == (oracle, MADE * len(y), True)
    coefficients = {row["term"]: row["coefficient"] for row in fitted.describe()}
    spread = inputs.table.values.std(axis=0)  # nearly that of the rows that it learned from
    assert coefficients["x0"] == pytest.approx(3 * spread[0], rel=0.2)
    assert abs(coefficients["x2"]) < 1e-6


def test_the_share_mixes_truth_and_answers(rng, oracle):
    inputs, _, y = _noisy(rng)
    own = {"penalty": 1e-6}

    def taught(share: float) -> np.ndarray:
        asked = {"teacher": oracle, "share": share, "made": 0.0, "student": own}
        return _distilled("ridge", inputs, y, **asked).predict(inputs)

    none, half, whole = taught(0.0), taught(0.5), taught(1.0)
    np.testing.assert_allclose(half, (none + whole) / 2, atol=1e-8)  # least squares are linear in y
    assert np.abs(none - whole).max() > 0.01


@pytest.mark.parametrize("student", ["tree", "ridge", "lasso"])
def test_without_a_teacher_it_is_the_glass_box_itself(rng, student):
    inputs, _, y = _noisy(rng)
    taught = _distilled(student, inputs, y, teacher="gp", share=0.0, made=0.0)
    alone = fit(RUNGS[student](), {}, inputs, y, context_for(inputs, "regression"))
    assert np.array_equal(taught.predict(inputs), alone.predict(inputs))
    assert np.array_equal(taught.terms(inputs), alone.terms(inputs))
    assert taught.describe() == alone.describe()
    assert taught.estimator.account_.teacher == ""


def test_a_teacher_answers_without_having_seen_the_sample(rng):
    inputs, _, y = _noisy(rng, 40)
    context = context_for(inputs, "regression")
    first = teach("nearest_neighbour", {}, inputs, y, context, 1.0)
    assert not np.isclose(first.answers, y).any()  # as it would be from memory
    poisoned = y.copy()
    poisoned[7] = 1e9
    second = teach("nearest_neighbour", {}, inputs, poisoned, context, 1.0)
    assert second.answers[7] == first.answers[7]
    assert second.answers.max() > 1e8  # others have seen it
    assert np.array_equal(first.rows, second.rows)


def test_held_out_targets_change_nothing(rng):
    inputs, _, y = _noisy(rng, 60)
    train = np.arange(40)
    found = []
    for held_out in (y[40:], np.full(20, 1e9)):
        known = np.concatenate([y[train], held_out])
        mine, context = inputs.take(train), context_for(inputs, "regression")
        rung = RUNGS["distilled_ridge"]()
        context = replace(context, teacher="ridge")
        settings = tune(rung, mine, known[train], context, trials=1)
        found.append((settings, fit(rung, settings, mine, known[train], context).predict(inputs)))
    assert found[0][0] == found[1][0]
    assert np.array_equal(found[0][1], found[1][1])


def test_the_search_learns_from_a_good_teacher_and_not_from_a_bad_one(rng, oracle):
    inputs, _, y = _noisy(rng)
    new, truth_there, _ = _noisy(rng, 400)
    errors = {}
    for name in (oracle, "mean"):
        context = replace(context_for(inputs, "regression"), teacher=name)
        settings = tune(RUNGS["distilled_tree"](), inputs, y, context)
        assert settings["teacher"] == name
        assert set(settings["inner"]) == {"teacher", "student"}
        fitted = fit(RUNGS["distilled_tree"](), settings, inputs, y, context)
        errors[name] = np.abs(fitted.predict(new) - truth_there).mean()
        if name == oracle:
            assert lesson_of(settings)[1] > 0
        else:
            assert settings["share"] < 1
    plain = context_for(inputs, "regression")
    own = tune(RUNGS["tree"](), inputs, y, plain)
    alone = np.abs(fit(RUNGS["tree"](), own, inputs, y, plain).predict(new) - truth_there).mean()
    assert errors[oracle] < 0.8 * alone
    assert errors["mean"] < 1.4 * alone


def test_the_teacher_that_errs_least_is_chosen(rng, oracle, monkeypatch):
    from iceframe.scale.distillation import teacher

    monkeypatch.setattr(teacher, "USUAL", {"table": ("mean", "oracle", "nearest_neighbour")})
    inputs, _, y = _noisy(rng)
    context = context_for(inputs, "regression")
    assert tune(RUNGS["distilled_ridge"](), inputs, y, context, trials=1)["teacher"] == oracle


def test_probabilities_are_learned_from_drawn_labels(rng):
    x = rng.normal(size=(300, 2))
    chance = 1 / (1 + np.exp(-2 * x[:, 0]))
    y = (rng.uniform(size=300) < chance).astype(np.int64)
    fitted = _distilled("ridge", Inputs(_table(x)), y, 2, teacher="ridge", share=1.0, made=10.0)
    account = fitted.estimator.account_
    assert account.fidelity > 0.97
    assert account.teacher_loss < np.log(2)


def test_so_sure_a_teacher_leaves_two_classes(rng):
    x = np.concatenate([np.zeros(30), np.ones(2)])[:, None] + 0.01 * rng.normal(size=(32, 1))
    y = np.concatenate([np.zeros(30), np.ones(2)]).astype(np.int64)
    fitted = _distilled("tree", Inputs(_table(x)), y, 2, teacher="mean", share=1.0, made=0.0)
    assert len(fitted.estimator.classes_) == 2


def test_unlabelled_samples_are_asked_about_and_nothing_is_made(rng, oracle):
    inputs, _, y = _noisy(rng)
    pool = Inputs(_table(rng.uniform(5, 6, size=(50, 3))))
    given = replace(inputs, unlabelled=pool)
    assert given.take(np.arange(3)).unlabelled is pool
    fitted = _distilled("ridge", given, y, teacher=oracle, made=10.0)
    assert fitted.estimator.account_.rows == round((1 - CHECKED) * 50)
    lesson = teach(oracle, {}, given, y, context_for(given, "regression"), 0.25)
    assert len(lesson.rows) == len(y) // 4
    assert lesson.rows.min() >= 5


def test_a_teacher_of_images_is_asked_about_images_only(rng):
    inputs, _, _ = _noisy(rng, 10)
    images = ArrayImages(rng.uniform(size=(10, 1, 8, 8)).astype(np.float32))
    with_images = replace(inputs, images=images)
    assert unlabelled_for("cnn", with_images, 5, 0) is None  # none are made of images
    assert unlabelled_for("cnn", replace(with_images, unlabelled=inputs), 5, 0) is None
    given = unlabelled_for("cnn", replace(with_images, unlabelled=with_images), 5, 0)
    assert given is not None
    assert len(given) == len(given.images) == 5
    assert usual_teachers(with_images, context_for(with_images, "regression"))[0] == "cnn"
    assert "cnn" not in usual_teachers(inputs, context_for(inputs, "regression"))


def test_only_the_student_and_the_account_are_stored(rng, tmp_path):
    inputs, _, y = _noisy(rng)
    fitted = _distilled("ridge", inputs, y, teacher="nearest_neighbour")
    fitted.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "estimator.skops", ACCOUNT_FILE, "fitted.json",
    }  # fmt: skip
    loaded = Fitted.load(tmp_path)
    assert loaded.estimator.account_ == fitted.estimator.account_
    assert json.loads((tmp_path / ACCOUNT_FILE).read_text())["teacher"] == "nearest_neighbour"
    (tmp_path / ACCOUNT_FILE).write_text('{"teacher": "gp", "wisdom": 1}')
    with pytest.raises(InputError, match="damaged"):
        Fitted.load(tmp_path)


def test_its_default_teacher_reads_what_is_there(rng):
    inputs, _, y = _noisy(rng, 30)
    fitted = _distilled("tree", inputs, y, made=1.0)
    assert fitted.estimator.account_.teacher == "extra_trees"
    context = replace(context_for(inputs, "regression"), teacher="nearest_neighbour")
    named = fit(RUNGS["distilled_tree"](), {"made": 1.0}, inputs, y, context)
    assert named.estimator.account_.teacher == "nearest_neighbour"


@pytest.mark.parametrize(
    ("teacher", "why"),
    [
        ("distilled_tree", "it has a teacher itself"),
        ("cnn", "needs images"),
        ("chgnet_probe", "needs crystals"),
        ("composition_attention", "needs features"),
    ],
)
def test_a_teacher_that_cannot_read_these_data_is_refused(rng, teacher, why):
    inputs, _, y = _noisy(rng, 20)
    with pytest.raises(UsageError, match=why) as error:
        _distilled("ridge", inputs, y, teacher=teacher)
    assert "extra_trees" in error.value.allowed
    assert "cnn" not in error.value.allowed


def test_what_cannot_be_is_said(rng):
    inputs, _, y = _noisy(rng, 20)
    with pytest.raises(UsageError, match=r"Unknown rung 'forrest'"):
        _distilled("ridge", inputs, y, teacher="forrest")
    with pytest.raises(UsageError, match="does not do classification"):
        _distilled("ridge", inputs, (y > 0).astype(int), 2, teacher="lasso")
    with pytest.raises(InputError, match="no share"):
        _distilled("ridge", inputs, y, share=1.5)
    with pytest.raises(InputError, match="negative"):
        _distilled("ridge", inputs, y, made=-1.0)
    images = ArrayImages(rng.uniform(size=(20, 1, 8, 8)).astype(np.float32))
    bare = Inputs(Representation(np.zeros((20, 0)), (), ()), images)
    with pytest.raises(InputError, match="no feature to learn from"):
        _distilled("ridge", bare, y, teacher="cnn")
