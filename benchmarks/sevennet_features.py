"""SevenNet's features of the cubic perovskites beside CHGNet's: time, and what ridge makes of them.

    pip install -c constraints.txt -e ".[sevennet]"
    python benchmarks/sevennet_features.py [--data ../shared/data] [--crystals 600] [--timed 100]
        [--folds 5]

Crystals and target (``heat_all``) are those of ``chgnet_features.py``. Times are of this process's
CPU, on one thread, into an empty cache, after a first crystal has loaded libraries and weights, and
then from the cache. Accuracies: mean absolute error (± its standard error) over shuffled folds of
ridge regression on standardised columns, its penalty by leave-one-out inside the training folds.
Columns are element fractions; with them an energy per atom; with both the 64 numbers of the
embedding.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from chgnet_features import perovskites

from iceframe.core.crystals import Crystals


def timed(name: str, features: Callable[[Crystals], Any], crystals: Crystals) -> None:
    features(crystals.take([len(crystals) - 1]))
    for what in ("computed", "from the cache"):
        start = time.process_time()
        features(crystals.take(range(len(crystals) - 1)))
        each = 1000 * (time.process_time() - start) / (len(crystals) - 1)
        print(f"{name}, {what}: {each:.2f} ms CPU a crystal")


def errors(columns: np.ndarray, y: np.ndarray, folds: int) -> np.ndarray:
    """The absolute error of each crystal, predicted while it was held out."""
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-6, 3, 28)))
    splits = KFold(folds, shuffle=True, random_state=0)
    return np.abs(cross_val_predict(model, columns, y, cv=splits) - y)


def told(values: np.ndarray) -> str:
    return f"{values.mean():.4f} ± {values.std(ddof=1) / np.sqrt(len(values)):.4f}"


def main() -> None:
    from iceframe.scale.foundation.chgnet_features import chgnet_features
    from iceframe.scale.foundation.energy_correction import element_fractions
    from iceframe.scale.foundation.sevennet_features import sevennet_features

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--crystals", type=int, default=600)
    parser.add_argument("--timed", type=int, default=100)
    parser.add_argument("--folds", type=int, default=5)
    given = parser.parse_args()
    networks = {"CHGNet": chgnet_features, "SevenNet-0": sevennet_features}
    with tempfile.TemporaryDirectory() as cache:
        os.environ["ICEFRAME_CACHE"] = cache
        crystals, y = perovskites(given.data, given.crystals)
        for name, features in networks.items():
            timed(name, features, crystals.take(range(given.timed + 1)))
        found = {name: features(crystals) for name, features in networks.items()}
        described = np.all([f.described for f in found.values()], axis=0)
        print(f"{described.sum()} of {len(crystals)} described by both")
        shares = element_fractions(crystals)[described]
        shares = shares[:, shares.any(axis=0)]
        energies = {name: f.energies[described, None] for name, f in found.items()}
        blocks = {"element fractions": [shares]}
        blocks |= {f"with the energy of {name}": [shares, e] for name, e in energies.items()}
        blocks["with both energies"] = [shares, *energies.values()]
        for name, f in found.items():
            vectors = f.crystal_vectors[described]
            blocks[f"with energy and embedding of {name}"] = [shares, energies[name], vectors]
        absolute = {
            what: errors(np.hstack(columns), y[described], given.folds)
            for what, columns in blocks.items()
        }
        for what, each in absolute.items():
            print(f"{what}: {told(each)}")
        one, other = (absolute[f"with the energy of {name}"] for name in networks)
        print(f"second energy less first, crystal by crystal: {told(other - one)}")


if __name__ == "__main__":
    main()
