"""Scores of uncertainty: CRPS, the calibration curve and its area, calibration error of classes.

* CRPS = ∫ (F(t) − 1[t ≥ y])² dt, in the unit of y, lower is better, proper; the absolute error
  where F is a point (Gneiting & Raftery 2007, §4.2, doi 10.1198/016214506000001437). From an
  ensemble: mean |x_i − y| − ½ mean |x_i − x_j|; from quantiles: twice the pinball loss, averaged
  over levels.
* Calibration curve: the share of samples that lie in their interval, at every level. The area
  between it and the diagonal, in [0, ½], is the miscalibration area (Tran et al. 2020,
  doi 10.1088/2632-2153/ab7e1a).
* Expected calibration error: Σ_b n_b/n |share right − mean probability| of the predicted class,
  over bins of equal mass (Naeini, Cooper & Hauskrecht 2015, doi 10.1609/aaai.v29i1.9602).

Trap: the last two are distances, so that chance alone makes them positive: for a calibrated model
about 0.31/√n for the area; :func:`calibration_error_by_chance` tells it for the classes.
Calibrated is not sharp; look at CRPS or the interval score beside them.
"""

from __future__ import annotations

import numpy as np

from iceframe.core.seeds import generator
from iceframe.measure.complexity import Estimate
from iceframe.measure.uncertainty.intervals import ascending, finite

BINS = 10
AREA_BY_CHANCE = np.sqrt(np.pi / 32)  # ∫ E|F̂(p) − p| dp √n = √(2/π) ∫ √(p (1 − p)) dp
DRAWS = 500


def crps_normal(mean: np.ndarray, sd: np.ndarray, y: np.ndarray) -> np.ndarray:
    """CRPS ``(m,)`` of normal predictions; ``sd`` zero gives the absolute error.

    Examples
    --------
    >>> crps_normal(np.zeros(2), np.array([1.0, 0.0]), np.array([0.0, -2.0])).round(4).tolist()
    [0.2337, 2.0]
    """
    from scipy import special

    mean, sd, y = finite(mean, "the means"), finite(sd, "the spreads"), finite(y, "the targets")
    if np.any(sd < 0):
        raise ValueError("a standard deviation is negative")
    error = y - mean
    z = np.divide(error, sd, out=np.zeros_like(error), where=sd > 0)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    spread = sd * (z * (2 * special.ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))
    return np.where(sd > 0, spread, np.abs(error))


def crps_ensemble(members: np.ndarray, y: np.ndarray, *, fair: bool = False) -> np.ndarray:
    """CRPS ``(m,)`` of ensembles ``(e, m)``.

    ``fair`` scores the distribution that the members were drawn from, not their e values: unbiased
    for any e ≥ 2 (Ferro 2014, doi 10.1002/qj.2270).

    Examples
    --------
    >>> crps_ensemble(np.array([[1.0], [3.0]]), np.array([2.0])).tolist()    # 1 − ½ · 1
    [0.5]
    >>> crps_ensemble(np.array([[1.0], [3.0]]), np.array([2.0]), fair=True).tolist()    # 1 − ½ · 2
    [0.0]
    """
    members, y = finite(members, "the predictions"), finite(y, "the targets")
    size = len(members)
    if members.ndim != 2 or members.shape[1:] != y.shape or size < 1 + fair:
        raise ValueError(f"members {members.shape} do not match targets {y.shape}")
    error = np.abs(members - y).mean(axis=0)
    place = 2 * np.arange(1, size + 1) - size - 1  # Σ_ij |x_i − x_j| / 2 from the order
    pairs = place @ np.sort(members, axis=0)
    return np.asarray(error - pairs / (size * (size - fair)))


def crps_quantiles(levels: np.ndarray, quantiles: np.ndarray, y: np.ndarray) -> np.ndarray:
    """CRPS ``(m,)`` from quantiles ``(q, m)`` at ascending ``levels`` ``(q,)`` in (0, 1).

    Each level stands for the levels that are nearer to it than to another one.

    Examples
    --------
    >>> crps_quantiles(np.array([0.25, 0.75]), np.array([[1.0], [3.0]]), np.array([2.0])).tolist()
    [0.5]
    """
    levels, y = np.asarray(levels, float), finite(y, "the targets")
    quantiles = finite(quantiles, "the quantiles")
    if np.any(np.diff(levels) <= 0) or levels[0] <= 0 or levels[-1] >= 1:
        raise ValueError("levels must ascend within (0, 1)")
    if quantiles.shape != (len(levels), *y.shape):
        raise ValueError(f"quantiles {quantiles.shape} do not match {len(levels)} levels")
    edges = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [1.0]])
    miss = y - quantiles
    pinball = np.maximum(levels[:, None] * miss, (levels[:, None] - 1) * miss)
    return np.asarray(2 * np.diff(edges) @ pinball)


def crps_residuals(residuals: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """CRPS ``(m,)`` of predictions whose distribution is that of left-out residuals about them.

    The predictive distribution of the conformal intervals: f(x) + r_i with signed residuals
    ``(n,)``; ``errors`` ``(m,)`` are y − f(x). The same as :func:`crps_ensemble` of f(x) + r_i,
    without the table of n × m.

    Examples
    --------
    >>> crps_residuals(np.array([-1.0, 1.0]), np.array([0.0, 5.0])).tolist()
    [0.5, 4.5]
    """
    r, errors = ascending(residuals), finite(errors, "the errors")
    n = len(r)
    summed = np.concatenate([[0.0], np.cumsum(r)])
    below = np.searchsorted(r, errors)
    absolute = errors * (2 * below - n) + summed[-1] - 2 * summed[below]
    pairs = float((2 * np.arange(1, n + 1) - n - 1) @ r)
    return np.asarray(absolute / n - pairs / n**2)


# -- calibration over levels -----------------------------------------------------------------------


def needed_levels(scores: np.ndarray, new: np.ndarray) -> np.ndarray:
    """The level ``(m,)`` at which each sample's interval begins to hold its truth.

    With left-out ``scores`` ``(n,)`` and true scores ``new`` ``(m,)``: a sample is covered at the
    levels above (k − 1)/(n + 1) with k the rank of its score; (k − ½)/(n + 1) is returned, which
    is uniform on average.

    Examples
    --------
    >>> needed_levels(np.array([1.0, 2.0, 3.0]), np.array([0.5, 2.5, 9.0])).tolist()
    [0.125, 0.625, 0.875]
    """
    scores = ascending(scores)
    rank = np.searchsorted(scores, np.asarray(new, float), side="left") + 1
    return np.asarray((rank - 0.5) / (len(scores) + 1))


def calibration_curve(needed: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Share of samples that are covered at each of ``levels`` ``(q,)``.

    Examples
    --------
    >>> calibration_curve(np.array([0.1, 0.4, 0.8]), np.array([0.5, 0.9])).round(3).tolist()
    [0.667, 1.0]
    """
    needed = np.sort(finite(needed, "the levels"))
    return np.asarray(np.searchsorted(needed, np.asarray(levels), side="right") / len(needed))


def miscalibration_area(needed: np.ndarray) -> float:
    """∫ |share covered at p − p| dp over (0, 1), exactly: in [0, ½], lower is better.

    Parameters
    ----------
    needed : ``(m,)`` from :func:`needed_levels`.

    Examples
    --------
    Intervals that always hold are as wrong as those that never do.

    >>> miscalibration_area(np.zeros(4)), miscalibration_area(np.ones(4))
    (0.5, 0.5)
    >>> miscalibration_area((np.arange(50) + 0.5) / 50)
    0.005
    """
    return round(float(_areas(finite(needed, "the levels")[None])[0]), 12)


def _areas(needed: np.ndarray) -> np.ndarray:
    """Miscalibration areas ``(b,)`` of levels ``(b, m)``."""
    needed = np.sort(np.clip(needed, 0.0, 1.0), axis=1)
    ends = np.zeros((len(needed), 1))
    edges = np.concatenate([ends, needed, ends + 1.0], axis=1)
    share = np.arange(needed.shape[1] + 1) / needed.shape[1]

    def primitive(p: np.ndarray) -> np.ndarray:  # of |p − share|
        return (p - share) * np.abs(p - share) / 2

    return np.asarray((primitive(edges[:, 1:]) - primitive(edges[:, :-1])).sum(axis=1))


def area_estimate(needed: np.ndarray, *, seed: int = 0) -> Estimate:
    """:func:`miscalibration_area` with a bootstrap interval over samples; its note says what
    chance alone gives."""
    needed = finite(needed, "the levels")
    draws = generator(seed, "miscalibration area").integers(len(needed), size=(DRAWS, len(needed)))
    chance = AREA_BY_CHANCE / np.sqrt(len(needed))
    return _estimate(miscalibration_area(needed), _areas(needed[draws]), len(needed), chance)


def _estimate(value: float, drawn: np.ndarray, n: int, chance: float) -> Estimate:
    low, high = (float(q) for q in np.quantile(drawn, [0.025, 0.975]))
    note = f"{chance:.2g} by chance alone for a calibrated model"
    return Estimate(value, min(low, value), max(high, value), n, note)


# -- calibration of probabilities ------------------------------------------------------------------


def calibration_error(codes: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error of the predicted class; in [0, 1], lower is better.

    Parameters
    ----------
    codes : true classes ``(n,)``. probabilities : ``(n, k)``. bins : of equal mass, n at most.

    Examples
    --------
    >>> p = np.array([[0.8, 0.2]] * 5)
    >>> round(calibration_error(np.array([0, 0, 0, 0, 1]), p, bins=1), 6)
    0.0
    """
    confidence, hit = _confidence(codes, probabilities)
    return float(_binned_gap(confidence, hit[None], bins)[0])


def calibration_error_by_chance(
    probabilities: np.ndarray, bins: int = BINS, *, seed: int = 0
) -> float:
    """What :func:`calibration_error` shows on average if the probabilities are right."""
    confidence = finite(probabilities, "the probabilities").max(axis=1)
    rng = generator(seed, "calibration error")
    hits = rng.random((DRAWS, len(confidence))) < confidence
    return float(_binned_gap(confidence, hits, bins).mean())


def calibration_error_estimate(
    codes: np.ndarray, probabilities: np.ndarray, *, seed: int = 0
) -> Estimate:
    """:func:`calibration_error` with a bootstrap interval over samples; its note says what chance
    alone gives."""
    confidence, hit = _confidence(codes, probabilities)
    n = len(hit)
    draws = generator(seed, "calibration error").integers(n, size=(DRAWS, n))
    drawn = np.array([_binned_gap(confidence[d], hit[None, d], BINS)[0] for d in draws])
    chance = calibration_error_by_chance(probabilities, seed=seed)
    return _estimate(calibration_error(codes, probabilities), drawn, n, chance)


def _confidence(codes: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p = finite(probabilities, "the probabilities")
    codes = np.asarray(codes, int)
    if p.ndim != 2 or codes.shape != p.shape[:1] or not len(p):
        raise ValueError(f"codes {codes.shape} and probabilities {p.shape} do not match")
    return p.max(axis=1), p.argmax(axis=1) == codes


def _binned_gap(confidence: np.ndarray, hits: np.ndarray, bins: int) -> np.ndarray:
    """Σ_b |Σ (hit − confidence)| / n ``(b,)`` of hits ``(b, n)``, in bins of equal mass.

    Equal confidences share their mean gap, so that the order of samples does not matter.
    """
    order = np.argsort(confidence, kind="stable")
    gap = (hits - confidence)[:, order]
    values, start, count = np.unique(confidence[order], return_index=True, return_counts=True)
    if len(values) < len(order):
        gap = np.repeat(np.add.reduceat(gap, start, axis=1) / count, count, axis=1)
    n = len(order)
    edges = np.linspace(0, n, min(bins, n) + 1).astype(int)[:-1]
    return np.asarray(np.abs(np.add.reduceat(gap, edges, axis=1)).sum(axis=1) / n)
