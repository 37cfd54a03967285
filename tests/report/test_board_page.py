"""The page of a benchmark's board: it shows what was measured; offline, safe, on any screen."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from report_browser import Browser, executable

from iceframe.report.board import headline, markdown, render, told_comparisons, write_board
from iceframe.report.figures.board import board_front
from iceframe.workflow.benchmark.view import (
    BoardView,
    Comparison,
    Elsewhere,
    Line,
    Shared,
    TaskBoard,
)

HOSTILE = "<script>alert(1)</script>"


def own(name: str, rank: int, value: float, complexity: float, **options: object) -> Line:
    line = Line(
        name, True, rank, value, 4.0, value - 6, value + 6, name.capitalize(),
        complexity=complexity, c1=complexity, c2=0.1, c3=0.2, faithfulness=0.8, coverage=0.91,
        seconds=75.0, folds=(value,) * 5,
    )  # fmt: skip
    return replace(line, **options)  # type: ignore[arg-type]


LINES = (
    Line("TPOT-Mat", False, 1, 79.9468, 13.6),
    own("stack", 2, 84.0, 0.6),
    own("ridge", 3, 110.25, 0.2, glass_box=True, chosen=True),
    own("mean", 4, 229.7, 0.05, glass_box=True, faithfulness=float("nan")),
    Line("Dummy", False, 5, 230.0, 9.7),
)


def task(**changes: object) -> TaskBoard:
    made = TaskBoard(
        name="steels",
        target="yield strength",
        unit="MPa",
        task="regression",
        metric="mae",
        better="lower",
        n=312,
        folder="steels",
        lines=LINES,
        comparisons=(
            Comparison("ridge", "TPOT", "TPOT-Mat", 110.25, 79.95, 30.3, 12.0, 48.6, 0.004, 312),
            Comparison("mean", "TPOT", "TPOT-Mat", 229.7, 79.95, 149.8, 99.0, 200.0, 0.0, 312),
        ),
        elsewhere=(
            Elsewhere("ridge", "random", 110.25, 0.95, 0.48),
            Elsewhere("ridge", "extremes", 300.0, 1.31, 0.6),
            Elsewhere("mean", "random", 229.7, 1.98, 1.0),
        ),
        equilibrium={"rung": "ridge", "status": "CONVERGED"},
        verdict="The equilibrium stands at `ridge`.",
        notes=("Official folds.",),
        failures={"gp": "no memory"},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def view(*tasks: TaskBoard, **changes: object) -> BoardView:
    made = BoardView(
        "matbench_v0.1",
        tasks or (task(),),
        (Shared("steels", "glass", 7, 312, ("FeNi", "Fe3C")),),
        settings={"command": "iceframe benchmark matbench steels"},
        versions={"iceframe": "0.1.0"},
        references=("Dunn et al. 2020, doi:10.1038/s41524-020-00406-3",),
        created="2026-01-01T00:00+00:00",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_dots_are_rungs_and_lines_are_published_entries() -> None:
    drawing = board_front(task())
    assert drawing is not None
    figure = drawing.figure
    dots = next(t for t in figure.data if t.mode == "markers")
    assert list(zip(dots.x, dots.y, strict=True)) == [
        (line.complexity, line.value) for line in LINES if line.ours
    ]
    across = [t for t in figure.data if t.mode == "lines" and t.hovertext]
    assert [set(t.y) for t in across] == [{79.9468}, {230.0}]
    assert all(max(t.x) >= max(dots.x) for t in across)
    low, high = figure.layout.yaxis.range
    assert low < 79 - 6 < 236 < high  # every interval is inside
    hollow = dict(zip(dots.x, dots.marker.color, strict=True))
    assert hollow[0.2] == hollow[0.05] != hollow[0.6]  # glass boxes are hollow


def test_the_stepped_line_joins_what_nothing_simpler_beats() -> None:
    worse = own("mlp", 6, 240.0, 0.9)
    figure = board_front(task(lines=(*LINES, worse))).figure  # type: ignore[union-attr]
    step = next(t for t in figure.data if t.line.shape == "hv")
    assert list(step.x) == [0.05, 0.2, 0.6]


def test_without_a_measured_complexity_there_is_no_picture() -> None:
    bare = tuple(replace(line, complexity=float("nan")) for line in LINES)
    assert board_front(task(lines=bare)) is None
    assert "The board" in render(view(task(lines=bare)))


def test_classes_are_shown_in_per_cent_and_best_is_on_top() -> None:
    lines = tuple(
        replace(line, value=0.9 - 0.1 * i, low=0.5, high=0.95) for i, line in enumerate(LINES)
    )
    made = task(task="classification", metric="balanced_accuracy", better="higher", unit="",
                lines=lines, comparisons=())  # fmt: skip
    drawing = board_front(made)
    assert drawing is not None
    assert "best is top left" in drawing.caption
    page = render(view(made))
    assert "80.0" in page
    assert "1 − balanced accuracy" in page


def test_the_page_says_everything_and_asks_for_nothing() -> None:
    page = render(view(task(unfinished=3), waiting=("glass",)))
    for words in (
        "110.2", "104.2 to 116.2", "TPOT-Mat", "published", "glass box", "1.31", "&lt; 0.01",
        "<code>gp</code> no memory", "3 units of work are left", "Not started: glass",
        "<code>glass</code> has seen the compositions of 7 of the 312",
        "iceframe benchmark matbench steels",
    ):  # fmt: skip
        assert words in page, words
    outside = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.findall(r'(?:src|href)="(?!#|data:|https://doi\.org/)', outside)
    assert "default-src 'none'" in page


def test_the_equilibrium_and_the_best_rung_are_compared_on_the_page() -> None:
    assert [c.rung for c in told_comparisons(task())] == ["ridge"]
    assert "149.8" not in render(view())


def test_the_headline_counts_tasks() -> None:
    assert headline(view()) == "How complex a model does steels need?"
    assert "2 tasks" in headline(view(task(), task(name="glass")))


def test_markdown_has_every_entry() -> None:
    text = markdown(view())
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({row.count("|") for row in rows[:7]}) == 1
    entries = [row.split("|")[1].strip() for row in rows[2:7]]
    assert entries == [
        "TPOT-Mat (published)", "stack (black box)", "**ridge** (glass box)", "mean (glass box)",
        "Dummy (published)",
    ]  # fmt: skip
    assert "| ridge | TPOT-Mat | 30 | 12 to 49 | < 0.01 |" in text
    assert "- `gp` failed: no memory" in text


def test_hostile_names_stay_text() -> None:
    lines = (replace(LINES[0], name=HOSTILE), *LINES[1:])
    made = task(lines=lines, target=HOSTILE, unit=HOSTILE, verdict=HOSTILE, notes=(HOSTILE,),
                failures={HOSTILE: HOSTILE})  # fmt: skip
    page = render(view(made, created=HOSTILE, settings={"command": HOSTILE}))
    assert HOSTILE not in page
    figures = re.findall(r'<script type="application/json" id="figure.*?">(.*?)</script>', page)
    assert figures
    for body in figures:
        json.loads(body)


def test_json_has_no_nan() -> None:
    body = json.loads(json.dumps(view().as_dict(), allow_nan=False))
    assert body["tasks"][0]["lines"][0]["complexity"] is None
    assert body["tasks"][0]["lines"][1]["folds"] == [84.0] * 5


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = executable()
    if program is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on this machine")
    pytest.importorskip("websocket", reason="websocket-client speaks to the browser")
    with Browser(program, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.mark.parametrize(("width", "theme"), [(420, "dark"), (1280, "light")])
def test_it_stands_on_every_screen(
    browser: Browser, tmp_path: Path, width: int, theme: str
) -> None:
    browser.requests.clear()
    browser.errors.clear()
    page, table = write_board(view(), tmp_path)
    assert table.read_text(encoding="utf-8").startswith("# How complex")
    browser.show(page, width, theme=theme)
    assert browser.value("document.documentElement.scrollWidth") <= width
    labels = browser.value(
        "[...document.querySelectorAll('.annotation-text')].map(e => e.textContent)"
    )
    assert ("TPOT-Mat" in labels) == (width > 560)
    assert "ridge" in labels
    assert browser.errors == []
    assert [u for u in browser.requests if not u.startswith(("file:", "data:"))] == []
