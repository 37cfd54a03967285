"""What a run keeps of the uncertainty of held-out answers, and what is told from it.

Columns beside the answers of an outer fold (:func:`fold_columns`) and of a cluster that was left
out whole (:func:`shift_columns`); estimates from these columns for the evidence of a rung
(:func:`calibration_estimates`, :func:`shift_estimates`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from iceframe.core.values import Task
from iceframe.measure.complexity import Estimate
from iceframe.measure.conformal import Conformal, LeftOut, threshold
from iceframe.measure.fidelity import coverage
from iceframe.measure.uncertainty.covariate_shift import density_ratio, weighted_thresholds
from iceframe.measure.uncertainty.mondrian import ByRange, fewest
from iceframe.measure.uncertainty.scores import (
    area_estimate,
    calibration_error_estimate,
    crps_residuals,
    needed_levels,
)


def fold_columns(
    conformal: Conformal, y: np.ndarray, predicted: np.ndarray
) -> dict[str, np.ndarray]:
    """For a regression ``crps`` and ``needed_level`` ``(m,)`` of held-out samples, from the
    left-out residuals of ``conformal`` in the range of the prediction; NaN where a model answers no
    number. Nothing for a classification."""
    if conformal.left_out is None or conformal.task == "classification":
        return {}
    known, errors = conformal.left_out, y - predicted
    residuals = known.residuals()
    columns = {name: np.full(len(errors), np.nan) for name in ("crps", "needed_level")}
    told = np.isfinite(errors) & bool(np.isfinite(residuals).all())
    if not told.any():
        return columns
    by_range = ByRange.fit(known, conformal.level)
    place, own = by_range.places(predicted), by_range.places(known.predicted)
    for number in np.unique(place[told]):
        mine = told & (place == number)
        like = residuals[own == number]
        like = like if len(like) >= fewest(conformal.level) else residuals
        columns["crps"][mine] = crps_residuals(like, errors[mine])
        columns["needed_level"][mine] = needed_levels(np.abs(like), np.abs(errors[mine]))
    return columns


def shift_columns(
    conformal: Conformal,
    y: np.ndarray,
    predicted: np.ndarray,
    calibration: np.ndarray,
    new: np.ndarray,
    *,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Whether intervals or sets hold on samples from elsewhere, without weights and with them.

    Parameters
    ----------
    y, predicted : ``(m,)`` and ``(m,)`` or ``(m, k)``, of the samples from elsewhere.
    calibration, new : representations ``(n, d)``, ``(m, d)`` of the samples that calibrated, in the
        order of ``conformal.left_out``, and of those from elsewhere.

    Returns
    -------
    ``covered``, ``covered_weighted`` and ``refused`` bool ``(m,)``: with weights no finite
    threshold can be given. ``effective`` ``(m,)``: the effective number of calibration samples.
    """
    assert conformal.left_out is not None
    own = LeftOut(y, predicted, np.zeros(len(y), int)).scores()
    hit = np.zeros(len(y), bool)
    if conformal.task == "classification":  # the most probable class is always in the set
        hit = predicted.argmax(axis=1) == y
    ratio = density_ratio(calibration, new, groups=conformal.left_out.group, seed=seed)
    scores = conformal.left_out.scores()
    scores = np.where(np.isnan(scores), np.inf, scores)  # no answer is no hit at any threshold
    weighted = weighted_thresholds(scores, ratio, conformal.level)
    return {
        "covered": hit | (own <= threshold(conformal.scores, conformal.level)),
        "covered_weighted": hit | (own <= weighted.values),
        "refused": weighted.refused,
        "effective": np.full(len(y), weighted.effective),
    }


def calibration_estimates(
    predictions: pd.DataFrame, task: Task, classes: Sequence[str] = (), *, seed: int = 0
) -> dict[str, Estimate]:
    """``miscalibration_area`` of a regression, ``calibration_error`` of a classification.

    ``predictions``: all held-out rows of a rung, as for
    :func:`iceframe.measure.summary.fidelity_evidence`.
    """
    if task == "classification":
        codes = predictions["y"].map({name: i for i, name in enumerate(classes)}).to_numpy(int)
        probabilities = predictions[[f"p_{name}" for name in classes]].to_numpy(float)
        return {"calibration_error": calibration_error_estimate(codes, probabilities, seed=seed)}
    if "needed_level" not in predictions:
        return {}
    needed = predictions["needed_level"].dropna().to_numpy(float)
    return {"miscalibration_area": area_estimate(needed, seed=seed)} if len(needed) else {}


def shift_estimates(clusters: Sequence[pd.DataFrame]) -> dict[str, Estimate]:
    """Coverage over all clusters that were left out, ``shift_coverage_90`` without weights and
    ``shift_coverage_90_weighted`` with them, of the samples that weights can answer for."""
    if not all("covered" in cluster for cluster in clusters):
        return {}
    rows = pd.concat(clusters, ignore_index=True)
    answered = rows[~rows["refused"].to_numpy(bool)]
    plain, weighted = rows["covered"].to_numpy(bool), answered["covered_weighted"].to_numpy(bool)
    note = f"weights leave {rows['effective'].median():.0f} calibration samples"
    if len(answered) < len(rows):
        note += f"; no finite interval for {len(rows) - len(answered)} of {len(rows)} samples"
    return {
        "shift_coverage_90": Estimate(*coverage(plain), len(plain)),
        "shift_coverage_90_weighted": Estimate(*coverage(weighted), len(weighted), note),
    }
