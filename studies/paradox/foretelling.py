"""The last two questions: what foretells PF*, and what PF* foretells.

(c) Which metrics that need no physics foretell PF*?
(d) Does PF* foretell the error under shift, beyond the error in distribution?
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from studies.paradox.cheap import BETTER
from studies.paradox.inference import (
    Interval,
    Nested,
    by_clusters,
    nested,
    rank_correlation,
    student,
)
from studies.paradox.pieces import Study
from studies.paradox.tables import GROUP, MODEL, flat, save, shift_errors, verdict

ENOUGH = 100  # pairs of a model and an explainer that the meta-evaluation asks for

# -- (c) -------------------------------------------------------------------------------------------

# What varies, the groups in which it does, and what is drawn as a whole.
LEVELS = {
    "all pairs": ((), MODEL),
    "within rungs": (GROUP, MODEL),
    "within a model: which explainer?": (MODEL, MODEL),
    "within an explainer: which model?": (["explainer", "contrast"], MODEL),
}


def metrics_table(study: Study, pairs: pd.DataFrame) -> str:
    """The answer by PF*; the same table by PF, which floor and ceiling have not scaled, beside it.

    Where a map says nothing in one phase, PF* rests on the other one, and its scale with it.
    """
    correlations(study, pairs, "pf inside", "c-metrics-pf")
    rows = correlations(study, pairs, "pf_star inside", "c-metrics")
    n = int(np.isfinite(pairs["pf_star inside"]).sum())
    parts = []
    for name in ("all pairs", "within a model: which explainer?",
                 "within an explainer: which model?"):  # fmt: skip
        useful = sorted((r for r in rows if r[f"{name} low"] > 0), key=lambda r: -r[name])
        listed = ", ".join(f"{r['metric']} {r[name]:.2f}" for r in useful) or "none"
        parts.append(f"{name}: {listed}")
    few = "" if n >= ENOUGH else f" ({ENOUGH} were asked for)"
    return (
        f"(c) {n} pairs of a model and an explainer{few}. Metrics that point to PF*, with "
        "intervals above 0: " + "; ".join(parts) + "."
    )


def correlations(study: Study, pairs: pd.DataFrame, target: str, name: str) -> list[dict]:
    """Rank correlation of each cheap metric with ``target``; positive: it points to it."""
    draws = study.sizes.bootstrap
    between = pairs.groupby(GROUP, as_index=False)[
        [target, *(m for m in BETTER if m in pairs)]
    ].mean()
    rows, texts = [], []
    for metric, better in BETTER.items():
        if metric not in pairs:
            continue
        sign = 1 if better == "higher" else -1
        found = {
            level: rank_correlation(
                pairs.assign(cheap=sign * pairs[metric]), "cheap", target, within, clusters, draws
            )
            for level, (within, clusters) in LEVELS.items()
        }
        found["between rungs"] = rank_correlation(
            between.assign(cheap=sign * between[metric]), "cheap", target, (), ["rung"], draws
        )
        rows.append(
            {"metric": metric, "better": better, "pairs": found["all pairs"].n} | flat(found)
        )
        texts.append(
            {"metric": metric, "better": better, "pairs": found["all pairs"].n}
            | {k: v.text(2) for k, v in found.items()}
        )
    save(study, name, pd.DataFrame(rows), pd.DataFrame(texts))
    return rows


# -- (d) -------------------------------------------------------------------------------------------

PREDICTORS = {"PF*": "pf_star inside", "model vs physics": "model_vs_physics inside"}
# What the regression knows besides the error in distribution.
GIVEN: dict[str, tuple[str, ...]] = {"contrast, n": (), "contrast, n, rung": ("rung",)}


def shift_table(study: Study, found: pd.DataFrame, pairs: pd.DataFrame, default: str) -> str:
    """ln error under shift on ln error in distribution, without and with PF*."""
    maps = pairs.loc[pairs["explainer"] == default, [*MODEL, *PREDICTORS.values()]]
    table = shift_errors(found, study).merge(maps, on=MODEL)
    rows, texts = [], []
    for shift in (*dict.fromkeys(table["shift"]), "all"):
        rows_of = table if shift == "all" else table[table["shift"] == shift]
        for predictor, column in PREDICTORS.items():
            for given, more in GIVEN.items():
                effects = ("contrast", "n", *more, *(("shift",) if shift == "all" else ()))
                one, by_seed, drawn = _added(study, rows_of, column, effects)
                rows.append(
                    {"shift": shift, "added": predictor, "given": given, "rows": one.n,
                     "R2 without": one.r2, "gain": one.gain, "F": one.f, "p": one.p}
                    | flat({"slope": one_slope(one, drawn), "slope by seed": by_seed})
                )  # fmt: skip
                texts.append(
                    {"shift": shift, "added": predictor, "given besides": given, "rows": one.n,
                     "R² without": f"{one.r2:.3f}", "ΔR²": f"{one.gain:.3f}",
                     "F": f"{one.f:.1f}", "p": f"{one.p:.2g}",
                     "slope per standard deviation": one_slope(one, drawn).text(3),
                     "mean of the seeds' own slopes": by_seed.text(3)}
                )  # fmt: skip
    frame = pd.DataFrame(rows)
    save(study, "d-shift", frame, pd.DataFrame(texts))
    return shift_sentence(frame)


def _added(
    study: Study, table: pd.DataFrame, column: str, effects: Sequence[str]
) -> tuple[Nested, Interval, Interval]:
    """The nested regression; its slope in each seed by itself; its bootstrap over seeds."""

    def regression(rows: pd.DataFrame) -> Nested:
        return nested(rows, "ln_error", ["ln_inside"], column, effects)

    spread = table[column].std(ddof=0)
    slopes = []
    for _, rows in table.groupby("seed"):
        own = regression(rows)  # per standard deviation in this seed: put on the common scale
        slopes.append(own.slope * spread / rows[column].std(ddof=0))
    draws = max(50, study.sizes.bootstrap // 4)
    drawn = by_clusters(lambda rows: regression(rows).slope, table, ["seed"], draws, 0)
    return regression(table), student(slopes), drawn


def one_slope(one: Nested, drawn: Interval) -> Interval:
    """The slope of all rows with its bootstrap interval."""
    return Interval(one.slope, drawn.low, drawn.high, one.n)


def shift_sentence(frame: pd.DataFrame) -> str:
    """Yes where PF* lowers the error under shift at equal error in distribution."""
    said = []
    for given, condition in zip(GIVEN, ("Among all rungs", "Within rungs"), strict=True):
        rows = frame[(frame["added"] == "PF*") & (frame["given"] == given)]
        parts = []
        for row in rows.to_dict("records"):
            ends = (row[f"slope by seed{end}"] for end in ("", " low", " high"))
            slope = Interval(*ends, row["rows"])
            parts.append(
                f"{row['shift']} {verdict(slope, -1)} (slope {slope.text(3)}; "
                f"ΔR² {row['gain']:.3f}, p {row['p']:.2g})"
            )
        said.append(f"{condition}: " + "; ".join(parts))
    return (
        "(d) Higher PF*, lower error under shift at equal error in distribution? "
        + ". ".join(said)
        + ". Slopes: the seeds' own, Student's t over seeds; p takes models for independent."
    )
