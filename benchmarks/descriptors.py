"""Lineal path and chord lengths against PoreSpy: same images, same run, one thread, equal values.

    OMP_NUM_THREADS=1 python benchmarks/descriptors.py --peer PYTHON

PYTHON is an interpreter that can import PoreSpy (``pip install porespy``); without one only this
project's times are printed. Both describe 256 images of 64 x 64, 16 volumes of 48³ and one of 128³,
along all axes. For the other descriptors of segmented images only the time here is printed.

- Lineal path: PoreSpy's ``distance_transform_lin`` and ``lineal_path_distribution`` along each
  axis; the values compared are the numbers of segments that this is a histogram of.
- Chords: PoreSpy's ``apply_chords`` on all lines and the lengths of the labels it gives
  (``bincount``, which is faster than its ``chord_counts``). An empty line is added on both sides
  across the axis before the clock starts: it also drops chords that lie beside the border.

The time here is that of ``measure``, all features of the descriptor included; PoreSpy's is the sum
over its own calls, after one call that warms it up. The fastest of ``--repeats`` counts.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

SETS = (((64, 64), 256), ((48, 48, 48), 16), ((128, 128, 128), 1))
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="an interpreter that imports PoreSpy")
    parser.add_argument("--as-peer", help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    if asked.as_peer:
        peer(Path(asked.as_peer), asked.repeats)
        return
    for shape, number in SETS:
        compare(shape, number, asked)


def compare(shape: tuple[int, ...], number: int, asked: argparse.Namespace) -> None:
    """This project's times, the peer's, their ratios, and whether the values are equal."""
    from iceframe.physics import generate
    from iceframe.scale.descriptor import DESCRIPTORS
    from iceframe.scale.descriptors._runs import runs
    from iceframe.scale.image_format import ImageFormat

    phases = generate("random_field", number, shape, volume_fraction=0.4, length=4.0).phases == 1
    fields = phases.astype(np.float32)
    known = ImageFormat((1, *shape), periodic=False, kind="phase", levels=(0.0, 1.0))
    print(f"\n{number} x {' x '.join(map(str, shape))}")
    seconds = {}
    for name in ("lineal_path", "chord_length", "clusters", "tortuosity", "local_thickness"):
        fitted = DESCRIPTORS[name]().fit_format(known)
        if phases[0].size > 2**20 and name not in ("lineal_path", "chord_length"):
            continue
        repeats = asked.repeats if name in ("lineal_path", "chord_length") else 1
        seconds[name] = fastest(lambda fitted=fitted: fitted.measure(fields), repeats)
        print(
            f"  iceframe {name:16s} {seconds[name]:8.4f} s {number / seconds[name]:10.0f} images/s"
        )
    if not asked.peer:
        print("  no --peer: the ratio is not measured")
        return
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "phases.npy", phases)
        command = [asked.peer, __file__, "--as-peer", folder, "--repeats", str(asked.repeats)]
        subprocess.run(command, check=True, env={**os.environ, **dict.fromkeys(THREADS, "1")})
        told = json.loads((Path(folder) / "seconds.json").read_text())
        theirs = np.load(Path(folder) / "values.npz")
    for name in ("lineal_path", "chord_length"):
        ratio = told[name] / seconds[name]
        print(f"  PoreSpy {told['version']} {name:14s} {told[name]:8.4f} s  ratio {ratio:.1f}")
    for axis in range(len(shape)):
        found = runs(phases, axis, periodic=False)
        longer = np.maximum(np.arange(found.n + 1)[:, None] - np.arange(found.n + 1), 0)
        same = np.array_equal((found.whole + found.open) @ longer, theirs[f"segments {axis}"])
        chords = np.array_equal(found.whole, theirs[f"chords {axis}"])
        print(f"  axis {axis}: segments equal: {same}; chords equal: {chords}")


def fastest(call: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of ``repeats`` calls, after one that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def peer(folder: Path, repeats: int) -> None:
    """Runs under the peer's interpreter: times, and the counts that the times are of."""
    import porespy

    warnings.simplefilter("ignore")  # it announces that spacing=0 will go
    phases = np.load(folder / "phases.npy")
    d = phases.ndim - 1
    bins = [np.arange(-0.5, n + 1.5) for n in phases.shape[1:]]

    def paths() -> None:
        for image in phases:
            for axis in range(d):
                straight = porespy.filters.distance_transform_lin(image, axis, mode="forward")
                porespy.metrics.lineal_path_distribution(straight, bins=bins[axis])

    spaced = []
    for axis in range(d):
        width = [(0, 0), *((0, 0) if k == axis else (1, 1) for k in range(d))]
        spaced.append(np.pad(phases, width))

    def chords(image: np.ndarray, axis: int) -> np.ndarray:
        labels = porespy.filters.apply_chords(image, spacing=0, axis=axis, label=True)
        lengths = np.bincount(labels.ravel())[1:]
        return np.bincount(lengths[lengths > 0], minlength=image.shape[axis] + 1)

    def all_chords() -> None:
        for axis in range(d):
            for image in spaced[axis]:
                chords(image, axis)

    seconds = {
        "lineal_path": fastest(paths, repeats),
        "chord_length": fastest(all_chords, repeats),
        "version": importlib.metadata.version("porespy"),
    }
    values = {}
    for axis in range(d):
        n = phases.shape[1 + axis]
        straight = [
            porespy.filters.distance_transform_lin(image, axis, mode="forward") for image in phases
        ]
        values[f"segments {axis}"] = [[(s > r).sum() for r in range(n + 1)] for s in straight]
        values[f"chords {axis}"] = [chords(image, axis) for image in spaced[axis]]
    np.savez(folder / "values.npz", **values)
    (folder / "seconds.json").write_text(json.dumps(seconds))


if __name__ == "__main__":
    sys.exit(main())
