"""Samples that stand for many, samples that nobody stands for, and the training samples next to a
new one; on any representation ``(n, d)``.

With a kernel ``k`` and ``n`` samples ``x``, prototypes ``S`` are chosen one after the other such
that the maximum mean discrepancy between them and the data,

``MMD²(S) = ⟨k(x, x')⟩ − 2 ⟨k(x, s)⟩ + ⟨k(s, s')⟩``,

is least. Criticisms ``C`` are chosen one after the other, from the other samples, to maximise

``Σ_{c ∈ C} |⟨k(x, c)⟩ − ⟨k(s, c)⟩| + log det k(C, C)``:

where the data are more, or less, dense than the prototypes say, and not twice in one place. The
kernel is ``exp(−‖x − x'‖²/2σ²)``, by default with the median distance between samples for ``σ``.

Traps: distances are only as good as the representation: columns in different units have to be
standardised before. Prototypes follow the data, not the model. A witness measures density: a single
sample far from all others weighs ``1/n``, and is found only where the prototypes fit the rest.

References: Kim, Khanna & Koyejo 2016 (MMD-critic),
https://papers.nips.cc/paper/2016/hash/5680522b8e2bb01943234bce7bf84534-Abstract.html; Gretton et
al. 2012 (discrepancy, median distance), https://jmlr.org/papers/v13/gretton12a.html.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iceframe.core.errors import InputError, UsageError

MOST_SAMPLES = 10_000
"""Prototypes hold the kernel between all samples, 800 MB of so many, and twice that in passing."""

DISTANCES = 4_000_000
"""Distances that a search for neighbours holds at once."""

LEAST_VARIANCE = 1e-12
"""What is left of a sample that equals a criticism: keeps the logarithm finite."""


@dataclass(frozen=True)
class Neighbours:
    """The ``k`` training samples next to each of ``m`` new ones, nearest first.

    ``index`` ``(m, k)``: positions among the training samples; ``distance`` ``(m, k)``: Euclidean,
    in the unit of the representation.
    """

    index: np.ndarray
    distance: np.ndarray


@dataclass(frozen=True)
class Prototypes:
    """Samples that stand for the others, and samples that nobody stands for.

    Attributes
    ----------
    prototypes, criticisms : positions ``(k,)`` and ``(c,)``, in the order in which they were found.
    discrepancy : squared MMD between all samples and the first 1, 2, … prototypes ``(k,)``.
    witness : ``⟨k(x, c)⟩ − ⟨k(s, c)⟩`` at each criticism ``(c,)``: above zero where the prototypes
        leave data out, below where they say too much.
    member : which of the prototypes is nearest to each sample ``(n,)``, as a position in
        ``prototypes``. distance : to it, Euclidean ``(n,)``.
    width : ``σ`` of the kernel.
    """

    prototypes: np.ndarray
    criticisms: np.ndarray
    discrepancy: np.ndarray
    witness: np.ndarray
    member: np.ndarray
    distance: np.ndarray
    width: float


def nearest(latents_train: np.ndarray, latents_new: np.ndarray, k: int = 5) -> Neighbours:
    """The ``k`` rows of ``latents_train`` ``(n, d)`` next to each of ``latents_new`` ``(m, d)``.

    Of equally near ones the first comes first.

    Raises
    ------
    InputError : arrays of other shapes, or with values that are not finite.
    UsageError : ``k`` below 1 or above ``n``.

    Examples
    --------
    >>> found = nearest(np.array([[0.0], [1.0], [5.0]]), np.array([[4.0]]), k=2)
    >>> found.index.tolist(), found.distance.tolist()
    ([[2, 1]], [[1.0, 3.0]])
    """
    from scipy.spatial.distance import cdist

    train, new = _checked(latents_train, "latents_train"), _checked(latents_new, "latents_new")
    if train.shape[1] != new.shape[1]:
        raise InputError(
            "Neighbours must have the same columns.", got=new.shape[1], allowed=train.shape[1]
        )
    _check_count(k, "k", 1, len(train))
    index = np.empty((len(new), k), int)
    distance = np.empty((len(new), k))
    step = max(1, DISTANCES // len(train))
    for start in range(0, len(new), step):
        apart = cdist(new[start : start + step], train)
        order = np.argsort(apart, axis=1, kind="stable")[:, :k]
        index[start : start + step] = order
        distance[start : start + step] = np.take_along_axis(apart, order, axis=1)
    return Neighbours(index, distance)


def prototypes(
    latents: np.ndarray, k: int = 5, *, criticisms: int | None = None, width: float | None = None
) -> Prototypes:
    """``k`` prototypes and ``criticisms`` (default: as many) of samples ``latents`` ``(n, d)``.

    ``width``: ``σ`` of the kernel; default the median distance between samples that differ.

    Raises
    ------
    InputError : another shape, values that are not finite, samples that are all the same, or more
        than :data:`MOST_SAMPLES`.
    UsageError : more prototypes and criticisms than samples, or a width that is not above 0.

    Examples
    --------
    >>> x = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2]])
    >>> found = prototypes(x, k=2, criticisms=0, width=1.0)
    >>> found.prototypes.tolist(), found.member.tolist()
    ([1, 4], [0, 0, 0, 1, 1, 1])
    """
    x = _checked(latents, "latents")
    n = len(x)
    if n > MOST_SAMPLES:
        raise InputError(
            "Too many samples for the kernel between all of them.",
            got=n,
            allowed=MOST_SAMPLES,
            hint="draw some at random",
        )
    _check_count(k, "k", 1, n)
    criticisms = min(k, n - k) if criticisms is None else criticisms
    _check_count(criticisms, "criticisms", 0, n - k)
    kernel, width = _kernel(x, width)
    density = kernel.mean(axis=0)  # ⟨k(x, ·)⟩ (n,)
    chosen, discrepancy = _greedy_prototypes(kernel, density, k)
    witness = density - kernel[chosen].mean(axis=0)
    others = np.setdiff1d(np.arange(n), chosen)
    critics = _greedy_criticisms(kernel, witness, others, criticisms)
    near = nearest(x[chosen], x, 1)
    member, distance = near.index[:, 0], near.distance[:, 0]
    return Prototypes(chosen, critics, discrepancy, witness[critics], member, distance, width)


def _kernel(x: np.ndarray, width: float | None) -> tuple[np.ndarray, float]:
    """``exp(−‖x − x'‖²/2σ²)`` ``(n, n)`` and ``σ``."""
    from scipy.spatial.distance import pdist, squareform

    squared = pdist(x, "sqeuclidean")
    if width is None:
        apart = squared[squared > 0]
        if not apart.size:
            raise InputError("All samples are the same: none stands for others.", got=len(x))
        width = float(np.sqrt(np.median(apart)))
    elif not (np.isfinite(width) and width > 0):
        raise UsageError("The width of the kernel must be above 0.", got=width)
    squared *= -0.5 / width**2
    kernel = squareform(np.exp(squared, out=squared))
    np.fill_diagonal(kernel, 1.0)
    return kernel, width


def _greedy_prototypes(
    kernel: np.ndarray, density: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions ``(k,)`` and the squared discrepancy with the first 1, 2, … of them ``(k,)``."""
    chosen, left = np.empty(k, int), np.empty(k)
    free = np.ones(len(kernel), bool)
    to_chosen = np.zeros(len(kernel))  # Σ_s k(s, ·)
    dense = among = 0.0  # Σ_s ⟨k(x, s)⟩ and Σ_ss' k(s, s')
    for count in range(1, k + 1):
        with_each = among + 2 * to_chosen + kernel.diagonal()
        distance = with_each / count**2 - 2 * (dense + density) / count
        best = int(np.where(free, distance, np.inf).argmin())
        chosen[count - 1], left[count - 1] = best, distance[best]
        free[best] = False
        dense, among = dense + density[best], with_each[best]
        to_chosen += kernel[best]
    return chosen, np.maximum(left + density.mean(), 0.0)  # below 0 by rounding only


def _greedy_criticisms(
    kernel: np.ndarray, witness: np.ndarray, others: np.ndarray, count: int
) -> np.ndarray:
    """Positions ``(count,)`` among ``others``.

    Adding a sample to ``C`` adds ``log v`` to the determinant's logarithm, with ``v`` what the rows
    of ``C`` leave of its own: a pivoted Cholesky factor, a row at a time.
    """
    size = np.abs(witness[others])
    left = kernel.diagonal()[others].copy()  # v
    factor = np.zeros((count, len(others)))
    free = np.ones(len(others), bool)
    chosen = np.empty(count, int)
    for step in range(count):
        gain = size + np.log(np.maximum(left, LEAST_VARIANCE))
        best = int(np.where(free, gain, -np.inf).argmax())
        chosen[step], free[best] = others[best], False
        row = kernel[others[best], others] - factor[:step, best] @ factor[:step]
        factor[step] = row / np.sqrt(max(left[best], LEAST_VARIANCE))
        left -= factor[step] ** 2
    return chosen


def _checked(latents: np.ndarray, name: str) -> np.ndarray:
    """A representation as float ``(n, d)``, with one sample and one column at least."""
    try:
        x = np.asarray(latents, float)
    except (TypeError, ValueError) as error:
        raise InputError("A representation holds numbers.", where=name) from error
    if x.ndim != 2 or 0 in x.shape:
        raise InputError(
            "A representation has a row a sample.", where=name, got=x.shape, allowed="(n, d)"
        )
    if not np.isfinite(x).all():
        raise InputError("A representation must not hold NaN or infinite values.", where=name)
    return x


def _check_count(count: int, name: str, least: int, most: int) -> None:
    if not least <= count <= most:
        raise UsageError(
            "There are not so many samples.", where=name, got=count, allowed=f"{least} to {most}"
        )
