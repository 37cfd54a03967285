"""The answers of the case study as Markdown tables, and the numbers behind them as CSV.

A seed is a new draw of all structures, so that numbers are means over seeds with Student's 95 %
intervals; differences are paired: the same structures, answered in two ways. Windows of one real
image are one specimen: of those there is no interval. Where there are several specimens, the
interval is over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from studies.classes.data import REAL, Structures, path_of, reference
from studies.classes.figures import draw
from studies.classes.pieces import SETTINGS, TOLERANCE, Study
from studies.classes.repairs import NOTHING
from studies.classes.steering import ASKED, BOUNDED, FIRST
from studies.paradox.inference import Interval, student
from studies.paradox.pieces import Piece
from studies.paradox.tables import flat, markdown

from iceframe.core.files import write_text
from iceframe.measure.uncertainty.detection import auroc

CASE = ["setting", "left_out"]
ANSWERED = ("answer", "fall back")


def pieces(study: Study) -> list[Piece]:
    """All tables and figures, of what is there."""
    done = study.out / "tables" / "answers.md"
    return [Piece("tables and figures", done, lambda: _answer(study), again=True)]


def _answer(study: Study) -> None:
    rows, mended = steered(study.out / "steered"), _all(study.out / "repaired")
    first = rows[rows["which"] == FIRST]
    found = {
        "Mean absolute error of each rung": fidelity(first),
        "The gate": gate(first),
        "What could have been noticed": noticed(first),
        "Coverage of 90 % intervals": coverage(first),
        "Bounds in place of a model": without_model(study, first),
        "Repairs: mean absolute error on the third class": repairs(mended),
        "Repairs: paired differences": differences(mended),
        "Repairs: coverage on the third class": covered(mended),
        "The gate after a repair": after(rows),
        "Prices": prices(rows, mended),
        "Real micrographs": real(rows, mended),
    }
    parts = []
    for title, table in found.items():
        if table.empty:
            continue
        name = title.lower().replace(":", "").replace("%", "per cent").replace(" ", "-")
        write_text(study.out / "tables" / f"{name}.csv", table.to_csv(index=False))
        parts.append(f"### {title}\n\n{markdown(_as_text(table))}")
    draw(study.out / "figures", first, mended)
    write_text(study.out / "tables" / "answers.md", "\n".join(parts))


def _all(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(p) for p in sorted(folder.glob("*.parquet"))])


def steered(folder: Path) -> pd.DataFrame:
    """All rows of the runs, with the error of each answer and what follows from it."""
    rows = _all(folder)
    error = (rows["answer"] - rows["y"]).abs()
    return rows.assign(
        error=error,
        bad=error > TOLERANCE,
        answered=rows["decision"].isin(ANSWERED),
        wrong=(rows["given"] - rows["y"]).abs() > TOLERANCE,
        as_batch=rows["batch_decision"].isin(ANSWERED),
        usually=rows["usual_decision"].isin(ANSWERED),
        impossible=(rows["answer"] < rows["lowest"]) | (rows["answer"] > rows["highest"]),
        covered=rows["y"].between(rows["plain_low"], rows["plain_high"]),
        finite=np.isfinite(rows["weighted_high"]),
        weighted=rows["y"].between(rows["weighted_low"], rows["weighted_high"]),
        half=(rows["plain_high"] - rows["plain_low"]) / 2,
    )


def _over_seeds(by: list[str], numbers: Mapping[str, pd.Series]) -> pd.DataFrame:
    """One row a group: intervals over seeds of ``numbers``, indexed by group and seed."""
    wide = pd.DataFrame(numbers)
    rows = []
    for key, part in wide.groupby(level=by, sort=False):
        names = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        rows.append({**names, **flat({name: student(part[name]) for name in wide})})
    return pd.DataFrame(rows)


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    """``name``, ``name low``, ``name high`` as one column of text."""
    texts = pd.DataFrame(index=table.index)
    for name in table:
        if name.endswith((" low", " high")):
            continue
        if f"{name} low" in table:
            ends = zip(table[name], table[f"{name} low"], table[f"{name} high"], strict=True)
            texts[name] = [Interval(*end, n=0).text() for end in ends]
        else:
            texts[name] = table[name]
    return texts


def _means(table: pd.DataFrame, column: str, by: list[str]) -> pd.Series:
    return table.groupby([*by, "seed"], sort=False)[column].mean()


# -- fidelity, and whether it is noticed -----------------------------------------------------------


def fidelity(first: pd.DataFrame) -> pd.DataFrame:
    """Mean absolute error of each rung on the two classes and on the third."""
    named = [name for name in first if name.startswith("by ")]
    tested = first[first["part"].isin(["inside", "outside"])]
    long = tested.melt([*CASE, "seed", "part", "y"], named, "rung", "told")
    long["error"] = (long["told"] - long["y"]).abs()
    long["rung"] = long["rung"].str.removeprefix("by ")
    by = [*CASE, "rung"]
    parts = {
        part: _means(long[long["part"] == part], "error", by) for part in ("inside", "outside")
    }
    return _over_seeds(by, parts | {"times": parts["outside"] / parts["inside"]})


def gate(first: pd.DataFrame) -> pd.DataFrame:
    """What the gate lets pass, with a stated tolerance and with the run's own."""
    inside, outside = (first[first["part"] == part] for part in ("inside", "outside"))
    numbers = {
        "bad, inside": _means(inside, "bad", CASE),
        "bad, third": _means(outside, "bad", CASE),
        "promised": _means(outside, "promised", CASE),
        "answered, inside": _means(inside, "answered", CASE),
        "answered, third": _means(outside, "answered", CASE),
        "bad of answered, third": _means(outside[outside["answered"]], "wrong", CASE),
        "bad withheld": 1 - _means(outside[outside["bad"]], "answered", CASE),
        "as a batch, answered inside": _means(inside, "as_batch", CASE),
        "as a batch, answered third": _means(outside, "as_batch", CASE),
        "as a batch, bad of answered": _means(outside[outside["as_batch"]], "bad", CASE),
        "as a batch, bad withheld": 1 - _means(outside[outside["bad"]], "as_batch", CASE),
        "usual tolerance": _means(outside, "usual_tolerance", CASE),
        "usual, answered inside": _means(inside, "usually", CASE),
        "usual, answered third": _means(outside, "usually", CASE),
        "usual, bad of answered": _means(outside[outside["usually"]], "bad", CASE),
        "usual, bad withheld": 1 - _means(outside[outside["bad"]], "usually", CASE),
    }
    return _over_seeds(CASE, numbers)


def noticed(first: pd.DataFrame) -> pd.DataFrame:
    """How far the third class can be told from the others, and how many answers are impossible."""
    inside, outside = (first[first["part"] == part] for part in ("inside", "outside"))
    keys = list(outside.groupby([*CASE, "seed"], sort=False).groups)
    index = pd.MultiIndex.from_tuples(keys, names=[*CASE, "seed"])
    parts = [
        [part.loc[(part[[*CASE, "seed"]] == key).all(axis=1)] for part in (inside, outside)]
        for key in keys
    ]
    alike = [auroc(-a["novelty"].to_numpy(), -b["novelty"].to_numpy()).value for a, b in parts]
    risky = [_ranked(b["risk"], b["bad"]) for _, b in parts]
    numbers = {
        "AUROC of novelty": pd.Series(alike, index),
        "AUROC of the risk for bad answers": pd.Series(risky, index),
        "impossible, inside": _means(inside, "impossible", CASE),
        "impossible, third": _means(outside, "impossible", CASE),
        "impossible of bad, third": _means(outside[outside["bad"]], "impossible", CASE),
        "impossible of good, third": _means(outside[~outside["bad"]], "impossible", CASE),
    }
    return _over_seeds(CASE, numbers)


def _ranked(score: pd.Series, bad: pd.Series) -> float:
    if bad.all() or not bad.any():
        return float("nan")
    return auroc(score[~bad].to_numpy(), score[bad].to_numpy()).value


def coverage(first: pd.DataFrame) -> pd.DataFrame:
    """Shares of intervals that hold, without and with weights by the density ratio."""
    inside, outside = (first[first["part"] == part] for part in ("inside", "outside"))
    return _over_seeds(
        CASE,
        {
            "inside": _means(inside, "covered", CASE),
            "third": _means(outside, "covered", CASE),
            "told apart": _means(outside, "told_apart", CASE),
            "effective samples": _means(outside, "effective", CASE),
            "weighted: finite": _means(outside, "finite", CASE),
            "weighted: covered": _means(outside[outside["finite"]], "weighted", CASE),
        },
    )


def without_model(study: Study, first: pd.DataFrame) -> pd.DataFrame:
    """Mean absolute error on the third class of what bounds alone answer: the middle of Reuss and
    Voigt, and the bound of Hashin and Shtrikman in which the first phase is the matrix."""
    parts = []
    for (setting, left_out, seed), rows in first[first["part"] == "outside"].groupby(
        [*CASE, "seed"], sort=False
    ):
        found, at = Structures.load(path_of(study, seed)), rows["position"].to_numpy()
        matrix, _ = reference(found.phases[at], found.of(setting)[0][at], "matrix")
        middle = (rows["lowest"] + rows["highest"]) / 2
        parts.append({"setting": setting, "left_out": left_out, "seed": seed,
                      "middle of the bounds": (middle - rows["y"]).abs().mean(),
                      "matrix bound": np.abs(matrix - rows["y"]).mean(),
                      "width of the bounds": (rows["highest"] - rows["lowest"]).mean(),
                      })  # fmt: skip
    table = pd.DataFrame(parts)
    names = [name for name in table if name not in (*CASE, "seed")]
    return _over_seeds(CASE, {name: _means(table, name, CASE) for name in names})


# -- repairs ---------------------------------------------------------------------------------------


def repairs(mended: pd.DataFrame) -> pd.DataFrame:
    """Errors on the third class after each repair; classes in columns."""
    return _by_class(mended, "error outside", "bad outside", "error inside")


def covered(mended: pd.DataFrame) -> pd.DataFrame:
    """Coverage on the third class after each repair."""
    return _by_class(mended, "covered outside", "covered own outside", "half outside",
                     "half own outside")  # fmt: skip


def _by_class(mended: pd.DataFrame, *columns: str) -> pd.DataFrame:
    by = ["form", "repair", "k", "left_out"]
    return _over_seeds(by, {column: _means(mended, column, by) for column in columns})


def differences(mended: pd.DataFrame) -> pd.DataFrame:
    """Paired differences of the error on the third class: from doing nothing, and from labels
    bought at random; below 0 the repair is better. ``all``: the mean of the three classes."""
    wide = mended.set_index(["form", "repair", "k", "left_out", "seed"])[
        "error outside"
    ].sort_index()
    plain = wide.xs(("plain", NOTHING, 0))
    rows = []
    for (form, repair, k), errors in wide.groupby(level=["form", "repair", "k"], sort=False):
        mine = errors.droplevel(["form", "repair", "k"])
        if (form, repair) == ("plain", NOTHING):
            continue
        against = {"less than nothing done": plain}
        if (form, "random", k) in wide.index and repair != "random":
            against["less than at random"] = wide.xs((form, "random", k))
        for name, other in against.items():
            apart = (mine - other).dropna()
            parts = {label: apart.xs(label, level="left_out") for label in
                     apart.index.unique("left_out")}  # fmt: skip
            parts["all"] = apart.groupby(level="seed").mean()
            row = flat({label: student(values) for label, values in parts.items()})
            rows.append({"form": form, "repair": repair, "k": k, "against": name, **row})
    return pd.DataFrame(rows)


def after(rows: pd.DataFrame) -> pd.DataFrame:
    """What the gate lets pass of the third class after each repair, with the run's own tolerance
    and with the stated one."""
    own = rows[(rows["setting"] == SETTINGS[0]) & (rows["part"] == "outside")]
    by = ["which", "left_out"]
    own = pd.concat([own[own["which"] == which] for which in (FIRST, ASKED, BOUNDED)])
    return _over_seeds(
        by,
        {
            "error": _means(own, "error", by),
            "bad": _means(own, "bad", by),
            "impossible": _means(own, "impossible", by),
            "covered": _means(own, "covered", by),
            "usual, answered": _means(own, "usually", by),
            "usual, bad of answered": _means(own[own["usually"]], "bad", by),
            "stated, promised": _means(own, "promised", by),
            "stated, answered": _means(own, "answered", by),
            "stated, bad of answered": _means(own[own["answered"]], "wrong", by),
        },
    )


def prices(rows: pd.DataFrame, mended: pd.DataFrame) -> pd.DataFrame:
    """Seconds of one core: a run with its gate, and fitting and calibrating one rung again."""
    runs = rows.groupby(["which", "setting", "left_out", "seed"])["seconds"].first().dropna()
    fits = mended.groupby(["form", "left_out", "seed"])["seconds"].mean()
    return pd.DataFrame(
        [
            {"what": f"a run, {which}", "seconds": round(float(values.mean()), 1), "n": len(values)}
            for which, values in runs.groupby(level="which")
        ]
        + [
            {"what": f"one rung again, {form}", "seconds": round(float(values.mean()), 2),
             "n": len(values)}
            for form, values in fits.groupby(level="form")
        ]
    )  # fmt: skip


# -- real micrographs ------------------------------------------------------------------------------


def real(rows: pd.DataFrame, mended: pd.DataFrame) -> pd.DataFrame:
    """Real structures by name: errors where their class was left out or simulated in training, what
    the gate lets pass, and the best that each kind of repair does for them."""
    rows = rows[rows["part"].str.startswith("real") & (rows["setting"] == SETTINGS[0])]
    most = mended["k"].max() if len(mended) else 0
    found = []
    for source, label in REAL.items():
        mine = rows[rows["source"].str.startswith(source)]
        if mine.empty:
            continue
        away = mine[(mine["which"] == FIRST) & (mine["part"] == "real outside")]
        known = mine[(mine["which"] == FIRST) & (mine["part"] == "real inside")]
        by_specimen = away.groupby("source")["error"].mean()  # of all seeds
        row: dict[str, object] = {
            "structure": source,
            "class": label,
            "specimens": mine["source"].nunique(),
            "windows": mine.groupby(["seed", "left_out", "which"]).size().max(),
            "class simulated": known["error"].mean(),
            **flat({"class left out": student(by_specimen)}),
            "impossible": away["impossible"].mean(),
            "usual, answered": away["usually"].mean(),
            "usual, bad of answered": away.loc[away["usually"], "bad"].mean(),
        }
        for form, repair, k in (
            ("plain", "random", most), ("plain", "swapped", most),
            ("bounded", NOTHING, 0), ("bounded", "random", most),
            ("matrix", NOTHING, 0), ("matrix", "random", most),
        ):  # fmt: skip
            chosen = mended[(mended["form"] == form) & (mended["repair"] == repair)
                            & (mended["k"] == k) & (mended["left_out"] == label)]  # fmt: skip
            row[f"{form}, {repair} {k}".strip()] = chosen[f"error real {source}"].mean()
        found.append(row)
    return pd.DataFrame(found).round(3)
