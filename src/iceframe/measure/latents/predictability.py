"""Scores of a code by what linear models read off it: SAP (one latent), explicitness (all)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iceframe.core.seeds import generator
from iceframe.measure.latents.latent_code import (
    RESAMPLES,
    Code,
    Score,
    checked,
    draw,
    finite_mean,
    gap,
    resampled,
    scored,
    split_in_half,
    standardised,
)

QUINTILES = (0.2, 0.4, 0.6, 0.8)
RIDGE = 1e-6  # of the variance of a standardised latent: only makes the probe unique


def sap(
    latents: np.ndarray,
    factors: np.ndarray,
    *,
    classes: Sequence[int] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Score:
    """Separated attribute predictability: best − second best score of a single latent, per factor.

    Kumar, Sattigeri & Balakrishnan 2018, arXiv 1711.00848. A number is scored by R² of a
    linear regression on the one latent (the squared correlation); a class by the balanced accuracy
    of the nearest class mean along it, from 0 at chance to 1 (there: the best thresholds, and not
    corrected for chance). Within the sample: the bias is of order 1/n for all latents alike, and
    nearly cancels in the gap. Higher is better, in [0, 1].

    Traps: linear only, so a bent latent scores low; a duplicated or a rotated latent brings it to
    0; the gap is small also where *every* latent predicts well.
    """
    code = checked(latents, factors, classes)
    rng = generator(seed, "sap")
    z = standardised(code.latents)
    own = _sap_scores(z, code, np.arange(code.n)[None])
    gaps = [gap(_sap_scores(z, code, draws)) for draws in resampled(code.n, resamples, rng)]
    return scored("SAP", code, gap(own)[0], finite_mean(_stacked(gaps, len(code.varying)), axis=1))


def explicitness(
    latents: np.ndarray,
    factors: np.ndarray,
    *,
    classes: Sequence[int] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Score:
    """How well all latents together tell a factor's values apart: mean area under the ROC.

    Ridgeway & Mozer 2018, arXiv 1802.05312: one against the rest for each class. A number is
    asked instead whether it exceeds each of its quintiles (one value against the rest has no linear
    answer for the values in the middle, even where the latent *is* the factor). The linear probe is
    least squares on standardised latents, in closed form, in place of a logistic regression; fitted
    to one half of the samples and scored on the other, both ways. ``chance`` is 0.5, 1 is perfect,
    higher is better; no bias beyond that of learning from n/2 samples.

    Traps: says nothing of disentanglement; any invertible linear mixture has the same value. The
    interval is wider than it need be (measured: 1.2 to 1.4 times), since a resample holds fewer
    distinct samples to learn from.
    """
    code = checked(latents, factors, classes)
    rng = generator(seed, "explicitness")
    halves = split_in_half(code.n, rng)
    questions = [_questions(code, j) for j in code.varying]
    owner = np.repeat(np.arange(len(questions)), [q.shape[1] for q in questions])
    answers = np.column_stack(questions) if questions else np.zeros((code.n, 0))
    z = standardised(code.latents)

    def areas(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        both = _held_out_area(z, answers, one, other), _held_out_area(z, answers, other, one)
        each = finite_mean(np.array(both), axis=0)
        return np.array([finite_mean(each[owner == j], axis=0) for j in range(len(questions))])

    replicates = np.array(
        [finite_mean(areas(*(draw(h, rng) for h in halves)), axis=0)
         for _ in range(resamples)]
    )  # fmt: skip
    return scored("explicitness", code, areas(*halves), replicates, chance=0.5)


def _stacked(pieces: list[np.ndarray], k: int) -> np.ndarray:
    return np.concatenate(pieces) if pieces else np.zeros((0, k))


def _sap_scores(z: np.ndarray, code: Code, draws: np.ndarray) -> np.ndarray:
    """Score of each latent for each varying factor in each resample: ``(r, d, k)``."""
    counts = np.array([np.bincount(row, minlength=code.n) for row in draws]) / code.n  # (r, n)
    scores = np.empty((len(draws), z.shape[1], len(code.varying)))
    for place, j in enumerate(code.varying):
        v = code.factors[:, j]
        if j in code.classes:
            _, codes = np.unique(v, return_inverse=True)
            scores[:, :, place] = [_nearest_mean(z, codes, row) for row in counts]
        else:
            scores[:, :, place] = _squared_correlation(z, standardised(v[:, None]), counts)
    return scores


def _squared_correlation(z: np.ndarray, v: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """R² ``(r, d)`` of v ``(n, 1)`` on each column of z, samples weighted by counts ``(r, n)``."""
    mean_z, mean_v = counts @ z, counts @ v
    covariance = counts @ (z * v) - mean_z * mean_v
    spread = (counts @ z**2 - mean_z**2) * (counts @ v**2 - mean_v**2)
    return np.where(spread > 1e-12, covariance**2 / np.maximum(spread, 1e-12), 0.0)


def _nearest_mean(z: np.ndarray, codes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Balanced accuracy above chance ``(d,)`` of the nearest class mean along each latent."""
    indicator = np.eye(codes.max() + 1)[codes] * counts[:, None]  # (n, C)
    size = indicator.sum(axis=0)
    present = size > 0
    if present.sum() < 2:
        return np.full(z.shape[1], np.nan)
    means = (indicator.T @ z)[present] / size[present, None]  # (C, d)
    nearest = np.abs(z[:, None, :] - means[None]).argmin(axis=1)  # (n, d)
    named = np.cumsum(present) - 1
    hit = nearest == named[codes][:, None]
    recall = (indicator.T @ hit)[present] / size[present, None]
    chance = 1.0 / present.sum()
    flat = np.ptp(means, axis=0) <= 0
    return np.where(flat, 0.0, np.clip((recall.mean(axis=0) - chance) / (1 - chance), 0.0, 1.0))


def _questions(code: Code, j: int) -> np.ndarray:
    """Yes or no for each class, or each quintile that lies inside: 0/1 ``(n, q)``."""
    v = code.factors[:, j]
    if j in code.classes:
        return (v[:, None] == np.unique(v)).astype(float)
    edges = np.unique(np.quantile(v, QUINTILES, method="lower"))
    return (v[:, None] > edges[edges < v.max()]).astype(float)


def _held_out_area(
    z: np.ndarray, answers: np.ndarray, train: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Area under the ROC ``(q,)`` on ``test`` of the probe fitted to ``train``; NaN undefined."""
    from scipy.stats import rankdata

    if not answers.shape[1]:
        return np.zeros(0)
    x, y = z[train] - z[train].mean(axis=0), answers[train] - answers[train].mean(axis=0)
    gram = x.T @ x + RIDGE * len(train) * np.eye(z.shape[1])
    ranks = rankdata(z[test] @ np.linalg.solve(gram, x.T @ y), axis=0)
    yes = answers[test]
    positive = yes.sum(axis=0)
    pairs = positive * (len(test) - positive)
    above = (ranks * yes).sum(axis=0) - positive * (positive + 1) / 2
    return np.where(pairs > 0, above / np.maximum(pairs, 1), np.nan)
