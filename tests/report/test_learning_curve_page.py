"""The page of a learning curve: it draws what was measured; offline, safe, on any screen."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from report_browser import Browser, executable

from iceframe.measure.learning_curve import PowerLaw, Reached
from iceframe.report.figures.learning_curve import learning_curves, ticks
from iceframe.report.learning_curve import headline, render, write_learning_curve
from iceframe.workflow.learning_curve.view import CurveView

SIZES = (16, 64, 256)
HOSTILE = "<script>alert(1)</script>"


def view(metric: str = "mae", scale: float = 40.0, **changes: object) -> CurveView:
    rows = []
    for rung, factor in (("mean", 1.0), ("ridge", 0.5), ("cnn", 0.8)):
        for size in SIZES:
            error = factor * scale * (1.0 if rung == "mean" else (16 / size) ** 0.5)
            value = 1 - error if metric in ("r2", "balanced_accuracy") else error
            rows.append((rung, size, metric, value, value - 0.1 * error, value + 0.1 * error, 5))
    columns = ["rung", "size", "metric", "mean", "low", "high", "n_repeats"]
    made = CurveView(
        name="alloys",
        target="strength",
        unit="MPa",
        task="regression",
        n=400,
        n_test=120.0,
        metric=metric,
        wanted=12.0 if metric == "mae" else 0.9,
        sizes=SIZES,
        titles={"mean": "Mean", "ridge": "Ridge regression", "cnn": "Network"},
        curve=pd.DataFrame(rows, columns=columns),
        laws={
            "mean": PowerLaw(False, "the error does not fall beyond its uncertainty"),
            "ridge": PowerLaw(True, "", 0.0, 0.0, 1.0, 80.0, 0.5, 0.4, 0.6),
            "cnn": PowerLaw(True, "", 0.0, 0.0, 1.0, 128.0, 0.5, 0.4, 0.6),
        },
        reached={
            "mean": Reached("not reached", np.nan, np.inf, np.inf),
            "ridge": Reached("measured", 44.4, 30.0, 70.0),
            "cnn": Reached("extrapolated", 900.0, 500.0, np.inf),
        },
        failures=({"rung": "cnn", "sizes": [16], "times": 2, "message": "no memory"},),
        notes=("Left out: 1000.",),
        settings={"command": "iceframe learning-curve alloys.csv"},
        versions={"iceframe": "0.1.0"},
        created="2026-01-01T00:00+00:00",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def lines(made: CurveView) -> dict[str, Any]:
    drawing = learning_curves(made)
    assert drawing is not None
    return {trace.name: trace for trace in drawing.figure.data if trace.name}


def test_what_is_drawn_is_what_was_measured() -> None:
    made = view()
    for rung, trace in lines(made).items():
        mine = made.curve[made.curve["rung"] == rung]
        assert list(trace.x) == list(mine["size"])
        np.testing.assert_allclose(trace.y, mine["mean"])
    figure = learning_curves(made).figure  # type: ignore[union-attr]
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    assert [shape.y0 for shape in figure.layout.shapes] == [12.0]
    dots = [t for t in figure.data if t.mode == "markers"]
    assert sorted(float(t.x[0]) for t in dots) == [44.4, 900.0]


def test_scores_are_drawn_as_errors() -> None:
    made = view("r2", 0.8)
    np.testing.assert_allclose(lines(made)["ridge"].y, [0.4, 0.2, 0.1])
    figure = learning_curves(made).figure  # type: ignore[union-attr]
    assert figure.layout.yaxis.title.text == "1 − R²"
    assert [round(shape.y0, 9) for shape in figure.layout.shapes] == [0.1]
    for band in (t for t in figure.data if t.mode == "none"):
        half = len(band.y) // 2
        assert all(a > b for a, b in zip(band.y[:half], band.y[half:][::-1], strict=True))


def test_one_fit_that_went_astray_does_not_flatten_the_others() -> None:
    made = view()
    curve = made.curve.copy()
    curve.loc[0, ["mean", "high"]] = 1e9
    drawing = learning_curves(replace(made, curve=curve))
    assert drawing is not None
    assert drawing.figure.layout.yaxis.range[1] < 4
    assert "off the picture" in drawing.caption
    assert "off the picture" not in learning_curves(made).caption  # type: ignore[union-attr]


def test_errors_of_zero_are_not_drawn_but_stand_in_the_table() -> None:
    made = view("balanced_accuracy", 0.5)
    perfect = made.curve.assign(mean=1.0, low=1.0, high=1.0)
    assert learning_curves(replace(made, curve=perfect)) is None
    page = render(replace(made, curve=perfect))
    assert "nothing to draw" in page
    assert "100.0" in page


def test_ticks_are_round_and_inside() -> None:
    for low, high in ((0.013, 0.2), (3.0, 4.2), (1e-4, 1e3)):
        found = ticks(low, high)
        assert found
        assert all(low <= value <= high for value in found)


@pytest.mark.parametrize(
    ("reached", "expected"),
    [
        ({"ridge": Reached("measured", 44.4, 30, 70)}, "ridge reaches a mean absolute error of 12"),
        (
            {"cnn": Reached("extrapolated", 900.0, 500, np.inf)},
            "No rung reaches a mean absolute error of 12 MPa here; cnn might with 900",
        ),
        ({"mean": Reached("not reached", np.nan, np.inf, np.inf)}, "with up to 256 samples"),
    ],
)
def test_the_headline_says_what_was_found(reached: dict[str, Reached], expected: str) -> None:
    assert expected in headline(view(reached=reached))
    assert headline(view(wanted=None, reached={})).startswith("How well strength is predicted")


def test_the_page_is_whole_and_asks_for_nothing() -> None:
    page = render(view())
    assert "900 (extrapolated)" in page
    assert "500 to more than 2" in page  # ten times the largest size
    assert "not identifiable: the error does not fall" in page
    assert "<code>cnn</code> failed at 16 samples: no memory" in page
    outside = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.findall(r'(?:src|href)="(?!#|data:|https://doi\.org/)', outside)
    assert "default-src 'none'" in page


def test_hostile_names_stay_text() -> None:
    page = render(
        view(name=HOSTILE, target=HOSTILE, unit=HOSTILE, notes=(HOSTILE,), created=HOSTILE)
    )
    assert HOSTILE not in page
    for body in re.findall(r'<script type="application/json" id="figure.*?">(.*?)</script>', page):
        json.loads(body)


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
    browser.show(write_learning_curve(view(), tmp_path / "page.html"), width, theme=theme)
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value("document.querySelectorAll('.scatterlayer path').length") > 6
    ink = browser.value("getComputedStyle(document.querySelector('.plot .ytick text')).fill")
    brightness = sum(map(float, re.findall(r"[\d.]+", ink)[:3])) / 3
    assert (brightness > 120) == (theme == "dark")
    assert browser.paper().startswith(b"%PDF")
    assert browser.errors == []
    assert [u for u in browser.requests if not u.startswith(("file:", "data:"))] == []
