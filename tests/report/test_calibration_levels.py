"""The calibration curve of a regression: coverage against every level."""

from __future__ import annotations

import numpy as np
from report_views import regression_table

from iceframe.report.figures.calibration import reliability
from iceframe.report.palette import ACCENT
from iceframe.report.scores import Scores


def test_calibrated_intervals_lie_on_the_diagonal() -> None:
    view = regression_table()
    rows = Scores(view).rows
    rng = np.random.default_rng(0)
    n = len(view.predictions)
    drawing = reliability(view.predictions.assign(needed_level=rng.random(n)), rows, ())
    assert drawing is not None
    assert "every level" in drawing.title
    assert len(drawing.figure.data) == len(rows)
    front = drawing.figure.data[-1]
    assert front.line.color == ACCENT  # the chosen rung
    size = (view.predictions["rung"] == next(r.name for r in rows if r.chosen)).sum()
    np.testing.assert_allclose(front.y, front.x, atol=4 * 0.5 / np.sqrt(size))
    assert "of " + str(size) in front.hovertext[0]


def test_intervals_that_are_too_narrow_lie_below() -> None:
    view = regression_table()
    predictions = view.predictions.assign(needed_level=0.97)
    drawing = reliability(predictions, Scores(view).rows, ())
    assert drawing is not None
    assert max(drawing.figure.data[0].y) == 0.0


def test_runs_without_the_column_have_no_curve() -> None:
    view = regression_table()
    bare = view.predictions.drop(columns="needed_level", errors="ignore")
    assert reliability(bare, Scores(view).rows, ()) is None
