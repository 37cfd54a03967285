"""How far an explanation can be believed as a picture of its model.

Kept apart on purpose and never averaged into one score: each number can be high while another is
low, and all of them can be high for a model that is wrong about the material.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.seeds import derive_seed, generator
from iceframe.measure.attribution import attribute
from iceframe.measure.explainer import Attributions
from iceframe.measure.model_flips import on_parts
from iceframe.measure.ranks import rank_agreement

if TYPE_CHECKING:
    from iceframe.scale.rung import Context, Inputs, Rung


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
