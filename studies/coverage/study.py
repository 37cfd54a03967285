"""The coverage study: do intervals and sets hold what they promise, everywhere and elsewhere?

    python studies/coverage/study.py data fold shift answer [--out runs/coverage] [--seeds 3]
        [--rungs ridge,extra_trees] [--sets steels,mpea] [--trials 0] [--quick]

Every finished piece is a file under --out, and an interrupted stage goes on where it stopped. The
same command started twice shares the work. What is measured and why stands in README.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":  # run as a script: the repository in the place of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from studies.coverage import answers, data, tables
from studies.coverage.pieces import REAL, RUNGS, SIMULATED, Study
from studies.paradox.pieces import work_through

STAGES = {
    "data": data.pieces,
    "fold": answers.fold_pieces,
    "shift": answers.shift_pieces,
    "answer": tables.pieces,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the stages that are asked for; 1 where pieces are missing at the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stages", nargs="+", choices=tuple(STAGES))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rungs", default=",".join(RUNGS), help="separated by commas")
    parser.add_argument("--sets", help="data sets, separated by commas; default all")
    parser.add_argument("--trials", type=int, default=0, help="settings that are tried for a rung")
    parser.add_argument("--quick", action="store_true", help="simulated data, tiny")
    asked = parser.parse_args(arguments)
    sets = SIMULATED if asked.quick else (*REAL, *SIMULATED)
    study = Study(
        out=asked.out or Path("runs/coverage-quick" if asked.quick else "runs/coverage"),
        rungs=tuple(asked.rungs.split(",")),
        seeds=min(2, asked.seeds) if asked.quick else asked.seeds,
        trials=asked.trials,
        sets=tuple(asked.sets.split(",")) if asked.sets else sets,
        samples=100 if asked.quick else 400,
    )
    missing = 0
    for stage, pieces in STAGES.items():
        if stage in asked.stages:
            missing += work_through(stage, pieces(study))
    return int(missing > 0)


if __name__ == "__main__":
    sys.exit(main())
