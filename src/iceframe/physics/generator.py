"""What every generator of microstructures keeps to, and the registry that holds them.

A generator is a pure function of a seed and of named factors: it returns periodic phase maps in
two or three dimensions, and the factors that are true of them. Sample ``i`` depends on the seed and
``i`` only, so that a data set can be made in any order and in parts.

Axes: arrays are ``(n, height, width)`` or ``(n, depth, height, width)``; x runs along the last
axis, y along the one before, z along the first of the grid. Lengths are in voxels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from iceframe.core.errors import InputError, UsageError
from iceframe.core.registry import Registry
from iceframe.core.seeds import stream

# Voxels that are drawn together: some float64 work arrays of this size take about 100 MB.
_CHUNK_VOXELS = 2**21


@dataclass(frozen=True)
class Factor:
    """One knob of a generator.

    ``low`` to ``high`` is the range that data sets are drawn from when none is stated;
    ``minimum`` to ``maximum`` is what the generator accepts. ``default`` holds where neither is
    asked for. ``dimensions`` tells where the factor means anything.
    """

    name: str
    meaning: str
    default: float
    low: float
    high: float
    minimum: float = -np.inf
    maximum: float = np.inf
    unit: str = ""
    whole: bool = False
    dimensions: tuple[int, ...] = (2, 3)


@dataclass(frozen=True)
class Microstructures:
    """A batch of periodic microstructures and what is true of them.

    ``phases`` uint8 ``(n, *shape)``, positions into ``phase_names``; ``factors`` name -> ``(n,)``,
    as asked for and, where a draw decides (grain counts, sizes), as measured. Polycrystals also
    carry ``grains`` int32 ``(n, *shape)``, labels from 0, and ``orientations``: one array a sample,
    ``(grains, 4)`` unit quaternions, scalar last, that turn the crystal's axes into the sample's.
    """

    phases: np.ndarray
    phase_names: tuple[str, ...]
    factors: Mapping[str, np.ndarray] = field(default_factory=dict)
    grains: np.ndarray | None = None
    orientations: tuple[np.ndarray, ...] | None = None

    def __len__(self) -> int:
        return len(self.phases)


@dataclass(frozen=True)
class Drawn:
    """What :meth:`Generator.draw` returns: arrays as in :class:`Microstructures`.

    ``measured`` holds factors that the draw decided, ``(n,)`` each; they overrule those asked for.
    """

    phases: np.ndarray
    measured: Mapping[str, np.ndarray] = field(default_factory=dict)
    grains: np.ndarray | None = None
    orientations: tuple[np.ndarray, ...] | None = None


class Generator(ABC):
    """One family of microstructures. Subclasses declare and :meth:`draw`; nothing else."""

    title: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]
    phase_names: ClassVar[tuple[str, ...]]
    factors: ClassVar[tuple[Factor, ...]]
    dimensions: ClassVar[tuple[int, ...]] = (2, 3)

    @abstractmethod
    def draw(
        self,
        shape: tuple[int, ...],
        rngs: Sequence[np.random.Generator],
        factors: Mapping[str, np.ndarray],
    ) -> Drawn:
        """Microstructures of ``shape``, one for each of ``rngs``.

        ``factors`` holds every declared factor of this dimension, float64 ``(len(rngs),)``, within
        its limits. Sample ``i`` may use ``rngs[i]`` and ``factors[…][i]`` only.
        """

    @final
    def generate(
        self, n: int, shape: Sequence[int], *, seed: int = 0, first: int = 0, **factors: ArrayLike
    ) -> Microstructures:
        """Draw samples ``first`` to ``first + n`` of the stream that ``seed`` names.

        Parameters
        ----------
        n : number of samples.
        shape : ``(height, width)`` or ``(depth, height, width)`` in voxels.
        seed : sample ``i`` depends on ``seed`` and ``i`` only.
        first : number of the first sample.
        **factors : one number for all samples, or ``(n,)``; the rest keep their defaults.

        Raises
        ------
        UsageError : a factor that this generator does not have.
        InputError : a size or a factor outside its limits.
        """
        size = self._checked_shape(n, shape)
        values = self._checked_factors(n, len(size), factors)
        step = max(1, _CHUNK_VOXELS // int(np.prod(size)))
        parts = []
        for start in range(0, n, step):
            part = slice(start, min(start + step, n))
            rngs = [stream(seed, type(self).__name__, first + i) for i in range(n)[part]]
            parts.append(self.draw(size, rngs, {k: v[part] for k, v in values.items()}))
        return self._joined(parts, size, values)

    def _joined(
        self, parts: list[Drawn], size: tuple[int, ...], values: dict[str, np.ndarray]
    ) -> Microstructures:
        if not parts:
            return Microstructures(np.zeros((0, *size), np.uint8), self.phase_names, values)
        measured = {
            name: np.concatenate([np.asarray(p.measured[name], float) for p in parts])
            for name in parts[0].measured
        }
        grains = [p.grains for p in parts if p.grains is not None]
        turns = [p.orientations for p in parts if p.orientations is not None]
        return Microstructures(
            np.concatenate([p.phases for p in parts]),
            self.phase_names,
            {**values, **measured},
            np.concatenate(grains) if grains else None,
            tuple(q for part in turns for q in part) if turns else None,
        )

    def _checked_shape(self, n: int, shape: Sequence[int]) -> tuple[int, ...]:
        size = tuple(int(s) for s in shape)
        if n < 0 or len(size) not in self.dimensions or min(size, default=0) < 1:
            raise InputError(
                "The microstructures need a number and a size.",
                where=self.title,
                got=f"n = {n}, shape = {size}",
                allowed=f"n >= 0 and a shape of {' or '.join(map(str, self.dimensions))} axes",
            )
        return size

    def _checked_factors(
        self, n: int, dimension: int, given: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        declared = {f.name: f for f in self.factors if dimension in f.dimensions}
        unknown = sorted(set(given) - set(declared))
        if unknown:
            raise UsageError(
                f"'{unknown[0]}' is not a factor of this generator in {dimension}-D.",
                where=self.title,
                allowed=", ".join(declared),
            )
        return {name: per_sample(f, given.get(name, f.default), n) for name, f in declared.items()}


GENERATORS: Registry[type[Generator]] = Registry("generator", "iceframe.physics.generators")


def per_sample(factor: Factor, value: ArrayLike, n: int) -> np.ndarray:
    """``value`` as float64 ``(n,)``, every entry finite and within the factor's limits."""
    try:
        array = np.asarray(value, float)
    except (TypeError, ValueError) as error:
        raise InputError(f"'{factor.name}' is not a number.", got=value) from error
    if array.shape not in ((), (n,)):
        raise InputError(
            f"'{factor.name}' must be one number or one a sample.",
            got=array.shape,
            allowed=f"() or ({n},)",
        )
    bad = ~np.isfinite(array) | (array < factor.minimum) | (array > factor.maximum)
    if factor.whole:
        bad |= array != np.floor(array)
    if bad.any():
        kind = "a whole number" if factor.whole else "finite"
        raise InputError(
            f"'{factor.name}' is out of range.",
            got=np.atleast_1d(array)[np.atleast_1d(bad)][0],
            allowed=f"{kind}, from {factor.minimum:.4g} to {factor.maximum:.4g}",
            hint=factor.meaning,
        )
    return np.broadcast_to(array, (n,)).copy()


def generate(
    name: str,
    n: int,
    shape: Sequence[int],
    *,
    seed: int = 0,
    first: int = 0,
    **factors: ArrayLike,
) -> Microstructures:
    """Microstructures of the registered generator ``name``; see :meth:`Generator.generate`.

    Examples
    --------
    >>> made = generate("random_field", 2, (8, 8), volume_fraction=[0.25, 0.5], seed=1)
    >>> made.phases.shape, made.phases.sum(axis=(1, 2)).tolist()
    ((2, 8, 8), [16, 32])
    """
    return GENERATORS[name]().generate(n, shape, seed=seed, first=first, **factors)


def cut(score: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """The highest voxels of each sample, as many as come closest to ``fraction``.

    Parameters
    ----------
    score : ``(n, *shape)``, finite; ties go to the voxel that comes later.
    fraction : ``(n,)`` in [0, 1].

    Returns
    -------
    boolean ``(n, *shape)``; the count is ``round(fraction · voxels)`` exactly.

    Examples
    --------
    >>> cut(np.array([[[3.0, 1.0], [4.0, 2.0]]]), np.array([0.5])).astype(int).tolist()
    [[[1, 0], [1, 0]]]
    """
    n = len(score)
    flat = score.reshape(n, -1)
    voxels = flat.shape[1]
    order = np.argsort(flat, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(voxels)[None], axis=1)
    count = np.rint(np.asarray(fraction, float) * voxels).astype(int)
    return (rank >= voxels - count[:, None]).reshape(score.shape)
