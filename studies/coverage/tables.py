"""Tables of the answers: coverage with its interval, overall, in the worst group, elsewhere."""

from __future__ import annotations

import numpy as np
import pandas as pd
from studies.coverage.answers import path_of
from studies.coverage.pieces import Study
from studies.paradox.pieces import Piece

from iceframe.core.files import write_text
from iceframe.core.seeds import generator
from iceframe.measure.fidelity import SMALLEST_GROUP

METHODS = ("cv", "mondrian", "grouped")
DRAWS = 2000


def pieces(study: Study) -> list[Piece]:
    """The tables, made from whatever is there."""
    done = study.out / "tables" / "answers.md"
    return [Piece("tables", done, lambda: _write(study), again=True)]


def _read(study: Study, stage: str) -> pd.DataFrame | None:
    seeds = range(study.seeds if stage == "fold" else 1)
    paths = [
        path_of(study, stage, name, rung, seed)
        for name in study.sets
        for rung in study.rungs
        for seed in seeds
    ]
    there = [pd.read_parquet(path) for path in paths if path.exists()]
    return pd.concat(there, ignore_index=True) if there else None


def _write(study: Study) -> None:
    parts = []
    for stage, summarise in (("fold", by_method), ("shift", elsewhere)):
        rows = _read(study, stage)
        if rows is None:
            continue
        table = summarise(rows)
        path = study.out / "tables" / f"{stage}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(path, index=False)
        parts.append(_markdown(table))
    write_text(study.out / "tables" / "answers.md", "\n\n".join(parts) + "\n")


def by_method(rows: pd.DataFrame) -> pd.DataFrame:
    """Coverage overall and in the worst group, by data set, rung and method.

    Groups are of two kinds: ``range``, the fifth of the prediction within its seed (or the class),
    and ``own``, the data's own groups. ``mondrian`` promises the first, ``grouped`` the second.
    """
    found = []
    for (data, rung), mine in rows.groupby(["data", "rung"], sort=False):
        kinds = {"range": ranges_of(mine), "own": mine.get("group", pd.Series(dtype=str))}
        for method in METHODS:
            if f"{method}_hit" not in mine or mine[f"{method}_hit"].isna().any():
                continue  # data without groups of their own
            hits = mine[f"{method}_hit"].astype(float)
            row = {"data": data, "rung": rung, "method": method, "seeds": mine["seed"].nunique()}
            row |= {"n": mine["position"].nunique(), "width": mine[f"{method}_width"].mean()}
            row |= _named("coverage", share(hits.groupby(mine["position"]).mean()))
            for kind, labels in kinds.items():
                name, worst = worst_of(hits, mine["position"], labels)
                row |= {f"{kind}_group": name, **_named(f"{kind}_worst", worst)}
            found.append(row)
    return pd.DataFrame(found)


def _named(name: str, value: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), value, strict=True))


def worst_of(
    hits: pd.Series, position: pd.Series, labels: pd.Series
) -> tuple[str, tuple[float, float, float]]:
    """The group with the lowest coverage, and that coverage with its interval."""
    worst = "", (float("nan"),) * 3
    for name, part in hits.groupby(labels.reindex(hits.index)):
        each = part.groupby(position).mean()
        if len(each) >= SMALLEST_GROUP and not share(each)[0] >= worst[1][0]:
            worst = str(name), share(each)
    return worst


def ranges_of(rows: pd.DataFrame) -> pd.Series:
    """Labels of the rows: the class, or the fifth of the prediction within its seed."""
    if (rows["task"] == "classification").all():
        return "class " + rows["y"].astype(int).astype(str)
    rank = rows.groupby("seed")["predicted"].rank(pct=True)
    return "fifth " + np.minimum((rank * 5).astype(int) + 1, 5).astype(str)


def elsewhere(rows: pd.DataFrame) -> pd.DataFrame:
    """Coverage of samples from elsewhere, without and with weights, and over time."""
    found = []
    for (data, rung, kind), mine in rows.groupby(["data", "rung", "shift"], sort=False):
        answered = mine[mine["answered"]]
        row = {"data": data, "rung": rung, "shift": kind, "n": len(mine)}
        row |= {"told_apart": mine["told_apart"].median(), "effective": mine["effective"].median()}
        columns = {"plain": mine["plain_hit"], "plain_answered": answered["plain_hit"]}
        columns |= {"weighted": answered["weighted_hit"]}
        if "adaptive_hit" in mine:
            columns["adaptive"] = mine["adaptive_hit"].dropna().astype(float)
        for name, hit in columns.items():
            row[name], row[f"{name}_low"], row[f"{name}_high"] = share(hit)
        wider = answered["weighted_width"] / answered["plain_width"]
        row |= {"answered": len(answered) / len(mine), "wider": wider.median()}
        found.append(row)
    return pd.DataFrame(found)


def share(hits: pd.Series) -> tuple[float, float, float]:
    """Mean with a bootstrap interval over samples."""
    values = hits.to_numpy(float)
    if not len(values):
        return float("nan"), float("nan"), float("nan")
    draws = generator(0, "share").integers(len(values), size=(DRAWS, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def _markdown(table: pd.DataFrame) -> str:
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    for row in table.itertuples(index=False):
        cells = [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
