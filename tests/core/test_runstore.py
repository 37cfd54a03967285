"""The run folder: whole at every moment, and sealed against hand edits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from iceframe.core.errors import InputError
from iceframe.core.files import write_json
from iceframe.core.hashing import content_hash
from iceframe.core.runstore import FORMAT, RunStore

HEADER = {"identity": {"data": "a", "seed": 0}, "settings": {"folds": 17}}


def fill(store: RunStore, key: str, text: str = "1") -> None:
    staged = store.stage()
    (staged / "result.json").write_text(text)
    store.commit(key, f"unit-{key}", staged)


def publish(store: RunStore, text: str) -> None:
    staged = store.stage()
    (staged / "evidence.txt").write_text(text)
    store.publish(staged)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore.create_or_open(tmp_path / "run", HEADER)


def test_a_finished_unit_is_found_again(store: RunStore) -> None:
    fill(store, "k1", "hello")
    again = RunStore.open(store.root)
    assert again.finished("k1")
    assert not again.finished("k2")
    assert (again.unit("k1") / "result.json").read_text() == "hello"


def test_a_torn_manifest_line_is_dropped_and_repaired(store: RunStore) -> None:
    fill(store, "k1")
    fill(store, "k2")
    manifest = store.root / "manifest.jsonl"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[:-7])
    again = RunStore.open(store.root)
    assert again.finished("k1")
    assert not again.finished("k2")
    with again.locked():
        fill(again, "k2")
    assert manifest.read_bytes() == whole


@pytest.mark.parametrize("cut", range(0, 200, 9))
def test_a_kill_at_any_byte_of_the_manifest_is_survived(store: RunStore, cut: int) -> None:
    for key in ("k1", "k2"):
        fill(store, key)
    manifest = store.root / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-cut] if cut else manifest.read_bytes())
    again = RunStore.open(store.root)
    with again.locked():
        for key in ("k1", "k2"):
            if not again.finished(key):
                fill(again, key)
    assert all(RunStore.open(store.root).finished(k) for k in ("k1", "k2"))


def test_leftovers_of_a_kill_are_swept_and_a_half_done_unit_is_redone(store: RunStore) -> None:
    staged = store.stage()
    (staged / "half.json").write_text("{")
    (store.root / "units" / "unit-k1").mkdir()  # renamed, but killed before its manifest line
    again = RunStore.open(store.root)
    with again.locked():
        assert not staged.exists()
        fill(again, "k1", "whole")
    assert (RunStore.open(store.root).unit("k1") / "result.json").read_text() == "whole"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("units/unit-k1/result.json", "edited by hand"),
        ("evidence.txt", "edited by hand"),
        ("manifest.jsonl", "edited by hand"),
        ("run.json", "edited by hand"),
    ],
)
def test_an_edited_file_is_refused_and_named(store: RunStore, name: str, words: str) -> None:
    fill(store, "k1", "12345")
    publish(store, "12345")
    path = store.root / name
    text = path.read_text()
    path.write_text(text.replace("1", "2") if "17" not in text else text.replace("17", "18"))
    with pytest.raises(InputError, match=words) as error:
        RunStore.open(store.root)
    assert path.name in str(error.value)


def test_a_missing_file_is_refused_and_named(store: RunStore) -> None:
    fill(store, "k1")
    (store.unit("k1") / "result.json").unlink()
    with pytest.raises(InputError, match="missing"):
        RunStore.open(store.root)


def test_publishing_the_same_again_changes_nothing(store: RunStore) -> None:
    publish(store, "first")
    before = (store.root / "manifest.jsonl").read_bytes()
    publish(store, "first")
    assert (store.root / "manifest.jsonl").read_bytes() == before
    publish(store, "second")
    assert (store.root / "evidence.txt").read_text() == "second"
    RunStore.open(store.root)


def test_another_run_in_the_folder_is_refused(store: RunStore) -> None:
    other = {"identity": {"data": "b", "seed": 0}, "settings": {}}
    with pytest.raises(InputError, match="another run") as error:
        RunStore.create_or_open(store.root, other)
    assert "data" in str(error.value)


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(InputError, match="not empty"):
        RunStore.create_or_open(tmp_path, HEADER)
    assert (tmp_path / "thesis.docx").read_text() == "years of work"


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="a file, not a folder"):
        RunStore.create_or_open(tmp_path / "run", HEADER)


def test_a_newer_format_is_refused(store: RunStore) -> None:
    body = {**HEADER, "format": FORMAT + 1}
    write_json(store.root / "run.json", {**body, "digest": content_hash(body)})
    with pytest.raises(InputError, match="newer version"):
        RunStore.open(store.root)


def test_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder"):
        RunStore.open(tmp_path)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(InputError, match="format"):
        RunStore.open(tmp_path)


def test_a_second_writer_is_refused(store: RunStore) -> None:
    other = RunStore.open(store.root)
    with store.locked(), pytest.raises(InputError, match="Another process"), other.locked():
        pass


def test_the_manifest_is_one_json_object_a_line(store: RunStore) -> None:
    fill(store, "k1")
    publish(store, "x")
    lines = (store.root / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["k1", "seal", "seal"]
