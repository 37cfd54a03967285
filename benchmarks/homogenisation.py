"""Throughput of homogenisation against muSpectre, in the same run, on one thread, same tolerance.

    OMP_NUM_THREADS=1 python benchmarks/homogenisation.py --peer PYTHON [--samples 128] [--volumes
    8]

PYTHON is an interpreter that can import muSpectre (``pip install muSpectre``); without one only
this project's times are printed. Both solve the same elastic two-phase structures, 63² and 31³, for
all load cases; muSpectre's time is that of its solver alone (cells and pixels are set up before the
clock starts), this project's is that of the whole call. The tensors are compared with muSpectre's
at 1e-10 on the same finite differences (its "averaged upwind", which is the rotated scheme) and on
its Fourier derivative.

``--large 128`` solves one volume of that side instead. With ``--device cuda`` it also prints the
speed-up over one core and the share of the measured copy bandwidth that the iterations reach,
counting every field that an iteration must read or write once.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

YOUNG, POISSON = (1.0, 10.0), (0.2, 0.35)
PAIRS = {2: ((0, 0), (1, 1), (0, 1)), 3: ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="an interpreter that imports muSpectre")
    parser.add_argument("--as-peer", help=argparse.SUPPRESS)
    parser.add_argument("--samples", type=int, default=128, help="images of 63 x 63")
    parser.add_argument("--volumes", type=int, default=8, help="volumes of 31 x 31 x 31")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--large", type=int, help="instead: one volume of this side, time and memory"
    )
    asked = parser.parse_args()
    if asked.large:
        large(asked.large, asked)
        return
    if asked.as_peer:
        peer(Path(asked.as_peer), asked.tolerance)
        return
    for shape, number in (((63, 63), asked.samples), ((31, 31, 31), asked.volumes)):
        compare(shape, number, asked)


def compare(shape: tuple[int, ...], number: int, asked: argparse.Namespace) -> None:
    """One line of the table: this project, the peer, the ratio, and how the tensors agree."""
    import torch

    from iceframe.physics import Elasticity, generate, homogenize

    torch.set_num_threads(1)
    phases = generate("random_field", number, shape, volume_fraction=0.4, length=4.0).phases
    law = Elasticity(YOUNG, POISSON)
    title = f"{number} x {' x '.join(map(str, shape))}, contrast {YOUNG[1] / YOUNG[0]:g}"
    print(f"\n{title}, tolerance {asked.tolerance:g}")
    seconds, tensors = {}, {}
    for precision in ("double", "single"):
        options = {"tolerance": asked.tolerance, "precision": precision, "device": asked.device}
        homogenize(phases[:1], law, **options)
        start = time.perf_counter()
        found = homogenize(phases, law, **options)
        seconds[precision] = time.perf_counter() - start
        tensors[precision] = found.tensor
        print(
            f"  iceframe {precision:6s} {seconds[precision]:8.2f} s  "
            f"{number / seconds[precision]:8.1f} samples/s  "
            f"{found.iterations.mean():.0f} iterations"
        )
    if asked.device != "cpu":
        accelerator(phases, law, asked)
    exact = homogenize(phases[:4], law, tolerance=1e-10).tensor
    for precision, tensor in tensors.items():
        print(f"  error of {precision}, against 1e-10: {difference(tensor[:4], exact):.1e}")
    if not asked.peer:
        print("  no --peer: the ratio is not measured")
        return
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "phases.npz", phases=phases)
        command = [asked.peer, __file__, "--as-peer", folder, "--tolerance", str(asked.tolerance)]
        subprocess.run(command, check=True)
        told = json.loads((Path(folder) / "seconds.json").read_text())
        theirs = np.load(Path(folder) / "tensors.npz")
    print(f"  muSpectre {told['version']:6s} {told['same']:8.2f} s  same finite differences")
    print(f"  muSpectre {told['version']:6s} {told['fourier']:8.2f} s  Fourier derivative")
    fastest = min(told["same"], told["fourier"])
    for precision in ("double", "single"):
        print(f"  ratio, {precision}: {fastest / seconds[precision]:.2f}")
    print(f"  tensors: same differences, 1e-10 both: {difference(exact, theirs['tight']):.1e}")
    print(f"  tensors: at this tolerance: {difference(tensors['single'], theirs['same']):.1e}")
    print(f"  tensors: against the Fourier derivative: {difference(exact, theirs['fourier']):.1e}")


def large(side: int, asked: argparse.Namespace) -> None:
    """Seconds and peak memory of one volume, all six load cases, in single precision."""
    import resource

    from iceframe.physics import Elasticity, generate, homogenize

    phases = generate("random_field", 1, (side,) * 3, volume_fraction=0.4, length=8.0).phases
    start = time.perf_counter()
    found = homogenize(
        phases,
        Elasticity(YOUNG, POISSON),
        tolerance=asked.tolerance,
        precision="single",
        device=asked.device,
    )
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{side}^3: {seconds:.0f} s, {found.iterations[0]} iterations, {found.status[0]}")
    print(f"peak memory {peak:.1f} GiB")


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference of the samples that both hold, relative to the largest component."""
    n = min(len(a), len(b))
    return float((np.abs(a[:n] - b[:n]).max(axis=(1, 2)) / np.abs(b[:n]).max(axis=(1, 2))).max())


def accelerator(phases: np.ndarray, law: object, asked: argparse.Namespace) -> None:
    """Speed-up over one core, and the share of the copy bandwidth."""
    import torch

    from iceframe.physics import homogenize

    times = {}
    for device in ("cpu", asked.device):
        options = {"tolerance": asked.tolerance, "precision": "single", "device": device}
        many = phases if device == "cpu" else np.concatenate([phases] * 16)
        homogenize(many, law, **options)
        start = time.perf_counter()
        found = homogenize(many, law, **options)
        times[device] = (time.perf_counter() - start) / len(many)
    block = torch.empty(2**28, device=asked.device)
    other = torch.empty_like(block)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(10):
        other.copy_(block)
    torch.cuda.synchronize()
    bandwidth = 10 * 2 * block.numel() * 4 / (time.perf_counter() - start)
    d, voxels = phases.ndim - 1, phases[0].size
    loads = len(PAIRS[d])
    # Per unknown and iteration, once each: the direction, the image and the residual (r, w), the
    # solution (r, w), the preconditioned residual (r, w), the direction's update (r, w), the
    # transform's spectrum (r, w); and the coefficients once a load case.
    bytes_each = 4 * voxels * loads * (d * 12 + 2) * found.iterations.mean()
    share = bytes_each / times[asked.device] / bandwidth
    print(f"  speed-up over one core: {times['cpu'] / times[asked.device]:.0f}")
    print(f"  copy bandwidth {bandwidth / 1e9:.0f} GB/s, share reached {share:.0%}")


def peer(folder: Path, tolerance: float) -> None:
    """Runs under the peer's interpreter: solve, time the solver alone, write the tensors."""
    import muFFT.Stencils2D
    import muFFT.Stencils3D
    import muSpectre

    phases = np.load(folder / "phases.npz")["phases"]
    d = phases.ndim - 1
    # The peer's first axis is x.
    phases = np.ascontiguousarray(phases.transpose(0, *range(d, 0, -1)))
    stencil = (muFFT.Stencils2D if d == 2 else muFFT.Stencils3D).averaged_upwind
    seconds, tensors = {}, {}
    for name, gradient, goal, count in (
        ("same", stencil, tolerance, len(phases)),
        ("fourier", None, tolerance, len(phases)),
        ("tight", stencil, 1e-10, min(4, len(phases))),
    ):
        seconds[name] = 0.0
        found = []
        for sample in phases[:count]:
            tensor, spent = peer_solve(muSpectre, sample, gradient, goal)
            seconds[name] += spent
            found.append(tensor)
        tensors[name] = np.array(found)
    np.savez(folder / "tensors.npz", **tensors)
    seconds["version"] = importlib.metadata.version("muSpectre")
    (folder / "seconds.json").write_text(json.dumps(seconds))


def peer_solve(
    muspectre: object, sample: np.ndarray, gradient: object, tolerance: float
) -> tuple[np.ndarray, float]:
    """The effective stiffness in Voigt notation, and the seconds that the solver took."""
    d = sample.ndim
    sides = list(sample.shape)
    small = muspectre.Formulation.small_strain
    cell = muspectre.Cell(sides, [float(s) for s in sides], small, gradient)
    material = getattr(muspectre.material, f"MaterialLinearElastic1_{d}d")
    held = [material.make(cell, str(i), YOUNG[i], POISSON[i]) for i in range(2)]
    for pixel, phase in enumerate(sample.ravel(order="F")):
        held[phase].add_pixel(pixel)
    solver = muspectre.solvers.KrylovSolverCG(cell, tolerance, 5000)
    cell.initialise()
    columns = []
    start = time.perf_counter()
    for a, b in PAIRS[d]:
        strain = np.zeros((d, d))
        strain[a, b] += 0.5
        strain[b, a] += 0.5
        # Linear: one Newton step, and the tolerances of Newton's loop must not ask for more.
        result = muspectre.solvers.newton_cg(cell, strain, solver, 1e-2, 1e-2)
        stress = np.array(result.stress).reshape((d, d, -1), order="F").mean(axis=-1)
        columns.append([stress[i, j] for i, j in PAIRS[d]])
    return np.array(columns).T, time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
