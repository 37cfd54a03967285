"""The target: which task it is, and every way in which it can be unusable."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from iceframe.core.errors import InputError, UsageError
from iceframe.ingest import read

N = 40


def table(target: object, name: str = "strength") -> pd.DataFrame:
    return pd.DataFrame({"x": np.sin(np.arange(N)), name: target})


def test_unknown_target_offers_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean 'yield strength'"):
        read(table(np.arange(N), "yield strength"), "yeild strenght")
    with pytest.raises(InputError, match="Did you mean 'PROPERTY: YS"):
        read(table(np.arange(N), "PROPERTY: YS (MPa)"), "ys")


def test_no_target_lists_the_columns() -> None:
    with pytest.raises(InputError, match="'x', 'strength'"):
        read(table(np.arange(N)))


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (np.linspace(0, 1, N), "regression"),
        (np.arange(N), "regression"),
        ([0, 1] * (N // 2), "classification"),
        ([1.0, 2.0, 3.0, 4.0] * (N // 4), "classification"),
        ([0.5, 1.0] * (N // 2), "regression"),
        ([True, False] * (N // 2), "classification"),
        (["bcc", "fcc"] * (N // 2), "classification"),
        (["304", "316L", "904L", "310"] * (N // 4), "classification"),
        ([f"{i} MPa" for i in range(N)], "regression"),
    ],
)
def test_the_task_is_found_and_told(values: object, task: str) -> None:
    data = read(table(values), "strength")
    assert data.task == task
    if task == "classification":
        assert any("classification (" in note for note in data.notes)


def test_the_task_may_be_stated() -> None:
    codes = table([0, 1] * (N // 2))
    assert read(codes, "strength", task="regression").y.tolist()[:2] == [0.0, 1.0]
    data = read(table([0.5, 1.5] * (N // 2)), "strength", task="classification")
    assert data.classes == ("0.5", "1.5")
    with pytest.raises(UsageError, match="regression"):
        read(codes, "strength", task="regresion")  # type: ignore[arg-type]


def test_integer_classes_are_written_without_a_point() -> None:
    gap = table([1.0, 2.0] * (N // 2 - 1) + [1.0, np.nan])
    data = read(gap, "strength", drop_invalid=True)
    assert data.classes == ("1", "2")


@pytest.mark.parametrize(
    ("bad", "message"),
    [("broken", "hold text"), (np.nan, "no target"), (np.inf, "infinite"), ("", "no target")],
)
def test_bad_rows_are_named_or_left_out(bad: object, message: str) -> None:
    values = [*np.linspace(1, 2, N)]
    values[2] = values[16] = bad  # type: ignore[call-overload]
    with pytest.raises(InputError, match=message) as error:
        read(table(values), "strength")
    assert "rows 3, 17" in str(error.value)
    assert "--drop-invalid" in str(error.value)
    data = read(table(values), "strength", drop_invalid=True)
    assert len(data) == N - 2
    assert data.ids.tolist()[2] == "row4"
    assert any("2 left out (rows 3, 17)" in note for note in data.notes)


def test_half_text_is_still_a_numeric_target_with_text_in_it() -> None:
    values = [f"word {i}" if i % 3 == 0 else i for i in range(N)]
    with pytest.raises(InputError, match="hold text"):
        read(table(values), "strength")


def test_one_class() -> None:
    with pytest.raises(InputError, match="one class"):
        read(table(["fcc"] * N), "strength")


def test_constant_target() -> None:
    with pytest.raises(InputError, match="constant"):
        read(table([3.5] * N), "strength")


def test_every_sample_its_own_class() -> None:
    with pytest.raises(InputError, match="class of its own"):
        read(table([f"sort {i}" for i in range(N)]), "strength")


@pytest.mark.parametrize("count", [1, 2, 7])
def test_too_few_samples_says_how_many_are_needed(count: int) -> None:
    with pytest.raises(InputError, match="at least 8"):
        read(table(np.arange(N)).head(count), "strength")


def test_empty_target() -> None:
    with pytest.raises(InputError, match="empty"):
        read(table([None] * N), "strength")


def test_new_samples_need_no_target() -> None:
    data = read(table(np.linspace(0, 1, N)), "strength")
    recipe = json.loads(json.dumps(data.recipe))
    new = table(np.linspace(0, 1, N)).drop(columns="strength").head(1)
    found = read(new, **recipe, require_target=False)
    assert found.target is None
    assert found.task is None
    assert found.features == data.features
    partly = table([np.nan, *np.linspace(0, 1, N - 1)])
    assert read(partly, **recipe, require_target=False).target is None
    assert read(table(np.arange(N)), **recipe, require_target=False).target == "strength"


def test_new_samples_must_have_the_features() -> None:
    recipe = read(table(np.linspace(0, 1, N)), "strength").recipe
    with pytest.raises(InputError, match="Unknown feature 'x'"):
        read(pd.DataFrame({"z": [1.0]}), **recipe, require_target=False)


def test_categories_of_new_samples_stay_text() -> None:
    frame = table(np.linspace(0, 1, N)).assign(grade=["316", "316L"] * (N // 2))
    recipe = read(frame, "strength").recipe
    new = frame[frame["grade"] == "316"].drop(columns="strength")
    assert read(new, **recipe, require_target=False).table["grade"].tolist()[0] == "316"
