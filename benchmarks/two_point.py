"""Two-point statistics against PyMKS and MCRpy: same images, same run, one thread, equal values.

    OMP_NUM_THREADS=1 python benchmarks/two_point.py --pymks PYTHON --mcrpy PYTHON

PYTHON is an interpreter that can import the peer; a peer that is not given is left out. All give
the periodic autocorrelation of the second phase at all lags up to half the side (31 of 64 pixels
for MCRpy, which wants them fewer than half) in double precision, of 1,000 images of 64 x 64, 100
of 256 x 256 and (PyMKS) 20 volumes of 48³.

- PyMKS: ``two_point_stats`` on arrays, all images in one call.
- MCRpy: the function that ``FFTCorrelations.make_singlephase_descriptor`` compiles, one call an
  image: it takes one at a time. Its first call, which compiles, is not counted.
- here: ``autocorrelation`` of the descriptors, all images in one call, and the single-precision
  module that the rung ``two_point_pca`` is built on.

The fastest of ``--repeats`` counts. Threads are one everywhere.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SETS = (((64, 64), 1000), ((256, 256), 100), ((48, 48, 48), 20))
THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pymks", help="an interpreter that imports PyMKS")
    parser.add_argument("--mcrpy", help="an interpreter that imports MCRpy")
    parser.add_argument("--as-peer", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    if asked.as_peer:
        name, folder = asked.as_peer
        {"pymks": pymks, "mcrpy": mcrpy}[name](Path(folder), asked.repeats)
        return
    for shape, number in SETS:
        compare(shape, number, asked)


def compare(shape: tuple[int, ...], number: int, asked: argparse.Namespace) -> None:
    """Times here and there, their ratios, and the largest difference of the values."""
    import torch

    from iceframe.physics import generate
    from iceframe.scale.descriptors._correlation import autocorrelation
    from iceframe.scale.two_point_regression import Autocorrelation

    torch.set_num_threads(1)
    made = generate("random_field", number, shape, volume_fraction=0.4, length=4.0)
    phases = (made.phases == 1).astype(np.float64)
    print(f"\n{number} x {' x '.join(map(str, shape))}")
    double = fastest(lambda: autocorrelation(phases, periodic=True), asked.repeats)
    ours = autocorrelation(phases, periodic=True)
    module = Autocorrelation(shape, periodic=True)
    images = torch.as_tensor(phases[:, None], dtype=torch.float32)

    def in_batches() -> None:
        with torch.inference_mode():
            for some in images.split(64):
                module(some)

    single = fastest(in_batches, asked.repeats)
    print(f"  here, double precision {double:9.4f} s   the rung's module, single {single:9.4f} s")
    for name in ("pymks", "mcrpy"):
        interpreter = getattr(asked, name)
        if not interpreter or (name == "mcrpy" and len(shape) == 3):
            continue
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder) / "phases.npy", phases)
            command = [interpreter, __file__, "--as-peer", name, folder]
            environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "TF_CPP_MIN_LOG_LEVEL": "3"}
            subprocess.run(
                [*command, "--repeats", str(asked.repeats)],
                check=True,
                env=environment,
                stderr=subprocess.DEVNULL,
            )
            told = json.loads((Path(folder) / "seconds.json").read_text())
            theirs = np.load(Path(folder) / "values.npy")
        # Where one side keeps more lags, the common ones about lag zero are compared.
        reach = [min(a, b) // 2 for a, b in zip(ours.shape[1:], theirs.shape[1:], strict=True)]
        gap = np.abs(middle(ours, reach) - middle(theirs, reach)).max()
        took = told["seconds"]
        print(
            f"  {name} {told['version']:8s} {took:9.4f} s  ratio {took / double:6.1f} (double), "
            f"{took / single:6.1f} (single); largest difference {gap:.1e}"
        )


def middle(values: np.ndarray, reach: list[int]) -> np.ndarray:
    """Lags up to ``reach``, of values whose zero lag is at ``side // 2``."""
    place = [slice(None)]
    place += [
        slice(n // 2 - r + 1, n // 2 + r) for n, r in zip(values.shape[1:], reach, strict=True)
    ]
    return values[tuple(place)]


def fastest(call: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of ``repeats`` calls, after one that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def told(folder: Path, name: str, seconds: float, values: np.ndarray) -> None:
    np.save(folder / "values.npy", values)
    record = {"seconds": seconds, "version": importlib.metadata.version(name)}
    (folder / "seconds.json").write_text(json.dumps(record))


def pymks(folder: Path, repeats: int) -> None:
    from pymks.fmks.correlations import two_point_stats

    phases = np.load(folder / "phases.npy")
    seconds = fastest(lambda: np.asarray(two_point_stats(phases, phases)), repeats)
    told(folder, "pymks", seconds, np.asarray(two_point_stats(phases, phases)))


def mcrpy(folder: Path, repeats: int) -> None:
    import tensorflow as tf
    from mcrpy.descriptors.FFTCorrelations import FFTCorrelations

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    phases = np.load(folder / "phases.npy")
    shape = phases.shape[1:]
    describe = FFTCorrelations.make_singlephase_descriptor(
        desired_shape_2d=shape, limit_to=shape[0] // 2
    )
    images = [tf.constant(image, tf.float64) for image in phases]
    seconds = fastest(lambda: [describe(image) for image in images], repeats)
    told(folder, "mcrpy", seconds, np.stack([describe(image).numpy() for image in images]))


if __name__ == "__main__":
    main()
