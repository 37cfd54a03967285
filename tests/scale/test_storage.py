"""Nothing that is loaded can execute code, and damage is a message."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import FunctionTransformer

from iceframe.core.errors import InputError
from iceframe.scale.storage import (
    ARRAYS_FILE,
    ESTIMATOR_FILE,
    VALUES_FILE,
    load_estimator,
    load_state,
    save_estimator,
    save_state,
)


class _Touch:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.fixture
def linear():
    return LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])


def _rewrite(folder: Path, change) -> None:
    """Write the stored model again, its schema changed by ``change``."""
    path = folder / ESTIMATOR_FILE
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(parts["schema.json"])
    change(schema)
    parts["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def test_round_trip_of_an_estimator(linear, tmp_path):
    save_estimator(linear, tmp_path)
    assert load_estimator(tmp_path).predict([[2.0]]) == pytest.approx(5.0)
    assert [path.name for path in tmp_path.iterdir()] == [ESTIMATOR_FILE]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_and_not_run(tmp_path, protocol):
    trace = tmp_path / "ran"
    content = pickle.dumps(_Touch(trace), protocol)
    pickle.loads(content)
    assert trace.exists(), "the trap must work"
    trace.unlink()
    (tmp_path / ESTIMATOR_FILE).write_bytes(content)
    (tmp_path / ARRAYS_FILE).write_bytes(content)
    (tmp_path / VALUES_FILE).write_text("{}")
    with pytest.raises(InputError, match="not a stored model"):
        load_estimator(tmp_path)
    with pytest.raises(InputError, match="damaged"):
        load_state(tmp_path)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["os.system", "posix.system", "builtins.eval", "subprocess.Popen"])
def test_a_model_that_asks_for_code_is_refused(linear, tmp_path, name):
    save_estimator(linear, tmp_path)
    module, _, attribute = name.rpartition(".")
    trace = tmp_path / "ran"

    def call_on_load(schema):
        argument = {
            "__class__": "str",
            "__module__": "builtins",
            "__loader__": "JsonNode",
            "content": json.dumps(f"touch {trace}"),
        }
        arguments = {
            "__class__": "tuple",
            "__module__": "builtins",
            "__loader__": "TupleNode",
            "content": [argument],
        }
        schema["content"]["content"]["trap"] = {
            "__class__": attribute,
            "__module__": module,
            "__loader__": "ConstructorFromReduceNode",
            "content": arguments,
        }

    _rewrite(tmp_path, call_on_load)
    with pytest.raises(
        InputError, match="types that a model of this kind does not contain"
    ) as error:
        load_estimator(tmp_path)
    assert name in str(error.value)
    assert not trace.exists()


def test_a_function_inside_a_trusted_estimator_is_refused(tmp_path):
    save_estimator(FunctionTransformer(os.system), tmp_path)
    with pytest.raises(InputError, match="system"):
        load_estimator(tmp_path)


def test_a_type_outside_the_allow_list_needs_the_rungs_word(tmp_path):
    from iceframe.scale.trees import TreeClassifier

    save_estimator(TreeClassifier().fit([[0.0], [1.0]], [0, 1]), tmp_path)
    with pytest.raises(InputError, match="TreeClassifier"):
        load_estimator(tmp_path)
    name = "iceframe.scale.trees.TreeClassifier"
    tree = load_estimator(tmp_path, [name, "sklearn.tree._tree.Tree"])
    assert tree.predict([[1.0]]) == [1]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"hello"])
def test_damage_is_a_message(tmp_path, content):
    (tmp_path / ESTIMATOR_FILE).write_bytes(content)
    with pytest.raises(InputError) as error:
        load_estimator(tmp_path)
    assert ESTIMATOR_FILE in str(error.value)


def test_an_absent_file_is_a_message(tmp_path):
    with pytest.raises(InputError, match="missing"):
        load_estimator(tmp_path)
    with pytest.raises(InputError, match="missing"):
        load_state(tmp_path)


@settings(max_examples=40, deadline=None)
@given(cut=st.floats(0, 1), flip=st.integers(0, 255))
def test_a_truncated_or_altered_model_never_escapes(cut, flip, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    save_estimator(LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0]), folder)
    path = folder / ESTIMATOR_FILE
    content = bytearray(path.read_bytes())
    content[int(cut * (len(content) - 1))] ^= flip
    path.write_bytes(content[: max(1, int(len(content) * (1 - cut / 2)))])
    with suppress(InputError):  # anything else fails the test
        load_estimator(folder)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    arrays=st.dictionaries(
        st.text("abc.", min_size=1, max_size=5),
        hnp.arrays(
            st.sampled_from([np.float32, np.float64, np.int64, np.uint8]),
            hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        ),
        max_size=3,
    )
)
def test_round_trip_of_arrays(arrays, tmp_path):
    values = {"layers": [8, 8], "name": "é"}
    save_state(arrays, values, tmp_path)
    loaded, loaded_values = load_state(tmp_path)
    assert loaded_values == values
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].tobytes() == array.tobytes()
        assert loaded[name].shape == array.shape


def test_values_must_be_an_object(tmp_path):
    save_state({}, {}, tmp_path)
    (tmp_path / VALUES_FILE).write_text("[1]")
    with pytest.raises(InputError, match="damaged"):
        load_state(tmp_path)


def test_an_array_of_objects_is_refused_when_read(linear, tmp_path):
    """NumPy's own format can hold a pickle; skops must not open it."""
    linear.coef_ = np.array([2.0])
    save_estimator(linear, tmp_path)
    path = tmp_path / ESTIMATOR_FILE
    trace = tmp_path / "ran"
    buffer = io.BytesIO()
    np.save(buffer, np.array([_Touch(trace)], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, buffer.getvalue() if name.endswith(".npy") else content)
    with pytest.raises(InputError, match="damaged"):
        load_estimator(tmp_path)
    assert not trace.exists()
