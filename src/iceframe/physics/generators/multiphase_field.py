"""Three to six phases from Gaussian random fields, each fraction met to one voxel.

The phases are cut out one after the other, the last first: phase ``k`` takes the highest voxels of
its field ``g_k`` among those that are still free, and phase 0 keeps the rest. The fields share a
part, ``g_k = √c g + √(1-c) h_k``. At ``c = 0`` they are independent and any two phases may touch;
at ``c = 1`` they are one field, the phases are its levels, and phase ``k`` touches ``k ± 1`` only
(where the field is smooth).

Reference: Armstrong et al., Plurigaussian Simulations in Geosciences, 2nd ed. (2011), Springer,
doi:10.1007/978-3-642-19607-2; spectra: :mod:`iceframe.physics.generators._fields`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from iceframe.core.errors import InputError
from iceframe.physics.generator import GENERATORS, Drawn, Factor, Generator, cut
from iceframe.physics.generators._fields import FIELD_FACTORS, gaussian_fields

_PHASES = 6
_SHARES = tuple(
    Factor(
        f"share_{k}",
        f"relative amount of phase {k}; its volume fraction is this over the sum of all shares",
        *((1.0, 0.2, 1.0) if k < 3 else (0.0, 0.0, 1.0)),
        minimum=0.0,
        maximum=1e6,
    )
    for k in range(_PHASES)
)


@GENERATORS.register("multiphase_field")
class MultiphaseField(Generator):
    """Several Gaussian fields, cut one after the other."""

    title = "Multi-phase Gaussian random field"
    summary = "Three to six phases in stated amounts, side by side or nested in each other."
    reference = "Armstrong et al. 2011, doi:10.1007/978-3-642-19607-2"
    phase_names = tuple(f"phase {k}" for k in range(_PHASES))
    factors = (
        *_SHARES,
        Factor(
            "nesting",
            "correlation between the fields of the phases: 0 side by side, 1 nested",
            0.0,
            0.0,
            1.0,
            0.0,
            1.0,
        ),
        *FIELD_FACTORS,
    )

    def draw(
        self,
        shape: tuple[int, ...],
        rngs: Sequence[np.random.Generator],
        factors: Mapping[str, np.ndarray],
    ) -> Drawn:
        """See :meth:`iceframe.physics.generator.Generator.draw`."""
        shares = np.stack([factors[f.name] for f in _SHARES], axis=1)
        voxels = int(np.prod(shape))
        counts = voxel_counts(shares, voxels)
        nesting = factors["nesting"].reshape(-1, *(1,) * len(shape))
        shared = gaussian_fields(shape, rngs, factors)
        phases = np.zeros((len(rngs), *shape), np.uint8)
        for k in range(_PHASES - 1, 0, -1):
            # Phases that a sample lacks draw no field, whatever its neighbours in the batch do.
            chosen = np.flatnonzero(shares[:, k] > 0)
            if not len(chosen):
                continue
            own = gaussian_fields(
                shape, [rngs[int(i)] for i in chosen], {n: v[chosen] for n, v in factors.items()}
            )
            c = nesting[chosen]
            score = np.sqrt(c) * shared[chosen] + np.sqrt(1 - c) * own
            score[phases[chosen] > 0] = -np.inf
            taken = np.zeros(phases.shape, bool)
            taken[chosen] = cut(score, counts[chosen, k] / voxels)
            phases[taken] = k
        found = {f"fraction_{k}": counts[:, k] / voxels for k in range(_PHASES)}
        return Drawn(phases, found)


def voxel_counts(shares: np.ndarray, voxels: int) -> np.ndarray:
    """Whole voxels for each phase, ``(n, k)``, that add up and are within one of their shares.

    Shares ``(n, k)`` are relative; the largest remainders are rounded up.

    Raises
    ------
    InputError : where all shares of a sample are 0.

    Examples
    --------
    >>> voxel_counts(np.array([[1.0, 1.0, 1.0]]), 16).tolist()
    [[6, 5, 5]]
    """
    total = shares.sum(axis=1, keepdims=True)
    if np.any(total <= 0):
        raise InputError(
            "The shares of all phases are 0.",
            where="share_0 to share_5",
            allowed="at least one above 0",
        )
    exact = shares / total * voxels
    counts = np.floor(exact).astype(np.int64)
    missing = voxels - counts.sum(axis=1, keepdims=True)
    order = np.argsort(counts - exact, axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    return counts + (rank < missing)
