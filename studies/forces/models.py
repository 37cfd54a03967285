"""The same network taught energies alone, and energies with forces; judged on held-out crystals."""

from __future__ import annotations

import time

import numpy as np
from studies.forces.cells import POTENTIAL, TEST_SEED, exact
from studies.forces.pieces import VARIANTS, Key, Study
from studies.paradox.pieces import Piece

from iceframe.core.files import write_json
from iceframe.scale.crystal_estimator import CrystalRegressor

FORCE_WEIGHT = 3.0
BATCH = 16


def pieces(study: Study) -> list[Piece]:
    """One piece a model."""
    return [
        Piece(key.name, study.out / "fits" / f"{key.name}.json", lambda key=key: _make(study, key))
        for key in study.keys
    ]


def _make(study: Study, key: Key) -> None:
    sizes = study.sizes
    taught = key.variant == VARIANTS[1]
    crystals, energies, forces = exact(key.n, key.seed)
    model = CrystalRegressor(
        members=1,
        cutoff=POTENTIAL.cutoff,
        width=sizes.width,
        layers=sizes.layers,
        force_weight=FORCE_WEIGHT if taught else 0.0,
        epochs=sizes.epochs or max(20, sizes.steps * BATCH // key.n),
        batch_size=BATCH,
        # Both variants get the same time to find what there is.
        patience=10**6,
        device=study.device,
        random_state=key.seed,
    )
    start = time.perf_counter()
    model.fit(crystals, energies, forces=forces if taught else None)
    seconds = time.perf_counter() - start
    held, true_energies, true_forces = exact(sizes.tested, TEST_SEED)
    found = {
        "variant": key.variant,
        "n": key.n,
        "seed": key.seed,
        "parameters": model.n_parameters(),
        "seconds": seconds,
        **energy_scores(true_energies, model.predict(held)),
        **force_scores(true_forces, model.forces(held)),
    }
    write_json(study.out / "fits" / f"{key.name}.json", found)


def energy_scores(true: np.ndarray, told: np.ndarray) -> dict[str, float]:
    """R² and mean absolute error of energies ``(n,)``.

    >>> energy_scores(np.array([0.0, 2.0]), np.array([0.0, 2.0]))
    {'energy r2': 1.0, 'energy mae': 0.0}
    """
    error = told - true
    return {
        "energy r2": float(1 - (error**2).sum() / ((true - true.mean()) ** 2).sum()),
        "energy mae": float(np.abs(error).mean()),
    }


def force_scores(true: np.ndarray, told: np.ndarray) -> dict[str, float]:
    """How forces ``(m, 3)`` agree: R² and correlation over components, the mean cosine between
    vectors weighted by the true ones' length, and the slope of told on true components.

    >>> pulls = np.array([[1.0, 0, 0], [0, 2.0, 0]])
    >>> found = force_scores(pulls, 2 * pulls)
    >>> found["force cosine"], found["force slope"], found["force r"], found["force r2"]
    (1.0, 2.0, 1.0, 0.0)
    """
    length = np.linalg.norm(true, axis=1)
    both = length * np.linalg.norm(told, axis=1)
    cosine = (true * told).sum(axis=1) / np.where(both > 0, both, 1.0)
    square, product = (true**2).sum(), (true * told).sum()
    return {
        "force r2": float(1 - ((told - true) ** 2).sum() / square),
        "force r": float(product / np.sqrt(square * max((told**2).sum(), 1e-300))),
        "force cosine": float((length * cosine).sum() / length.sum()),
        "force slope": float(product / square),
        "force mae": float(np.abs(told - true).mean()),
    }
