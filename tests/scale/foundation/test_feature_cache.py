"""The cache gives back what was put in, to everybody, and is never the cause of an error."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.core.crystals import Crystals
from iceframe.scale.foundation.feature_cache import FeatureCache, cache_folder, crystal_keys

ROWS = {"a": np.array([1.5, np.nan, -2.0], "f4"), "b": np.empty(0, "f4")}


def same(found: dict, expected: dict) -> bool:
    return found.keys() == expected.keys() and all(
        np.array_equal(found[key], expected[key], equal_nan=True) for key in expected
    )


def test_gives_back_what_was_written(tmp_path):
    cache = FeatureCache("kind", tmp_path)
    assert cache.read(["a"]) == {}
    assert not cache.path.exists()  # reading makes no file
    cache.write(ROWS)
    assert same(FeatureCache("kind", tmp_path).read(["b", "a", "missing"]), ROWS)
    cache.write({"a": np.ones(2)})
    assert cache.read(["a"])["a"].tolist() == [1, 1]
    assert FeatureCache("other", tmp_path).read(["a"]) == {}


def test_more_keys_than_one_statement_takes(tmp_path):
    cache = FeatureCache("kind", tmp_path)
    rows = {str(i): np.array([i], "f4") for i in range(2300)}
    cache.write(rows)
    assert same(cache.read(list(rows)), rows)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=40), st.floats(0, 1), st.booleans())
def test_a_damaged_file_is_no_error_and_gives_no_wrong_number(tmp_path_factory, junk, where, cut):
    cache = FeatureCache("kind", tmp_path_factory.mktemp("damaged"))
    cache.write(ROWS)
    content = cache.path.read_bytes()
    place = int(where * len(content))
    rest = b"" if cut else content[place + len(junk) :]
    cache.path.write_bytes(content[:place] + junk + rest)
    found = cache.read(list(ROWS))
    assert same(found, {key: ROWS[key] for key in found})
    cache.write(ROWS)
    cache.read(list(ROWS))
    cache.write(ROWS)  # a file that had to go is there again at the latest now
    found = cache.read(list(ROWS))
    assert same(found, {key: ROWS[key] for key in found})


def test_what_is_no_data_base_is_thrown_away(tmp_path):
    cache = FeatureCache("kind", tmp_path)
    cache.path.write_bytes(b"no data base at all" * 100)
    assert cache.read(["a"]) == {}
    assert not cache.path.exists()
    cache.write(ROWS)
    assert same(cache.read(list(ROWS)), ROWS)


def test_a_changed_number_is_noticed(tmp_path):
    cache = FeatureCache("kind", tmp_path)
    cache.write(ROWS)
    with sqlite3.connect(cache.path) as connection:
        changed = np.array([1.25, 0, 0], "<f4").tobytes()
        connection.execute("UPDATE features SET numbers = ? WHERE key = 'a'", [changed])
    connection.close()
    assert list(cache.read(["a", "b"])) == ["b"]


@pytest.mark.skipif(os.name != "posix", reason="folders that cannot be written to")
def test_where_nothing_can_be_kept_nothing_is(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("this is no folder")
    cache = FeatureCache("kind", blocked)
    cache.write(ROWS)
    assert cache.read(list(ROWS)) == {}


WRITER = """
import sys, pathlib, numpy as np
from iceframe.scale.foundation.feature_cache import FeatureCache
cache, name = FeatureCache("kind", pathlib.Path(sys.argv[1])), int(sys.argv[2])
for i in range(20):
    cache.write({f"{name} {i}": np.array([name, i], "f4"), "shared": np.array([7], "f4")})
"""


def test_several_processes_write_at_once(tmp_path):
    workers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(name)])
        for name in range(3)
    ]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    expected = {f"{n} {i}": np.array([n, i], "f4") for n in range(3) for i in range(20)}
    expected["shared"] = np.array([7], "f4")
    assert same(FeatureCache("kind", tmp_path).read(list(expected)), expected)


def test_the_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("ICEFRAME_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("ICEFRAME_CACHE")
    assert cache_folder().name == "iceframe"


def test_a_key_is_the_content_of_one_crystal(perovskites):
    keys = crystal_keys(perovskites)
    assert len(set(keys)) == len(keys)
    order = np.random.default_rng(0).permutation(len(keys))
    assert crystal_keys(perovskites.take(order)) == [keys[i] for i in order]
    renamed = Crystals(
        perovskites.lattices,
        perovskites.offsets,
        perovskites.numbers,
        perovskites.fractional,
        tuple("x" * len(keys)),
    )
    assert crystal_keys(renamed) == keys
    moved = perovskites.fractional.copy()
    moved[0, 0] += 1e-12
    other = Crystals(
        perovskites.lattices, perovskites.offsets, perovskites.numbers, moved, perovskites.names
    )
    assert [a == b for a, b in zip(crystal_keys(other), keys, strict=True)] == [
        i > 0 for i in range(len(keys))
    ]
