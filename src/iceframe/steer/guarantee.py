"""The largest threshold below which few enough answers are badly wrong, with high confidence.

Samples whose risk score is at most ``λ`` are answered; the *selective risk* at ``λ`` is the share
of badly wrong ones among them. Of the thresholds on a grid, one is certified when the hypothesis
"its selective risk exceeds the target ``α``" is rejected by the exact binomial test: with ``k`` bad
ones among ``m`` answered, when ``P(Binomial(m, α) ≤ k)`` is small.

Many thresholds are tested in a fixed order, from few answers to many, until the first failure: no
correction for their number is needed then (learn then test: Angelopoulos, Bates, Candès, Jordan &
Lei 2022, arXiv:2110.01052). Since few answers prove little, such a sequence starts at each of the
:data:`STARTS`, and they share the error probability. With probability at least ``confidence`` over
the calibration samples, the selective risk at the largest threshold that passed is at most ``α``:
selection with guaranteed risk, as in Geifman & El-Yaniv 2017, arXiv:1705.08500, who pay for a
binary search instead.

Several populations (samples like the training data; these and strange ones together) can be asked
for at once. A threshold passes when it passes for each; this needs no correction either, since to
certify wrongly all tests must fail together.

Trap: the guarantee is for samples drawn as the calibration samples were.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iceframe.core.errors import UsageError

GRID = 50
STARTS = {0.3: 0.2, 0.7: 0.3, 1.0: 0.5}
"""Share of the samples that is answered where a sequence starts, and its share of the error
probability: half of it for answering all, which most models can."""


def fewest_samples(target: float, confidence: float = 0.9) -> int:
    """How many answers, all of them good, are needed to promise the target at all.

    Examples
    --------
    >>> fewest_samples(0.1), fewest_samples(0.01)
    (29, 299)
    """
    from math import ceil, log

    check_probabilities(risk=target, confidence=confidence)
    return ceil(log((1 - confidence) * STARTS[1.0]) / log(1 - target))


def certified_threshold(
    risk: np.ndarray,
    bad: np.ndarray,
    target: float,
    *,
    confidence: float = 0.9,
    populations: Sequence[np.ndarray] | None = None,
    share: float = 1.0,
) -> float:
    """The largest certified threshold on risk scores ``(n,)``, infinite for what is never answered;
    ``-inf`` where there is none.

    Parameters
    ----------
    bad : which answers were badly wrong, bool ``(n,)``, of samples that ``risk`` was not fitted to.
    target : largest share of bad answers among those given, in (0, 1).
    populations : masks ``(n,)``; the promise is kept in each. Default: all samples.
    share : of the first population at most so much is answered, in (0, 1]; the sequences start at
        the same parts of it.

    Raises
    ------
    UsageError : a target or a confidence outside (0, 1), a share that is none.

    Examples
    --------
    A hundred samples, of which the last twenty are bad and known to be risky:

    >>> risk = np.linspace(0.0, 1.0, 101)
    >>> bad = np.arange(101) > 80
    >>> 0.79 < certified_threshold(risk, bad, 0.1) < 0.86
    True
    >>> certified_threshold(risk[:20], bad[:20], 0.1)  # too few to promise anything
    -inf
    """
    from scipy.stats import binom

    check_probabilities(risk=target, confidence=confidence)
    check_share(share)
    risk, bad = np.asarray(risk, float), np.asarray(bad, bool)
    masks = [np.ones(len(risk), bool)] if populations is None else list(populations)
    first = risk[masks[0] & np.isfinite(risk)]
    if not len(first):
        return -np.inf
    steps = np.unique(np.quantile(first, np.linspace(0, 1, GRID + 1)[1:], method="higher"))
    most = share * len(first)
    steps = steps[np.searchsorted(np.sort(first), steps, side="right") <= most + 1e-9]
    if not len(steps):
        return -np.inf
    p = np.zeros(len(steps))
    for mask in masks:
        order = np.argsort(risk[mask], kind="stable")
        answered = np.searchsorted(risk[mask][order], steps, side="right")
        wrong = np.concatenate([[0], np.cumsum(bad[mask][order])])[answered]
        p = np.maximum(p, binom.cdf(wrong, answered, target))
    answered = np.searchsorted(np.sort(first), steps, side="right")
    best = -1
    for start_share, part in STARTS.items():
        passed = np.append(p <= (1 - confidence) * part, False)
        start = min(int(np.searchsorted(answered, start_share * most)), len(steps) - 1)
        best = max(best, start + int(np.argmin(passed[start:])) - 1 if passed[start] else -1)
    return float(steps[best]) if best >= 0 else -np.inf


def check_probabilities(**given: float) -> None:
    """Refuse a target risk, confidence or level that is no probability between 0 and 1."""
    for name, value in given.items():
        if not (isinstance(value, int | float) and 0.0 < value < 1.0):
            raise UsageError(
                f"The {name} is a probability.",
                where=f"--{name}",
                got=value,
                allowed="above 0 and below 1, for example 0.1",
            )


def check_share(share: float) -> None:
    """Refuse a share of samples that is not above 0 and at most 1."""
    if not (isinstance(share, int | float) and 0.0 < share <= 1.0):
        raise UsageError(
            "The share that is answered is a part of the samples.",
            where="--share",
            got=share,
            allowed="above 0 and at most 1, for example 0.9",
        )
