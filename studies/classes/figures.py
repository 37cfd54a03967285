"""Two figures, as SVG: where fidelity falls, and what mends it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from studies.classes.pieces import CLASSES, SETTINGS, TOLERANCE
from studies.classes.repairs import NOTHING, PICKERS

from iceframe.core.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"asked": "#b3361b", "telling": "#7d4f9e", "random": "#1f6f8b", "swapped": "#5b8c3a"}
NAMES = {
    "asked": "asked for by the gate",
    "telling": "most telling",
    "random": "at random",
    "swapped": "known structures, new phases",
}
FORM_NAMES = {"bounded": "between the bounds", "matrix": "from the matrix bound"}
FORM_LINES = {"bounded": "--", "matrix": ":"}


def draw(folder: Path, first: pd.DataFrame, mended: pd.DataFrame) -> None:
    """Both figures into ``folder``."""
    import matplotlib

    matplotlib.use("agg")
    # The same numbers make the same file.
    matplotlib.rcParams |= {"svg.hashsalt": "classes", "svg.fonttype": "none", "font.size": 9,
                            "axes.grid": True, "grid.color": "0.92",
                            "axes.axisbelow": True}  # fmt: skip
    _save(_fidelity(first), folder / "fidelity.svg")
    _save(_repairs(mended), folder / "repairs.svg")


def _fidelity(first: pd.DataFrame) -> Figure:
    """Mean absolute error of each rung, inside and on the third class, joined by a line."""
    from matplotlib import pyplot as plt

    named = [name for name in first if name.startswith("by ") and first[name].notna().any()]
    settings = [s for s in SETTINGS if (first["setting"] == s).any()]
    figure, axes = plt.subplots(
        len(settings), len(CLASSES), figsize=(8.2, 2.4 * len(settings) + 0.4),
        sharex="row", sharey=True, squeeze=False, layout="constrained",
    )  # fmt: skip
    for line, setting in zip(axes, settings, strict=True):
        for axis, label in zip(line, CLASSES, strict=True):
            here = first[(first["setting"] == setting) & (first["left_out"] == label)]
            error = here[named].sub(here["y"], axis=0).abs()
            mean = error.groupby(here["part"]).mean()
            if mean.empty:
                continue
            a, b = mean.loc["inside", named], mean.loc["outside", named]
            places = range(len(named))
            axis.hlines(places, a, b, color="0.6", lw=1)
            axis.plot(a, places, "o", color="#1f6f8b", ms=4, label="two classes trained on")
            axis.plot(b, places, "o", color="#b3361b", ms=4, label="third class")
            axis.set_yticks(list(places), [n.removeprefix("by ") for n in named])
            axis.set_xscale("log")
            _plain_numbers(axis)
            axis.set_title(f"{label} left out\n{setting}", fontsize=9)
    axes[-1, 1].set_xlabel("mean absolute error of log k")
    _legend(figure)
    return figure


def _repairs(mended: pd.DataFrame) -> Figure:
    """Error and coverage on the third class against the number of labels."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(
        2, len(CLASSES), figsize=(8.2, 4.6), sharex=True, sharey="row", layout="constrained"
    )
    for place, label in enumerate(CLASSES):
        here = mended[mended["left_out"] == label]
        means = here.groupby(["form", "repair", "k"])[["error outside", "covered outside"]].mean()
        if means.empty:
            continue
        for axis, column in zip(axes[:, place], means, strict=True):
            start = means.loc[("plain", NOTHING, 0), column]
            for repair in PICKERS:
                curve = means.loc[("plain", repair), column]
                axis.plot([0, *curve.index], [start, *curve], "o-", ms=3, lw=1,
                          color=COLOURS[repair], label=NAMES[repair])  # fmt: skip
            for form, style in FORM_LINES.items():
                axis.axhline(means.loc[(form, NOTHING, 0), column], color="0.25", ls=style, lw=1,
                             label=f"no label, {FORM_NAMES[form]}")  # fmt: skip
        axes[0, place].set_title(f"{label} left out", fontsize=9)
        axes[1, place].axhline(0.9, color="0.75", lw=0.8)
        axes[1, place].set_xlabel("labels bought")
    axes[0, 0].set_ylabel("error of log k")
    axes[1, 0].set_ylabel("coverage of 90 % intervals")
    _legend(figure)
    return figure


def _legend(figure: Figure) -> None:
    """One legend for all panels, on the right of them."""
    for axis in figure.axes:
        lines, names = axis.get_legend_handles_labels()
        if names:
            figure.legend(lines, names, loc="outside right upper", frameon=False, fontsize=8)
            return


def _plain_numbers(axis: Any) -> None:
    """Few and plain numbers on a logarithmic axis, and where a badly wrong answer begins."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axis.xaxis.set_major_locator(FixedLocator([0.03, 0.1, 0.3, 1.0]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.axvline(TOLERANCE, color="0.75", lw=0.8)


def _save(figure: Figure, path: Path) -> None:
    from matplotlib import pyplot as plt

    with replacing(path) as temporary:
        figure.savefig(temporary, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
