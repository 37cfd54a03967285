"""What CHGNet says of crystals: energies, sites, magnetic moments and embeddings.

For a crystal of N sites with energy per atom E, site energies ε_i (the network's own plus the
element's offset in its composition model), and last and next-to-last site vectors u_i and v_i:

    E = (1/N) Σ_i ε_i        embedding = [ mean_i u_i,  mean_i v_i,  spread_i v_i ]

``u`` is what its energy is read from, ``v`` what its magnetic moments are read from. The spread is
the standard deviation over the sites. Everything depends on that one crystal only, learns nothing,
and is kept by the crystal's content (:mod:`iceframe.scale.foundation.computed_once`).

Deng et al. 2023, https://doi.org/10.1038/s42256-023-00716-3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.scale.foundation.batches import grouped
from iceframe.scale.foundation.computed_once import Progress, computed_once
from iceframe.scale.foundation.feature_cache import FeatureCache, crystal_keys

WIDTH = 64
"""Length of a site's vector."""

FIXED = 1 + 3 * WIDTH
"""Numbers kept of a crystal besides two for each site."""

LAYOUT = 1
"""Of what is kept; raised when it changes."""

CHUNK = 256
"""Crystals whose graphs are held at once, and after which what was found is kept."""


@dataclass(frozen=True)
class ChgnetFeatures:
    """Of ``n`` crystals with ``m`` sites, NaN for a crystal that the network cannot describe.

    Attributes
    ----------
    energies : ``(n,)`` in eV per atom.
    crystal_vectors : ``(n, 64)``, mean of the last site vectors: the crystal embedding per atom.
    site_means, site_spreads : ``(n, 64)``, mean and standard deviation over the sites of the
        vectors before the last layer.
    site_energies : ``(m,)`` in eV, in the order of the crystals' sites.
    moments : ``(m,)``, absolute magnetic moments in μB.
    """

    energies: np.ndarray
    crystal_vectors: np.ndarray
    site_means: np.ndarray
    site_spreads: np.ndarray
    site_energies: np.ndarray
    moments: np.ndarray

    @property
    def described(self) -> np.ndarray:
        """Bool ``(n,)``: whether the network could describe the crystal."""
        return np.isfinite(self.energies)

    @property
    def embeddings(self) -> np.ndarray:
        """All that is not an energy ``(n, 192)``."""
        return np.hstack([self.crystal_vectors, self.site_means, self.site_spreads])


def chgnet_features(
    crystals: Crystals, progress: Progress | None = None, cache: FeatureCache | None = None
) -> ChgnetFeatures:
    """Features of ``crystals``; those that were computed before are read from the cache.

    A crystal with an element beyond plutonium, or with an atom that has no neighbour within 6 Å,
    gets NaN. ``progress`` is called with the crystals done and their number.
    """
    rows = computed_once(
        crystal_keys(crystals),
        FIXED + 2 * crystals.sizes,
        cache or _default_cache(),
        lambda lacking: _batches(crystals, lacking),
        lambda index: _computed(crystals, index),
        progress,
    )
    return _unpacked(rows, crystals.sizes)


def _batches(crystals: Crystals, index: np.ndarray) -> list[np.ndarray]:
    ordered = _by_geometry(crystals, index)
    return [ordered[start : start + CHUNK] for start in range(0, len(ordered), CHUNK)]


def _by_geometry(crystals: Crystals, index: np.ndarray) -> np.ndarray:
    """Positions so that crystals of one cell and the same coordinates follow each other."""
    from iceframe.scale.foundation.chgnet_network import geometry

    seen: dict[bytes, int] = {}
    ranks = [seen.setdefault(geometry(crystals, i), len(seen)) for i in index]
    return index[np.argsort(ranks, kind="stable")]


def site_energies(crystals: Crystals, progress: Progress | None = None) -> np.ndarray:
    """CHGNet's energy of each site in eV ``(m,)``, in the order of the crystals' sites.

    They sum to the energy of the cell: the network's own exact attribution of it to sites. Large
    offsets, one an element, are part of them; compare sites of one element.
    """
    return chgnet_features(crystals, progress).site_energies


def energies(crystals: Crystals, progress: Progress | None = None) -> np.ndarray:
    """CHGNet's energy of each crystal in eV per atom ``(n,)``."""
    return chgnet_features(crystals, progress).energies


@lru_cache(maxsize=1)
def _default_cache_name() -> str:
    from iceframe.scale.foundation.chgnet_network import VERSION, weights_digest

    return f"chgnet-{VERSION}-{weights_digest()}-{LAYOUT}"


def _default_cache() -> FeatureCache:
    return FeatureCache(_default_cache_name())


def _computed(crystals: Crystals, index: np.ndarray) -> dict[int, np.ndarray]:
    """What is kept of each crystal at the positions ``index``."""
    import torch

    from iceframe.scale.foundation.chgnet_network import (
        EDGES_AT_ONCE,
        cost,
        graphs_of,
        shared_network,
    )
    from iceframe.scale.training import isolated

    network = shared_network()
    sizes = crystals.sizes
    rows = {int(i): np.full(FIXED + 2 * sizes[i], np.nan, np.float32) for i in index}
    with isolated(0), torch.inference_mode():  # one thread: the same digits in any batch
        graphs = [(i, graph) for i, graph in graphs_of(crystals, index) if graph is not None]
        for group in grouped([cost(graph) for _, graph in graphs], EDGES_AT_ONCE):
            answers = network(
                [graphs[j][1] for j in group],
                task="em",
                return_site_energies=True,
                return_atom_feas=True,
                return_crystal_feas=True,
            )
            for place, j in enumerate(group):
                rows[graphs[j][0]] = _packed(answers, place)
    return rows


def _packed(answers: dict[str, Any], place: int) -> np.ndarray:
    vectors = answers["atom_fea"][place].numpy()
    parts = (
        answers["e"][place : place + 1].numpy(),
        answers["crystal_fea"][place].numpy() / len(vectors),  # the network adds them up
        vectors.mean(axis=0),
        vectors.std(axis=0),
        answers["site_energies"][place].numpy(),
        answers["m"][place].numpy(),
    )
    row = np.concatenate(parts).astype(np.float32)
    return row if np.isfinite(row).all() else np.full_like(row, np.nan)


def _unpacked(rows: list[np.ndarray], sizes: np.ndarray) -> ChgnetFeatures:
    fixed = np.array([row[:FIXED] for row in rows], np.float64).reshape(-1, FIXED)
    none = [np.empty(0, np.float32)]
    sites = [row[FIXED : FIXED + size] for row, size in zip(rows, sizes, strict=True)]
    moments = [row[FIXED + size :] for row, size in zip(rows, sizes, strict=True)]
    crystal_vectors, site_means, site_spreads = np.split(fixed[:, 1:], 3, axis=1)
    return ChgnetFeatures(
        fixed[:, 0],
        crystal_vectors,
        site_means,
        site_spreads,
        np.concatenate(none + sites).astype(np.float64),
        np.concatenate(none + moments).astype(np.float64),
    )
