"""What a balanced run costs beside the single climb, on the demo's data, ladder and settings.

    OMP_NUM_THREADS=1 python benchmarks/loop_cost.py [--out DIR] [--samples 300] [--workers 2]

Both are made anew, one after the other on the same machine: run it where nothing else runs.
Printed: each step of the search with the seconds since its start, and the ratios of wall time and
of CPU time (the bar is 3).
"""

from __future__ import annotations

import argparse
import resource
import shutil
import time
from pathlib import Path

from iceframe.ingest import read
from iceframe.workflow.demo import LADDER, TARGET, TRIALS, make_demo_data, run_demo
from iceframe.workflow.feedback import run_balanced
from iceframe.workflow.feedback.step import Step


def clocks() -> tuple[float, float]:
    """Seconds of the wall, and of the CPU by this process and those it started and that ended."""
    used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.perf_counter(), sum(u.ru_utime + u.ru_stime for u in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/loop-cost"))
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    folder = make_demo_data(asked.out / "data", samples=asked.samples)
    for name in ("single", "balanced"):
        shutil.rmtree(asked.out / name, ignore_errors=True)
    start = clocks()
    climbed = run_demo(folder, asked.out / "single", workers=asked.workers)
    middle = clocks()

    def tell(step: Step) -> None:
        done = "" if step.verdict is None else "done: "
        seconds = clocks()[0] - middle[0]
        print(f"  {seconds:4.0f} s: {done}{step.action} {dict(step.arguments)}", flush=True)

    found = run_balanced(
        read(folder, TARGET),
        out=asked.out / "balanced",
        ladder=LADDER,
        trials=TRIALS,
        shift=False,
        workers=asked.workers,
        tell=tell,
    )
    end = clocks()
    single, loop = ([b - a for a, b in zip(*ends, strict=True)] for ends in
                    ((start, middle), (middle, end)))  # fmt: skip
    for name, run, spent in (("single climb", climbed, single), ("balanced", found, loop)):
        reached = f"{run.equilibrium.rung}, {run.equilibrium.status}"
        print(f"{name}: {spent[0]:.0f} s, {spent[1]:.0f} s of CPU, {reached}")
    print(f"balanced ÷ single: {loop[0] / single[0]:.2f}, CPU {loop[1] / single[1]:.2f}")


if __name__ == "__main__":
    main()
