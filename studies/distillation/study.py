"""The distillation study: is a glass box better when a black box teaches it?

    python studies/distillation/study.py pairs images answer [--out runs/distillation]
        [--tasks steels,jdft2d,...] [--teachers extra_trees,...] [--students tree,...]
        [--repeats 2] [--trials N] [--quick]

Every finished piece is a file under --out, and an interrupted stage goes on where it stopped. The
same command started twice shares the work. What is measured and why stands in README.md.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

if __name__ == "__main__":  # run as a script: the repository in the place of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from studies.distillation.pieces import Study
from studies.paradox.pieces import work_through

STAGES = {"pairs": "compare", "images": "images", "answer": "answers"}


def main(arguments: list[str] | None = None) -> int:
    """Run the stages that are asked for; 1 where pieces are missing at the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stages", nargs="+", choices=tuple(STAGES))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--tasks", default="steels,jdft2d,fatigue,phonons,alloys")
    parser.add_argument("--teachers", default="extra_trees,boosted_trees,gp,stack")
    parser.add_argument("--students", default="tree,ridge,lasso,ebm,pair_boosting")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--trials", type=int, help="of each search at most; 0: no search")
    parser.add_argument("--quick", action="store_true", help="images only, tiny")
    asked = parser.parse_args(arguments)
    tiny = {"labelled": 12, "unlabelled": 20, "tested": 8, "epochs": 1} if asked.quick else {}
    study = Study(
        asked.out or Path("runs/distillation-quick" if asked.quick else "runs/distillation"),
        *(tuple(names.split(",")) for names in (asked.tasks, asked.teachers, asked.students)),
        repeats=1 if asked.quick else asked.repeats,
        trials=asked.trials,
        **tiny,  # type: ignore[arg-type]
    )
    import torch

    torch.set_num_threads(1)  # processes are the parallelism
    missing = 0
    for stage in STAGES:
        if stage in asked.stages:
            module = importlib.import_module(f"studies.distillation.{STAGES[stage]}")
            missing += work_through(stage, module.pieces(study))
    return int(missing > 0)


if __name__ == "__main__":
    sys.exit(main())
