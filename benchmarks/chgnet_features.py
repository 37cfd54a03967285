"""CHGNet's features of the cubic perovskites: how long they take, and what they are good for.

    python benchmarks/chgnet_features.py [--data ../shared/data] [--crystals 6881] [--folds 5]
        [--target heat_all] [--tune 300 --epochs 20 --rate 2e-3]

Castelli's perovskites that are in Matbench's task too (6,881, five atoms a cell). Their file's
``heat_all`` is the target of that task, to the last digit; ``heat_ref`` refers to other phases and
differs by up to 1.4 eV. Times are of this process's CPU, on one thread, into an empty
cache, and then from the cache. Accuracies: mean absolute error over shuffled folds, each model
choosing what it has to choose inside the training folds. ``--tune N`` trains the network on N
crystals and tests it on as many others, beside the correction and the probe on the same.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from iceframe.core.crystals import Crystals


def perovskites(
    folder: Path, n: int | None, target: str = "heat_all"
) -> tuple[Crystals, np.ndarray]:
    """Crystals and heats of formation ``(n,)``, in an order drawn once."""
    from pymatgen.core import Element, Lattice

    table = pd.read_csv(folder / "structures" / "perov5_structures.csv.gz")
    table = table[table["mbid"].notna()]
    table = table.sample(min(n or len(table), len(table)), random_state=0)
    cells = [Lattice.from_parameters(*map(float, row.split())).matrix for row in table["lattice"]]
    numbers = [[Element(symbol).Z for symbol in row.split()] for row in table["species"]]
    sites = [np.array(row.split(), float).reshape(-1, 3) for row in table["frac"]]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in numbers])])
    names = tuple(table["mbid"].astype(str))
    crystals = Crystals(
        np.array(cells), offsets, np.concatenate(numbers), np.concatenate(sites), names
    )
    return crystals, table[target].to_numpy(float)


def timed(crystals: Crystals) -> None:
    from iceframe.scale.foundation.chgnet_features import chgnet_features

    chgnet_features(crystals.take([0]))  # libraries and weights are loaded
    for what in ("computed", "from the cache"):
        wall, cpu = time.perf_counter(), time.process_time()
        chgnet_features(crystals)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        each = 1000 * cpu / len(crystals)
        print(
            f"{what}: {len(crystals)} crystals, {cpu:.1f} s CPU ({each:.2f} ms each), {wall:.1f} s"
        )


def models() -> dict:
    from sklearn.dummy import DummyRegressor

    from iceframe.scale.foundation.embedding_probe import ProbeRegressor
    from iceframe.scale.foundation.energy_correction import EnergyCorrection

    return {
        "mean": lambda: DummyRegressor(),
        "energy and offsets": lambda: EnergyCorrection(extended=False, pairs=False),
        "without pairs": lambda: EnergyCorrection(pairs=False),
        "correction": lambda: EnergyCorrection(),
        "probe": lambda: ProbeRegressor(),
    }


def accuracies(crystals: Crystals, y: np.ndarray, folds: int) -> None:
    from sklearn.model_selection import KFold

    splits = list(KFold(folds, shuffle=True, random_state=0).split(y))
    for name, make in models().items():
        start = time.process_time()
        errors = [_error(make(), crystals, y, train, test) for train, test in splits]
        seconds = (time.process_time() - start) / folds
        print(
            f"{name}: {np.mean(errors):.4f} (folds {min(errors):.4f} to {max(errors):.4f}), "
            f"{seconds:.1f} s a fold"
        )


def _error(
    model: object, crystals: Crystals, y: np.ndarray, train: np.ndarray, test: np.ndarray
) -> float:
    model.fit(crystals.take(train), y[train])  # type: ignore[attr-defined]
    answers = model.predict(crystals.take(test))  # type: ignore[attr-defined]
    return float(np.abs(answers - y[test]).mean())


def tuned(crystals: Crystals, y: np.ndarray, n: int, epochs: int | None, rate: float) -> None:
    from iceframe.scale.foundation.tuning import TunedRegressor

    train, test = np.arange(n), np.arange(n, 2 * n)
    for name, make in models().items():
        print(f"{n} training crystals, {name}: {_error(make(), crystals, y, train, test):.4f}")
    start = time.process_time()

    def progress(epoch: int, of: int, loss: float) -> None:
        seconds = time.process_time() - start
        print(f"  epoch {epoch} of {of}: inner loss {loss:.4f}, {seconds:.0f} s CPU", flush=True)

    model = TunedRegressor(epochs=epochs, learning_rate=rate, progress=progress)
    error = _error(model, crystals, y, train, test)
    print(f"{n} training crystals, fine-tuned: {error:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--crystals", type=int)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--target", choices=["heat_all", "heat_ref"], default="heat_all")
    parser.add_argument("--tune", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--rate", type=float, default=2e-3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["ICEFRAME_CACHE"] = cache
        wanted = 2 * given.tune if given.tune else given.crystals
        crystals, y = perovskites(given.data, wanted, given.target)
        if given.tune:
            tuned(crystals, y, given.tune, given.epochs, given.rate)
        else:
            timed(crystals)
            accuracies(crystals, y, given.folds)


if __name__ == "__main__":
    main()
