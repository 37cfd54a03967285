"""What all figures share: type, lines, margins, and how a figure travels into the page."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.report.palette import FAINT, INK, LINE, PAPER, SOFT

if TYPE_CHECKING:
    import plotly.graph_objects as go

FONT = '-apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif'
MAX_POINTS = 5000
CLEAR = "rgba(0,0,0,0)"


@dataclass(frozen=True)
class Drawing:
    """A figure with its words. ``narrow`` holds layout changes, by path, for small screens."""

    figure: go.Figure
    title: str
    caption: str = ""
    height: int = 360
    narrow: Mapping[str, Any] = field(default_factory=dict)

    def json(self) -> str:
        """The figure for the page's script, safe inside a ``<script>`` element."""
        body = json.loads(self.figure.to_json())
        text = json.dumps(
            {"data": body["data"], "layout": body["layout"], "narrow": dict(self.narrow)},
            separators=(",", ":"),
            allow_nan=False,
        )
        for mark in "<>&\u2028\u2029":
            text = text.replace(mark, f"\\u{ord(mark):04x}")
        return text


def canvas(height: int, **layout: Any) -> go.Figure:
    """An empty figure in the page's style."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        template=go.layout.Template(),
        height=height,
        autosize=True,
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        font={"family": FONT, "size": 12, "color": SOFT},
        margin={"l": 56, "r": 12, "t": 16, "b": 48},
        showlegend=False,
        dragmode=False,
        hovermode="closest",
        hoverlabel={
            "bgcolor": PAPER,
            "bordercolor": FAINT,
            "align": "left",
            "font": {"family": FONT, "size": 12, "color": INK},
        },
        **layout,
    )
    return figure


def axis(title: str = "", **options: Any) -> dict[str, Any]:
    """An axis with hairlines and no frame."""
    own: dict[str, Any] = {
        "showgrid": True,
        "gridcolor": LINE,
        "gridwidth": 1,
        "zeroline": False,
        "showline": False,
        "ticks": "",
        "ticklabelstandoff": 6,
        "tickfont": {"size": 11.5, "color": SOFT},
        "automargin": True,
        "fixedrange": True,
    }
    if title:
        own["title"] = {"text": title, "font": {"size": 12, "color": SOFT}, "standoff": 12}
    return own | options


def safe(text: object) -> str:
    """Text as Plotly shall show it: letters, never markup.

    Examples
    --------
    >>> safe("<b>&")
    '&lt;b&gt;&amp;'
    """
    return html.escape(str(text), quote=False)


def short(text: object, limit: int = 28) -> str:
    """Safe text, cut in its middle where it is long.

    Examples
    --------
    >>> short("abcdefghij", 7)
    'abc…hij'
    """
    text = str(text)
    if len(text) > limit:
        half = (limit - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    return safe(text)


def with_unit(label: str, unit: str) -> str:
    """An axis title with its unit."""
    return f"{safe(label)}, {safe(unit)}" if unit else safe(label)


def light(values: Any) -> np.ndarray:
    """Numbers as float32, which halves the file and is finer than any pixel."""
    return np.asarray(values, dtype=np.float32)


def drawn_points(n: int, limit: int = MAX_POINTS) -> np.ndarray:
    """Positions of the points that are drawn: all, or evenly spread ones.

    Examples
    --------
    >>> drawn_points(3).tolist(), drawn_points(10, 4).tolist()
    ([0, 1, 2], [0, 3, 6, 9])
    """
    if n <= limit:
        return np.arange(n)
    return np.unique(np.linspace(0, n - 1, limit).round().astype(int))


def capped(n: int, drawn: int) -> str:
    """A sentence where not every point is drawn."""
    return f" {drawn} of {n} samples are drawn." if drawn < n else ""
