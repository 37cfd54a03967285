"""Pictures of two classes to plant cues in: real micrographs, and simulated ones."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

SIMULATED = ("lamellar", "overlapping_spheres")
GRID = (96, 128)


def uhcs() -> tuple[np.ndarray, np.ndarray] | None:
    """Ultrahigh-carbon steel at half size: pictures ``(n, 1, h, w)`` in [0, 1] and constituents
    ``(n,)``; ``None`` where the folder of real data (``ICEFRAME_SHARED_DATA``) is absent."""
    from iceframe.ingest import read

    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("ICEFRAME_SHARED_DATA", beside)) / "micrographs" / "uhcs"
    if not folder.is_dir():
        return None
    data = read(folder, "constituent")
    assert data.images is not None
    x = data.images.read(np.arange(len(data)))
    n, channels, height, width = x.shape
    x = x[:, :, : height // 2 * 2, : width // 2 * 2]
    half = x.reshape(n, channels, height // 2, 2, width // 2, 2).mean(axis=(3, 5))
    return half, data.y


def simulated(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """``n`` pictures each of lamellae and of spheres, every one seen by another microscope."""
    from iceframe.physics.generator import GENERATORS
    from iceframe.physics.imaging import micrographs

    pictures, labels = [], []
    for name in SIMULATED:
        rng = np.random.default_rng([seed, len(name)])
        phases = GENERATORS[name]().generate(n, GRID, seed=seed).phases
        pictures.append(micrographs(phases, rng)[:, None])
        labels += [name] * n
    return np.concatenate(pictures), np.array(labels)


def with_free_brightness(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same pictures with their mean grey levels dealt out anew, whatever the class: a data set
    whose brightness tells nothing."""
    mean = pixels.mean(axis=(1, 2, 3), keepdims=True)
    return np.clip(pixels - mean + rng.permutation(mean), 0, 1).astype(np.float32)
