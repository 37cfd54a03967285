"""Phase field: coarsening exponent, grain growth, order in time, and speed against py-pde.

    python benchmarks/phase_field.py speed --peer PYTHON [--size 256] [--until 100]
    python benchmarks/phase_field.py coarsening [--size 512] [--samples 4]
    python benchmarks/phase_field.py grains [--size 512] [--orders 24]
    python benchmarks/phase_field.py order

One thread, processor only, unless ``--device`` says otherwise. ``speed`` needs an interpreter that
has py-pde (https://py-pde.readthedocs.io), which is no dependency of this project; without one it
says so and ends. Compilation is not timed on either side.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from iceframe.physics.phase_field import (
    CahnHilliard,
    Evolution,
    GrainGrowth,
    color_grains,
    domain_size,
    evolve,
    mean_grain_area,
    voronoi_labels,
)

# Run by the peer's interpreter: solve ∂c/∂t = ∇²(c³ − c − ∇²c) on voxels of size 1 with each of its
# explicit solvers, and with the step of Euler's at 0.9 of its limit of stability.
PEER = """
import json, sys, time
import numpy as np, pde
folder, until = sys.argv[1], float(sys.argv[2])
start = np.load(folder + "/start.npy")
grid = pde.CartesianGrid([[0, s] for s in start.shape], start.shape, periodic=True)
equation = pde.CahnHilliardPDE(1.0)
limit = 2 / 80
runs = {
    "euler": ("euler", 0.9 * limit, {}),
    "euler, a tenth of the step": ("euler", 0.09 * limit, {}),
    "euler, adaptive": ("euler", 1e-3, {"adaptive": True}),
    "runge-kutta, adaptive": ("runge-kutta", 1e-3, {"adaptive": True}),
    "reference in time": ("runge-kutta", 0.5 * limit, {}),
}
found = {}
for name, (solver, dt, options) in runs.items():
    state = pde.ScalarField(grid, start)
    method = pde.solvers.SolverBase.from_name(solver, equation, **options)
    control = pde.Controller(method, t_range=0.1, tracker=None)
    control.run(state.copy(), dt=dt)  # compiles
    control.t_range = until
    best = np.inf
    for _ in range(1 if name.startswith("reference") else 2):
        begin = time.perf_counter()
        end = control.run(state.copy(), dt=dt)
        best = min(best, time.perf_counter() - begin)
    np.save(f"{folder}/{len(found)}.npy", end.data)
    found[name] = {"seconds": best, "steps": int(control.diagnostics["solver"]["steps"])}
print(json.dumps({"version": pde.__version__, "runs": found}))
"""


def smooth_noise(size: int, fine: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The same band-limited noise on ``size``² and ``fine``² voxels, standard deviation 0.1."""
    rng = np.random.default_rng(seed)
    hat = np.fft.rfft2(rng.standard_normal((size, size)), norm="forward")
    k = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    hat[k > 0.25] = 0
    hat[0, 0] = 0
    wide = np.zeros((fine, fine // 2 + 1), complex)
    half = size // 2
    wide[:half, : half + 1], wide[-half:, : half + 1] = hat[:half], hat[half:]
    coarse = np.fft.irfft2(hat, (size, size), norm="forward")
    scale = 0.1 / coarse.std()
    return coarse * scale, np.fft.irfft2(wide, (fine, fine), norm="forward") * scale


def dimensionless(spacing: float = 1.0) -> CahnHilliard:
    """∂c/∂t = ∇²(c³ − c − ∇²c), wells at ∓1."""
    return CahnHilliard(
        barrier=0.25, gradient_energy=1.0, mobility=1.0, spacing=spacing, low=-1.0, high=1.0
    )


def rms(a: np.ndarray, b: np.ndarray) -> float:
    """Root mean square difference."""
    return float(np.sqrt(np.mean((a - b) ** 2)))


def timed(
    start: np.ndarray, until: float, tolerance: float, precision: str
) -> tuple[float, Evolution]:
    """Best of three runs, in seconds, and the result."""
    seconds = np.inf
    for _ in range(3):
        begin = time.perf_counter()
        result = evolve(
            start[None],
            dimensionless(),
            [until],
            tolerance=tolerance,
            precision=precision,  # type: ignore[arg-type]
        )
        seconds = min(seconds, time.perf_counter() - begin)
    return seconds, result


def speed(peer: str | None, size: int, until: float) -> None:
    """Wall time to the same time at equal or lower error: ours against each of the peer's."""
    if not peer or not Path(peer).exists():
        print("skipped: no interpreter with py-pde (give one with --peer PYTHON)")
        return
    start, fine = smooth_noise(size, 2 * size)
    one_thread = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "NUMBA")}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "start.npy", start)
        command = [peer, "-c", PEER, folder, str(until)]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env={**os.environ, **one_thread}
        )
        if done.returncode:
            print(f"skipped: the peer failed:\n{done.stderr[-800:]}")
            return
        report = json.loads(done.stdout.splitlines()[-1])
        ends = [np.load(f"{folder}/{i}.npy") for i in range(len(report["runs"]))]
    truth = evolve(fine[None], dimensionless(0.5), [until], tolerance=1e-6).frames[0, 0, ::2, ::2]
    steady = evolve(start[None], dimensionless(), [until], tolerance=1e-6).frames[0, 0]
    print(f"py-pde {report['version']}; {size}² voxels until {until:g}; interface 2.83 voxels")
    print("error: root mean square, against twice the resolution at tolerance 1e-6;")
    print("in time: against each program's own grid with far shorter steps\n")
    print("| solver | steps | seconds | error | in time |\n|---|---|---|---|---|")
    theirs = {}
    for (name, run), end in zip(list(report["runs"].items())[:-1], ends[:-1], strict=True):
        theirs[name] = (run["seconds"], rms(end, truth), rms(end, ends[-1]))
        _row(f"py-pde, {name}", run["steps"], theirs[name])
    ours = []
    for precision in ("double", "single"):
        for tolerance in (1e-3, 3e-4, 1e-4, 3e-5, 1e-5):
            seconds, result = timed(start, until, tolerance, precision)
            found = result.frames[0, 0]
            ours.append((precision, seconds, rms(found, truth), rms(found, steady)))
            _row(f"iceframe, {precision}, tolerance {tolerance:g}", result.steps[0], ours[-1][1:])
    print()
    for name, peers in theirs.items():
        for precision in ("double", "single"):
            for which, what in ((1, "error"), (2, "error in time alone")):
                good = [r[1] for r in ours if r[0] == precision and r[1 + which] <= peers[which]]
                ratio = f"{peers[0] / min(good):.1f} times faster" if good else "not reached"
                print(f"{name}, {precision} precision, equal or lower {what}: {ratio}")


def _row(name: str, steps: int, numbers: tuple[float, ...]) -> None:
    """One row of the table: seconds, error, error in time."""
    print(f"| {name} | {steps} | {numbers[0]:.2f} | {numbers[1]:.2e} | {numbers[2]:.2e} |")


def coarsening(size: int, samples: int, device: str) -> None:
    """Exponent of the domain size in time, 2-D, over the last decade."""
    times = np.geomspace(200, 20_000, 21)
    sizes, energies = [], []
    begin = time.perf_counter()
    for seed in range(samples):
        start = 0.1 * np.random.default_rng(seed).standard_normal((1, size, size)).clip(-3, 3)
        result = evolve(
            start, dimensionless(), times, tolerance=1e-3, precision="single", device=device
        )
        sizes.append(domain_size(result.frames[0], 2))
        energies.append(result.energy[0])
        drift = np.ptp(np.concatenate([[start.mean()], result.frames[0].mean(axis=(1, 2))]))
        print(
            f"sample {seed}: {result.status[0]}, {result.steps[0]} steps, "
            f"largest energy change in a step {result.largest_rise[0]:.2e}, "
            f"drift of the mean {drift:.1e}",
            flush=True,
        )
    mean = np.mean(sizes, axis=0)
    print(f"{size}², {samples} samples, {time.perf_counter() - begin:.0f} s")
    print("time    :", " ".join(f"{t:8.0f}" for t in times[::2]))
    print("size    :", " ".join(f"{s:8.2f}" for s in mean[::2]))
    for low, high in ((200, 2_000), (650, 6_500), (2_000, 20_000)):
        held = (times >= low * 0.99) & (times <= high * 1.01)
        slope = [np.polyfit(np.log(times[held]), np.log(s[held]), 1)[0] for s in sizes]
        falls = np.polyfit(np.log(times[held]), np.log(np.mean(energies, axis=0)[held]), 1)[0]
        print(
            f"t = {low} to {high}: size exponent "
            f"{np.polyfit(np.log(times[held]), np.log(mean[held]), 1)[0]:.3f} "
            f"(standard error over samples {np.std(slope, ddof=1) / np.sqrt(len(slope)):.3f}), "
            f"energy exponent {falls:.3f}"
        )


def grains(size: int, orders: int, device: str) -> None:
    """Linearity in time of the mean grain area."""
    rng = np.random.default_rng(0)
    count = size * size // 150
    start = color_grains(voronoi_labels((size, size), count, rng), orders)
    model = GrainGrowth(
        orders=orders, boundary_width=4.0, boundary_energy=1.0, boundary_mobility=1.0, spacing=1.0
    )
    times = np.linspace(50, 800, 16)
    begin = time.perf_counter()
    result = evolve(start[None], model, times, tolerance=1e-3, precision="single", device=device)
    area = np.array([mean_grain_area(frame[None])[0] for frame in result.frames[0]])
    line = np.polyfit(times, area, 1)
    rest = area - np.polyval(line, times)
    print(
        f"{size}², {count} grains, {orders} orders: {result.status[0]}, {result.steps[0]} steps, "
        f"{time.perf_counter() - begin:.0f} s"
    )
    print("time :", " ".join(f"{t:6.0f}" for t in times))
    print("area :", " ".join(f"{a:6.0f}" for a in area))
    print(
        f"grains left: {size * size / area[-1]:.0f}; "
        f"area per time {line[0]:.3f} (mobility × energy)"
    )
    print(f"R² of a straight line: {1 - rest.var() / area.var():.4f}")


def order() -> None:
    """Error against step on a smooth case, and the observed order."""
    x = 2 * np.pi * np.arange(64) / 64
    start = (0.1 + 0.2 * np.cos(x)[None] + 0.15 * np.sin(2 * x[None] + x[:, None]))[None]
    model = dimensionless(0.25)
    truth = evolve(start, model, [2.0], step=2.0 / 4096).frames
    last = np.nan
    for count in (16, 32, 64, 128, 256):
        error = rms(evolve(start, model, [2.0], step=2.0 / count).frames, truth)
        print(f"{count:4d} steps: error {error:.2e}, order {np.log2(last / error):.2f}")
        last = error


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", choices=["speed", "coarsening", "grains", "order"])
    parser.add_argument("--peer")
    parser.add_argument("--size", type=int)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--orders", type=int, default=24)
    parser.add_argument("--until", type=float, default=100.0)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.job == "speed":
        speed(asked.peer, asked.size or 256, asked.until)
    elif asked.job == "coarsening":
        coarsening(asked.size or 512, asked.samples, asked.device)
    elif asked.job == "grains":
        grains(asked.size or 512, asked.orders, asked.device)
    else:
        order()


if __name__ == "__main__":
    main()
