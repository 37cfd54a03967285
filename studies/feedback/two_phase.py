"""The loop on the two-phase benchmark: few labels, two floors, and its own choice of actions.

    python studies/feedback/two_phase.py [--out runs/two-phase] [--samples 150] [--side 64]
        [--folds 5] [--ladder ridge,ebm,cnn,fno,vit] [--floor r2=0.99]
        [--floor gradient_agreement=0.85] [--device cpu] [--workers N] [--trials N] [--quick]

Structures and their stiffness C11 after ``benchmarks/two_phase.yaml`` (eleven generators, contrast
10). Twice the same data, folds, seed and ladder, in which no rung is taught by physics:

* with feedback, ``iceframe balance``, which has the taught variants on offer as actions;
* without, ``iceframe run``, which climbs the ladder.

Printed: every candidate's R² and gradient agreement (the correlation over voxels of its input
gradient with the exact sensitivity), the path of the search, and which of both meets the floors.
Everything is kept under --out; an interrupted study goes on where it stopped, and what both
measure is measured once.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import pandas as pd
import yaml

from iceframe.core.dataset import Dataset
from iceframe.core.values import Equilibrium
from iceframe.ingest import read
from iceframe.workflow.feedback import BalancedRun, run_balanced
from iceframe.workflow.feedback.step import Step
from iceframe.workflow.session import Run, run
from iceframe.workflow.settings import parse_floors
from iceframe.workflow.simulate import simulate

RECIPE = Path(__file__).resolve().parents[2] / "benchmarks" / "two_phase.yaml"
TARGET = "C11"
LADDER = "mean,ridge,ebm,cnn,fno,vit"
FLOORS = ("r2=0.99", "gradient_agreement=0.85")
QUICK = {"samples": 60, "side": 16, "folds": 2, "trials": 0, "ladder": "mean,ridge,cnn"}
SHOWN = ("complexity", "r2", "gradient_agreement", "pf_star")


def main(arguments: list[str] | None = None) -> int:
    """Do both and print the table; 0 where the loop meets the floors and the plain run does not."""
    asked = _asked(arguments)
    data = made(asked.out / "data", asked.samples, asked.side)
    floors = parse_floors(asked.floor or list(FLOORS))
    ladder = asked.ladder.split(",")
    common = {
        "ladder": ladder,
        "floors": floors,
        "folds": asked.folds,
        "seed": asked.seed,
        "device": asked.device,
        "workers": asked.workers,
        "trials": asked.trials,
        "shift": False,
    }
    found = run_balanced(data, out=asked.out / "balanced", tell=_tell, **common)
    plain = asked.out / "plain"
    if not plain.exists():  # the same folds and seed: its finished units are those of this run
        shutil.copytree(found.folder / "steps" / "000-start", plain)
    alone = run(data, out=plain, **common)
    _say(report(found, alone, floors))
    return int(found.equilibrium.rung is None or alone.equilibrium.rung is not None)


def made(out: Path, samples: int, side: int) -> Dataset:
    """The labelled samples, simulated once."""
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    simulated = simulate({**recipe, "samples": samples, "shape": [side, side]}, out=out)
    return read(simulated, TARGET)


def report(found: BalancedRun, alone: Run, floors: dict[str, float]) -> str:
    """Both runs as text."""
    wanted = ", ".join(f"{name} {limit:g}" for name, limit in floors.items())
    path = found.trajectory[["step", "action", "arguments", "kept", "seconds"]].copy()
    path["arguments"] = [
        " ".join(str(part) for part in held.values() if part) for held in path["arguments"]
    ]
    return "\n\n".join(
        [
            f"Floors: {wanted}",
            "With feedback, all candidates:\n" + scores(found.evidence),
            "The path:\n" + path.round({"seconds": 0}).to_string(index=False),
            f"With feedback:    {_verdict(found.equilibrium)} ({found.seconds:.0f} s)",
            "Without, the same ladder:\n" + scores(alone.evidence),
            f"Without feedback: {_verdict(alone.equilibrium)} ({_seconds(alone):.0f} s)",
        ]
    )


def scores(evidence: pd.DataFrame) -> str:
    """One line a candidate: the three axes, in the order of complexity."""
    some = evidence[evidence["metric"].isin(SHOWN)]
    table = some.pivot_table(index="rung", columns="metric", values="value", sort=False)
    table = table.reindex(columns=list(SHOWN)).sort_values("complexity")
    return str(table.round(3).to_string(na_rep="–"))


def _verdict(equilibrium: Equilibrium) -> str:
    chosen = equilibrium.rung
    return f"{equilibrium.status}, " + (f"{chosen} meets them" if chosen else "nothing meets them")


def _seconds(alone: Run) -> float:
    costs = alone.costs
    return float(costs[costs["metric"] == "total_seconds"]["value"].sum())


def _tell(step: Step) -> None:
    if step.verdict is None:
        why = f": {step.proposal.why}" if step.proposal else ""
        _say(f"{step.number} {step.action} {dict(step.arguments)}{why}")
    elif step.proposal is not None:
        word = "kept" if step.verdict.kept else "not kept"
        _say(f"  {word}: {step.failed or step.verdict.why}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _asked(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--samples", type=int, default=150)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ladder", default=LADDER)
    parser.add_argument("--floor", action="append", help="instead of the two, may be repeated")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--trials", type=int, help="most tuning trials a rung and fold")
    parser.add_argument("--quick", action="store_true", help="small, to see it work")
    asked = parser.parse_args(arguments)
    if asked.quick:
        vars(asked).update(QUICK)
    asked.out = asked.out or Path("runs/two-phase-quick" if asked.quick else "runs/two-phase")
    return asked


if __name__ == "__main__":
    sys.exit(main())
