"""Files are whole or absent, and unreadable ones are named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceframe.core.errors import InputError
from iceframe.core.files import plain, read_json, replacing, write_json, write_text


def leftovers(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_content_appears_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == path.parent, "a rename across file systems is not one step"
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert leftovers(tmp_path) == ["a.txt"]


def test_a_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail_halfway() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert path.read_text() == "old"
    assert leftovers(tmp_path) == ["a.txt"]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "x" / "y" / "z.txt", "µ\n")
    assert (tmp_path / "x" / "y" / "z.txt").read_bytes() == "µ\n".encode()


def test_lines_end_alike_on_every_system(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "one\ntwo\n")
    assert b"\r" not in (tmp_path / "a.txt").read_bytes()


def test_a_file_in_the_way_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"Cannot write[\s\S]*--out"):
        write_text(tmp_path / "file" / "a.txt", "x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_an_input_error(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="No space left"),
        replacing(tmp_path / "a.txt"),
        open("/dev/full", "w") as full,
    ):
        full.write("x" * 100_000)
    assert leftovers(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")
def test_killed_at_any_moment_the_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "numbers.json"
    script = (
        "import sys; from pathlib import Path; from iceframe.core.files import write_json\n"
        "i = 0\n"
        "while True:\n"
        "    i += 1; write_json(Path(sys.argv[1]), [i] * 5000)\n"
    )
    for delay in (0.0, 0.003, 0.011):
        path.unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, "-c", script, str(path)])
        try:
            deadline = time.monotonic() + 20
            while not path.exists() and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(delay)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        values = json.loads(path.read_text())
        assert len(values) == 5000
        assert len(set(values)) == 1


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(value=JSON_VALUES)
def test_json_round_trip(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.mktemp("json") / "value.json"
    write_json(path, value)
    assert read_json(path) == value


def test_json_is_sorted_so_that_equal_values_are_equal_files(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": 2})
    write_json(tmp_path / "b.json", {"a": 2, "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_numpy_values_and_nan_survive(tmp_path: Path) -> None:
    write_json(
        tmp_path / "a.json",
        {"i": np.int64(3), "f": np.float32(0.5), "a": np.arange(3), "n": float("nan"), "t": (1, 2)},
    )
    back = read_json(tmp_path / "a.json")
    assert (back["i"], back["f"], back["a"], back["t"]) == (3, 0.5, [0, 1, 2], [1, 2])
    assert np.isnan(back["n"])


def test_plain_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="object is not JSON"):
        plain(object())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not found[\s\S]*absent\.json"):
        read_json(tmp_path / "absent.json")


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1', b"\xff\xfe\x00", b"[1,]"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.json").write_bytes(content)
    with pytest.raises(InputError, match=r"not readable JSON[\s\S]*broken\.json"):
        read_json(tmp_path / "broken.json")
