"""The page of the audits: self-contained, escaped, a picture for every kind that has one."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from iceframe.core.values import Finding
from iceframe.measure.audits import copies, leave_out, shifts, subgroups, transplant
from iceframe.measure.audits.outcome import Examined
from iceframe.report.audit import HEADINGS, headline, render, write_audit
from iceframe.report.figures.audit import drawings
from iceframe.workflow.auditing import KINDS, RunAudit

CUE = {
    "cue": "scale bar at 4:6,8:12", "kind": "scale bar", "where": "bottom right",
    "group": "class <b>", "difference": 0.3, "t": 9.0, "p": 0.0025, "alike": True,
    "alone": {}, "box": [4, 6, 8, 12], "width": 0, "grid": [16, 16],
    "strength": np.eye(8).tolist(),
}  # fmt: skip
PROBE = {
    "name": "magnification", "held": 0.6, "held_by_chance": -0.02, "held_p": 0.001, "tells": 0.4,
    "tells_p": 0.001, "errs": float("nan"), "errs_p": float("nan"), "itself": False,
}  # fmt: skip


def examined() -> tuple[Examined, ...]:
    rng = np.random.default_rng(0)
    losses, inside = rng.random(90), rng.random(90) < 0.9
    labels = {"lab": np.array(["a", "b<i>", "c"])[np.arange(90) % 3]}
    after = [(1.0, losses + 0.5, rng.random(90) < 0.5)]
    curve = shifts.curve("blur", "pixels", 0.0, (losses, inside), after, 0.9)
    region = transplant.Followed("border", 0.2, 0.9, 0.1, 0.8, 0.7, 0.9, 90)
    finding = Finding("x", "warning", "A <script>", "because `this` & that", "do it", ("s1",))
    return (
        Examined("probes", (finding,), {"source": "features", "samples": 90, "probes": [PROBE]}),
        Examined("cues", (), {"cues": [CUE, {**CUE, "kind": "border", "box": None, "width": 2}]}),
        subgroups.examine(subgroups.subgroups(losses, inside, labels, 0.9), 0.9, "error", "MPa"),
        leave_out.examine(("a", "b"), np.array([[1.0, 1.0], [3.0, 1.0], [1.0, 4.0]]),
                          np.array([9, 9]), "material_class", "error", "MPa"),
        shifts.examine([curve], 0.9, "error", "MPa", 90),
        copies.examine(losses, np.arange(90) < 20, np.arange(90), 30, "error", "MPa"),
        transplant.examine((region,), {}, "cnn"),
    )  # fmt: skip


@pytest.fixture
def audit():
    header = {"facts": {"name": "steels", "n": 90}, "target": "hardness"}
    run = SimpleNamespace(header=header, created="2026-01-01")
    return RunAudit(run, "cnn", None, examined())


def test_every_kind_has_a_heading_and_a_picture(audit):
    assert tuple(HEADINGS) == KINDS
    for one in audit.examined:
        found = drawings(one.kind, one.facts)
        assert found, one.kind
        for drawing in found:
            body = json.loads(drawing.json())
            assert body["data"], one.kind
            assert drawing.title
            assert drawing.caption


def test_the_page_is_whole_and_escaped(audit, tmp_path):
    page = write_audit(audit, tmp_path / "audit.html").read_text(encoding="utf-8")
    assert "Content-Security-Policy" in page
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert not re.search(r"<(?:script|img|link)[^>]+(?:src|href)=\"https?:", own)
    assert "A &lt;script&gt;" in own
    assert "<code>this</code> &amp; that" in own
    assert "b<i>" not in own
    for heading, _ in HEADINGS.values():
        assert heading in own
    assert own.count("data-figure=") == sum(len(drawings(o.kind, o.facts)) for o in audit.examined)


def test_what_was_left_out_says_why(audit):
    left = replace(audit, examined=(Examined("cues", skipped="These data have no images."),))
    page = render(left)
    assert "Left out. These data have no images." in page
    assert headline(left) == "Nothing was found against cnn"


def test_the_headline_is_the_worst_finding(audit):
    assert headline(audit) == f"{audit.findings[0].title}, and {len(audit.findings) - 1} more"
