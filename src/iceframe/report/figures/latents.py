"""What latents look like: a map of the samples, and strips of images.

All images of one encoding share one grey scale, so that brighter means more everywhere. Of a
volume the middle slice is shown; of three channels their colours, of other numbers the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.report.figures.maps import png
from iceframe.report.figures.style import (
    Drawing,
    axis,
    canvas,
    capped,
    drawn_points,
    light,
    safe,
    short,
    with_unit,
)
from iceframe.report.numbers import number
from iceframe.report.palette import CATEGORIES, FAINT, INK, PAPER, SEQUENTIAL, SOFT
from iceframe.workflow.encoding_view import STEPS, Colouring, EncodingView

if TYPE_CHECKING:
    import plotly.graph_objects as go

HEIGHT = 460


@dataclass(frozen=True)
class Strip:
    """Images side by side as data URIs, each with a line of text below; and words for the row."""

    name: str
    note: str
    pictures: tuple[tuple[str, str], ...]


def traversals(view: EncodingView) -> tuple[Strip, ...]:
    """One strip a latent, from −2 to 2 standard deviations."""
    steps = [f"{step:+.1f}".replace("-", "−") if step else "mean" for step in STEPS]
    return tuple(
        Strip(
            t.latent,
            f"effect {t.effect:.2f}",
            tuple(zip(_uris(t.images, view), steps, strict=True)),
        )
        for t in view.traversals
    )


def neighbours(view: EncodingView) -> tuple[Strip, ...]:
    """One strip a query: itself, then the nearest."""
    strips = []
    for row in view.neighbours:
        words = [row.ids[0]]
        pairs = zip(row.ids[1:], row.distances[1:], strict=True)
        words += [f"{name}, {number(distance)}" for name, distance in pairs]
        strips.append(
            Strip(row.ids[0], "", tuple(zip(_uris(row.images, view), words, strict=True)))
        )
    return tuple(strips)


def latent_map(view: EncodingView, colouring: Colouring | None) -> Drawing:
    """The first two principal components of the latents, coloured by a column."""
    n = len(view.points)
    drawn = drawn_points(n)
    figure = canvas(HEIGHT)
    if colouring is None:
        _points(figure, view, drawn, {"color": FAINT}, None)
        said = "Each point is an image."
    elif colouring.values.dtype.kind == "f":
        said = _by_number(figure, view, colouring, drawn)
    else:
        said = _by_class(figure, view, colouring, drawn)
    first, second = (f"{100 * share:.0f} % of the variance" for share in view.shares)
    figure.update_layout(
        xaxis=axis(f"First principal component, {first}", nticks=7),
        yaxis=axis(f"Second principal component, {second}", nticks=7),
        margin={"l": 64, "r": 12, "t": 12, "b": 56},
    )
    title = f"Coloured by {colouring.name}" if colouring is not None else "All images"
    return Drawing(
        figure, title, said + capped(n, len(drawn)), HEIGHT, {"height": 400, "margin.l": 48}
    )


def _by_number(
    figure: go.Figure, view: EncodingView, colouring: Colouring, drawn: np.ndarray
) -> str:
    values = colouring.values[drawn]
    known = np.isfinite(values)
    if (~known).any():
        _points(figure, view, drawn[~known], {"color": FAINT}, None)
    if known.any():
        bar = {
            "title": {"text": with_unit(short(colouring.name), colouring.unit), "side": "right"},
            "thickness": 10, "outlinewidth": 0, "tickfont": {"size": 11.5, "color": SOFT},
        }  # fmt: skip
        marker = {
            "color": light(values[known]),
            "colorscale": [list(stop) for stop in SEQUENTIAL],
            "colorbar": bar,
        }
        _points(figure, view, drawn[known], marker, colouring)
    left = " Grey: not known." if (~known).any() else ""
    return f"Each point is an image.{left}"


def _by_class(
    figure: go.Figure, view: EncodingView, colouring: Colouring, drawn: np.ndarray
) -> str:
    """The most frequent classes have colours, the others are grey."""
    names, counts = np.unique(colouring.values.astype(str), return_counts=True)
    frequent = names[np.argsort(-counts, kind="stable")][: len(CATEGORIES)]
    values = colouring.values[drawn].astype(str)
    others = ~np.isin(values, frequent)
    if others.any():
        _points(figure, view, drawn[others], {"color": FAINT}, colouring, "other")
    for name, colour in zip(frequent, CATEGORIES, strict=False):
        part = drawn[values == name]
        if len(part):
            _points(figure, view, part, {"color": colour}, colouring, str(name))
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0,
                "font": {"size": 12, "color": INK}},
    )  # fmt: skip
    return "Each point is an image."


def _points(
    figure: go.Figure,
    view: EncodingView,
    part: np.ndarray,
    marker: dict[str, Any],
    colouring: Colouring | None,
    name: str = "",
) -> None:
    import plotly.graph_objects as go

    few = len(view.points) < 400
    values: Sequence[Any] = [""] * len(part) if colouring is None else colouring.values[part]
    told = [number(v) if isinstance(v, float) else str(v) for v in values]
    figure.add_trace(
        go.Scatter(
            x=light(view.points[part, 0]),
            y=light(view.points[part, 1]),
            mode="markers",
            name=short(name),
            marker={"size": 8 if few else 5, "line": {"color": PAPER, "width": 0.8 if few else 0.4}}
            | marker,
            hovertext=[
                f"<b>{safe(view.ids[i])}</b>" + (f"<br>{safe(t)}" if t else "")
                for i, t in zip(part, told, strict=True)
            ],
            hoverinfo="text",
        )
    )


def _uris(images: np.ndarray, view: EncodingView) -> list[str]:
    return [png(_pixels(image, view.levels)) for image in images]


def _pixels(image: np.ndarray, levels: tuple[float, float]) -> np.ndarray:
    """An image ``(channels, *grid)`` as uint8 ``(h, w)`` or ``(h, w, 3)``.

    Examples
    --------
    >>> _pixels(np.array([[[0.0, 1.0]]]), (0.0, 1.0)).tolist()
    [[0, 255]]
    """
    if image.ndim == 4:
        image = image[:, image.shape[1] // 2]
    low, high = levels
    scaled = (image - low) / (high - low) if high > low else np.full(image.shape, 0.5)
    grey = np.round(255 * np.clip(scaled, 0, 1)).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(grey, 0, -1)) if len(grey) == 3 else grey[0]
