"""Spinodal structures: a level cut of a short Cahn–Hilliard evolution.

From a faint smooth noise the composition separates (:mod:`iceframe.physics.phase_field`) until its
domains are about as wide as asked. The interface width is ``length/6.5`` voxels, so that all
lengths are cut at the same stage: well into coarsening, interfaces sharp, and the work does not
grow with the length. Frames are drawn at a ladder of times about that stage, and each sample keeps
the one whose cut is nearest in size to what was asked; ``length`` is then reported as measured, on
the cut phases, with :func:`~iceframe.physics.phase_field.domain_size` (2π over the first moment of
the structure factor: about one domain of either phase together).

The mean composition is the volume fraction, held to [0.3, 0.7], within the spinodal, where
separation needs no nuclei; beyond, the cut alone meets the fraction, and domains are those of 0.3
or 0.7 eroded.

Reference: Cahn & Hilliard, J. Chem. Phys. 28 (1958) 258, doi:10.1063/1.1744102; Cahn, J. Chem.
Phys. 42 (1965) 93, doi:10.1063/1.1695731 (spinodal structures as level cuts).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from iceframe.physics.generator import GENERATORS, Drawn, Factor, Generator, cut

# Domain size over interface width at which structures are cut; 4.2 is the least there is, right
# after separation.
_STAGE = 6.5

# Narrowest interface in voxels: the frames are cut, not measured, so a coarse one will do.
_NARROWEST = 1.25

# Times of the ladder, in units of (interface width)² of reduced time: the domains are about 5 to 9
# widths there, in two dimensions and in three.
_LADDER = np.geomspace(0.6, 4.2, 14)

_LOWEST, _HIGHEST = 0.3, 0.7
_NOISE = 0.1

# Error a step, in compositions: shapes, not trajectories, are wanted.
_TOLERANCE = 5e-3
_MAX_STEPS = 2000

# Voxels evolved together, so that the work arrays stay in cache.
_TOGETHER = 2**17


@GENERATORS.register("spinodal")
class Spinodal(Generator):
    """Interwoven domains of two phases, as spinodal decomposition leaves them."""

    title = "Spinodal decomposition"
    summary = "level cut of a short Cahn–Hilliard evolution: bicontinuous near one half"
    reference = "Cahn & Hilliard 1958, doi:10.1063/1.1744102; Cahn 1965, doi:10.1063/1.1695731"
    phase_names = ("matrix", "second")
    factors: ClassVar[tuple[Factor, ...]] = (
        Factor(
            "volume_fraction",
            "share of voxels of the second phase, met to one voxel",
            default=0.5,
            low=0.3,
            high=0.7,
            minimum=0.01,
            maximum=0.99,
        ),
        Factor(
            "length",
            "mean domain size, 2π over the first moment of the structure factor; as measured",
            default=12.0,
            low=8.0,
            high=20.0,
            minimum=8.0,
            unit="voxel",
        ),
    )

    def draw(
        self,
        shape: tuple[int, ...],
        rngs: Sequence[np.random.Generator],
        factors: Mapping[str, np.ndarray],
    ) -> Drawn:
        """Evolve, choose a frame a sample, cut."""
        fraction, length = factors["volume_fraction"], factors["length"]
        phases = np.zeros((len(rngs), *shape), np.uint8)
        measured = np.zeros(len(rngs))
        step = max(1, _TOGETHER // int(np.prod(shape)))
        for start in range(0, len(rngs), step):
            part = slice(start, start + step)
            noise = np.stack([rng.standard_normal(shape) for rng in rngs[part]])
            phases[part], measured[part] = _separate(noise, fraction[part], length[part])
        return Drawn(phases, {"length": measured})


def _separate(
    noise: np.ndarray, fraction: np.ndarray, length: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Phases ``(n, *shape)`` and measured lengths ``(n,)`` from white ``noise``."""
    import torch

    from iceframe.physics.phase_field.cahn_hilliard import STABILISATION, double_well
    from iceframe.physics.phase_field.clock import Clock
    from iceframe.physics.phase_field.stepping import Flow, march

    n, dimension = len(noise), noise.ndim - 1
    width = np.maximum(length / _STAGE, _NARROWEST)
    mean = (np.clip(fraction, _LOWEST, _HIGHEST) - 0.5).reshape(n, *(1,) * dimension)
    start = torch.as_tensor(mean + _smoothed(noise, width), dtype=torch.float32)
    times = width[:, None] ** 2 * _LADDER
    flow = Flow(True, 2 * width**2, STABILISATION, lambda v: double_well(v, STABILISATION))
    clock = Clock(times, None, _TOLERANCE, _MAX_STEPS)
    path = march(start, times, flow, clock, dimension=dimension)
    sizes = np.stack(
        [_size(_above(path.frames[:, j], fraction), dimension) for j in range(len(_LADDER))],
        axis=1,
    )
    miss = np.abs(np.log(sizes / length[:, None]))
    miss[np.isnan(path.energy)] = np.inf  # frames that were not reached
    phases = cut(path.frames[np.arange(n), miss.argmin(axis=1)], fraction)
    return phases.astype(np.uint8), _size(phases, dimension)


def _above(score: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Close to :func:`cut` where ties are rare, in a fraction of its time."""
    n = len(score)
    flat = score.reshape(n, -1)
    keep = np.clip(np.rint((1 - fraction) * flat.shape[1]).astype(int), 0, flat.shape[1] - 1)
    level = np.take_along_axis(np.sort(flat, axis=1), keep[:, None], axis=1)
    return (flat >= level).reshape(score.shape)


def _size(phases: np.ndarray, dimension: int) -> np.ndarray:
    """Domain sizes ``(n,)``; a single domain fills its cell."""
    from iceframe.physics.phase_field.measures import domain_size

    size = domain_size(phases, dimension)
    return np.where(np.isfinite(size), size, max(phases.shape[1:]))


def _smoothed(noise: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Noise without what an interface of ``width`` voxels would damp at once; no mean."""
    from iceframe.physics.phase_field.stepping import squared_wave_numbers

    shape = noise.shape[1:]
    axes = tuple(range(1, noise.ndim))
    spread = (width**2 / 4).reshape(-1, *(1,) * len(shape))
    keep = np.exp(-squared_wave_numbers(shape) * spread)
    keep.reshape(len(noise), -1)[:, 0] = 0.0
    hat = np.fft.rfftn(noise, axes=axes) * keep
    smooth = np.fft.irfftn(hat, s=shape, axes=axes)
    deviation = smooth.std(axis=axes, keepdims=True)
    return np.asarray(_NOISE * smooth / np.where(deviation > 0, deviation, 1.0))
