"""Coverage after selection: the conformal quantile over selected samples alone.

An interval that covers 90 % of all samples need not cover 90 % of those that a gate lets pass, nor
of those that it turns away. Where the gate was fitted without a calibration sample, this sample and
a new one that pass it are exchangeable, and so the ⌈level (m + 1)⌉-th smallest score of the ``m``
calibration samples *that passed* covers a new one that passes at the level: selection-conditional
prediction (Jin & Ren 2024, arXiv:2403.03868; Bao, Huo, Ren & Zou 2024, arXiv:2301.00584) in its
simplest case, a threshold from other data. The gate of a sample's own part of the data is fitted on
the other parts, so that all samples serve.

Trap: a gate that lets nothing pass leaves nothing to calibrate on; the quantile is infinite then.
"""

from __future__ import annotations

import numpy as np

from iceframe.measure.conformal import threshold


def selected_quantile(scores: np.ndarray, passed: np.ndarray, level: float) -> float:
    """The quantile of conformity scores ``(n,)`` among the samples that passed, bool ``(n,)``.

    Examples
    --------
    The largest scores belong to samples that the gate turned away.

    >>> scores = np.arange(1.0, 31.0)
    >>> selected_quantile(scores, scores > 0, 0.9), selected_quantile(scores, scores < 20, 0.9)
    (28.0, 18.0)
    """
    return threshold(np.sort(np.asarray(scores, float)[np.asarray(passed, bool)]), level)
