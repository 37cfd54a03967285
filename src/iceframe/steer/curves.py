"""How well a gate tells bad answers from good ones, whatever its threshold.

:func:`selective_risk` is the curve of Geifman & El-Yaniv 2017, arXiv:1705.08500; the area under its
generalised form is :func:`iceframe.measure.fidelity.augrc`.
"""

from __future__ import annotations

import numpy as np


def selective_risk(risk: np.ndarray, bad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of samples answered, least risky first, and share of bad ones among these, ``(t,)``.

    One point for each distinct risk: equal ones are answered together. Lower is better.

    Examples
    --------
    >>> answered, wrong = selective_risk(np.array([0.1, 0.2, 0.3, 0.3]), np.array([0, 0, 1, 0]))
    >>> answered.tolist(), wrong.tolist()
    ([0.25, 0.5, 1.0], [0.0, 0.0, 0.25])
    """
    risk, bad = np.asarray(risk, float), np.asarray(bad, float)
    _, count = np.unique(risk, return_counts=True)
    ends = np.cumsum(count)
    wrong = np.cumsum(bad[np.argsort(risk, kind="stable")])[ends - 1]
    return ends / len(risk), wrong / ends


def withheld(risk: np.ndarray, bad: np.ndarray, lost: float = 0.1) -> float:
    """Share of the bad answers withheld by the strictest threshold that loses at most a share
    ``lost`` of the good ones; higher is better, NaN where no answer is bad or none good.

    Examples
    --------
    >>> bad = np.array([False] * 10 + [True] * 2)
    >>> withheld(np.array([0.0] * 8 + [0.5, 0.7, 0.4, 0.9]), bad)
    0.5
    """
    risk, bad = np.asarray(risk, float), np.asarray(bad, bool)
    if not bad.any() or bad.all():
        return float("nan")
    good = np.sort(risk[~bad])
    # The threshold answers all but the riskiest ``lost`` of the good.
    answered = good[len(good) - 1 - int(np.floor(round(lost * len(good), 9)))]
    return float((risk[bad] > answered).mean())
