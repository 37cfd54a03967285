"""Pictures of the audits of a run, one a kind: each says at a glance what its findings say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.report.figures.style import Drawing, axis, canvas, safe, short, with_unit
from iceframe.report.palette import ACCENT, FAINT, INK, LINE, SEQUENTIAL, SOFT, WARM

if TYPE_CHECKING:
    import plotly.graph_objects as go

ROW = 26
PAD = 90
MOST_ROWS = 24
Facts = Mapping[str, Any]


def drawings(kind: str, facts: Facts) -> list[Drawing]:
    """What is drawn of one kind of audit; empty where there is nothing to see."""
    known: dict[str, Callable[[Facts], list[Drawing]]] = {
        "probes": _probes,
        "cues": _cues,
        "subgroups": _subgroups,
        "leave-class-out": _left_out,
        "shifts": _shifts,
        "copies": _copies,
        "shortcuts": _shortcuts,
    }
    return known[kind](facts) if facts else []


def _rows(labels: Sequence[str], title: str, **x: Any) -> tuple[go.Figure, int]:
    """An empty figure with one named row a label, the first on top."""
    height = PAD + ROW * len(labels)
    figure = canvas(height)
    figure.update_layout(
        xaxis=axis(title, **x),
        yaxis=axis(
            range=[len(labels) - 0.5, -0.5], tickmode="array", tickvals=list(range(len(labels))),
            ticktext=[short(label, 40) for label in labels], showgrid=False,
        )
        | {"tickfont": {"size": 12.5, "color": INK}},
    )  # fmt: skip
    return figure, height


def _dots(
    figure: go.Figure,
    x: Sequence[float],
    y: Sequence[float],
    name: str,
    colour: str,
    words: Sequence[str],
    spans: tuple[Sequence[float], Sequence[float]] | None = None,
    hollow: bool = False,
) -> None:
    import plotly.graph_objects as go

    error = None
    if spans is not None:
        error = {
            "type": "data", "symmetric": False, "width": 0, "thickness": 1.6, "color": colour,
            "array": [max(h - v, 0) for v, h in zip(x, spans[1], strict=True)],
            "arrayminus": [max(v - low, 0) for v, low in zip(x, spans[0], strict=True)],
        }  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=list(x), y=list(y), mode="markers", name=name, error_x=error,
            marker={"size": 9, "color": colour, "symbol": "circle-open" if hollow else "circle",
                    "line": {"width": 2, "color": colour}},
            hovertext=[safe(w) for w in words], hoverinfo="text", cliponaxis=False,
        )
    )  # fmt: skip


def _key(figure: go.Figure) -> None:
    figure.update_layout(
        showlegend=True, legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    )


def _line(figure: go.Figure, x: float) -> None:
    figure.add_vline(x=x, line={"color": SOFT, "width": 1.2, "dash": "4px,3px"})


def _probes(facts: Facts) -> list[Drawing]:
    probes = sorted(facts["probes"], key=lambda p: -p["tells"])[:MOST_ROWS]
    if not probes:
        return []
    rows = list(range(len(probes)))
    figure, height = _rows([p["name"] for p in probes], "share explained", range=[-0.03, 1.03])
    words = [f"{p['name']}: R² {p['held']:.2f}, p = {p['held_p']:.2g}" for p in probes]
    _dots(figure, [p["held"] for p in probes], rows, "held by the model", ACCENT, words)
    chance = [max(p["held_by_chance"], 0.0) for p in probes]
    _dots(figure, chance, rows, "held by chance", FAINT, [f"chance {c:.2f}" for c in chance],
          hollow=True)  # fmt: skip
    words = [f"{p['name']}: {p['tells']:.2f}, p = {p['tells_p']:.2g}" for p in probes]
    _dots(figure, [p["tells"] for p in probes], [r + 0.22 for r in rows], "tells the target", WARM,
          words)  # fmt: skip
    _key(figure)
    return [
        Drawing(
            figure,
            "What the model knows of the recording",
            f"Held: how well a linear probe reads it off the {facts['source']}, beyond the target, "
            "on samples left out. Tells: how much of it differs between groups of the target. "
            "Both far right: a way round the material.",
            height,
        )
    ]


def _cues(facts: Facts) -> list[Drawing]:
    import plotly.graph_objects as go

    found = []
    for cue in facts["cues"]:
        height, width = cue["grid"]
        strength = np.asarray(cue["strength"], float)
        tall = round(min(420, 560 * height / width)) + 60
        figure = canvas(tall)
        figure.add_trace(
            go.Heatmap(
                z=strength,
                x0=width / strength.shape[1] / 2, dx=width / strength.shape[1],
                y0=height / strength.shape[0] / 2, dy=height / strength.shape[0],
                colorscale=[list(step) for step in SEQUENTIAL], zmin=0,
                colorbar={"title": {"text": "|t|"}, "thickness": 10, "outlinewidth": 0},
                hovertemplate="row %{y:.0f}, column %{x:.0f}: %{z:.1f}<extra></extra>",
            )
        )  # fmt: skip
        outline = {"color": WARM, "width": 2.5}
        if cue["box"] is not None:
            top, bottom, left, right = cue["box"]
            figure.add_shape(type="rect", x0=left, x1=right, y0=top, y1=bottom, line=outline)
        elif cue["kind"] == "border":
            w = cue["width"]
            figure.add_shape(type="rect", x0=w, x1=width - w, y0=w, y1=height - w, line=outline)
        figure.update_layout(
            xaxis=axis("column, pixels", range=[0, width], showgrid=False),
            yaxis=axis(
                "row, pixels", range=[height, 0], showgrid=False, scaleanchor="x",
                constrain="domain",
            ),
        )  # fmt: skip
        found.append(
            Drawing(
                figure,
                f"{cue['kind'][0].upper()}{cue['kind'][1:]}: {cue['where']}",
                f"How strongly each place differs between {cue['group']} and the other images, in "
                "standard errors. The outline is what was found; it would be taken out as "
                f"“{cue['cue']}”.",
                tall,
            )
        )
    return found


def _subgroups(facts: Facts) -> list[Drawing]:
    groups = sorted(facts["groups"], key=lambda g: -(g["loss"] / max(g["others"], 1e-300)))
    groups = groups[:MOST_ROWS]
    if not groups:
        return []
    labels = [f"{g['by']}: {g['name']}" for g in groups]
    rows = list(range(len(groups)))
    title = with_unit(facts["loss"], facts["unit"])
    figure, height = _rows(labels, title, rangemode="tozero")
    for sure, name, colour in ((True, "differs", WARM), (False, "may be chance", ACCENT)):
        mine = [r for r in rows if (groups[r]["loss_p"] < 0.05) == sure]
        if mine:
            words = [
                f"{labels[r]}, n = {groups[r]['n']}: {groups[r]['loss']:.3g}, others "
                f"{groups[r]['others']:.3g}, p = {groups[r]['loss_p']:.2g}"
                for r in mine
            ]
            span = ([groups[r]["loss_low"] for r in mine], [groups[r]["loss_high"] for r in mine])
            _dots(figure, [groups[r]["loss"] for r in mine], mine, name, colour, words, span)
    _key(figure)
    first = Drawing(
        figure,
        "Errors, group by group",
        "Means on held-out samples with 95 % intervals; what differs from all other samples after "
        "correction for the number of groups is marked.",
        height,
    )
    figure, height = _rows(labels, "coverage", range=[0, 1.02], tickformat=".0%")
    _line(figure, facts["level"])
    words = [f"{labels[r]}: {groups[r]['coverage']:.0%} of {groups[r]['n']}" for r in rows]
    span = ([g["coverage_low"] for g in groups], [g["coverage_high"] for g in groups])
    _dots(figure, [g["coverage"] for g in groups], rows, "coverage", ACCENT, words, span)
    second = Drawing(
        figure,
        "Coverage, group by group",
        f"How often intervals or sets hold the truth; the dashed line is what they promise, "
        f"{facts['level']:.0%}. Exact 95 % intervals.",
        height,
    )
    return [first, second]


def _left_out(facts: Facts) -> list[Drawing]:
    import plotly.graph_objects as go

    names = [short(n, 24) for n in facts["classes"]]
    height = PAD + 40 + 34 * (len(names) + 1)
    figure = canvas(height)
    values = np.asarray(facts["matrix"], float)
    figure.add_trace(
        go.Heatmap(
            z=values, x=names, y=["none", *names],
            colorscale=[list(step) for step in SEQUENTIAL], zmin=0,
            text=[[f"{v:.3g}" for v in row] for row in values], texttemplate="%{text}",
            colorbar={"thickness": 10, "outlinewidth": 0},
            hovertemplate="without %{y}, tested on %{x}: %{z:.3g}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_layout(
        xaxis=axis("tested on", type="category", showgrid=False),
        yaxis=axis("left out", type="category", autorange="reversed", showgrid=False),
    )
    label = with_unit(facts["loss"], facts["unit"])
    return [
        Drawing(
            figure,
            "What a class costs that was not seen",
            f"{label[0].upper()}{label[1:]}, of held-out samples. The diagonal below the first row "
            "is an unseen class.",
            height,
        )
    ]


def _shifts(facts: Facts) -> list[Drawing]:
    import plotly.graph_objects as go

    found = []
    for curve in facts["curves"]:
        points = curve["points"]
        x = [p["strength"] for p in points]
        figure = canvas(300)
        for row, name in ((1, "coverage"), (2, "loss")):
            colour = ACCENT if row == 1 else WARM
            suffix = "" if row == 1 else "2"
            spread = (
                [(p["coverage_low"], p["coverage_high"]) for p in points]
                if row == 1
                else [(p["loss"] - p["change"] + p["change_low"],
                       p["loss"] - p["change"] + p["change_high"]) for p in points]
            )  # fmt: skip
            figure.add_trace(
                go.Scatter(
                    x=x, y=[p[name] for p in points], mode="lines+markers", xaxis=f"x{suffix}",
                    yaxis=f"y{suffix}", line={"color": colour, "width": 2},
                    error_y={
                        "type": "data", "symmetric": False, "width": 0, "thickness": 1.4,
                        "color": colour,
                        "array": [h - p[name] for (_, h), p in zip(spread, points, strict=True)],
                        "arrayminus": [
                            p[name] - low for (low, _), p in zip(spread, points, strict=True)
                        ],
                    },
                    hovertemplate="%{x:g}: %{y:.3g}<extra></extra>",
                )
            )  # fmt: skip
        figure.update_layout(
            xaxis=axis(curve["unit"], domain=[0, 0.46]),
            yaxis=axis("coverage", range=[0, 1.03], tickformat=".0%"),
            xaxis2=axis(curve["unit"], domain=[0.57, 1], anchor="y2"),
            yaxis2=axis(with_unit(facts["loss"], facts["unit"]), anchor="x2", rangemode="tozero"),
        )
        level = facts["level"]
        dashed = {"color": SOFT, "width": 1.2, "dash": "4px,3px"}
        figure.add_shape(
            type="line", xref="x domain", yref="y", x0=0, x1=1, y0=level - 0.05, y1=level - 0.05,
            line=dashed,
        )  # fmt: skip
        held = (
            "Intervals hold at every strength tried."
            if curve["breaks"] is None
            else f"Coverage falls five points below its level at {curve['breaks']:.2g}."
        )
        found.append(
            Drawing(
                figure,
                f"{curve['name'][0].upper()}{curve['name'][1:]}",
                f"{held} The dashed line is the level less five points; {facts['n']} samples that "
                "the model had not seen.",
                300,
                {"xaxis.domain": [0, 0.4], "xaxis2.domain": [0.62, 1]},
            )
        )
    return found


def _copies(facts: Facts) -> list[Drawing]:
    if facts.get("with") is None or facts.get("without") is None:
        return []
    figure, height = _rows(
        ["with a copy in training", "without one", "all"],
        with_unit(facts["loss"], facts["unit"]),
        rangemode="tozero",
    )
    values = [facts["with"], facts["without"], facts["all"]]
    _dots(figure, values, [0, 1, 2], "mean", ACCENT, [f"{v:.3g}" for v in values])
    return [
        Drawing(
            figure,
            "Errors with and without a copy",
            f"Held-out samples: {facts['leaked']} of {facts['n']} have a near copy in training.",
            height,
        )
    ]


def _shortcuts(facts: Facts) -> list[Drawing]:
    regions = sorted(facts["regions"], key=lambda r: -r["excess"])
    if not regions:
        return []
    rows = list(range(len(regions)))
    figure, height = _rows([r["name"] for r in regions], "share of the answer that it carries")
    _line(figure, 0.0)
    words = [f"{r['name']}: excess {r['excess']:.2f} [{r['low']:.2f}, {r['high']:.2f}]"
             for r in regions]  # fmt: skip
    shift = [r["control"] for r in regions]
    span = ([r["low"] + c for r, c in zip(regions, shift, strict=True)],
            [r["high"] + c for r, c in zip(regions, shift, strict=True)])  # fmt: skip
    colours = ((True, "region that the answer follows", WARM), (False, "region", ACCENT))
    for follows, name, colour in colours:
        mine = [r for r in rows if bool(regions[r]["follows"]) == follows]
        if mine:
            own = ([span[0][r] for r in mine], [span[1][r] for r in mine])
            _dots(figure, [regions[r]["beta"] for r in mine], mine, name, colour,
                  [words[r] for r in mine], own)  # fmt: skip
    _dots(figure, shift, rows, "material of the same shape", FAINT,
          [f"control {c:.2f}" for c in shift], hollow=True)  # fmt: skip
    _key(figure)
    figure.update_xaxes(zeroline=False, gridcolor=LINE)
    return [
        Drawing(
            figure,
            "What the answer follows",
            "A region of one image was put into another: 0, the answer stays; 1, it follows the "
            "region alone. A region counts by what it carries beyond material of the same shape "
            "further inside.",
            height,
        )
    ]
