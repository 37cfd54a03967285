"""The path of a search as a figure: what is drawn is what was measured and decided."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from iceframe.balance.action import Proposal, Verdict
from iceframe.balance.state import Step
from iceframe.report.figures.path import path
from iceframe.report.palette import ACCENT, DARK, PAPER


def step(number: int, name: str, kept: bool, leader: str, action: str = "climb") -> Step:
    proposal = Proposal(action, {"rung": name, "variant": ""}, {}, 1.0, "why") if number else None
    return Step(number, proposal, Verdict(kept, "because"), (name,), leader)


STEPS = (
    step(0, "mean", True, "mean"),
    step(1, "ridge", True, "ridge"),
    step(2, "svm", False, "ridge"),
    step(3, "<cnn>", True, "<cnn>"),
    step(4, "broken", False, "<cnn>"),
)
MEASURED = {
    "mean": (0.0, 1.0, None),
    "ridge": (0.2, 0.5, 0.9),
    "svm": (0.5, 0.6, None),
    "<cnn>": (0.8, 0.1, 0.3),
}


def evidence(transparency: bool = True) -> pd.DataFrame:
    rows = []
    for name, (complexity, loss, faithful) in MEASURED.items():
        rows.append((name, "complexity", complexity, ""))
        rows.append((name, "mae", loss, "MPa"))
        if faithful is not None and transparency:
            rows.append((name, "faithfulness", faithful, ""))
    rows.append(("broken", "mae", float("nan"), "MPa"))
    return pd.DataFrame(rows, columns=["rung", "metric", "value", "unit"])


def traces(drawing, kind: str, axis: str = "x"):
    return [t for t in drawing.figure.data if t.name == kind and t.xaxis == axis]


@pytest.fixture
def drawing():
    found = path(STEPS, evidence(), chosen="<cnn>", loss="mae")
    assert found is not None
    return found


def test_every_measured_candidate_is_a_point_of_its_kind(drawing) -> None:
    shown = {k: list(zip(t.x, t.y, strict=True)) for k in ("start", "kept", "rejected")
             for t in traces(drawing, k)}  # fmt: skip
    assert shown == {
        "start": [(0.0, 1.0)], "kept": [(0.2, 0.5), (0.8, 0.1)], "rejected": [(0.5, 0.6)]
    }  # fmt: skip
    (kept,), (rejected,) = traces(drawing, "kept"), traces(drawing, "rejected")
    assert kept.marker.color == ACCENT
    assert rejected.marker.color == PAPER  # hollow


def test_arrows_go_from_the_leader_to_what_was_tried(drawing) -> None:
    lines = {
        t.name: (tuple(zip(t.x, t.y, strict=True)), t.line.dash)
        for t in drawing.figure.data
        if t.mode == "lines" and t.xaxis == "x"
    }
    assert lines == {
        "action 1": (((0.0, 1.0), (0.2, 0.5)), "solid"),
        "action 2": (((0.2, 0.5), (0.5, 0.6)), "dot"),
        "action 3": (((0.2, 0.5), (0.8, 0.1)), "solid"),
    }
    heads = [a for a in drawing.figure.layout.annotations if a.showarrow and a.xref == "x"]
    assert [(a.x, a.y) for a in heads] == [(0.2, 0.5), (0.5, 0.6), (0.8, 0.1)]


def test_the_equilibrium_is_marked_once_a_panel(drawing) -> None:
    rings = [t for t in drawing.figure.data if t.name == "equilibrium"]
    assert [(t.xaxis, t.x, t.y) for t in rings] == [("x", (0.8,), (0.1,)), ("x2", (0.8,), (0.3,))]
    assert "The ring marks the equilibrium" in drawing.caption
    none = path(STEPS, evidence(), chosen=None, loss="mae")
    assert none is not None
    assert not [t for t in none.figure.data if t.name == "equilibrium"]
    assert "ring" not in none.caption


def test_what_has_no_map_is_missing_from_the_second_panel_alone(drawing) -> None:
    points = [
        p for k in ("start", "kept", "rejected") for t in traces(drawing, k, "x2") for p in t.x
    ]
    assert sorted(points) == [0.2, 0.8]
    assert "faithfulness" in drawing.figure.layout.yaxis2.title.text.lower()
    alone = path(STEPS, evidence(transparency=False), chosen="<cnn>", loss="mae")
    assert alone is not None
    assert {t.xaxis for t in alone.figure.data} == {"x"}
    assert list(alone.figure.layout.xaxis.domain) == [0, 1]


def test_names_are_text_and_the_unit_is_told(drawing) -> None:
    texts = [a.text for a in drawing.figure.layout.annotations]
    assert "<b>3 &lt;cnn&gt;</b>" in texts
    assert not any("<cnn>" in text for text in texts)
    assert "MPa" in drawing.figure.layout.yaxis.title.text
    assert "3 actions were measured, 2 kept" in drawing.caption


def test_every_colour_has_its_twin_for_the_dark_theme(drawing) -> None:
    body = json.loads(drawing.json())
    colours = {c for c in _strings(body) if c.startswith("#")}
    assert colours
    assert colours <= set(DARK)


def _strings(value):
    if isinstance(value, dict):
        for held in value.values():
            yield from _strings(held)
    elif isinstance(value, list):
        for held in value:
            yield from _strings(held)
    elif isinstance(value, str):
        yield value


def test_nothing_measured_is_nothing_drawn() -> None:
    empty = evidence().iloc[:0]
    assert path(STEPS, empty, chosen=None, loss="mae") is None
    assert path((), evidence(), chosen=None, loss="mae") is None


def test_losses_of_more_than_a_decade_are_drawn_on_a_logarithmic_axis(drawing) -> None:
    assert drawing.figure.layout.yaxis.type != "log"  # exactly one decade
    table = evidence()
    table.loc[(table["rung"] == "<cnn>") & (table["metric"] == "mae"), "value"] = 0.01
    wide = path(STEPS, table, chosen="<cnn>", loss="mae")
    assert wide is not None
    layout = wide.figure.layout
    assert layout.yaxis.type == "log"
    assert layout.yaxis2.type != "log"
    assert {"0.01", "0.1", "1"} <= set(layout.yaxis.ticktext)
    heads = [a for a in layout.annotations if a.showarrow and a.yref == "y"]
    assert heads[-1].y == pytest.approx(-2)  # annotations lie where the logarithm does


def test_crowded_points_share_one_label() -> None:
    table = evidence()
    table.loc[table["rung"] == "svm", "value"] = table.loc[table["rung"] == "ridge", "value"][
        :2
    ].values
    crowded = path(STEPS, table, chosen="<cnn>", loss="mae")
    assert crowded is not None
    texts = [a.text for a in crowded.figure.layout.annotations if a.yref == "y"]
    assert "1, 2 ridge" in texts
