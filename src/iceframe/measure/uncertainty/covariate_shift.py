"""Conformal intervals under covariate shift: calibration samples weighted by a density ratio.

Where new samples come from another distribution of x, but y given x is the same, the level holds
with weights w(x) = p_new(x)/p_calibration(x) (Tibshirani, Barber, Candès & Ramdas 2019, arXiv
1904.06019, §2): the threshold of a new x is the smallest score s_(k) with
Σ_{i ≤ k} w_i ≥ level · (Σ_i w_i + w(x)), and infinite where the calibration samples do not reach.

The ratio is learned: a classifier tells new samples from calibration samples, and
w = p/(1 − p) · n/m with p its probability of "new" for samples that it was not trained on
(cross-fitting). Ratios are clipped from above. The effective sample size (Σ w)²/Σ w² says how many
calibration samples still count; where it is below 2/(1 − level), intervals are infinite.

Trap: weights repair a shift of x, never one of y given x (another process, another tester), and
cannot help where no calibration sample resembles the new ones. Then the honest answer is none.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from iceframe.core.errors import InputError
from iceframe.core.seeds import derive_seed, generator
from iceframe.measure.uncertainty.intervals import Interval, ascending, checked_level, finite

FOLDS = 5
LARGEST_RATIO = 50.0  # one sample counts for fifty at most
FEWEST_NEW = 20  # new samples from which a difference can be learned
MOST_TRAINING = 4_000  # samples a classifier is trained on
PENALTIES = (0.01, 0.1, 1.0)  # inverse strength of the ridge penalty on standardised columns


@dataclass(frozen=True)
class DensityRatio:
    """Weights of the calibration samples ``(n,)`` and of the new ones ``(m,)``.

    ``told_apart`` is the classifier's area under the ROC curve on samples that it did not see: 0.5
    where nothing has shifted, 1 where no calibration sample resembles a new one. ``clipped``: the
    share of all ratios that were larger than ``LARGEST_RATIO``. ``reason``: why there are no
    weights; empty where there are.
    """

    calibration: np.ndarray
    new: np.ndarray
    told_apart: float = float("nan")
    clipped: float = 0.0
    reason: str = ""

    @property
    def effective(self) -> float:
        """Effective number of calibration samples."""
        return effective_size(self.calibration)


@dataclass(frozen=True)
class Thresholds:
    """A threshold for each new sample ``(m,)``, infinite where ``reason`` or the sample's own
    weight forbids one; ``effective`` calibration samples stand behind them."""

    values: np.ndarray
    effective: float
    reason: str = ""

    def interval(self, predicted: np.ndarray) -> Interval:
        """Ends ``(m,)`` around predictions of the new samples; scores are |residuals|."""
        predicted = finite(predicted, "the predictions")
        return predicted - self.values, predicted + self.values

    @property
    def refused(self) -> np.ndarray:
        """Where no finite threshold can be given, bool ``(m,)``."""
        return np.isinf(self.values)


def density_ratio(
    calibration: np.ndarray,
    new: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
    classifier: Any = None,
) -> DensityRatio:
    """Learn how much more likely each sample is among the new ones.

    Parameters
    ----------
    calibration, new : representations ``(n, d)``, ``(m, d)``; NaN where a value is missing.
    groups : ``(n,)``, calibration samples that share one stay on one side of every fold.
    classifier : an unfitted scikit-learn classifier with probabilities; default a logistic
        regression on standardised columns, its ridge penalty chosen by the cross-fitted log loss.

    Fewer than ``FEWEST_NEW`` new or calibration samples, or no column, give no weights and the
    reason.

    Raises
    ------
    InputError : different columns, or a value that is infinite.
    """
    calibration, new = (np.asarray(part, float) for part in (calibration, new))
    if calibration.ndim != 2 or new.ndim != 2 or calibration.shape[1] != new.shape[1]:
        raise InputError(
            "Calibration and new samples have different columns.",
            got=f"{calibration.shape} and {new.shape}",
            allowed="(n, d) and (m, d)",
        )
    if np.isinf(calibration).any() or np.isinf(new).any():
        raise InputError(
            "A density ratio cannot be learned from infinite values.", allowed="numbers or NaN"
        )
    n, m = len(calibration), len(new)
    if not calibration.shape[1]:
        return DensityRatio(np.ones(n), np.ones(m), reason="nothing is known of the samples")
    if min(n, m) < FEWEST_NEW:
        reason = f"a shift cannot be learned from {m} new and {n} calibration samples"
        return DensityRatio(np.ones(n), np.ones(m), reason=f"{reason} (at least {FEWEST_NEW})")
    from sklearn.metrics import roc_auc_score

    x, is_new = np.vstack([calibration, new]), np.repeat([0, 1], [n, m])
    probability = _cross_fitted(x, is_new, groups, seed, classifier)
    ratio = probability / np.maximum(1.0 - probability, 1e-12) * (n / m)
    weights = np.minimum(ratio, LARGEST_RATIO)
    return DensityRatio(
        weights[:n],
        weights[n:],
        float(roc_auc_score(is_new, probability)),
        float(np.mean(ratio > LARGEST_RATIO)),
    )


def weighted_thresholds(
    scores: np.ndarray, ratio: DensityRatio, level: float = 0.9, smallest: float | None = None
) -> Thresholds:
    """Thresholds ``(m,)`` of left-out ``scores`` ``(n,)`` for the new samples of ``ratio``.

    Parameters
    ----------
    smallest : the effective sample size that is asked for; default 2/(1 − level).

    Examples
    --------
    Nine calibration samples; the upper scores count twice.

    >>> ratio = DensityRatio(np.array([1.0] * 5 + [2.0] * 4), np.array([1.0, 9.0]))
    >>> weighted_thresholds(np.arange(1.0, 10.0), ratio, 0.8, smallest=5).values.tolist()
    [9.0, inf]
    """
    scores = np.asarray(scores, float)
    ascending(scores)
    weights = finite(ratio.calibration, "the weights")
    if weights.shape != scores.shape:
        raise ValueError(f"weights {weights.shape} do not match scores {scores.shape}")
    effective = effective_size(weights)
    smallest = 2.0 / (1.0 - checked_level(level)) if smallest is None else smallest
    reason = ratio.reason
    if not reason and effective < smallest - 1e-9:
        reason = (
            f"too few calibration samples resemble the new ones: {effective:.0f} count, "
            f"{smallest:.0f} are needed at {100 * level:g} %"
        )
    if reason:
        return Thresholds(np.full(len(ratio.new), np.inf), effective, reason)
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order])
    wanted = level * (reached[-1] + finite(ratio.new, "the weights"))
    rank = np.searchsorted(reached, wanted * (1 - 1e-12), side="left")
    values = np.append(scores[order], np.inf)[rank]
    return Thresholds(values, effective)


def effective_size(weights: np.ndarray) -> float:
    """(Σ w)²/Σ w²: how many equal weights tell as much.

    Examples
    --------
    >>> effective_size(np.ones(7)), effective_size(np.array([1.0, 0.0, 0.0]))
    (7.0, 1.0)
    """
    weights = np.asarray(weights, float)
    square = float(np.sum(weights**2))
    return float(np.sum(weights)) ** 2 / square if square > 0 else 0.0


def _cross_fitted(
    x: np.ndarray, is_new: np.ndarray, groups: np.ndarray | None, seed: int, classifier: Any
) -> np.ndarray:
    """Probability ``(n + m,)`` of "new", from classifiers that did not see the sample."""
    splits = []
    for fold, (train, test) in enumerate(_splits(is_new, groups, seed)):
        rng = generator(seed, "density ratio", fold)
        splits.append((rng.permutation(train)[:MOST_TRAINING], test))
    candidates = [_logistic(c) for c in PENALTIES] if classifier is None else [classifier]
    found = [_left_out(candidate, x, is_new, splits) for candidate in candidates]
    truth = [np.where(is_new, p, 1.0 - p) for p in found]
    likelihood = [float(np.mean(np.log(np.maximum(p, 1e-12)))) for p in truth]
    return found[int(np.argmax(likelihood))]


def _splits(is_new: np.ndarray, groups: np.ndarray | None, seed: int) -> Any:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    folds = kind(FOLDS, shuffle=True, random_state=derive_seed(seed, "density ratio"))
    if groups is None:
        return folds.split(is_new, is_new)
    known = np.unique(groups, return_inverse=True)[1]
    alone = known.max() + 1 + np.arange(len(is_new) - len(known))
    return folds.split(is_new, is_new, np.concatenate([known, alone]))


def _left_out(
    classifier: Any,
    x: np.ndarray,
    is_new: np.ndarray,
    splits: Sequence[tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning

    probability = np.empty(len(x))
    for train, test in splits:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = clone(classifier).fit(x[train], is_new[train])
        probability[test] = model.predict_proba(x[test])[:, 1]
    return probability


def _logistic(penalty: float) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=penalty, max_iter=300),
    )
