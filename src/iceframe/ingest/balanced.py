"""Dealing groups out to folds so that sizes and class shares are as even as whole groups allow."""

from __future__ import annotations

import heapq

import numpy as np


def assign_groups(
    groups: np.ndarray, classes: np.ndarray, folds: int, rng: np.random.Generator
) -> np.ndarray:
    """The fold ``(n,)`` of every sample; samples of one group share it.

    Groups of several samples go first, largest first, each to the fold that it leaves most even;
    single samples then fill up what is missing, class by class. With single samples only, fold
    sizes and class counts differ by at most one.

    Parameters
    ----------
    groups, classes : int ``(n,)``. rng : decides between equals.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> fold = assign_groups(np.array([0, 0, 1, 2, 3, 4]), np.zeros(6, int), 3, rng)
    >>> np.bincount(fold).tolist(), bool(fold[0] == fold[1])
    ([2, 2, 2], True)
    """
    codes = np.unique(classes, return_inverse=True)[1]
    labels = np.unique(groups, return_inverse=True)[1]
    n_classes, n_groups = int(codes.max()) + 1, int(labels.max()) + 1
    table = np.zeros((n_groups, n_classes), int)
    np.add.at(table, (labels, codes), 1)
    share = np.maximum(table.sum(axis=0), 1)
    counts = np.zeros((folds, n_classes), int)
    fold_of = np.full(n_groups, -1)

    sizes = table.sum(axis=1)
    order = rng.permutation(n_groups)
    order = order[np.argsort(-sizes[order], kind="stable")]
    for group in order[sizes[order] > 1]:
        # Σ over folds of squared counts, each class weighted by its size: even is least.
        per_class = ((2 * counts + table[group]) * table[group] / share**2).sum(axis=1)
        total = counts.sum(axis=1)
        overall = (2 * total + sizes[group]) * sizes[group] / share.sum() ** 2
        cost = per_class + overall
        best = np.flatnonzero(cost <= cost.min() + 1e-12)
        fold_of[group] = rng.choice(best)
        counts[fold_of[group]] += table[group]
    _fill(order[sizes[order] == 1], table, counts, fold_of, rng)
    return fold_of[labels]


def _fill(
    singles: np.ndarray,
    table: np.ndarray,
    counts: np.ndarray,
    fold_of: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Deal single samples, class by class, each to the fold that has fewest of its class."""
    kind = table[singles].argmax(axis=1)
    for c in range(table.shape[1]):
        total = counts.sum(axis=1)
        heap = [
            (int(counts[f, c]), int(total[f]), float(tie), f)
            for f, tie in enumerate(rng.random(len(counts)))
        ]
        heapq.heapify(heap)
        for group in singles[kind == c]:
            held, size, tie, fold = heapq.heappop(heap)
            fold_of[group] = fold
            counts[fold, c] += 1
            heapq.heappush(heap, (held + 1, size + 1, tie, fold))


def even_clusters(values: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """k-means clusters ``(n,)``, none smaller than a quarter of an even share.

    A smaller one is filled with the samples nearest to its centre, so that no fold tests a handful.
    """
    from sklearn.cluster import KMeans

    model = KMeans(clusters, n_init=10, random_state=seed).fit(values)
    labels = model.labels_.astype(int).copy()
    least = max(1, len(values) // (4 * clusters))
    for cluster in np.argsort(np.bincount(labels, minlength=clusters)):
        need = least - int((labels == cluster).sum())
        for i in np.argsort(np.linalg.norm(values - model.cluster_centers_[cluster], axis=1)):
            if need <= 0:
                break
            if labels[i] != cluster and (labels == labels[i]).sum() > least:
                labels[i] = cluster
                need -= 1
    return labels
