"""Disentanglement: does each latent follow one factor, and is each factor in one latent?

============== =============================================================== =====================
score          question                                                        reference
============== =============================================================== =====================
MIG            is a factor in *one* latent (gap of mutual information)         arXiv 1802.04942
SAP            the same, linear (gap of R² of one latent)                      arXiv 1711.00848
FactorVAE      does fixing a factor still one and the same latent              arXiv 1802.05983
modularity     does a latent know *one* factor                                 arXiv 1802.05312
explicitness   can a factor be read off all latents linearly                   arXiv 1802.05312
DCI            three answers of one model (``measure.latents.dci``)            Eastwood 2018
============== =============================================================== =====================

Each is a pure function of latents ``(n, d)`` and factors ``(n, k)``, numbers unless their columns
are in ``classes`` (unordered), and returns a :class:`~iceframe.measure.latents.latent_code.Score`
with a 95 % bootstrap interval over samples. Higher is better for all. They disagree on real codes
(Locatello et al. 2019, arXiv 1811.12359): report all, side by side.

All assume that factors were sampled independently:
:func:`~iceframe.measure.latents.mutual_information.factor_dependence` says whether they were, and
:func:`disentanglement` asks it. All raise ``InputError`` for fewer than 50 samples, unequal rows or
numbers that are not finite. Constant factors are NaN and left out of means; constant latents say
nothing; a code that says nothing at all has 0 (or ``chance``).

:func:`disentanglement_table` gives all of them as one table, with directions, references and
warnings; :func:`disentanglement` the same with the scores' parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from iceframe.core.seeds import generator
from iceframe.measure.latents.dci import Importance, dci
from iceframe.measure.latents.information_scores import mig, modularity
from iceframe.measure.latents.latent_code import (
    RESAMPLES,
    Score,
    checked,
    draw,
    scored,
    split_in_half,
    standardised,
    undefined,
)
from iceframe.measure.latents.mutual_information import (
    Dependence,
    bins_for,
    factor_codes,
    factor_dependence,
)
from iceframe.measure.latents.predictability import explicitness, sap
from iceframe.measure.metrics import METRICS

VOTES = 800  # for naming latents, and as many for scoring
VOTE_SAMPLES = 64

__all__ = [
    "Disentanglement", "Score", "dci", "disentanglement", "disentanglement_table", "explicitness",
    "factor_dependence", "factor_vae", "mig", "modularity", "sap",
]  # fmt: skip

METRIC_OF = {
    "DCI disentanglement": "dci_disentanglement",
    "DCI completeness": "dci_completeness",
    "DCI informativeness": "dci_informativeness",
    "MIG": "mig",
    "SAP": "sap",
    "FactorVAE": "factor_vae",
    "modularity": "modularity",
    "explicitness": "explicitness",
}
"""The entry of :data:`~iceframe.measure.metrics.METRICS` for each score, in the table's order."""


def factor_vae(
    latents: np.ndarray,
    factors: np.ndarray,
    *,
    classes: Sequence[int] = (),
    bins: int | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Score:
    """FactorVAE score: how well the stillest latent tells which factor was held fixed.

    Kim & Mnih 2018, arXiv 1802.05983, §4. One vote: pick a factor and one of its values, take 64
    samples that share it, and find the latent whose variance, over its variance in all samples, is
    least. 800 votes assign each latent to the factor it votes for most, 800 others are scored. In
    [0, 1]; ``chance`` is 1/k; higher is better. ``parts``: the share of each factor's votes.

    Here samples are given, not generated: those of one bin (equal counts, ``bins``, default
    :func:`~iceframe.measure.latents.mutual_information.bins_for`) share the value of a number,
    drawn with replacement. A factor thus still varies inside its bin, by 1/bins² of its variance.
    One half of the samples is for fitting, the other for scoring.

    Traps: generous. A duplicated latent costs nothing, nor does a latent that mixes in some of
    another factor; close to 1 for many codes that MIG calls poor. The votes are random: the value
    itself moves by about 0.01 with the seed.
    """
    code = checked(latents, factors, classes)
    k = len(code.varying)
    if k < 2:
        return undefined("FactorVAE", code, "The FactorVAE score needs two factors that vary.")
    rng = generator(seed, "factor vae")
    if not code.live:
        return scored("FactorVAE", code, np.full(k, 1 / k), np.full(resamples, 1 / k), chance=1 / k)
    z = standardised(code.latents)[:, code.live]
    codes = factor_codes(code, bins or bins_for(code.n))
    halves = split_in_half(code.n, rng)
    parts = _vote_accuracy(z, codes, halves, rng)
    again = ((draw(halves[0], rng), draw(halves[1], rng)) for _ in range(resamples))
    replicates = np.array([_vote_accuracy(z, codes, both, rng).mean() for both in again])
    return scored("FactorVAE", code, parts, replicates, chance=1 / k)


@dataclass(frozen=True)
class Disentanglement:
    """All scores of one code by name, and whether its factors were sampled independently.

    ``importance`` ``(d, k)`` is DCI's, NaN for constant factors. ``notes`` repeats what every score
    noted, each once, the dependence of factors first.
    """

    scores: Mapping[str, Score]
    importance: np.ndarray
    dependence: Dependence
    notes: tuple[str, ...]


def disentanglement(
    latents: np.ndarray,
    factors: np.ndarray,
    *,
    classes: Sequence[int] = (),
    names: Sequence[str] | None = None,
    importance: Importance = "permutation",
    resamples: int = RESAMPLES,
    model_resamples: int = 20,
    seed: int = 0,
) -> Disentanglement:
    """All scores of latents ``(n, d)`` for factors ``(n, k)``, with :func:`factor_dependence`.

    ``names`` of factors are for the notes. DCI refits its models ``model_resamples`` times.
    """
    dependence = factor_dependence(factors, names=names, classes=classes, seed=seed)
    three = dci(
        latents, factors, classes=classes, importance=importance,
        resamples=model_resamples, seed=seed,
    )  # fmt: skip
    found = [
        metric(latents, factors, classes=classes, resamples=resamples, seed=seed)
        for metric in _SCORES
    ]
    found += [three.disentanglement, three.completeness, three.informativeness]
    said = [*dependence.notes, *(note for score in found for note in score.notes)]
    scores = {score.name: score for score in found}
    return Disentanglement(scores, three.importance, dependence, tuple(dict.fromkeys(said)))


def disentanglement_table(
    latents: np.ndarray | pd.DataFrame,
    factors: np.ndarray | pd.DataFrame,
    *,
    classes: Sequence[int] = (),
    names: Sequence[str] | None = None,
    importance: Importance = "permutation",
    resamples: int = RESAMPLES,
    model_resamples: int = 20,
    seed: int = 0,
) -> pd.DataFrame:
    """Every score of latents ``(n, d)`` for factors ``(n, k)``, one row each.

    Columns: ``score``; ``value`` with its 95 % interval ``low``, ``high`` over samples; ``chance``,
    what a code without information gets; ``direction``, the word higher; ``reference``; and
    ``warning``, empty where there is none. Where factors were not sampled independently every row
    says so: the scores then punish or reward the dependence of the factors, not the encoder.
    Names of factors in warnings are ``names``, or the columns of a data frame. An angle is to be
    given as a number only where its range does not close on itself.

    Raises
    ------
    InputError, UsageError : as :func:`disentanglement`.

    Examples
    --------
    >>> factors = np.random.default_rng(0).random((200, 2))
    >>> table = disentanglement_table(factors, factors, resamples=5, model_resamples=2)
    >>> table.set_index("score").loc["MIG", ["direction", "warning"]].tolist()
    ['higher', '']
    """
    if names is None and isinstance(factors, pd.DataFrame):
        names = [str(column) for column in factors.columns]
    found = disentanglement(
        np.asarray(latents), np.asarray(factors), classes=classes, names=names,
        importance=importance, resamples=resamples, model_resamples=model_resamples, seed=seed,
    )  # fmt: skip
    rows = []
    for name, metric in METRIC_OF.items():
        score, entry = found.scores[name], METRICS[metric]
        said = dict.fromkeys((*found.dependence.notes, *score.notes))
        rows.append(
            (name, score.value, score.low, score.high, score.chance, entry.better,
             entry.reference, " ".join(said))
        )  # fmt: skip
    return pd.DataFrame(rows, columns=TABLE)


TABLE = ["score", "value", "low", "high", "chance", "direction", "reference", "warning"]

_SCORES: tuple[Callable[..., Score], ...] = (mig, sap, factor_vae, modularity, explicitness)


def _vote_accuracy(
    z: np.ndarray,
    codes: np.ndarray,
    halves: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """Share of right votes of each factor ``(k,)``; latents are named on the first half."""
    k, each = codes.shape[1], max(1, VOTES // codes.shape[1])
    scale = z[np.concatenate(halves)].std(axis=0)
    if not scale.any():  # none varies in this resample: votes would be guesses
        return np.full(k, 1 / k)
    z = z[:, scale > 0] / scale[scale > 0]
    first, second = (
        np.array([_votes(z[part], codes[part, j], each, rng) for j in range(k)])  # (k, each)
        for part in halves
    )
    table = np.array([np.bincount(v, minlength=z.shape[1]) for v in first])  # (k, d)
    return (table.argmax(axis=0)[second] == np.arange(k)[:, None]).mean(axis=1)


def _votes(z: np.ndarray, codes: np.ndarray, times: int, rng: np.random.Generator) -> np.ndarray:
    """The stillest latent ``(times,)`` among samples that share a value of one factor."""
    order = np.argsort(codes, kind="stable")
    _, start, size = np.unique(codes[order], return_index=True, return_counts=True)
    value = rng.integers(len(start), size=times)
    offset = rng.random((times, VOTE_SAMPLES)) * size[value, None]
    return z[order[start[value, None] + offset.astype(int)]].var(axis=1).argmin(axis=1)
