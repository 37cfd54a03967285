"""Samples that are copies of one another, exactly or nearly.

Images are compared as pictures (:mod:`iceframe.ingest.similar_images`), crystals as structures
(:mod:`iceframe.ingest.similar_crystals`), tables by their feature columns
(:mod:`iceframe.ingest.similar_rows`). With images, equal rows are no evidence: many micrographs
share one heat treatment.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from iceframe.core.crystals import Crystals
from iceframe.core.dataset import Dataset
from iceframe.core.hashing import content_hash
from iceframe.ingest.coordinates import coordinates
from iceframe.ingest.similar_crystals import similar_crystals
from iceframe.ingest.similar_images import similar_images
from iceframe.ingest.similar_rows import similar_rows


@dataclass(frozen=True)
class Duplicates:
    """``pairs`` int ``(m, 2)``, positions; ``score`` ``(m,)``: correlation of images, displacement
    of crystals, or largest difference of rows in robust standard deviations; ``relation`` of each
    pair in words; ``groups`` int ``(n,)``: samples that are linked share a label. ``complete`` is
    False where a set was too large to look for overlapping fields, or to compare all crystals of
    one formula."""

    pairs: np.ndarray
    score: np.ndarray
    relation: tuple[str, ...]
    groups: np.ndarray
    complete: bool = True

    def shared(self) -> np.ndarray:
        """Whether each sample has a copy ``(n,)``."""
        return np.bincount(self.groups, minlength=1)[self.groups] > 1


_KEPT: OrderedDict[str, Duplicates] = OrderedDict()


def find_duplicates(data: Dataset) -> Duplicates:
    """All exact and near duplicates of ``data``.

    The last few answers are kept, because the splits and the audit of one run both ask.
    """
    if data.images is not None:
        key = content_hash("images", data.images.fingerprint)
    elif data.crystals is not None:
        features = data.table[list(data.features)].astype(str)
        key = content_hash("crystals", data.crystals.fingerprint, features)
    else:
        columns = [*data.features, *([data.composition] if data.composition else [])]
        key = content_hash("rows", columns, data.table[columns].astype(str))
    if key not in _KEPT:
        _KEPT[key] = _find(data)
        while len(_KEPT) > 4:
            _KEPT.popitem(last=False)
    _KEPT.move_to_end(key)
    return _KEPT[key]


def _find(data: Dataset) -> Duplicates:
    if data.images is not None:
        pairs, score, relation, complete = similar_images(data.images)
    elif data.crystals is not None:
        pairs, score, relation, complete = _crystals(data, data.crystals)
    else:
        pairs, score = similar_rows(coordinates(data))
        relation, complete = ["identical" if s == 0 else "nearly identical" for s in score], True
    return Duplicates(pairs, score, tuple(relation), linked(pairs, len(data)), complete)


def _crystals(data: Dataset, crystals: Crystals) -> tuple[np.ndarray, np.ndarray, list[str], bool]:
    """Copies of structures; identical only where the plain columns (a temperature) agree too."""
    pairs, score, relation, complete = similar_crystals(crystals)
    plain = data.table[list(data.features)].astype(str).to_numpy(str)
    equal = (plain[pairs[:, 0]] == plain[pairs[:, 1]]).all(axis=1)
    told = [r if same else "same structure" for r, same in zip(relation, equal, strict=True)]
    return pairs, score, told, complete


def duplicate_groups(data: Dataset) -> np.ndarray:
    """Labels ``(n,)``: samples that are copies of one another, directly or in a chain, share one.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"x": [1.0, 2.0, 1.0], "y": [5.0, 6.0, 7.0]})
    >>> duplicate_groups(Dataset(table, "y", "regression", ("x",))).tolist()
    [0, 1, 0]
    """
    return find_duplicates(data).groups


def linked(pairs: np.ndarray, n: int) -> np.ndarray:
    """Labels ``(n,)`` of the connected components of ``pairs``, in order of first appearance.

    Examples
    --------
    >>> linked(np.array([[0, 2], [2, 3]]), 4).tolist()
    [0, 1, 0, 0]
    """
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    labels = connected_components(graph, directed=False)[1]
    first = np.unique(labels, return_index=True)[1]
    rank = np.empty(len(first), int)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[labels]
