"""The figures of the four questions, as SVG.

Colour says which rung, an open marker a plain network, a filled one the same network supervised by
sensitivities; lines join the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from studies.paradox import measures, models
from studies.paradox.data import law, test_set
from studies.paradox.pieces import Key, Study
from studies.paradox.tables import MODEL, shift_errors

from iceframe.core.files import replacing
from iceframe.physics import homogenize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {
    "two_point_pca": "#7a7a7a",
    "cnn": "#b3361b",
    "resnet": "#1f6f8b",
    "vit": "#5b8c3a",
    "fno": "#7d4f9e",
}
SHOWN = 3  # structures in the picture of maps


def draw(study: Study, found: pd.DataFrame, pairs: pd.DataFrame, default: str) -> None:
    """All figures into ``figures/``."""
    import matplotlib

    matplotlib.use("agg")
    # The same numbers make the same file.
    matplotlib.rcParams |= {"svg.hashsalt": "paradox", "font.size": 9, "axes.grid": True,
                            "grid.color": "0.92", "axes.axisbelow": True}  # fmt: skip
    folder = study.out / "figures"
    maps = pairs[pairs["explainer"] == default]
    most = maps[maps["n"] == maps.groupby("rung")["n"].transform("max")]
    for name, figure in (
        ("a-paradox", _paradox(study, most)),
        ("b-sobolev", _supervision(study, maps)),
        ("c-metrics", _metrics(study)),
        ("d-shift", _shift(study, found, maps)),
        ("maps", _maps(study, default)),
    ):
        if figure is not None:
            _save(figure, folder / f"{name}.svg")


def _paradox(study: Study, maps: pd.DataFrame) -> Figure | None:
    """PF* against the error in distribution, one panel a contrast."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(
        1, len(study.contrasts), figsize=(3.2 * len(study.contrasts) + 1, 3.4),
        sharey=True, squeeze=False, layout="constrained",
    )  # fmt: skip
    for axis, contrast in zip(axes[0], study.contrasts, strict=True):
        here = maps[maps["contrast"] == contrast]
        for rung, rows in here.groupby("rung", sort=False):
            base, filled = _base(rung)
            axis.plot(
                1 - rows["r2 inside"], rows["pf_star inside"], "o", color=COLOURS.get(base, "0.2"),
                fillstyle="full" if filled else "none", label=rung, ms=5,
            )  # fmt: skip
        axis.axhline(0, color="0.6", lw=0.8)
        axis.axhline(1, color="0.6", lw=0.8)
        _logarithmic(axis, "x")
        axis.set_xlabel("1 − R², in distribution")
        axis.set_title(f"contrast {contrast:g}")
    axes[0, 0].set_ylabel("PF* of the map")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False)
    return figure


def _supervision(study: Study, maps: pd.DataFrame) -> Figure | None:
    """PF* and the error under shift, plain and supervised, joined seed by seed."""
    from matplotlib import pyplot as plt

    shifts = [c for c in ("morphology", "resolution", "gamma_prime") if f"nmae {c}" in maps]
    figure, axes = plt.subplots(
        1, len(shifts), figsize=(3.2 * len(shifts) + 1, 3.4), squeeze=False, layout="constrained"
    )
    taught = maps[maps["rung"].str.startswith("sobolev_")]
    if taught.empty:
        return None
    for axis, shift in zip(axes[0], shifts, strict=True):
        for row in taught.to_dict("records"):
            base, _ = _base(row["rung"])
            plain = maps[(maps["rung"] == base) & (maps["contrast"] == row["contrast"])
                         & (maps["n"] == row["n"]) & (maps["seed"] == row["seed"])]  # fmt: skip
            if plain.empty:
                continue
            one = plain.iloc[0]
            x = [one["pf_star inside"], row["pf_star inside"]]
            y = [one[f"nmae {shift}"], row[f"nmae {shift}"]]
            colour = COLOURS.get(base, "0.2")
            axis.plot(x, y, "-", color=colour, lw=0.6, alpha=0.5)
            axis.plot(x[0], y[0], "o", color=colour, fillstyle="none", ms=4)
            axis.plot(x[1], y[1], "o", color=colour, ms=4)
        _logarithmic(axis, "y")
        axis.set_xlabel("PF* of the map, in distribution")
        axis.set_title(shift.replace("gamma_prime", "γ′ micrographs"))
    axes[0, 0].set_ylabel("mean absolute error / spread")
    for base in dict.fromkeys(_base(r)[0] for r in taught["rung"]):
        axes[0, -1].plot([], [], "o", color=COLOURS.get(base, "0.2"), label=base)
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False)
    return figure


def _metrics(study: Study) -> Figure | None:
    """Rank correlations of the cheap metrics with PF*, with intervals."""
    from matplotlib import pyplot as plt

    table = pd.read_csv(study.out / "tables" / "c-metrics.csv")
    levels = ["all pairs", "within a model: which explainer?",
              "within an explainer: which model?", "between rungs"]  # fmt: skip
    figure, axes = plt.subplots(
        1,
        len(levels),
        figsize=(2.6 * len(levels) + 1.6, 0.28 * len(table) + 1.2),
        sharey=True,
        layout="constrained",
    )
    place = np.arange(len(table))[::-1]
    for axis, level in zip(axes, levels, strict=True):
        value, low, high = (table[f"{level}{end}"].to_numpy() for end in ("", " low", " high"))
        axis.hlines(place, low, high, color="#1f6f8b", lw=2)
        axis.plot(value, place, "o", color="#b3361b", ms=5)
        axis.axvline(0, color="0.5", lw=0.8)
        axis.set_xlim(-1.02, 1.02)
        axis.set_title(level.replace(": ", ":\n"), fontsize=9)
        axis.set_xlabel("rank correlation with PF*")
    axes[0].set_yticks(place, table["metric"].str.replace("_", " "))
    return figure


def _shift(study: Study, found: pd.DataFrame, maps: pd.DataFrame) -> Figure | None:
    """Error under shift and PF*, both after what the error in distribution and contrast say."""
    from matplotlib import pyplot as plt

    table = shift_errors(found, study).merge(maps[[*MODEL, "pf_star inside"]], on=MODEL)
    table = table[np.isfinite(table[["ln_error", "ln_inside", "pf_star inside"]]).all(axis=1)]
    shifts = list(dict.fromkeys(table["shift"]))
    if not shifts:
        return None
    figure, axes = plt.subplots(
        1, len(shifts), figsize=(3 * len(shifts) + 1, 3.2), squeeze=False, layout="constrained"
    )
    for axis, shift in zip(axes[0], shifts, strict=True):
        here = table[table["shift"] == shift]
        known = pd.get_dummies(here[["contrast", "n"]].astype(str)).to_numpy(float)
        base = np.column_stack([np.ones(len(here)), here["ln_inside"], known])
        left = [_residual(base, here[c].to_numpy(float)) for c in ("pf_star inside", "ln_error")]
        for rung in dict.fromkeys(here["rung"]):
            name, filled = _base(rung)
            own = (here["rung"] == rung).to_numpy()
            axis.plot(
                left[0][own], left[1][own], "o", color=COLOURS.get(name, "0.2"), ms=4, label=rung,
                fillstyle="full" if filled else "none",
            )  # fmt: skip
        axis.axhline(0, color="0.6", lw=0.8)
        axis.set_title(shift.replace("gamma_prime", "γ′ micrographs"))
        axis.set_xlabel("PF*, what is left")
    axes[0, 0].set_ylabel("ln error under shift, what is left")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False)
    return figure


def _maps(study: Study, default: str) -> Figure | None:
    """Structures, their exact sensitivity, and the maps of plain and supervised networks."""
    from matplotlib import pyplot as plt

    contrast = 10.0 if 10.0 in study.contrasts else study.contrasts[0]
    some = test_set(study, "inside", contrast).first(SHOWN)
    exact = homogenize(some.phases, law(contrast), sensitivities=True, tolerance=1e-4)
    columns: list[tuple[str, Any]] = [
        ("structure", some.phases), ("exact sensitivity", exact.sensitivities[:, 0, 0])
    ]  # fmt: skip
    for key in models.fitted_keys(study):
        if _pictured(key, contrast, study):
            kept = measures.maps_of(study, key, default)
            if kept is not None:
                columns.append((key.rung, kept))
    figure, axes = plt.subplots(
        SHOWN,
        len(columns),
        figsize=(1.5 * len(columns), 1.6 * SHOWN),
        squeeze=False,
        layout="constrained",
    )
    for place, (name, values) in enumerate(columns):
        axes[0, place].set_title(name.replace("sobolev_", "sobolev\n"), fontsize=8)
        for row, image in enumerate(values[:SHOWN]):
            axis = axes[row, place]
            axis.set_axis_off()
            if name == "structure":
                axis.imshow(image, cmap="gray_r", interpolation="nearest")
                continue
            most = np.quantile(np.abs(image), 0.99) or 1.0
            axis.imshow(image, cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest")
    return figure


def _logarithmic(axis: Any, which: str) -> None:
    """A logarithmic axis with plain numbers, few enough to be read."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    getattr(axis, f"set_{which}scale")("log")
    line = getattr(axis, f"{which}axis")
    low, high = getattr(axis, f"get_{which}lim")()
    line.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    line.set_minor_locator(NullLocator())
    line.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _pictured(key: Key, contrast: float, study: Study) -> bool:
    most = max(k.n for k in study.fits if k.rung == key.rung)
    return key.contrast == contrast and key.n == most and key.seed == 0


def _residual(base: np.ndarray, y: np.ndarray) -> np.ndarray:
    beta = np.linalg.lstsq(base, y, rcond=None)[0]
    return y - base @ beta


def _base(rung: str) -> tuple[str, bool]:
    """The network without its supervision, and whether it has one."""
    return rung.removeprefix("sobolev_"), rung.startswith("sobolev_")


def _save(figure: Figure, path: Path) -> None:
    from matplotlib import pyplot as plt

    with replacing(path) as temporary:
        figure.savefig(temporary, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
