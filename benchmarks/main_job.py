"""The main job on real tables and micrographs: every rung, its three axes, as Markdown tables.

    python benchmarks/main_job.py steels|nims|uhcs [--data ../shared/data] [--runs runs]
        [--ladder ridge,svm] [--descriptors default,micrograph_latents]

Runs are kept and resumed; a second call only prints. For steels the held-out predictions are also
compared, sample by sample, with those of the published entries of the board.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from iceframe.ingest import read
from iceframe.workflow.execute import Progress
from iceframe.workflow.session import Run, run

TABLES = ["mean", "ridge", "tree", "ebm", "svm", "extra_trees", "gp", "mlp"]
PICTURES = ["mean", "ridge", "tree", "ebm", "svm", "extra_trees", "gp", "cnn"]
SEEDS = {"steels": (0,), "nims": (0, 1, 2), "uhcs": (0,)}
REGRESSION = ["mae", "rmse", "r2", "coverage_90", "leave_cluster_out"]
CLASSIFICATION = ["accuracy", "balanced_accuracy", "log_loss", "coverage_90", "set_size_90"]
AXES = ["complexity", "gdf", "faithfulness", "seed_stability", "resample_stability"]


def climb(
    job: str,
    data: Path,
    runs: Path,
    seed: int,
    ladder: list[str] | None,
    descriptors: list[str] | None,
) -> Run:
    """Run one job, or read it if it is there."""
    out = runs / f"{job}-{seed}"
    if job == "steels":
        path, target, options = (
            "tables/matbench_steels.json.bz2",
            "yield strength",
            {"splits": "matbench", "shift": False},
        )
    elif job == "nims":
        path, target, options = "tables/nims_fatigue_agrawal2014.csv", "Fatigue", {"shift": False}
    else:
        path, target, options = "micrographs/uhcs", "constituent", {"shift": False}
    units = {"steels": "MPa", "nims": "MPa"}.get(job)
    symmetries = ["flip", "rotate90"] if job == "uhcs" else None
    dataset = read(
        data / path, target, units={target: units} if units else None, symmetries=symmetries
    )
    standard = PICTURES if job == "uhcs" else TABLES

    def watch(event: Progress) -> None:
        if event.unit is not None:
            left = f", {event.remaining:.0f} s left" if event.remaining else ""
            print(f"  {event.done}/{event.total} {event.unit.name}{left}", flush=True)

    options |= {"ladder": ladder or standard, "descriptors": descriptors}
    return run(dataset, out=out, seed=seed, watch=watch, **options)


def table(finished: Run) -> str:
    """One row a rung, in order of complexity."""
    evidence = finished.evidence.set_index(["rung", "metric"])
    metrics = REGRESSION if finished.header["task"] == "regression" else CLASSIFICATION
    rungs = list(dict.fromkeys(finished.evidence["rung"]))
    rungs.sort(key=lambda r: evidence["value"].get((r, "complexity"), np.inf))
    columns = [*metrics, *AXES]
    lines = [
        "| rung | " + " | ".join(columns) + " | seconds a fold |",
        "|---" * (len(columns) + 2) + "|",
    ]
    seconds = finished.costs.set_index(["rung", "metric"])["value"]
    for rung in rungs:
        cells = [cell(evidence, rung, metric) for metric in columns]
        mark = "**" if rung == finished.equilibrium.rung else ""
        fit = seconds.get((rung, "fit_seconds"), np.nan)
        lines.append(f"| {mark}{rung}{mark} | " + " | ".join(cells) + f" | {fit:.1f} |")
    return "\n".join(lines)


def cell(evidence: pd.DataFrame, rung: str, metric: str) -> str:
    if (rung, metric) not in evidence.index:
        return "–"
    row = evidence.loc[(rung, metric)]
    if not np.isfinite(row["value"]):
        return "–"
    interval = f" ({row['low']:.3g}–{row['high']:.3g})" if np.isfinite(row["low"]) else ""
    return f"{row['value']:.3g}{interval}"


def board(finished: Run, anchors: Path) -> str:
    """Our rungs against the published entries: paired over the board's own folds and samples.

    The test is the corrected resampled t-test of Nadeau & Bengio (2003) on the folds' MAE.
    """
    published = pd.read_csv(anchors / "matbench_v0.1_per_sample_predictions.csv.gz")
    published = published[published["task"] == "steels"].dropna(axis=1, how="all").set_index("mbid")
    ours = finished.predictions
    fold_of = published["fold"]
    for rung, part in ours.groupby("rung"):
        number = part["fold"].str.extract(r"(\d+)")[0].astype(int).to_numpy()
        assert (fold_of.loc[part["id"]].to_numpy() == number - number.min()).all(), rung
    lines = [
        "| published entry | its MAE | best of ours | ours − its | p |",
        "|---|---|---|---|---|",
    ]
    mine = {rung: part.set_index("id") for rung, part in ours.groupby("rung")}
    best = min(mine, key=lambda r: (mine[r]["y"] - mine[r]["mean"]).abs().mean())
    truth = mine[best]["y"]
    our_error = (truth - mine[best]["mean"]).abs()
    rows = []
    for name in published.columns.drop(["task", "fold"]):
        their_error = (truth - published[name].loc[truth.index]).abs()
        if their_error.isna().any():
            continue
        folds = (our_error - their_error).groupby(fold_of.loc[truth.index]).mean()
        k, ratio = len(folds), 0.25
        spread = np.sqrt((1 / k + ratio) * folds.var(ddof=1))
        p = 2 * stats.t.sf(abs(folds.mean()) / spread, k - 1)
        fold_mae = their_error.groupby(fold_of.loc[truth.index]).mean().mean()
        rows.append(
            (fold_mae, f"| {name} | {fold_mae:.1f} | {best} | {folds.mean():+.1f} | {p:.2f} |")
        )
    return "\n".join(lines + [line for _, line in sorted(rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=SEEDS)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--ladder", help="rungs, separated by commas")
    parser.add_argument("--descriptors", help="descriptors, separated by commas")
    given = parser.parse_args()
    ladder = given.ladder.split(",") if given.ladder else None
    descriptors = given.descriptors.split(",") if given.descriptors else None
    for seed in SEEDS[given.job]:
        finished = climb(given.job, given.data, given.runs, seed, ladder, descriptors)
        print(
            f"\n{given.job}, seed {seed}: {finished.equilibrium.rung} "
            f"({finished.equilibrium.status})\n"
        )
        print(table(finished))
        for reason in finished.equilibrium.reasons:
            print(f"- {reason}")
        if given.job == "steels":
            print("\n" + board(finished, given.data / "anchors"))


if __name__ == "__main__":
    main()
