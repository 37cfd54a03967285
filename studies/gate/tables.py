"""The answers of the gate study, from the measured test samples, as Markdown tables.

Means are given for the data sets that the gate was developed on, for the others, and for all. AUGRC
differences are paired: the same test samples, judged by two scores. Their intervals come from a
bootstrap over left-out classes and, inside each, over samples.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from studies.gate.data import DEVELOPMENT
from studies.paradox.tables import markdown

from iceframe.core.seeds import generator
from iceframe.measure.fidelity import augrc
from iceframe.steer.curves import withheld

SCORES = ("together", "gate", "variance", "distance", "random")
BOOTSTRAP = 1000
LOST = 0.1


def answer(folder: Path) -> str:
    """All tables, from the files of the stage ``measure``."""
    cases = {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}
    new = {n: c for n, c in cases.items() if c["data"].iloc[0] not in DEVELOPMENT}
    parts = [("AUGRC (lower is better), by left-out class", ranking(cases))]
    for name, some in (("confirmation", new), ("all", cases)):
        if some:
            parts.append((f"Differences of AUGRC, {name}", paired(some)))
    parts += [
        (f"Bad answers on the unseen class withheld at {LOST:.0%} of good answers lost", at(cases)),
        ("At the target risk", operating(cases)),
        ("At the target risk, judged together", operating(cases, " together")),
        ("The same, of the seen at most nine in ten answered", operating(cases, " strict")),
    ]
    return "\n".join(f"### {title}\n\n{markdown(table)}" for title, table in parts)


def ranking(cases: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """AUGRC of every score on every case, and the share of bad answers."""
    rows = []
    for rows_of in cases.values():
        bad, unseen = rows_of["bad"].to_numpy(), rows_of["unseen"].to_numpy()
        scores = {name: augrc(bad.astype(float), rows_of[name].to_numpy()) for name in SCORES}
        rows.append(
            _named(rows_of)
            | {"bad, seen": bad[~unseen].mean(), "bad, unseen": bad[unseen].mean()}
            | scores
        )
    return _with_means(rows)


def paired(cases: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Mean differences of AUGRC with 95 % intervals: of either gate minus the other scores, and of
    the gate that judges together minus the gate; below 0 the first wins."""
    rng = generator(0, "gate study", "bootstrap")
    held = [
        (c["bad"].to_numpy(float), {n: c[n].to_numpy() for n in SCORES}) for c in cases.values()
    ]
    drawn = np.empty((BOOTSTRAP, len(SCORES)))
    for b in range(BOOTSTRAP):
        areas = []
        for k in rng.integers(len(held), size=len(held)):
            bad, scores = held[k]
            index = rng.integers(len(bad), size=len(bad))
            areas.append([augrc(bad[index], scores[name][index]) for name in SCORES])
        drawn[b] = np.mean(areas, axis=0)
    exact = np.array([[augrc(bad, scores[n]) for n in SCORES] for bad, scores in held])
    rows = []
    pairs = [(own, other) for own in (0, 1) for other in range(own + 1, len(SCORES))]
    for i, j in pairs:
        low, high = np.quantile(drawn[:, i] - drawn[:, j], [0.025, 0.975])
        apart = exact[:, i] - exact[:, j]
        rows.append(
            {
                "score": SCORES[i],
                "against": SCORES[j],
                "difference": apart.mean(),
                "low": low,
                "high": high,
                "better in": f"{(apart < 0).sum()} of {len(apart)}",
                "equal in": int((apart == 0).sum()),
            }
        )
    return pd.DataFrame(rows).round(4)


def at(cases: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Share withheld, with the good answers counted on seen classes alone, and on all.

    ``few``: judged together where the class is rare. ``label, all good``: what withholding samples
    of the unseen class at random would give, which all that knows just the class comes to where
    the class holds more good answers than may be lost.
    """
    rows = []
    for rows_of in cases.values():
        bad, unseen = rows_of["bad"].to_numpy(), rows_of["unseen"].to_numpy()
        row = _named(rows_of) | {"bad, unseen": int((bad & unseen).sum())}
        seen, everywhere = (~bad & ~unseen) | (bad & unseen), ~bad | unseen
        for name in SCORES[:4]:
            score = rows_of[name].to_numpy()
            row[f"{name}, good seen"] = withheld(score[seen], bad[seen], LOST)
            row[f"{name}, all good"] = withheld(score[everywhere], bad[everywhere], LOST)
        few = rows_of["few"].to_numpy()
        known = seen & np.isfinite(few)
        row["few, good seen"] = withheld(few[known], bad[known], LOST)
        if row["bad, unseen"]:
            good = int((~bad & unseen).sum())
            row["label, all good"] = min(1.0, LOST * int((~bad).sum()) / good) if good else 1.0
        rows.append(row)
    return _with_means(rows)


def operating(cases: dict[str, pd.DataFrame], judged: str = "") -> pd.DataFrame:
    """What the certified threshold does: answered, risk, and coverage on seen classes."""
    rows = []
    for rows_of in cases.values():
        names = ("bad", "unseen", f"passes{judged}")
        bad, unseen, passed = (rows_of[n].to_numpy() for n in names)
        mine = passed & ~unseen
        rows.append(
            _named(rows_of)
            | {
                "answered, seen": passed[~unseen].mean(),
                "answered, unseen": passed[unseen].mean(),
                "good lost, seen": 1 - passed[~bad & ~unseen].mean(),
                "bad withheld, unseen": _mean(~passed[bad & unseen]),
                "risk, seen": _mean(bad[mine]),
                "risk, unseen": _mean(bad[passed & unseen]),
                "covered, seen": _mean(rows_of[f"covered{judged}"].to_numpy()[mine]),
                "before": _mean(rows_of["covered before"].to_numpy()[mine]),
                "n answered": int(mine.sum()),
            }
        )
    return _with_means(rows)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _named(rows: pd.DataFrame) -> dict[str, object]:
    first = rows.iloc[0]
    return {"data": first["data"], "left out": first["left_out"], "rung": first["rung"]}


def _with_means(rows: list[dict[str, object]]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    developed = table["data"].isin(DEVELOPMENT)
    means = [
        part.mean(numeric_only=True).to_dict() | {"data": f"mean, {name}"}
        for name, part in (
            ("development", table[developed]),
            ("confirmation", table[~developed]),
            ("all", table),
        )
        if len(part)
    ]
    return pd.concat([table, pd.DataFrame(means)], ignore_index=True).round(4).fillna("")
