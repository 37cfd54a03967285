"""The case study: trained on two classes of materials, steered on the third.

    python studies/classes/study.py simulate train control repair mend answer
        [--out runs/classes] [--seeds 5] [--quick]

Every finished piece is a file under --out, and an interrupted stage goes on where it stopped. The
same command started twice shares the work. What is measured and why stands in README.md beside
this file.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":  # run as a script: the repository in the place of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from studies.classes import data, repairs, steering, tables
from studies.classes.pieces import QUICK, Study
from studies.paradox.pieces import work_through

STAGES = {
    "simulate": data.pieces,
    "train": steering.pieces,
    "control": steering.control_pieces,
    "repair": repairs.pieces,
    "mend": steering.mended_pieces,
    "answer": tables.pieces,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the stages that are asked for; 1 where pieces are missing at the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stages", nargs="+", choices=tuple(STAGES))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="everything, tiny")
    asked = parser.parse_args(arguments)
    out = asked.out or Path("runs/classes-quick" if asked.quick else "runs/classes")
    study = quick(out) if asked.quick else Study(out, asked.seeds)
    missing = 0
    for stage, pieces in STAGES.items():
        if stage in asked.stages:
            missing += work_through(stage, pieces(study))
    return int(missing > 0)


def quick(out: Path) -> Study:
    """A trial of everything."""
    return Study(out, 1, ("mean", "ridge"), ("tree",), ("ceramic",), QUICK)


if __name__ == "__main__":
    sys.exit(main())
