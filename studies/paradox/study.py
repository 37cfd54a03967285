"""The paradox study: can a model be right and its explanation wrong, and what follows from that?

    python studies/paradox/study.py data|fit|truth|measure|answer … [--out runs/paradox]
        [--contrasts 2,10,100] [--seeds 5] [--rungs cnn,sobolev_cnn,…] [--device cpu] [--quick]

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

from studies.paradox.pieces import QUICK, RUNGS, Sizes, Study, work_through

# Stage and the module that knows its pieces, in the order in which they build on each other.
STAGES = {
    "data": "data",
    "fit": "models",
    "truth": "truth",
    "measure": "measures",
    "answer": "questions",
}
QUICK_RUNGS = ("volume_fraction", "two_point_pca", "cnn", "sobolev_cnn")


def main(arguments: list[str] | None = None) -> int:
    """Run the stages that are asked for; 1 where pieces are missing at the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stages", nargs="+", choices=tuple(STAGES))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--contrasts", default="2,10,100")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rungs", help="only these, separated by commas")
    parser.add_argument("--device", default="cpu", help="that networks are fitted on")
    parser.add_argument("--quick", action="store_true", help="all stages small, in about a minute")
    asked = parser.parse_args(arguments)
    study = _study(asked)
    import torch

    torch.set_num_threads(1)  # processes are the parallelism
    missing = 0
    for stage in STAGES:
        if stage in asked.stages:
            module = importlib.import_module(f"studies.paradox.{STAGES[stage]}")
            missing += work_through(stage, module.pieces(study))
    return int(missing > 0)


def _study(asked: argparse.Namespace) -> Study:
    quick = asked.quick
    contrasts = (10.0,) if quick else tuple(float(c) for c in asked.contrasts.split(","))
    rungs = tuple(asked.rungs.split(",")) if asked.rungs else QUICK_RUNGS if quick else RUNGS
    return Study(
        out=asked.out or Path("runs/paradox-quick" if quick else "runs/paradox"),
        contrasts=contrasts,
        seeds=min(2, asked.seeds) if quick else asked.seeds,
        rungs=rungs,
        sizes=QUICK if quick else Sizes(),
        device=asked.device,
    )


if __name__ == "__main__":
    sys.exit(main())
