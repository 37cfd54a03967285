"""Describe a volume on disk that is larger than what may be held: memory, time, equal values.

    OMP_NUM_THREADS=1 python benchmarks/large_volume.py --tile VOLUME.tiff
    OMP_NUM_THREADS=1 python benchmarks/large_volume.py --side 512

A volume is written to a scratch file (``--format`` npy, tiff or zarr): ``--tile`` repeats a real
one twice along each axis; else a periodic random field of a quarter of the side is made, and
repeated four times. ``--side`` cuts it. A new process then describes it and prints the seconds (on
the clock, and of one core) and the most memory it held: its largest resident set, with the
libraries and what is mapped of the file. With ``--check`` a corner is also described by blocks of a
strange size and as a whole, and the largest relative difference of the features is printed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

NAMES = ("two_point", "lineal_path", "chord_length", "minkowski", "clusters")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tile", type=Path, help="a volume to repeat 2 x 2 x 2")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--format", choices=("npy", "tiff", "zarr"), default="npy")
    parser.add_argument("--kind", choices=("phase", "grey"), default="phase")
    parser.add_argument("--descriptors", default=",".join(NAMES))
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--as-child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.as_child:
        child(Path(asked.as_child), asked)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = write(volume(asked), Path(folder), asked.format)
        subprocess.run(
            [sys.executable, __file__, "--as-child", str(path), *sys.argv[1:]], check=True
        )


def volume(asked: argparse.Namespace) -> np.ndarray:
    """The volume to be described, uint8."""
    if asked.tile:
        from iceframe.ingest.volumes import open_volume

        tile, times = np.asarray(open_volume(asked.tile).array), 2
    else:
        from iceframe.physics import generate

        side = -(-asked.side // 4)
        made = generate("random_field", 1, (side,) * 3, volume_fraction=0.4, length=6.0)
        tile, times = made.phases[0], 4
    return np.tile(tile, (times,) * 3)[(slice(asked.side),) * 3]


def write(values: np.ndarray, folder: Path, suffix: str) -> Path:
    """The volume in a scratch file."""
    path = folder / f"volume.{suffix}"
    if suffix == "npy":
        np.save(path, values)
    elif suffix == "tiff":
        import tifffile

        tifffile.imwrite(path, values, photometric="minisblack", compression="zlib")
    else:
        import zarr

        zarr.create_array(store=path, data=values, chunks=(128, 128, 128))
    return path


def child(path: Path, asked: argparse.Namespace) -> None:
    """Describe the file, and say what it took."""
    from iceframe.workflow.describe import describe

    names = asked.descriptors.split(",")
    start = time.perf_counter()
    table = describe(path, names, kind=asked.kind)
    seconds, work = time.perf_counter() - start, time.process_time()
    peak = most_memory()
    told = {"features": table.shape[1], "seconds": round(seconds, 1), "cpu_seconds": round(work, 1)}
    print(
        json.dumps({"side": asked.side, "format": asked.format, **told, "peak_GiB": round(peak, 2)})
    )
    print(f"  {', '.join(f'{n} {table[n].iloc[0]:.6g}' for n in list(table)[:4])}")
    if asked.check:
        box = [(0, min(asked.side, 96))] * 3
        whole = describe(path, names, kind=asked.kind, crop=box)
        parts = describe(path, names, kind=asked.kind, crop=box, block=(41, 53, 37))
        error = np.nanmax(np.abs(parts.values - whole.values) / (1e-12 + np.abs(whole.values)))
        same = (np.isnan(parts.values) == np.isnan(whole.values)).all()
        print(f"  a corner by blocks against whole: {error:.1e}, undefined alike: {same}")


def most_memory() -> float:
    """GiB. The kernel's figure of this process alone where there is one: after a fork the other
    one begins at the parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
