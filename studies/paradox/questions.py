"""The first two questions, and the order in which all four are answered.

(a) How complex, how right, and how physical is every rung?
(b) Under supervision by sensitivities, do PF* and the error under shift improve together?

``tables/NAME.csv`` holds the numbers, ``tables/NAME.md`` the fragment for the documentation, and
``tables/answers.md`` the sentences, which follow from the intervals alone: *yes* where an interval
lies on the asked-for side of zero, *no* where it lies on the other one, else *not shown*.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from studies.paradox import complexity, figures, measures, models
from studies.paradox.data import available
from studies.paradox.foretelling import metrics_table, shift_table
from studies.paradox.inference import Interval, student
from studies.paradox.pieces import Piece, Study, console
from studies.paradox.tables import (
    GROUP,
    MODEL,
    column_of,
    flat,
    long,
    save,
    shift_errors,
    verdict,
    wide,
)

from iceframe.core.files import write_text
from iceframe.measure.ranks import standard_ranks

DEFAULT = "input_gradient"  # whose maps stand for a model where one explainer is meant


def pieces(study: Study) -> list[Piece]:
    """One piece: all tables and figures, made anew each time."""
    done = study.out / "tables" / "answers.md"
    return [Piece("tables and figures", done, lambda: answer(study), again=True)]


def answer(study: Study) -> None:
    """Write all tables and figures."""
    found = models.scores(study).merge(
        complexity.table(study).drop(columns=["seconds"], errors="ignore"), on=MODEL
    )
    pairs = measures.pairs(study)
    if pairs.empty:
        raise RuntimeError("Nothing has been measured yet: run the stage measure first.")
    pairs = with_agreement(study, pairs)
    pairs = pairs.merge(wide(found), on=MODEL)
    explainers = set(pairs["explainer"])
    default = DEFAULT if DEFAULT in explainers else sorted(explainers)[0]
    fitted, asked = len(found.groupby(MODEL)), len(study.fits)
    sentences = [
        f"Rests on {fitted} of {asked} models, {len(pairs)} pairs of a model and an explainer.",
        rungs_table(study, found, pairs, default),
        sobolev_table(study, found, pairs, default),
        metrics_table(study, pairs),
        shift_table(study, found, pairs, default),
    ]
    figures.draw(study, found, pairs, default)
    write_text(study.out / "tables" / "answers.md", "\n\n".join(sentences) + "\n")
    for sentence in sentences:
        console.print(sentence + "\n")


def with_agreement(study: Study, pairs: pd.DataFrame) -> pd.DataFrame:
    """``seed_agreement``: mean rank correlation of a model's maps with those of its other seeds."""
    pairs = pairs.assign(seed_agreement=np.nan)
    keys = {tuple(k.plain.values()): k for k in models.fitted_keys(study)}
    for (*group, explainer), rows in pairs.groupby([*GROUP, "explainer"]):
        ranks = {}
        for index, seed in rows["seed"].items():
            maps = measures.maps_of(study, keys[(*group, seed)], explainer)
            ranks[index] = standard_ranks(maps.reshape(len(maps), -1))
        values: dict[int, list[float]] = {index: [] for index in ranks}
        for one, other in combinations(ranks, 2):
            agreement = np.einsum("nd,nd->n", ranks[one], ranks[other])
            if np.isfinite(agreement).any():
                for index in (one, other):
                    values[index].append(float(np.nanmean(agreement)))
        for index, agreements in values.items():
            if agreements:
                pairs.loc[index, "seed_agreement"] = np.mean(agreements)
    return pairs


# -- (a) -------------------------------------------------------------------------------------------


def rungs_table(study: Study, found: pd.DataFrame, pairs: pd.DataFrame, default: str) -> str:
    """Complexity, fidelity and physical agreement of every rung."""
    tests = available(study)
    rows, texts = [], []
    for group, members in found.groupby(GROUP, sort=False):
        about = dict(zip(GROUP, group, strict=True))
        inside = members[members["test"] == "inside"]
        mine = pairs[(pairs[GROUP] == list(group)).all(axis=1)]
        gradient = mine[mine["explainer"] == default]
        best, star = best_explainer(mine)
        numbers = {
            "seconds": student(inside["seconds"]),
            "C1": student(column_of(inside, "c1")),
            "C2": student(column_of(inside, "c2")),
            "C3": student(column_of(inside, "c3")),
            "R2": student(inside["r2"]),
            **{
                f"error {t}": student(members.loc[members["test"] == t, "nmae"])
                for t in tests
                if t != "contrast"
            },
            "r2_affine contrast": student(
                members.loc[members["test"] == "contrast", "r2_affine"]
            ),
            "PF* of the gradient": student(column_of(gradient, "pf_star inside")),
            "best PF*": star,
            "model vs physics": student(column_of(gradient, "model_vs_physics inside")),
            "explanation vs model": student(column_of(gradient, "explanation_vs_model inside")),
            "gradient vs physics, PF": student(column_of(gradient, "pf inside")),
        }  # fmt: skip
        rows.append(about | {"best explainer": best} | flat(numbers))
        parameters = int(inside["parameters"].iloc[0])
        texts.append(
            about
            | {"parameters": f"{parameters:,}", "best explainer": best}
            | {name: number.text() for name, number in numbers.items()}
        )
    table = pd.DataFrame(texts)
    fidelity = ["R2", *(c for c in table if c.startswith(("error", "r2_")))]
    agreement = [c for c in table if "PF" in c or " vs " in c or c == "best explainer"]
    save(study, "a-rungs", pd.DataFrame(rows), None)
    save(study, "a-fidelity", None, table[[*GROUP, *fidelity]])
    save(study, "a-complexity", None, table[[*GROUP, "parameters", "seconds", "C1", "C2", "C3"]])
    save(study, "a-agreement", None, table[[*GROUP, *agreement]])
    explainer_table(study, pairs)
    return paradox_sentence(pairs, default)


def explainer_table(study: Study, pairs: pd.DataFrame) -> None:
    """PF* of every explainer on every rung, mean and interval over seeds."""
    for test in measures.judged(study):
        column = f"pf_star {test}"
        if column not in pairs:
            continue
        groups = pairs.groupby([*GROUP, "explainer"], sort=False)[column]
        intervals = groups.apply(student)
        text = intervals.map(lambda i: i.text(2)).unstack("explainer").reset_index()
        save(study, f"a-explainers-{test}", long(intervals), text.fillna("–"))


def best_explainer(rows: pd.DataFrame) -> tuple[str, Interval]:
    """The explainer with the highest mean PF* over seeds, and that PF*. Picked after the fact."""
    if len(rows) == 0 or not np.isfinite(rows["pf_star inside"]).any():
        return "–", student([])
    means = rows.groupby("explainer")["pf_star inside"].mean()
    best = str(means.idxmax())
    return best, student(rows.loc[rows["explainer"] == best, "pf_star inside"])


def paradox_sentence(pairs: pd.DataFrame, default: str) -> str:
    """How right and how physical the plain networks are at the larger number of structures."""
    plain = pairs[(pairs["explainer"] == default) & (pairs["n"] == pairs["n"].max())]
    plain = plain[plain["rung"].isin(["cnn", "resnet", "vit", "fno"])]
    parts = [
        f"{rung} at contrast {contrast:g}: R² {student(rows['r2 inside']).text()}, "
        f"PF {student(rows['pf inside']).text(2)}, PF* {student(rows['pf_star inside']).text(2)}"
        for (rung, contrast), rows in plain.groupby(["rung", "contrast"], sort=False)
    ]
    return f"(a) Plain networks, maps by {default}: " + "; ".join(parts) + "."


# -- (b) -------------------------------------------------------------------------------------------


def sobolev_table(study: Study, found: pd.DataFrame, pairs: pd.DataFrame, default: str) -> str:
    """Supervised minus plain, the same architecture, structures and seed."""
    maps = pairs[pairs["explainer"] == default]
    both = wide(found).merge(
        maps[[*MODEL, "pf_star inside", "model_vs_physics inside"]], on=MODEL, how="left"
    )
    every = pairs.groupby(MODEL)["pf inside"].mean().rename("mean PF").reset_index()
    both = both.merge(every, on=MODEL, how="left")
    both = both.merge(
        found.loc[found["test"] == "inside", [*MODEL, *(c for c in ("c2", "c3") if c in found)]],
        on=MODEL,
    )
    for shift, rows in shift_errors(found, study).groupby("shift"):
        both = both.merge(
            rows[[*MODEL, "ln_error"]].rename(columns={"ln_error": f"ln error {shift}"}), on=MODEL
        )
    both["ln error inside"] = np.log(both["nmae inside"])
    shifts = [c for c in both if c.startswith("ln error ") and c != "ln error inside"]
    both["ln error of shifts"] = both[shifts].mean(axis=1)
    taught = both[both["rung"].str.startswith("sobolev_")].assign(
        rung=lambda t: t["rung"].str.removeprefix("sobolev_")
    )
    paired = both.merge(taught, on=MODEL, suffixes=("", " taught"))
    if paired.empty:
        return "(b) No pair of a plain and a supervised network has been fitted yet."
    compared = ["pf_star inside", "mean PF", "model_vs_physics inside", "ln error inside", *shifts,
                "ln error of shifts", *(c for c in ("c2", "c3") if c in both)]  # fmt: skip
    for column in compared:
        paired[f"Δ {column}"] = paired[f"{column} taught"] - paired[column]
    rows, texts = [], []
    for group, members in paired.groupby(GROUP, sort=False):
        about = dict(zip(GROUP, group, strict=True))
        plain, sobolev = (student(members[f"pf_star inside{s}"]) for s in ("", " taught"))
        differences = {f"Δ {c}": student(members[f"Δ {c}"]) for c in compared}
        apart = bool(sobolev.low > plain.high)
        rows.append(about | {"intervals apart": apart} | flat(differences)
                    | flat({"PF* plain": plain, "PF* taught": sobolev}))  # fmt: skip
        texts.append(
            about
            | {"PF* plain": plain.text(2), "PF* taught": sobolev.text(2)}
            | {"intervals apart": "yes" if apart else "no"}
            | {name: d.text(2) for name, d in differences.items()}
        )
    save(study, "b-sobolev", pd.DataFrame(rows), pd.DataFrame(texts))
    return together_sentence(paired, pd.DataFrame(rows))


def together_sentence(paired: pd.DataFrame, rows: pd.DataFrame) -> str:
    """Pooled over architectures and contrasts: one number a seed."""
    per_seed = paired.groupby("seed")
    star = student(per_seed["Δ pf_star inside"].mean())
    error = student(per_seed["Δ ln error of shifts"].mean())
    inside = student(per_seed["Δ ln error inside"].mean())
    known = paired[np.isfinite(paired["Δ pf_star inside"])]
    together = ((known["Δ pf_star inside"] > 0) & (known["Δ ln error of shifts"] < 0)).mean()
    return (
        f"(b) Supervised minus plain, pooled over networks and contrasts ({star.n} seeds): PF* "
        f"{star.text(2)}: rises: {verdict(star, 1)}; ln error under shift {error.text(2)}: falls: "
        f"{verdict(error, -1)}; ln error in distribution {inside.text(2)}: falls: "
        f"{verdict(inside, -1)}. Both at once in {together:.0%} of {len(known)} pairs of models; "
        f"PF* intervals do not overlap in {int(rows['intervals apart'].sum())} of {len(rows)} "
        "settings."
    )
