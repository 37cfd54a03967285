"""Speed and accuracy of the crystal graph network on perovskites, on one core.

    python benchmarks/crystal_network.py [--train 1500] [--test 1000] [--epochs 80] [--members 1]
        [--width 64] [--layers 3] [--neighbours 20] [--folds 0] [--structures PATH]

One line: seconds to build the graphs, CPU seconds an epoch, and the error on structures held out
at random. With ``--folds K``, all structures in K shuffled folds instead. The table of structures
(perov5, heat of formation in eV a cell) is looked for where ``ICEFRAME_SHARED_DATA`` points.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

if __name__ == "__main__":  # the repository in the place of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from studies.forces.perovskites import perovskites, source

from iceframe.core.seeds import generator
from iceframe.scale.crystal_estimator import CrystalRegressor, cutoff_for
from iceframe.scale.crystal_graph import crystal_graphs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=int, default=1500)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--neighbours", type=float, default=20.0)
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--structures", type=Path, default=source())
    asked = parser.parse_args()
    if asked.structures is None:
        sys.exit("no table of structures: set ICEFRAME_SHARED_DATA, or --structures PATH")
    torch.set_num_threads(1)
    crystals, y = perovskites(asked.structures)
    order = generator(0, "benchmark").permutation(len(y))
    if asked.folds:
        parts = np.array_split(order, asked.folds)
        splits = [(np.setdiff1d(order, part), part) for part in parts]
    else:
        splits = [(order[: asked.train], order[asked.train : asked.train + asked.test])]
    print("| trained on | members | graphs, s | CPU s an epoch and member | MAE, eV a cell |")
    print("|---|---|---|---|---|")
    for train, test in splits:
        model = CrystalRegressor(
            members=asked.members, width=asked.width, layers=asked.layers,
            neighbours=asked.neighbours, epochs=asked.epochs,
        )  # fmt: skip
        some = crystals.take(train)
        start = time.process_time()
        crystal_graphs(some, cutoff_for(some, asked.neighbours), sys.maxsize)  # fitting finds them
        graphs = time.process_time() - start
        start = time.process_time()
        model.fit(some, y[train])
        epochs = sum(len(history.training) for history in model.history_)
        each = (time.process_time() - start) / epochs
        error = np.abs(model.predict(crystals.take(test)) - y[test]).mean()
        print(
            f"| {len(train)} | {asked.members} | {graphs:.2f} | {each:.2f} | {error:.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
