"""The forces study: does a network that is right about energies know forces, and may it be taught?

    python studies/forces/study.py fit perovskites answer [--out runs/forces] [--seeds 3]
        [--sizes 50,100,200,400] [--device cpu] [--quick]

Every finished piece is a file under --out, and an interrupted stage goes on where it stopped. The
same command started twice shares the work. What is measured and why stands in README.md.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from dataclasses import replace
from pathlib import Path

if __name__ == "__main__":  # run as a script: the repository in the place of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from studies.forces.pieces import QUICK, Sizes, Study
from studies.paradox.pieces import work_through

STAGES = {"fit": "models", "perovskites": "perovskites", "answer": "tables"}


def main(arguments: list[str] | None = None) -> int:
    """Run the stages that are asked for; 1 where pieces are missing at the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stages", nargs="+", choices=tuple(STAGES))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sizes", help="training sizes, separated by commas")
    parser.add_argument("--device", default="cpu", help="that networks are fitted on")
    parser.add_argument("--quick", action="store_true", help="everything tiny, in about a minute")
    asked = parser.parse_args(arguments)
    sizes = QUICK if asked.quick else Sizes()
    if asked.sizes:
        sizes = replace(sizes, trained=tuple(int(n) for n in asked.sizes.split(",")))
    study = Study(
        out=asked.out or Path("runs/forces-quick" if asked.quick else "runs/forces"),
        seeds=min(2, asked.seeds) if asked.quick else asked.seeds,
        sizes=sizes,
        device=asked.device,
    )
    import torch

    torch.set_num_threads(1)  # processes are the parallelism
    missing = 0
    for stage in STAGES:
        if stage in asked.stages:
            module = importlib.import_module(f"studies.forces.{STAGES[stage]}")
            missing += work_through(stage, module.pieces(study))
    return int(missing > 0)


if __name__ == "__main__":
    sys.exit(main())
