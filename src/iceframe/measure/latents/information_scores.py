"""Scores of disentanglement from mutual information: MIG and modularity.

I_ij is the mutual information of latent i and factor j in nats, counted in bins and corrected for
chance as :mod:`iceframe.measure.latents.mutual_information` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from iceframe.core.seeds import generator
from iceframe.measure.latents.latent_code import (
    RESAMPLES,
    Code,
    Score,
    checked,
    finite_mean,
    gap,
    resampled,
    scored,
    undefined,
)
from iceframe.measure.latents.mutual_information import (
    binned,
    bins_for,
    entropy,
    expected_information,
    factor_codes,
    information,
    joint_counts,
)

SIGNIFICANT = 0.01  # family-wise, for "this latent knows something"


def mig(
    latents: np.ndarray,
    factors: np.ndarray,
    *,
    classes: Sequence[int] = (),
    bins: int | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Score:
    """Mutual information gap, per factor: (best I − second best I)/H. Higher is better, in [0, 1].

    Chen, Li, Grosse & Duvenaud 2018, arXiv 1802.04942, §4; there I is integrated over the encoder's
    posterior, here it is counted in ``bins`` of equal counts of latents and numbers (default:
    :func:`~iceframe.measure.latents.mutual_information.bins_for`) and corrected for chance, so that
    the gap is divided by H − E: a perfect code has 1 and not 1 − E/H at every n. Chance is slightly
    above 0, by the gap between the largest and the second of d noise terms, O(1/n).

    Traps: rotating two latents by 45° brings it to 0 though nothing is lost; a duplicated latent
    too (it asks for completeness only); finer bins lower it for latents with noise, so compare
    at the same bins and n. The bootstrap is not consistent where two latents tie: there the
    interval is too wide upwards.
    """
    code = checked(latents, factors, classes)
    rng = generator(seed, "mig")
    info = _information(code, bins, resamples, rng)
    gaps = gap(info.share)
    return scored("MIG", code, gaps[0], finite_mean(gaps[1:], axis=1))


def modularity(
    latents: np.ndarray,
    factors: np.ndarray,
    *,
    classes: Sequence[int] = (),
    bins: int | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Score:
    """Per latent: 1 − Σ_{j ≠ best} I_ij² / (I_i,best² (k − 1)). Higher is better, in [0, 1].

    Ridgeway & Mozer 2018, arXiv 1802.05312; I as in :func:`mig`, less its chance value E.
    The mean is over latents that know anything (χ² test of independence, p ≤ 0.01/(d k)), since the
    formula is noise over noise for the others; 0 with a note where none does.

    Traps: a code that knows a single factor is modular; a duplicated latent costs nothing; and
    squares hide much: a latent with half of its best information about one more of k = 6 factors
    still has 0.95. Mixing several strong factors is what it punishes.
    """
    code = checked(latents, factors, classes)
    if len(code.varying) < 2:
        return undefined("modularity", code, "Modularity needs two factors that vary.", "latent")
    rng = generator(seed, "modularity")
    info = _information(code, bins, resamples, rng)
    raw = np.clip(info.nats, 0.0, None)
    best = raw.max(axis=2)
    others = (raw**2).sum(axis=2) - best**2
    with np.errstate(divide="ignore", invalid="ignore"):
        each = 1.0 - others / (best**2 * (len(code.varying) - 1))
    each[:, ~info.knows] = np.nan  # those that know nothing in the whole sample, in all resamples
    notes = []
    if not info.knows.all():
        silent = ", ".join(str(i) for i in np.flatnonzero(~info.knows))
        notes.append(f"Latents that know no factor are left out: {silent}.")
    if not info.knows.any():
        zero = np.zeros(resamples)
        return scored("modularity", code, each[0], zero, of="latent", value=0.0, notes=notes)
    return scored(
        "modularity", code, each[0], finite_mean(each[1:], axis=1), of="latent", notes=notes
    )


@dataclass(frozen=True)
class _Information:
    """Of the sample (row 0) and of each resample: I − E ``(1 + r, d, k)`` in nats, and as a share
    of H − E; and which latents know anything ``(d,)``."""

    nats: np.ndarray
    share: np.ndarray
    knows: np.ndarray


def _information(
    code: Code, bins: int | None, resamples: int, rng: np.random.Generator
) -> _Information:
    bins = bins or bins_for(code.n)
    d, k = code.latents.shape[1], len(code.varying)
    inner = [binned(code.latents[:, i], bins) if i in code.live else None for i in range(d)]
    outer = factor_codes(code, bins)
    nats, share = (np.zeros((1 + resamples, d, k)) for _ in range(2))
    p = np.ones((d, k))
    whole = np.arange(code.n)[None]
    row = 0
    chances: dict[bytes, float] = {}
    for draws in (whole, *resampled(code.n, resamples, rng)):
        rows = slice(row, row + len(draws))
        row += len(draws)
        for i, a in enumerate(inner):
            if a is None:
                continue
            for j in range(k):
                b = outer[:, j]
                joint = joint_counts(a[draws], b[draws], (int(a.max()) + 1, int(b.max()) + 1))
                if rows.start == 0:
                    chance = expected_information(joint[0])
                    chances[bytes((i, j))] = chance
                    p[i, j] = _independence(joint[0])
                chance = chances[bytes((i, j))]
                nats[rows, i, j] = information(joint) - chance
                most = entropy(joint.sum(axis=1)) - chance
                share[rows, i, j] = nats[rows, i, j] / np.maximum(most, 1e-12)
    return _Information(
        nats, np.clip(share, 0.0, 1.0), p.min(axis=1, initial=1.0) * d * k <= SIGNIFICANT
    )


def _independence(joint: np.ndarray) -> float:
    """p of Pearson's χ² test; with five samples a cell 2 n I is far from χ², this is not."""
    expected = np.outer(joint.sum(axis=1), joint.sum(axis=0)) / joint.sum()
    freedom = (joint.shape[0] - 1) * (joint.shape[1] - 1)
    distance = float(np.sum((joint - expected) ** 2 / expected))
    return float(special.chdtrc(freedom, distance)) if freedom else 1.0
