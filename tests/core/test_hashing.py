"""Equal contents have equal hashes, different contents different ones, in every process."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceframe.core.hashing import content_hash


def test_same_in_a_process_with_another_hash_seed() -> None:
    """Keys of finished units must be found again tomorrow: no ``hash()``, no set order."""
    command = (
        "import numpy as np, pandas as pd; from iceframe.core.hashing import content_hash;"
        "print(content_hash({'b': [1, 2], 'a': 'µ'}, np.arange(6.).reshape(2, 3),"
        " pd.DataFrame({'x': ['u', 'v']}), b'raw'))"
    )
    expected = content_hash(
        {"a": "µ", "b": [1, 2]},
        np.arange(6.0).reshape(2, 3),
        pd.DataFrame({"x": ["u", "v"]}),
        b"raw",
    )
    for seed in ("0", "1"):
        printed = subprocess.run(
            [sys.executable, "-c", command],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.strip()
        assert printed == expected


def test_length() -> None:
    assert len(content_hash("x")) == 16
    assert len(content_hash("x", digits=40)) == 40
    assert content_hash("x", digits=40).startswith(content_hash("x"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros(4), np.zeros(4, np.float32)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.array([0, 1]), np.array([1, 0])),
        (np.array([0.0]), np.array([np.nan])),
        ("1", 1),
        ([1, [2]], [[1], 2]),
        ({"a": None}, {}),
        (b"a", "a"),
        (pd.DataFrame({"x": [1, 2]}), pd.DataFrame({"y": [1, 2]})),
        (pd.DataFrame({"x": [1, 2]}), pd.DataFrame({"x": [2, 1]})),
        (pd.DataFrame({"x": [1, 2]}), pd.DataFrame({"x": [1, 2]}, index=[0, 2])),
        (pd.Series([1, 2], name="a"), pd.Series([1, 2], name="b")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_different_things_differ(one: object, other: object) -> None:
    assert content_hash(one) != content_hash(other)


def test_parts_do_not_run_together() -> None:
    assert content_hash("a", "b") != content_hash("ab")
    assert content_hash([], "a") != content_hash("a", [])


def test_a_view_hashes_like_its_copy() -> None:
    grid = np.arange(12.0).reshape(3, 4)
    assert content_hash(grid.T) == content_hash(grid.T.copy())
    assert content_hash(grid[:, ::2]) == content_hash(np.ascontiguousarray(grid[:, ::2]))


@given(st.dictionaries(st.text(), st.integers() | st.text(), max_size=6))
def test_order_of_keys_does_not_matter(mapping: dict[str, object]) -> None:
    backwards = dict(reversed(list(mapping.items())))
    assert content_hash(mapping) == content_hash(backwards)


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=6), st.integers(0, 5))
def test_one_changed_number_changes_the_hash(values: list[float], position: int) -> None:
    position %= len(values)
    changed = list(values)
    changed[position] = 1.0 if values[position] != 1.0 else 2.0
    assert content_hash(np.array(values)) != content_hash(np.array(changed))
