"""The planted-truth study: is the right rung chosen where the truth is known, and is it stable?

    python studies/planted_truth/study.py climb|again|loop|answer … [--out runs/planted-truth]
        [--set final] [--each 40] [--stable 8] [--seeds 2] [--looped 2] [--kinds linear,…] [--quick]

Every finished piece is a file under --out, and an interrupted stage goes on where it stopped. The
same command started twice shares the work between both processes. What is measured and why stands
in README.md beside this file.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

if __name__ == "__main__":  # run as a script: the repository in the place of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from studies.paradox.pieces import work_through
from studies.planted_truth.pieces import QUICK, ROOTS, Sizes, Study
from studies.planted_truth.truths import KINDS

# Stage, the module that knows its pieces, and the function that names them.
STAGES = {
    "climb": ("pieces", "climbs"),
    "again": ("pieces", "climbs_again"),
    "loop": ("loop", "pieces"),
    "answer": ("tables", "pieces"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run the stages that are asked for; 1 where pieces are missing at the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stages", nargs="+", choices=tuple(STAGES))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--set", choices=tuple(ROOTS), default="final", help="which data sets")
    parser.add_argument("--each", type=int, default=40, help="data sets a kind")
    parser.add_argument("--stable", type=int, default=8, help="a kind, climbed under other seeds")
    parser.add_argument("--seeds", type=int, default=2, help="how many other seeds")
    parser.add_argument("--looped", type=int, default=2, help="a kind, balanced by the workflow")
    parser.add_argument("--kinds", default=",".join(KINDS), help="only these")
    parser.add_argument("--quick", action="store_true", help="everything tiny, in about a minute")
    asked = parser.parse_args(arguments)
    study = _study(asked)
    import torch

    torch.set_num_threads(1)  # processes are the parallelism
    missing = 0
    for stage, (module, pieces) in STAGES.items():
        if stage in asked.stages:
            named = getattr(importlib.import_module(f"studies.planted_truth.{module}"), pieces)
            missing += work_through(stage, named(study))
    return int(missing > 0)


def _study(asked: argparse.Namespace) -> Study:
    name = "quick" if asked.quick else asked.set
    at_most = 1 if asked.quick else 10**6
    return Study(
        out=asked.out or Path("runs") / f"planted-truth-{name}",
        root=ROOTS[asked.set],
        kinds=tuple(asked.kinds.split(",")),
        each=min(asked.each, at_most),
        stable=min(asked.stable, at_most),
        seeds=min(asked.seeds, at_most),
        looped=min(asked.looped, at_most),
        sizes=QUICK if asked.quick else Sizes(),
    )


if __name__ == "__main__":
    sys.exit(main())
