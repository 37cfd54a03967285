"""What SevenNet-0 says of crystals: energies, sites and embeddings.

For a crystal of N sites with site energies ε_i (the network's own plus the element's offset) and
site vectors u_i, from which the network reads ε_i linearly:

    E = (1/N) Σ_i ε_i        embedding = mean_i u_i

Everything depends on that one crystal only, learns nothing, and is kept by the crystal's content
(:mod:`iceframe.scale.foundation.computed_once`). Forces and stress are not asked for: with their
gradients it takes four times as long, and at sites of high symmetry forces are zero.

Park et al. 2024, https://doi.org/10.1021/acs.jctc.4c00190.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.scale.foundation import sevennet_network
from iceframe.scale.foundation.batches import grouped
from iceframe.scale.foundation.computed_once import Progress, computed_once
from iceframe.scale.foundation.feature_cache import FeatureCache, crystal_keys

WIDTH = 64
"""Length of a site's vector."""

FIXED = 1 + WIDTH
"""Numbers kept of a crystal besides one for each site."""

LAYOUT = 1
"""Of what is kept; raised when it changes."""

EDGES_AT_ONCE = 4_000
"""Neighbours in one batch; each takes some 40 kilobytes while it is computed."""


@dataclass(frozen=True)
class SevennetFeatures:
    """Of ``n`` crystals with ``m`` sites, NaN for a crystal that the network cannot describe.

    Attributes
    ----------
    energies : ``(n,)`` in eV per atom.
    crystal_vectors : ``(n, 64)``, mean of the last site vectors: the crystal embedding per atom.
    site_energies : ``(m,)`` in eV, in the order of the crystals' sites. Large offsets, one an
        element, are part of them.
    """

    energies: np.ndarray
    crystal_vectors: np.ndarray
    site_energies: np.ndarray

    @property
    def described(self) -> np.ndarray:
        """Bool ``(n,)``: whether the network could describe the crystal."""
        return np.isfinite(self.energies)


def sevennet_features(
    crystals: Crystals, progress: Progress | None = None, cache: FeatureCache | None = None
) -> SevennetFeatures:
    """Features of ``crystals``; those that were computed before are read from the cache.

    A crystal with an element that the network was not trained on, or with an atom that has no
    neighbour within 5 Å, gets NaN.

    Raises
    ------
    NotAvailable : the package ``sevenn`` is not installed.
    """
    digest = sevennet_network.weights_digest()
    cache = cache or FeatureCache(f"sevennet-{digest}-{LAYOUT}")
    rows = computed_once(
        crystal_keys(crystals),
        FIXED + crystals.sizes,
        cache,
        lambda lacking: _batches(crystals, lacking),
        lambda index: _computed(crystals, index),
        progress,
    )
    return _unpacked(rows)


def _batches(crystals: Crystals, index: np.ndarray) -> list[np.ndarray]:
    """The positions ``index`` in batches of at most :data:`EDGES_AT_ONCE`; one beyond is alone."""
    counts = sevennet_network.edge_counts(crystals.take(index))
    return [index[group] for group in grouped(counts.tolist(), EDGES_AT_ONCE)]


def _computed(crystals: Crystals, index: np.ndarray) -> dict[int, np.ndarray]:
    """What is kept of each crystal at the positions ``index``, which make one batch."""
    sizes = crystals.sizes
    rows = {int(i): np.full(FIXED + sizes[i], np.nan, np.float32) for i in index}
    index = index[sevennet_network.known_elements(crystals.take(index))]
    if len(index) == 0:
        return rows
    batch = crystals.take(index)
    energies, vectors, neighbours = sevennet_network.evaluate(batch)
    for i, start, stop in zip(index, batch.offsets[:-1], batch.offsets[1:], strict=True):
        if neighbours[start:stop].all():
            sites = energies[start:stop].astype(np.float64)
            mean = vectors[start:stop].mean(axis=0)
            row = np.concatenate([[sites.mean()], mean, sites]).astype(np.float32)
            if np.isfinite(row).all():
                rows[int(i)] = row
    return rows


def _unpacked(rows: list[np.ndarray]) -> SevennetFeatures:
    fixed = np.array([row[:FIXED] for row in rows], np.float64).reshape(-1, FIXED)
    sites = [row[FIXED:] for row in rows]
    site_energies = np.concatenate([np.empty(0, np.float32), *sites]).astype(np.float64)
    return SevennetFeatures(fixed[:, 0], fixed[:, 1:], site_energies)
