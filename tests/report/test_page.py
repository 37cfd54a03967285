"""The page: complete, self-contained, escaped, and whole where parts of the run are missing."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from report_views import VIEWS, bare, hostile, infeasible, regression_table

from iceframe.core.errors import InputError
from iceframe.report import write_report
from iceframe.report.drawings import draw
from iceframe.report.figures.style import MAX_POINTS
from iceframe.report.palette import DARK
from iceframe.report.scores import Scores
from iceframe.report.summary import summarise

SECTIONS = ["verdict", "axes", "front", "predictions", "calibration", "learned", "audit", "next",
            "making"]  # fmt: skip
BLOCKS = {"p", "h1", "h2", "h3", "h4", "dt", "dd", "li", "td", "th", "div", "pre"}
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Reader(HTMLParser):
    """Collects what the tests ask about; notes elements that do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.faults: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")
        if tag in BLOCKS:
            self.text += " "

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif "style" not in self.open:
            self.text += data


@pytest.fixture(scope="module")
def pages(report_files: dict[str, Path]) -> dict[str, tuple[Path, Reader]]:
    pages = {}
    for name, path in report_files.items():
        reader = Reader()
        reader.feed(path.read_text(encoding="utf-8"))
        pages[name] = (path, reader)
    return pages


@pytest.mark.parametrize("name", VIEWS)
def test_every_page_is_well_formed_and_in_order(name: str, pages: dict) -> None:
    path, reader = pages[name]
    assert reader.faults == []
    assert reader.open == []
    assert [a["id"] for tag, a in reader.tags if tag == "section"] == SECTIONS
    ids = [a["id"] for _, a in reader.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    assert 4.5e6 < path.stat().st_size < 7e6
    assert "None" not in reader.text
    assert "nan" not in re.split(r"\W+", reader.text)


@pytest.mark.parametrize("name", VIEWS)
def test_nothing_is_fetched_and_plotly_is_there_once(name: str, pages: dict) -> None:
    _, reader = pages[name]
    assert sum(text.lstrip().startswith("/**\n* plotly.js v") for text in reader.scripts) == 1
    for tag, attributes in reader.tags:
        for key in ("src", "href", "data", "poster", "srcset", "action"):
            target = attributes.get(key)
            if target is None or (tag == "a" and key == "href"):
                continue
            assert target.startswith("data:"), (tag, key, target)
    policy = next(a["content"] for t, a in reader.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "script-src 'unsafe" not in policy


@pytest.mark.parametrize("name", VIEWS)
def test_every_plot_has_its_figure_and_every_colour_its_twin(name: str, pages: dict) -> None:
    _, reader = pages[name]
    figures = {
        a["id"]: a
        for t, a in reader.tags
        if t == "script" and str(a.get("id")).startswith("figure-")
    }
    plots = [a for _, a in reader.tags if a.get("class") == "plot"]
    assert plots
    assert {p["data-figure"] for p in plots} == set(figures)
    assert all(p["aria-label"] for p in plots)
    bodies = [json.loads(text) for text in reader.scripts if text.startswith('{"data"')]
    assert len(bodies) == len(figures)
    for body in bodies:
        assert len(json.dumps(body["layout"].get("template", {}))) < 100  # not Plotly's own 7 kB
        used = set(re.findall(r'"(#[0-9a-f]{6}|rgba\([0-9.,]+\))"', json.dumps(body)))
        assert used - {"rgba(0,0,0,0)"} <= set(DARK)


def test_the_verdict_comes_first_and_reads_as_a_sentence(pages: dict) -> None:
    text = " ".join(pages["regression-table"][1].text.split())
    headline = "To predict yield strength, an explainable boosting machine is as complex as the"
    assert headline in text
    assert text.index("Equilibrium found") < text.index(headline) < text.index("Three axes")
    assert "it is off by 90.4 MPa on average" in text
    assert "hold the truth 90.2" in text
    assert "ebm is 4.2 MPa worse than extra_trees" in text
    images = " ".join(pages["classification-images"][1].text.split())
    assert "extra trees are one defensible choice" in images
    assert "What would help Name the measure that matters" in images


def test_glass_boxes_and_the_chosen_rung_are_marked() -> None:
    view = regression_table(40)
    summary = summarise(view, Scores(view))
    assert [row.name for row in summary.rows] == [
        "mean", "ridge", "ebm", "tree", "svm", "gp", "extra_trees", "mlp"]  # fmt: skip
    assert [row.name for row in summary.rows if row.chosen] == ["ebm"]
    assert [row.name for row in summary.rows if row.glass] == ["mean", "ridge", "ebm", "tree"]


def test_findings_come_worst_first(pages: dict) -> None:
    text = pages["regression-table"][1].text
    places = [text.index(word) for word in ("monotone copy", "near-duplicates of", "far from all")]
    assert places == sorted(places)
    assert "and 2 more" in text


def test_the_nuisance_baseline_is_shown_beside_the_best_rung(pages: dict) -> None:
    text = " ".join(pages["classification-images"][1].text.split())
    assert re.search(
        r"Chance 25\.0.% Nuisance cues alone 62\.0.% 57\.0 to 67\.0.% Best rung 79", text
    )
    assert "file size, contrast, sharpness alone" in text
    assert "Nuisance cues alone" not in pages["regression-table"][1].text


def test_maps_show_both_signs_on_one_scale(pages: dict) -> None:
    _, reader = pages["regression-images"]
    sources = [a["src"] for t, a in reader.tags if t == "img"]
    assert len(sources) == 8
    assert len(set(sources)) == 8
    assert "One scale for all maps" in reader.text
    assert "Completeness gap" in reader.text


def test_text_of_the_data_cannot_become_markup(pages: dict) -> None:
    path, reader = pages["hostile"]
    assert "<script>alert" not in path.read_text(encoding="utf-8")
    plain_scripts = [a for t, a in reader.tags if t == "script" and a.get("type") is None]
    assert len(plain_scripts) == 2
    assert not any(key.startswith("on") for _, attributes in reader.tags for key in attributes)
    assert "<script>alert(1)</script>" in reader.text
    labels = json.dumps([json.loads(t) for t in reader.scripts if t.startswith('{"data"')])
    assert "<script" not in labels
    assert "<img" not in labels


def test_a_run_without_a_choice_shows_the_closest_rung_and_the_remedy() -> None:
    view = infeasible()
    verdict = summarise(view, Scores(view)).verdict
    assert verdict.headline.startswith("No model on this ladder predicts yield strength")
    assert verdict.numbers_of == "Extra trees"
    assert verdict.remedy.startswith("Raise the floor")
    assert verdict.numbers[0].value == "86.2"


def test_a_bare_run_says_what_is_missing(pages: dict) -> None:
    text = pages["bare"][1].text
    for sentence in (
        "there is no front to draw",
        "no held-out predictions",
        "No intervals were made",
        "holds no explanations",
        "The audit found nothing wrong",
        "Nothing is pending",
        "not measured",
    ):
        assert sentence in text
    view = bare()
    drawings = draw(view, Scores(view), summarise(view, Scores(view)))
    assert drawings.pareto is drawings.intervals is drawings.target is None


def test_large_data_is_thinned_and_says_so() -> None:
    view = regression_table(7000)
    scores = Scores(view)
    drawings = draw(view, scores, summarise(view, scores))
    row, parity = drawings.predictions[0]
    assert row.name == "ebm"
    markers = [t for t in parity.figure.data if t.mode == "markers"]
    assert sum(len(t.x) for t in markers) == MAX_POINTS
    assert "5000 of 7000 samples are drawn" in parity.caption
    assert sum(np.size(t.x) for t in parity.figure.data if t.mode == "lines") == 3 * MAX_POINTS


def test_the_same_run_gives_the_same_file(tmp_path: Path) -> None:
    one = write_report(regression_table(30), tmp_path / "one.html").read_bytes()
    assert write_report(regression_table(30), tmp_path / "two.html").read_bytes() == one


def test_a_place_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="Cannot write"):
        write_report(bare(), tmp_path / "file" / "report.html")


def test_hostile_view_has_harm_in_it() -> None:
    assert "<script>" in hostile().target
