"""Mutual information from counts, corrected for chance; and whether factors depend on each other.

Values are put into bins of equal counts (a variable with no more distinct values than bins keeps
them), so that nothing depends on monotone changes of scale. From the joint counts, in nats,

    I = Σ p(a, b) ln [p(a, b) / (p(a) p(b))],    H = −Σ p(b) ln p(b).

*Bias.* For independent variables I is not 0 but E ≈ (A − 1)(B − 1)/(2 n) for A × B bins. E is
known exactly, given the margins (Vinh, Epps & Bailey 2010, J. Mach. Learn. Res. 11, 2837–2854),
and

    share = (I − E)/(H − E)

is 0 on average for independent variables and 1 where a decides b, for every n (there with other
normalisations, the adjusted mutual information). What remains: between the two ends the bias falls
like 1/n but is not 0; and a finite number of bins loses the dependence inside a bin, by design.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from iceframe.core.seeds import generator
from iceframe.measure.latents.latent_code import DRAWS_AT_ONCE, Code, checked

MOST_BINS = 20
PER_CELL = 5  # samples in each cell of the joint table, on average


def bins_for(n: int) -> int:
    """Bins a variable: √(n/5), so that a joint cell holds about 5 samples; 2 to 20.

    Examples
    --------
    >>> bins_for(500), bins_for(100_000)
    (10, 20)
    """
    return int(np.clip(np.sqrt(n / PER_CELL), 2, MOST_BINS))


def binned(values: np.ndarray, bins: int) -> np.ndarray:
    """Codes 0, 1, … ``(n,)`` of values ``(n,)``: bins of equal counts, or the distinct values.

    Examples
    --------
    >>> binned(np.array([0.1, 5.0, 0.2, 7.0]), 2).tolist()
    [0, 1, 0, 1]
    """
    distinct, codes = np.unique(values, return_inverse=True)
    if len(distinct) <= bins:
        return codes
    from scipy.stats import rankdata

    cells = np.floor((rankdata(values) - 0.5) * bins / len(values))  # ties share their mean rank
    return np.unique(cells, return_inverse=True)[1]


def information(joint: np.ndarray) -> np.ndarray:
    """I in nats of tables of counts ``(..., A, B)``: ``(...)``.

    Examples
    --------
    >>> information(np.array([[5, 0], [0, 5]])).round(4)    # ln 2
    np.float64(0.6931)
    """
    total = joint.sum(axis=(-1, -2))
    by_cell = special.xlogy(joint, joint).sum(axis=(-1, -2))
    rows, columns = joint.sum(axis=-1), joint.sum(axis=-2)
    margins = special.xlogy(rows, rows).sum(-1) + special.xlogy(columns, columns).sum(-1)
    return np.maximum((by_cell - margins) / total + np.log(total), 0.0)


def entropy(counts: np.ndarray) -> np.ndarray:
    """H in nats of counts ``(..., B)``: ``(...)``."""
    total = counts.sum(axis=-1)
    return np.maximum(np.log(total) - special.xlogy(counts, counts).sum(axis=-1) / total, 0.0)


def expected_information(joint: np.ndarray) -> float:
    """E: the mean of I over all pairings of the two variables that leave their margins."""
    from sklearn.metrics.cluster import expected_mutual_information

    if min(joint.shape) < 2:
        return 0.0
    return float(expected_mutual_information(joint.astype(np.int64), int(joint.sum())))


def joint_counts(a: np.ndarray, b: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Tables ``(r, A, B)`` of codes ``(r, n)`` each."""
    cells = shape[0] * shape[1]
    flat = a * shape[1] + b + np.arange(len(a))[:, None] * cells
    return np.bincount(flat.ravel(), minlength=len(a) * cells).reshape(len(a), *shape)


def factor_codes(code: Code, bins: int) -> np.ndarray:
    """Bins, or classes, of the varying factors: ``(n, k)``."""
    codes = [
        binned(code.factors[:, j], code.n if j in code.classes else bins) for j in code.varying
    ]
    return np.column_stack(codes) if codes else np.zeros((code.n, 0), int)


@dataclass(frozen=True)
class Dependence:
    """Whether factors were sampled independently.

    ``information`` ``(k, k)``: share of the mutual information, (I − E)/(smaller H − E), clipped at
    0; ``correlation`` ``(k, k)``: Spearman's, NaN for classes; ``p`` ``(k, k)``: adjusted for the
    number of pairs. All NaN for constant factors and on the diagonal. ``dependent``: the pairs with
    p at most ``level``; ``notes``: a sentence for each.
    """

    information: np.ndarray
    correlation: np.ndarray
    p: np.ndarray
    dependent: tuple[tuple[int, int], ...]
    level: float
    n: int
    notes: tuple[str, ...]


def factor_dependence(
    factors: np.ndarray,
    *,
    classes: Sequence[int] = (),
    names: Sequence[str] | None = None,
    level: float = 0.01,
    permutations: int = 499,
    seed: int = 0,
) -> Dependence:
    """Test every pair of factors ``(n, k)`` for independence, by permutation.

    The statistic of a pair is the larger of |Spearman's ρ| √(n − 1), for which monotone dependence
    is easiest to see, and the mutual information of bins in standard deviations of its permuted
    values, which sees every kind. All columns are permuted independently; p is the share of
    permutations whose *largest* statistic over all pairs reaches the pair's (Westfall & Young 1993,
    ISBN 978-0-471-55761-6, §2.5), so that independent factors are flagged in at most a share
    ``level`` of data sets, however many pairs there are.

    Trap: with many samples a dependence too weak to matter is found as well: look at the sizes. And
    silence with few samples is no proof. Factors on a full grid are balanced, more even than chance
    allows: they are independent and not flagged.

    Raises
    ------
    InputError, UsageError : as :func:`iceframe.measure.latents.latent_code.checked`.
    """
    code = checked(factors, factors, classes)
    k, rng = code.factors.shape[1], generator(seed, "factor dependence")
    called = list(names) if names is not None else [f"factor {j}" for j in range(k)]
    pairs = [(a, b) for i, a in enumerate(code.varying) for b in code.varying[i + 1 :]]
    share, rho, p = (np.full((k, k), np.nan) for _ in range(3))
    notes = [note for note in code.notes if note.startswith("Constant factors")]
    if not pairs:
        return Dependence(share, rho, p, (), level, code.n, (*notes, "There are no two factors."))
    tables = _Tables(code.factors, code.classes, pairs)
    permuted = [tables.measure(draws) for draws in _permutations(code.n, k, permutations, rng)]
    null_rho, null_information = (np.concatenate(part) for part in zip(*permuted, strict=True))
    own_rho, own_information = (m[0] for m in tables.measure(np.arange(code.n)[None, :, None]))
    mean, spread = null_information.mean(0), null_information.std(0) + 1e-300
    root = np.sqrt(code.n - 1)

    def statistic(correlation: np.ndarray, info: np.ndarray) -> np.ndarray:
        return np.fmax(np.abs(correlation) * root, (info - mean) / spread)

    largest = statistic(null_rho, null_information).max(axis=1)
    found = statistic(own_rho, own_information)
    for i, (a, b) in enumerate(pairs):
        adjusted = (1 + np.sum(largest >= found[i])) / (1 + permutations)
        size = tables.share(i, float(own_information[i]))
        for at in ((a, b), (b, a)):
            share[at], rho[at], p[at] = size, own_rho[i], adjusted
    dependent = tuple((a, b) for a, b in pairs if p[a, b] <= level)
    for a, b in dependent:
        notes.append(
            f"{called[a]} and {called[b]} were not sampled independently (rank correlation "
            f"{rho[a, b]:.2f}, shared information {share[a, b]:.2f}, adjusted p {p[a, b]:.3f}): "
            "scores of disentanglement cannot tell them apart; sample them independently."
        )
    return Dependence(share, rho, p, dependent, level, code.n, tuple(notes))


class _Tables:
    """Ranks and bins of factors, and the two statistics of their pairs."""

    def __init__(
        self, factors: np.ndarray, classes: frozenset[int], pairs: list[tuple[int, int]]
    ) -> None:
        from scipy.stats import rankdata

        n, k = factors.shape
        bins = bins_for(n)
        self.pairs = pairs
        self.codes = np.column_stack(
            [binned(factors[:, j], n if j in classes else bins) for j in range(k)]
        )
        ranks = rankdata(factors, axis=0)
        ranks -= ranks.mean(axis=0)
        scale = np.sqrt((ranks**2).sum(axis=0))
        self.ranks = ranks / np.where(scale > 0, scale, 1.0)
        self.ranks[:, list(classes)] = np.nan
        self.sizes = self.codes.max(axis=0) + 1

    def measure(self, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ρ and I ``(r, pairs)`` when column j is read in the order ``draws[:, :, j]``."""
        columns = range(self.codes.shape[1])
        order = [draws[:, :, j if draws.shape[2] > 1 else 0] for j in columns]
        codes = [self.codes[order[j], j] for j in columns]
        ranks = [self.ranks[order[j], j] for j in columns]
        rho = [np.einsum("rn,rn->r", ranks[a], ranks[b]) for a, b in self.pairs]
        info = [
            information(joint_counts(codes[a], codes[b], (self.sizes[a], self.sizes[b])))
            for a, b in self.pairs
        ]
        return np.column_stack(rho), np.column_stack(info)

    def share(self, pair: int, own: float) -> float:
        """(I − E)/(H − E) with the smaller entropy of the two, at least 0."""
        a, b = self.pairs[pair]
        joint = joint_counts(
            self.codes[None, :, a], self.codes[None, :, b], (self.sizes[a], self.sizes[b])
        )[0]
        chance = expected_information(joint)
        most = min(float(entropy(joint.sum(axis=1))), float(entropy(joint.sum(axis=0))))
        return max(0.0, (own - chance) / (most - chance)) if most > chance else 0.0


def _permutations(n: int, k: int, times: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Independent permutations of each of k columns, ``(r, n, k)`` a piece, ``times`` in all."""
    size = max(1, DRAWS_AT_ONCE // (n * k))
    for start in range(0, times, size):
        order = np.broadcast_to(np.arange(n)[None, :, None], (min(size, times - start), n, k))
        yield rng.permuted(order, axis=1)
