"""The answers as tables: what was chosen, how often rightly, what went wrong, how stable it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from studies.paradox.pieces import Piece
from studies.paradox.tables import markdown
from studies.planted_truth.judging import GOOD, Outcome, judged
from studies.planted_truth.loop import outcome_of, path_of, replayed
from studies.planted_truth.pieces import Key, Study
from studies.planted_truth.stability import Chooser, by_decision, by_loop, stability, summary

from iceframe.core.files import read_json, write_text
from iceframe.core.values import Equilibrium, Status
from iceframe.measure.fidelity import clopper_pearson

VERDICTS = ("right", "simpler", "better", "too simple", "needless", "none")

CHOOSERS: dict[str, tuple[str, Chooser]] = {
    "The single climb": ("climb", by_decision),
    "The balanced loop": ("loop", by_loop),
}


def pieces(study: Study) -> list[Piece]:
    """One piece, made of whatever is there."""
    return [Piece("tables", study.out / "tables" / "answers.md", lambda: _make(study), again=True)]


def _make(study: Study) -> None:
    records = _stored(study, study.keys(study.each))
    if not records:
        raise FileNotFoundError("no climb is there: run the stage `climb` first")
    folder = study.out / "tables"
    parts: list[str] = []
    for title, (name, choose) in CHOOSERS.items():
        found = {key: choose(record, None) for key, record in records.items()}
        outcomes = {key: judged(records[key], e) for key, e in found.items()}
        table = pd.DataFrame([o.as_dict() for o in outcomes.values()])
        write_text(folder / f"{name}.csv", table.to_csv(index=False))
        parts += [f"# {title}", *sections(table)]
        wrong = [_explained(found[k], o) for k, o in outcomes.items() if o.verdict not in GOOD]
        if wrong:
            parts += ["## Misjudged", markdown(pd.DataFrame(wrong))]
        steady = _steadiness(study, records, choose)
        if len(steady):
            write_text(folder / f"stability-{name}.csv", steady.to_csv(index=False))
            parts += _stability_sections(steady)
    parts += ["# Cost", markdown(_cost(records.values())), *_economy(records.values())]
    parts += _checked(study, records)
    write_text(folder / "answers.md", "\n\n".join(p.rstrip("\n") for p in parts) + "\n")


def _stored(study: Study, keys: Iterable[Key]) -> dict[tuple[str, int], Mapping[str, Any]]:
    return {
        (key.kind, key.number): read_json(study.path(key))
        for key in keys
        if study.path(key).exists()
    }


# -- choices ---------------------------------------------------------------------------------------


def sections(table: pd.DataFrame) -> list[str]:
    """What is said of outcomes, one row a data set."""
    return [
        f"{len(table)} data sets.",
        "## Chosen",
        markdown(_counts(table, "chosen")),
        "## Right rungs",
        markdown(_counts(table, "right")),
        "## Verdicts",
        markdown(_verdicts(table)),
        "## Shares",
        markdown(shares(table)),
    ]


def _counts(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Kind × rung."""
    kinds = list(dict.fromkeys(table["kind"]))
    counts = pd.crosstab(table["kind"], table[column]).loc[kinds]
    return counts[counts.sum().sort_values(ascending=False).index].reset_index()


def _verdicts(table: pd.DataFrame) -> pd.DataFrame:
    kinds = list(dict.fromkeys(table["kind"]))
    counts = pd.crosstab(table["kind"], table["verdict"]).reindex(columns=VERDICTS, fill_value=0)
    grouped = table.groupby("kind")
    wobbling = table["status"] == Status.OSCILLATING
    counts["oscillating"] = wobbling.groupby(table["kind"]).sum()
    counts["naming the right one"] = grouped["named"].sum()
    return counts.loc[kinds].reset_index()


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """The bars of the study, each with its 95 % interval (Clopper and Pearson)."""
    good = table["verdict"].isin(GOOD)
    needless = table["verdict"] == "needless"
    measures = {
        "right, or simpler and not worse": (good, "≥ 0.95"),
        "the same, or oscillating and naming the right one": (good | table["named"], ""),
        "the same, read strictly": (table["strict"].isin(GOOD), ""),
        "needless escalation": (needless, "≤ 0.05"),
        "needless escalation that does not say so": (needless & ~table["named"], ""),
        "needless escalation, read strictly": (table["strict"] == "needless", ""),
    }
    rows = []
    for name, (hits, bar) in measures.items():
        value, low, high = clopper_pearson(int(hits.sum()), len(hits), 0.95)
        rows.append({"share of data sets": name, "value": f"{value:.3f}",
                     "interval": f"{low:.3f} to {high:.3f}", "bar": bar})  # fmt: skip
    return pd.DataFrame(rows)


def _explained(found: Equilibrium, outcome: Outcome) -> dict[str, Any]:
    """A misjudged data set with what was said, and what is true."""
    about = [str(step["why"]) for step in found.trajectory if step["rung"] == outcome.right]
    return {
        "data set": f"{outcome.kind} {outcome.number}",
        "n": outcome.n,
        "best R²": f"{outcome.attainable:.2f}",
        "right": outcome.right,
        "chosen": outcome.chosen,
        "verdict": outcome.verdict,
        "status": outcome.status,
        "true excess in ROPEs": f"{outcome.excess:.1f}",
        "why chosen": found.reasons[0] if found.reasons else "",
        "of the right one": about[0] if about else "not measured, or rejected",
    }


# -- stability, loop, cost -------------------------------------------------------------------------


def _steadiness(
    study: Study, records: Mapping[tuple[str, int], Mapping[str, Any]], choose: Chooser
) -> pd.DataFrame:
    rows = []
    for (kind, number), record in records.items():
        again = [study.path(Key(number, kind, s)) for s in range(1, study.seeds + 1)]
        others = [read_json(path) for path in again if path.exists()]
        if number < study.stable and others:
            rows.append(stability(record, others, choose))
    return pd.DataFrame(rows)


def _stability_sections(steady: pd.DataFrame) -> list[str]:
    said = pd.Series(summary(steady)).rename_axis("the same under").reset_index(name="share")
    unlike = steady[~steady["alike"]]
    parts = ["## Stability", f"{len(steady)} data sets.", markdown(said.round(3))]
    return [*parts, "### Not alike", markdown(unlike)] if len(unlike) else parts


def _cost(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Mean processor seconds by kind and rung, and their sum."""
    rows = pd.DataFrame([{"kind": r["kind"], **r["seconds"]} for r in records])
    means = rows.groupby("kind", sort=False).mean()
    means["all"] = means.sum(axis=1)
    return means.round(1).reset_index()


def _economy(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """How much of the climb the loop measured."""
    spent = [
        (sum(r["seconds"][rung] for rung in replayed(r).measured), sum(r["seconds"].values()))
        for r in records
    ]
    share = sum(mine for mine, _ in spent) / max(sum(whole for _, whole in spent), 1e-9)
    return [f"The loop spends {share:.2f} of the seconds of the whole ladder."]


def _checked(study: Study, records: Mapping[tuple[str, int], Mapping[str, Any]]) -> list[str]:
    """The searches of the workflow beside the replayed ones."""
    rows = []
    for key in study.keys(min(study.looped, study.each)):
        path, record = path_of(study, key), records.get((key.kind, key.number))
        if path.exists() and record is not None:
            held = read_json(path)
            found, again = outcome_of(held, record), replayed(record).equilibrium
            rows.append(
                {"data set": f"{key.kind} {key.number}", "searched": found.chosen,
                 "replayed": again.rung, "verdict": found.verdict, "status": found.status,
                 "actions": len(held["actions"]), "seconds": held["seconds"]}
            )  # fmt: skip
    return ["# Searches of the workflow", markdown(pd.DataFrame(rows))] if rows else []
