"""Figures and numbers: what is drawn is what was measured."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_views import classification_images, regression_images, regression_table

from iceframe.report.figures import maps
from iceframe.report.figures.axes import triangle
from iceframe.report.figures.calibration import reliability, reliability_bins
from iceframe.report.figures.front import non_dominated, pareto
from iceframe.report.figures.learned import curves, importances
from iceframe.report.figures.material import target
from iceframe.report.figures.predictions import confusion, parity
from iceframe.report.numbers import fixed, number, with_interval
from iceframe.report.palette import ACCENT, DARK, INK, PAPER, SOFT, WARM
from iceframe.report.scores import Scores
from iceframe.report.summary.learned import learned

points = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 100)), min_size=1, max_size=12)


@given(points, st.booleans())
def test_the_front_holds_exactly_the_points_that_nothing_simpler_beats(
    measured: list[tuple[float, float]], higher: bool
) -> None:
    front = non_dominated(measured, higher)
    sign = -1 if higher else 1
    xs = [measured[i][0] for i in front]
    losses = [sign * measured[i][1] for i in front]
    assert xs == sorted(xs)
    assert all(a > b for a, b in pairwise(losses))
    for c, loss in measured:
        assert any(measured[i][0] <= c and sign * measured[i][1] <= sign * loss for i in front)


@given(st.floats(-1e9, 1e9))
def test_a_number_as_text_is_close_to_the_number(value: float) -> None:
    text = number(value).replace("\N{MINUS SIGN}", "-").replace("\N{NARROW NO-BREAK SPACE}", "")
    if "×" in text:
        mantissa, _, power = text.partition(" × 10")
        digits = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
        shown = float(f"{mantissa}e{power.translate(digits)}")
    else:
        shown = float(text)
    assert shown == pytest.approx(value, rel=0.0051, abs=1e-320)


@given(st.floats(-1e5, 1e5), st.floats(1e-3, 1e3), st.integers(0, 4))
def test_an_interval_has_the_decimals_of_its_value(
    value: float, half: float, decimals: int
) -> None:
    text, interval = with_interval(value, value - half, value + half, decimals)
    for part in (text, *interval.split(" to ")):
        assert len(part.partition(".")[2]) == decimals
    assert fixed(value, decimals) == text


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("colour", [INK, SOFT, ACCENT])
def test_text_stands_out_from_the_paper(theme: str, colour: str) -> None:
    """WCAG 2.2, 1.4.3: a contrast of at least 4.5 for text."""
    pair = (colour, PAPER) if theme == "light" else (DARK[colour], DARK[PAPER])
    light, dark = sorted(map(luminance, pair), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_the_triangle_shows_every_rung_in_three_panels() -> None:
    view = regression_table(40)
    scores = Scores(view)
    figure = triangle(scores).figure
    shown = {(t.xaxis, round(float(x), 3)) for t in figure.data for x in t.x}
    for row in scores.rows:
        for axis, metric in (("x", "complexity"), ("x2", "mae"), ("x3", "faithfulness")):
            score = scores.get(row.name, metric)
            assert not score.known or (axis, round(score.value, 3)) in shown
    # One rung (the mean) has no faithfulness, and the figure says so instead of drawing a zero.
    assert sum(a.text == "not measured" for a in figure.layout.annotations) == 1
    ebm = next(t for t in figure.data if t.marker.line.color == ACCENT)
    assert ebm.error_x.array[0] == pytest.approx(0.03)


def test_the_front_marks_the_chosen_rung_only() -> None:
    drawing = pareto(Scores(regression_table(40)))
    assert drawing is not None
    ring = next(t for t in drawing.figure.data if t.marker.symbol == "circle-open")
    assert (ring.x[0], ring.y[0]) == (0.44, 90.4)
    assert len(ring.x) == 1
    assert "bottom left" in drawing.caption


def test_orange_points_are_exactly_those_outside_their_interval() -> None:
    table = pd.DataFrame(
        {
            "id": ["a", "b", "c", "d"],
            "y": [1.0, 2.0, 3.0, 4.0],
            "mean": [1.1, 3.0, 3.0, np.nan],
            "low": [0.5, 2.5, 2.5, 0.0],
            "high": [1.5, 3.5, 3.5, 9.0],
        }
    )
    drawing = parity(table, "strength", "MPa", 0.9)
    assert drawing is not None
    markers = {t.marker.color: t.x.tolist() for t in drawing.figure.data if t.mode == "markers"}
    assert markers == {ACCENT: [1.0, 3.0], WARM: [2.0]}
    assert "33.3 % of all; 10 % are expected" in drawing.caption
    assert parity(table.iloc[3:], "strength", "MPa", 0.9) is None


def test_a_prediction_without_intervals_is_still_drawn() -> None:
    table = pd.DataFrame({"id": ["a"], "y": [1.0], "mean": [2.0]})
    drawing = parity(table, "y", "", 0.9)
    assert drawing is not None
    assert [t.mode for t in drawing.figure.data] == ["markers"]


def test_the_confusion_matrix_counts() -> None:
    table = pd.DataFrame({"y": ["a", "a", "a", "b"], "mean": ["a", "a", "b", "b"]})
    drawing = confusion(table, ("a", "b", "never seen"))
    assert drawing is not None
    np.testing.assert_allclose(drawing.figure.data[0].z, [[2 / 3, 1 / 3], [0, 1]], rtol=1e-6)
    texts = {(a.y, a.x): a.text for a in drawing.figure.layout.annotations}
    assert texts == {(0, 0): "2", (0, 1): "1", (1, 1): "1"}


def test_many_classes_are_cut_to_the_most_frequent() -> None:
    names = tuple(f"class {i:02d}" for i in range(40))
    y = [name for i, name in enumerate(names) for _ in range(50 - i)]
    drawing = confusion(pd.DataFrame({"y": y, "mean": y}), names)
    assert drawing is not None
    assert drawing.figure.data[0].z.shape == (25, 25)
    assert "25 most frequent of 40" in drawing.caption


def test_calibrated_probabilities_lie_on_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 1, 40_000)
    mean, share, count = reliability_bins(p, rng.uniform(size=p.size) < p)
    assert count.sum() == p.size
    # The largest of ten deviations of sd 0.5/√4000 = 0.008 stays below four of them.
    np.testing.assert_allclose(share, mean, atol=0.032)


def test_reliability_needs_probabilities() -> None:
    view = classification_images()
    rows = Scores(view).rows
    drawing = reliability(view.predictions, rows, view.classes)
    assert drawing is not None
    assert len(drawing.figure.data) == len(rows)
    assert drawing.figure.data[-1].line.color == ACCENT  # the chosen rung, in front
    without = view.predictions.drop(columns=["p_pearlite"])
    assert reliability(without, rows, view.classes) is None


def test_the_map_tints_by_sign_and_keeps_zero_grey() -> None:
    image = np.full((1, 3), 0.5)
    red, _, blue = np.moveaxis(
        maps.tint(image, np.array([[-2.0, 0.0, 2.0]]), 2.0).astype(int), 2, 0
    )
    assert blue[0, 0] > red[0, 0]  # lowers: blue
    assert red[0, 1] == blue[0, 1]  # nothing: grey
    assert red[0, 2] > blue[0, 2]  # raises: vermillion


def test_maps_survive_constants_gaps_and_coarse_grids() -> None:
    example = regression_images().rungs["cnn"].examples[0]
    holes = np.full((4, 4), np.nan)
    odd = [
        replace(example, image=np.ones((8, 8)), map=np.zeros((8, 8))),
        replace(example, image=np.full((8, 8), np.nan), map=holes),
        replace(example, image=np.eye(600), map=np.eye(5)),
        replace(example, map=None),
        replace(example, image=None, map=None),
        replace(example, image=np.ones((2, 2, 2)), map=None),
    ]
    drawn = maps.draw_maps(odd)
    pictures = drawn.pictures
    assert drawn.limit == "1"
    assert drawn.physics_limit == ""
    assert pictures[4] is pictures[5] is None
    assert pictures[3] is not None
    assert pictures[3].overlay == ""
    assert pictures[2] is not None
    assert decoded(pictures[2].overlay).size == (256, 256)


def decoded(uri: str):  # type: ignore[no-untyped-def]
    from PIL import Image

    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_an_average_curve_says_so_and_is_a_line_not_steps() -> None:
    dependence = {"term": "C", "importance": 1.0, "x": [0.0, 1.0, 2.0], "y": [-1.0, 0.0, 1.0]}
    drawn = curves([dependence | {"average": True}], (), "MPa")
    steps = curves([dependence], (), "MPa")
    assert "partial dependence" in drawn.caption
    assert "partial dependence" not in steps.caption
    assert [d.figure.data[0].line.shape for d in (drawn, steps)] == ["linear", "hv"]


def test_terms_keep_their_sign_and_curves_their_values() -> None:
    view = regression_table(40)
    by_name = {item.row.name: item for item in learned(view, Scores(view))}
    ridge, ebm, tree = by_name["ridge"], by_name["ebm"], by_name["tree"]
    bars = importances(ridge.terms, ridge.n_terms, ridge.signed)
    assert bars is not None
    assert "Orange raises" in bars.caption
    colours = bars.figure.data[0].marker.color
    assert [v > 0 for v in bars.figure.data[0].x] == [colour == WARM for colour in colours]
    shapes = curves(ebm.curves, (), "MPa")
    assert shapes is not None
    assert len(shapes.figure.data) == 6
    top = view.rungs["ebm"].terms[0]
    np.testing.assert_allclose(shapes.figure.data[0].y, top["y"], rtol=1e-6)
    assert shapes.figure.layout.yaxis.range == shapes.figure.layout.yaxis6.range
    assert [term["term"] for term in tree.terms] == ["molybdenum", "nickel"]
    assert [rule["term"] for rule in tree.rules] == ["leaf 1", "leaf 2"]
    assert tree.curves == ()
    assert next(iter(by_name)) == "ebm"  # the chosen rung first


def test_contributions_are_ordered_scaled_and_summed() -> None:
    view = regression_table(40)
    case = next(i for i in learned(view, Scores(view)) if i.row.name == "ebm").cases[0]
    example = view.rungs["ebm"].examples[0]
    assert len(case.bars) == 8
    assert max(bar.width for bar in case.bars) == 50
    assert case.bars[0].width == 50
    order = np.argsort(-np.abs(example.contributions))
    assert [bar.name for bar in case.bars] == [example.names[i] for i in order[:8]]
    rest = sum(example.contributions[i] for i in order[8:])
    assert case.rest == f"All other features together: {number(rest)}"
    assert case.verdict == "inside the interval"
    last = next(i for i in learned(view, Scores(view)) if i.row.name == "ebm").cases[-1]
    assert last.missed


def test_each_sample_counts_once_in_the_target() -> None:
    view = regression_table(40)
    drawing = target(view.predictions, "strength", "MPa", "regression")
    assert drawing is not None
    assert sum(drawing.figure.data[0].y) == 40
    classes = classification_images()
    drawing = target(classes.predictions, "constituent", "", "classification")
    assert drawing is not None
    assert sum(drawing.figure.data[0].x) == 240
