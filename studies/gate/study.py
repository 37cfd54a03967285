"""The gate study: does the gate withhold badly wrong answers on a class that was never seen?

    python studies/gate/study.py describe measure answer [--out runs/gate] [--data NAME,…]
        [--samples 100] [--seeds 1] [--risk 0.1]

Every finished piece is a file under --out, and an interrupted stage goes on where it stopped. What
is measured and why stands in README.md beside this file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # run as a script: the repository in the place of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np
import pandas as pd
from studies.gate.data import DATA
from studies.gate.pieces import Described, describe, left_out
from studies.gate.tables import answer

STAGES = ("describe", "measure", "answer")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stages", nargs="+", choices=STAGES)
    parser.add_argument("--out", type=Path, default=Path("runs/gate"))
    parser.add_argument("--data", help="only these data sets, separated by commas")
    parser.add_argument("--samples", type=int, default=100, help="simulated ones, of each class")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--risk", type=float, default=0.1)
    asked = parser.parse_args(arguments)
    names = [n for n in DATA if not asked.data or slug(n) in asked.data.split(",")]
    for name in names:
        if "describe" in asked.stages:
            _describe(asked.out, name, asked.samples)
        if "measure" in asked.stages:
            _measure(asked.out, name, asked.seeds, asked.risk)
    if "answer" in asked.stages:
        sys.stdout.write(answer(asked.out / "measured") + "\n")
    return 0


def slug(name: str) -> str:
    """The name of a data set as a file name, without commas."""
    return name.replace(",", "").replace(" ", "-")


def _describe(out: Path, name: str, samples: int) -> None:
    path = out / "data" / f"{slug(name)}.npz"
    if not path.exists():
        describe(*DATA[name](out, samples)).save(path)
        sys.stdout.write(f"described {name}\n")


def _measure(out: Path, name: str, seeds: int, risk: float) -> None:
    found = Described.load(out / "data" / f"{slug(name)}.npz")
    for label in np.unique(found.labels):
        for seed in range(seeds):
            path = out / "measured" / f"{slug(name)}-{label}-{seed}.parquet"
            if path.exists():
                continue
            rows: pd.DataFrame = left_out(found, str(label), risk, seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            rows.assign(data=name, left_out=str(label), seed=seed).to_parquet(path)
            sys.stdout.write(f"measured {name} without {label}, seed {seed}\n")


if __name__ == "__main__":
    sys.exit(main())
