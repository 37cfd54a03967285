"""How far an explanation can be believed as a picture of its model.

Kept apart on purpose and never averaged into one score: each number can be high while another is
low, and all of them can be high for a model that is wrong about the material.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from iceframe.core.seeds import derive_seed, generator
from iceframe.measure.attribution import attribute
from iceframe.measure.explainer import Attributions
from iceframe.measure.model_flips import on_parts

if TYPE_CHECKING:
    from iceframe.scale.rung import Context, Inputs, Rung

ROUNDING = 1e-9  # attributions below this share of the largest count as equal


def rank_agreement(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman correlation of each row of two ``(n, d)`` arrays: ``(n,)``.

    NaN where a row is constant (up to rounding), has fewer than two entries or is not finite: a
    correlation is undefined there, neither 0 nor 1.

    Examples
    --------
    >>> rank_agreement(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 4.0, 9.0]])).round(6)
    array([1.])
    >>> rank_agreement(np.array([[1.0, 1.0]]), np.array([[1.0, 4.0]]))
    array([nan])
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"expected two (n, d) arrays of one shape, got {a.shape} and {b.shape}")
    return np.array([_spearman(x, y) for x, y in zip(a, b, strict=True)])


def _spearman(x: np.ndarray, y: np.ndarray) -> float:
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(y))):
        return float("nan")
    x, y = _rounded(x), _rounded(y)
    if len(x) < 2 or np.all(x == x[0]) or np.all(y == y[0]):
        return float("nan")
    ranks = pd.Series(x).rank(), pd.Series(y).rank()  # ties share their mean rank
    return float(np.corrcoef(*ranks)[0, 1])


def _rounded(x: np.ndarray) -> np.ndarray:
    """Values with rounding errors made ties."""
    step = ROUNDING * np.max(np.abs(x), initial=0.0)
    return np.round(x / step) if step > 0 else np.zeros_like(x)


def faithfulness(attributions: np.ndarray, flips: np.ndarray) -> np.ndarray:
    """Agreement of attributions ``(n, d)`` with the model's own flips ``(n, d)``: ``(n,)``.

    Spearman correlation per sample of the attribution of each part with the change of the
    prediction when that part is taken away. Bhatt, Weller & Moura 2020,
    doi 10.24963/ijcai.2020/417, eq. 2, with single parts and ranks. Higher is better, in [−1, 1];
    NaN where either is constant.

    Trap: it says nothing about truth. An additive model explained by its own terms has 1 by
    construction, also where it is wrong; and flips ask the model about unlikely samples.
    """
    return rank_agreement(attributions, flips)


def stability(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Agreement of the attributions ``(n, d)`` of two fits for the same samples: ``(n,)``.

    Spearman correlation per sample; Alvarez-Melis & Jaakkola 2018, arXiv 1806.08049, for fits
    instead of inputs. Higher is better, in [−1, 1]; NaN where either is constant.

    Trap: a model that ignores its seed has 1 from seed to seed by construction: look at the
    stability under resampling. Correlated features change places without changing predictions.
    """
    return rank_agreement(first, second)


def compactness(attributions: np.ndarray) -> np.ndarray:
    """How few parts carry the attribution: ``1 − (exp H − 1)/(d − 1)`` per sample, ``(n,)``.

    H is the entropy of the shares ``|a_j|/Σ|a|``, after Bhatt, Weller & Moura 2020,
    doi 10.24963/ijcai.2020/417, §3.3 (there the entropy itself). Higher is more compact: 1 where
    one part has it all, 0 where all d have the same. NaN where all are zero; 1 for a single part.

    Trap: short is not right. A constant-but-one explanation is compact and may be unfaithful.

    Examples
    --------
    >>> compactness(np.array([[3.0, 0.0, 0.0], [1.0, -1.0, 1.0]])).round(6)
    array([1., 0.])
    """
    size = np.abs(np.asarray(attributions, float))
    total = size.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = size / total
        entropy = -np.sum(np.where(shares > 0, shares * np.log(shares), 0.0), axis=1)
    if size.shape[1] < 2:
        result = np.ones(len(size))
    else:
        result = 1.0 - (np.exp(entropy) - 1.0) / (size.shape[1] - 1.0)
    return np.where(total[:, 0] > 0, result, np.nan)


def completeness(attributions: Attributions) -> np.ndarray:
    """What the attributions fail to add up to, relative to the change explained: ``(n,)``.

    ``|Σ a − (f(x) − f(baseline))| / |f(x) − f(baseline)|``; Sundararajan, Taly & Yan 2017,
    arXiv 1703.01365, §3. Lower is better, 0 is exact; NaN where prediction and baseline are equal.

    Trap: the ratio explodes for samples close to the baseline: report the median. Completeness
    fixes the sum only, not who gets what.
    """
    return attributions.gap


def seed_stability(
    rung: Rung,
    settings: Mapping[str, Any],
    train: Inputs,
    y: np.ndarray,
    context: Context,
    first: Attributions,
    test: Inputs,
    *,
    attribution_seed: int = 0,
) -> np.ndarray:
    """:func:`stability` ``(n,)`` against a second fit that differs in its seed alone.

    ``first`` are the attributions of the fitted rung for ``test``; ``train`` is the background, and
    for a classification the same classes are explained.
    """
    other = replace(context, seed=derive_seed(context.seed, "seed stability"))
    return _against_refit(rung, settings, train, y, other, first, test, train, attribution_seed)


def resample_stability(
    rung: Rung,
    settings: Mapping[str, Any],
    train: Inputs,
    y: np.ndarray,
    context: Context,
    first: Attributions,
    test: Inputs,
    *,
    attribution_seed: int = 0,
) -> np.ndarray:
    """:func:`stability` ``(n,)`` against a fit to a random half of the training samples.

    Trap: half of the samples also make a poorer model, so this is a lower bound for redrawn data.
    """
    keep = _half(y, context, generator(context.seed, "resample stability"))
    return _against_refit(
        rung, settings, train.take(keep), y[keep], context, first, test, train, attribution_seed
    )


def _half(y: np.ndarray, context: Context, rng: np.random.Generator) -> np.ndarray:
    """Positions of half of the samples, of each class for a classification; at least one each."""
    strata = np.asarray(y, int) if context.task == "classification" else np.zeros(len(y), int)
    parts = []
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata == stratum))
        parts.append(members[: -(-len(members) // 2)])
    return np.sort(np.concatenate(parts))


def _against_refit(
    rung: Rung,
    settings: Mapping[str, Any],
    train: Inputs,
    y: np.ndarray,
    context: Context,
    first: Attributions,
    test: Inputs,
    background: Inputs,
    attribution_seed: int,
) -> np.ndarray:
    from iceframe.scale.fitting import fit

    codes = first.target if context.task == "classification" else None
    second = attribute(
        fit(rung, settings, train, y, context),
        test,
        background,
        seed=attribution_seed,
        codes=codes,
    )
    return stability(on_parts(first), on_parts(second))
