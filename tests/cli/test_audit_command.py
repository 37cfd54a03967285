"""``iceframe audit`` as a user calls it."""

from __future__ import annotations

import json


def test_a_run_is_audited_and_the_page_written(iceframe, alloy_run, tmp_path):
    where = ("--rung", "ridge", "--out", tmp_path, "--workers", 1)
    ended = iceframe("audit", alloy_run.folder, *where, "--only", "subgroups,copies,cues")
    assert ended.code == 0
    assert "Page:" in ended.out
    assert "cues: left out. These data have no images." in ended.err
    assert (tmp_path / "audit.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    alloy_run.store.verify()


def test_json_is_plain(iceframe, alloy_run, tmp_path):
    where = ("--rung", "ridge", "--out", tmp_path, "--workers", 1, "--json")
    ended = iceframe("audit", alloy_run.folder, *where, "--only", "probes,subgroups")
    body = json.loads(ended.out, parse_constant=no_json)
    assert body["rung"] == "ridge"
    assert set(body["facts"]) == {"probes", "subgroups"}
    assert body["page"].endswith("audit.html")


def no_json(text: str) -> None:
    raise AssertionError(f"{text} is no JSON")


def test_wrong_kinds_end_with_the_list(iceframe, alloy_run, tmp_path):
    ended = iceframe("audit", alloy_run.folder, "--only", "cue", "--out", tmp_path)
    assert ended.code == 2
    assert "Did you mean 'cues'" in ended.err
    assert "leave-class-out" in ended.err


def test_no_run_is_an_input_error(iceframe, tmp_path):
    ended = iceframe("audit", tmp_path)
    assert ended.code == 1
    assert "run.json" in ended.err
