"""The target: how its values, or its classes, are distributed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from iceframe.report.figures.style import Drawing, axis, canvas, safe, short, with_unit
from iceframe.report.palette import FAINT, INK

MAX_CLASSES = 30


def target(predictions: pd.DataFrame, name: str, unit: str, task: str) -> Drawing | None:
    """A histogram of the target, or the size of each class; each sample counts once."""
    if predictions.empty:
        return None
    values = predictions.drop_duplicates("id")["y"]
    if task == "classification":
        return _classes(values.astype(str))
    numbers = values.to_numpy(float)
    numbers = numbers[np.isfinite(numbers)]
    return _histogram(numbers, name, unit) if len(numbers) else None


def _histogram(values: np.ndarray, name: str, unit: str) -> Drawing:
    import plotly.graph_objects as go

    n_bins = int(np.clip(2 * len(values) ** (1 / 3), 5, 50))  # Rice's rule
    counts, edges = np.histogram(values, bins=n_bins)
    height = 240
    figure = canvas(height, bargap=0.04)
    figure.add_trace(
        go.Bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            marker={"color": FAINT, "line": {"width": 0}},
            hovertext=[
                f"{low:.4g} to {high:.4g} {safe(unit)}<br>{n} samples"
                for low, high, n in zip(edges[:-1], edges[1:], counts, strict=True)
            ],
            hoverinfo="text",
        )
    )
    figure.update_layout(
        xaxis=axis(with_unit(name, unit), showgrid=False),
        yaxis=axis("Samples", nticks=4),
        margin={"l": 52, "r": 12, "t": 8, "b": 52},
    )
    return Drawing(figure, "The target", f"{len(values)} samples.", height)


def _classes(values: pd.Series) -> Drawing:
    import plotly.graph_objects as go

    counts = values.value_counts()
    shown = counts.iloc[:MAX_CLASSES]
    height = 60 + 26 * len(shown)
    figure = canvas(height)
    figure.add_trace(
        go.Bar(
            x=shown.to_numpy(),
            y=list(range(len(shown))),
            orientation="h",
            width=0.62,
            marker={"color": FAINT, "line": {"width": 0}},
            text=[str(n) for n in shown],
            textposition="outside",
            cliponaxis=False,
            hovertext=[f"<b>{safe(c)}</b><br>{n} samples" for c, n in shown.items()],
            hoverinfo="text",
        )
    )
    figure.update_layout(
        xaxis=axis("Samples", nticks=5, range=[0, 1.1 * float(shown.max())]),
        yaxis=axis(
            showgrid=False, autorange="reversed", tickmode="array",
            tickvals=list(range(len(shown))), ticktext=[short(c, 24) for c in shown.index],
        ) | {"tickfont": {"size": 12, "color": INK}},
        margin={"l": 8, "r": 24, "t": 4, "b": 48},
    )  # fmt: skip
    rest = (
        f" The {MAX_CLASSES} largest of {len(counts)} classes." if len(counts) > len(shown) else ""
    )
    return Drawing(figure, "The classes", f"{len(values)} samples.{rest}", height)
