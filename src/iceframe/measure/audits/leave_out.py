"""What is lost for a class of materials that a model has not seen.

The same model, at the same settings, is fitted with all classes and with each class left out in
turn; its errors on held-out samples of every class make a matrix: a row a class left out, a column
a class tested. The diagonal over the first row, where nothing was left out, is what a new class of
that kind would cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from iceframe.core.values import Finding, Fold
from iceframe.measure.audits.outcome import Examined

KIND = "leave-class-out"
SMALLEST = 8
FALLS = 1.5
"""Error on a class that was left out, over its error when it was trained on."""

Losses = Callable[[np.ndarray, Fold], np.ndarray]
"""Losses ``(m,)`` of the test samples of a fold under a model of the samples at these positions."""


def matrix(
    losses: Losses,
    labels: np.ndarray,
    folds: Sequence[Fold],
    watch: Callable[[str], None] | None = None,
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Classes; mean losses ``(k + 1, k)``, first row nothing left out; samples tested ``(k,)``."""
    labels = np.asarray(labels).astype(str)
    names, counts = np.unique(labels[labels != ""], return_counts=True)
    names = names[counts >= SMALLEST]
    if len(names) < 2:
        raise ValueError("there must be two classes or more")
    sums = np.zeros((len(names) + 1, len(names)))
    tested = np.zeros(len(names), int)
    for fold in folds:
        of = labels[fold.test]
        for row, out in enumerate(("", *names)):
            if watch is not None:
                watch(out)
            train = fold.train[labels[fold.train] != out] if out else fold.train
            found = losses(train, fold)
            for column, name in enumerate(names):
                sums[row, column] += found[of == name].sum()
        tested += np.array([(of == name).sum() for name in names])
    with np.errstate(invalid="ignore", divide="ignore"):
        return tuple(map(str, names)), sums / tested, tested


def examine(
    names: Sequence[str], found: np.ndarray, tested: np.ndarray, by: str, loss: str, unit: str
) -> Examined:
    """Findings on :func:`matrix`'s answer; ``by``: the column that names the classes."""
    seen, unseen = found[0], np.diagonal(found[1:])
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = unseen / seen
    facts = {
        "by": by, "classes": list(names), "matrix": found.tolist(), "n": tested.tolist(),
        "loss": loss, "unit": unit,
    }  # fmt: skip
    bad = [int(i) for i in np.argsort(-ratio) if np.isfinite(ratio[i]) and ratio[i] >= FALLS]
    if not bad:
        return Examined(KIND, facts=facts)
    told = "; ".join(
        f"{names[i]}: {seen[i]:.3g} when trained on, {unseen[i]:.3g} {unit}".rstrip()
        + f" when left out (n = {tested[i]})"
        for i in bad[:5]
    )
    finding = Finding(
        "unseen-class",
        "warning",
        f"Classes that the model cannot do without having seen them: {len(bad)} of {len(names)}",
        f"{loss}: {told}.",
        "answer for such a class only with samples of it in training; let the gate withhold it",
        value=float(ratio[bad[0]]),
    )
    return Examined(KIND, (finding,), facts)
