"""How strange a sample is beside the samples that are asked about with it.

A class that was never seen is a distribution, not a sample: each of its members may lie within the
training data, and together they lie where no training sample does. A forest learns to tell the new
samples from the training ones; where it can, they are of another kind.

So that its scores can be trusted, a part of the training samples stands on the side of the new
ones: a forest is grown to tell the rest from both. A new sample that is drawn like the training
data then cannot be told from those in that part, whatever was learned, and

``p = (1 + #{samples of the part with at least its score}) / (size of the part + 1)``

is a p-value: adaptive novelty detection, Marandon, Lei, Mary & Roquain 2024,
doi:10.1214/23-AOS2338, arXiv:2208.06685. Each of :data:`PARTS` parts of the training data stands
there once; the mean of their p-values is given.

Chosen over a plain classifier of new against old, whose scores depend on how many samples are new,
and over the distance to single training samples, which sees no pattern. The scores are those of the
samples that the forest was grown on: fair, since it was grown on both sides alike, and they found a
kind of ten samples more often than out-of-bag scores did.

Direction: small for a stranger. Trap: the p-value of a sample depends on what is asked about with
it. Alone it says little; among many like itself it is the smaller.
"""

from __future__ import annotations

import numpy as np

from iceframe.core.seeds import derive_seed, generator

PARTS = 3
TREES = 100
LEAF = 3
MOST = 2_000
"""Training samples that are looked at, and new ones that are looked at together."""


def company_p_values(
    train: np.ndarray, new: np.ndarray, *, groups: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """p-values ``(m,)`` of being like the training data, of rows ``new`` ``(m, d)`` together.

    Parameters
    ----------
    train : ``(n, d)``, finite, scaled as the new ones. groups : ``(n,)``; samples that share one
        (near-duplicates) stay in one part.
    seed : of the parts and the forests; of the deal of more than :data:`MOST` new samples.

    Examples
    --------
    Ten samples in a gap of the training data; no one of them is far from these.

    >>> rng = np.random.default_rng(0)
    >>> train = np.concatenate([rng.uniform(0, 1, (60, 2)), rng.uniform(1.5, 2.5, (60, 2))])
    >>> gap = rng.uniform(1.1, 1.4, (10, 2))
    >>> bool(company_p_values(train, gap).max() < 0.05)
    True
    >>> bool(company_p_values(train, rng.uniform(0, 1, (10, 2))).min() > 0.05)
    True
    """
    groups = np.arange(len(train)) if groups is None else np.asarray(groups)
    if len(train) > MOST:
        kept = np.sort(generator(seed, "company").choice(len(train), MOST, replace=False))
        train, groups = train[kept], groups[kept]
    labels, code = np.unique(groups, return_inverse=True)
    if len(labels) < 2 or not len(new):
        return np.ones(len(new))
    parts = min(PARTS, len(labels))
    deal = generator(seed, "company parts").permutation(np.arange(len(labels)) % parts)[code]
    found = np.empty(len(new))
    batches = -(-len(new) // MOST)
    for rows in np.array_split(generator(seed, "company batches").permutation(len(new)), batches):
        p = [_p_values(train, deal == k, new[rows], seed) for k in range(parts)]
        found[rows] = np.mean(p, axis=0)
    return found


def _p_values(train: np.ndarray, part: np.ndarray, new: np.ndarray, seed: int) -> np.ndarray:
    """p-values ``(m,)``, with the training samples of the mask ``part`` beside the new ones."""
    from sklearn.ensemble import ExtraTreesClassifier

    rest, beside = train[~part], np.concatenate([train[part], new])
    forest = ExtraTreesClassifier(
        TREES,
        min_samples_leaf=LEAF,
        class_weight="balanced",
        random_state=derive_seed(seed, "company forest"),
    )
    forest.fit(np.concatenate([rest, beside]), np.repeat([0, 1], [len(rest), len(beside)]))
    score = forest.predict_proba(beside)[:, 1].round(9)  # sums in another order tie all the same
    known, mine = np.sort(score[: part.sum()]), score[part.sum() :]
    as_strange = len(known) - np.searchsorted(known, mine, side="left")
    return np.asarray((1 + as_strange) / (len(known) + 1))
