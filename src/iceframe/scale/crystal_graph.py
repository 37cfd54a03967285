"""Crystals as graphs: sites are nodes, and an edge leads from each site to every near one.

An edge keeps by how many lattice vectors its end is shifted, so that its vector

    d = r_j + Σ_k T_k a_k − r_i

can be computed again from positions and cells (:meth:`GraphBatch.vectors`): energies of networks
then have gradients to both, which are the forces and the stress.

Xie and Grossman 2018, doi:10.1103/PhysRevLett.120.145301.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.core.errors import InputError
from iceframe.physics.neighbours import nearest_neighbours, neighbour_list
from iceframe.scale.kept import Kept

if TYPE_CHECKING:
    import torch

CUTOFF = 8.0
"""Å; with 12 neighbours, what Xie and Grossman's network looks at."""

NEAREST = 12

HELD_BYTES = 512 * 2**20
"""Memory that graphs already built may take before the oldest are dropped."""


@dataclass(frozen=True)
class CrystalGraphs:
    """Graphs of ``n`` crystals with ``m`` sites and ``e`` edges, packed.

    Attributes
    ----------
    crystals : the cells and sites that the graphs are of.
    edge_offsets : int64 ``(n + 1,)``; edges of crystal ``i`` are ``edge_offsets[i]`` to
        ``edge_offsets[i + 1]``.
    centre, neighbour : int64 ``(e,)``, the sites at both ends, positions among all ``m``;
        ``centre`` ascends, and the nearest neighbours of one centre come first.
    image : int32 ``(e, 3)``, lattice vectors by which the neighbour is shifted.
    distance : float64 ``(e,)`` in Å.
    cutoff, nearest : how they were built.
    """

    crystals: Crystals
    edge_offsets: np.ndarray
    centre: np.ndarray
    neighbour: np.ndarray
    image: np.ndarray
    distance: np.ndarray
    cutoff: float
    nearest: int | None

    def __len__(self) -> int:
        return len(self.crystals)

    @property
    def numbers(self) -> np.ndarray:
        """Atomic number of each node ``(m,)``."""
        return self.crystals.numbers

    @property
    def node_owners(self) -> np.ndarray:
        """The crystal of each node ``(m,)``."""
        return self.crystals.owners

    @cached_property
    def edge_owners(self) -> np.ndarray:
        """The crystal of each edge ``(e,)``."""
        return np.repeat(np.arange(len(self)), np.diff(self.edge_offsets))

    @property
    def bytes(self) -> int:
        """Memory that the arrays of the edges take."""
        arrays = (self.centre, self.neighbour, self.image, self.distance)
        return sum(array.nbytes for array in arrays)

    def take(self, index: Sequence[int] | np.ndarray) -> CrystalGraphs:
        """The graphs at positions ``index``, in that order."""
        index = np.asarray(index, int)
        crystals = self.crystals.take(index)
        sizes = np.diff(self.edge_offsets)[index]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        edges = np.repeat(self.edge_offsets[index] - offsets[:-1], sizes) + np.arange(offsets[-1])
        moved = np.repeat(crystals.offsets[:-1] - self.crystals.offsets[index], sizes)
        return CrystalGraphs(
            crystals,
            offsets,
            self.centre[edges] + moved,
            self.neighbour[edges] + moved,
            self.image[edges],
            self.distance[edges],
            self.cutoff,
            self.nearest,
        )

    def batch(
        self, index: Sequence[int] | np.ndarray | None = None, device: str = "cpu"
    ) -> GraphBatch:
        """The graphs at positions ``index`` (default: all) as tensors, float32 and int64."""
        import torch

        held = self if index is None else self.take(index)

        def real(values: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(values, dtype=torch.float32, device=device)

        def whole(values: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(values, dtype=torch.int64, device=device)

        return GraphBatch(
            numbers=whole(held.numbers),
            node_owners=whole(held.node_owners),
            positions=real(held.crystals.cartesian),
            lattices=real(held.crystals.lattices),
            centre=whole(held.centre),
            neighbour=whole(held.neighbour),
            image=real(held.image),
            distance=real(held.distance),
            edge_owners=whole(held.edge_owners),
            n_crystals=len(held),
        )


@dataclass(frozen=True)
class GraphBatch:
    """Graphs as tensors: nodes ``(m,)``, edges ``(e,)``, crystals ``(b,)``.

    ``positions`` ``(m, 3)`` and ``lattices`` ``(b, 3, 3)`` in Å; ``image`` ``(e, 3)``;
    ``distance`` ``(e,)`` in Å, without a gradient.
    """

    numbers: torch.Tensor
    node_owners: torch.Tensor
    positions: torch.Tensor
    lattices: torch.Tensor
    centre: torch.Tensor
    neighbour: torch.Tensor
    image: torch.Tensor
    distance: torch.Tensor
    edge_owners: torch.Tensor
    n_crystals: int

    def vectors(
        self, positions: torch.Tensor | None = None, lattices: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Edge vectors ``(e, 3)`` in Å as a function of positions and cells, for gradients.

        In the precision of what is given, so that differences can check them."""
        import torch

        positions = self.positions if positions is None else positions
        lattices = self.lattices if lattices is None else lattices
        image = self.image.to(lattices.dtype)
        shift = torch.einsum("ek,ekx->ex", image, lattices[self.edge_owners])
        return positions[self.neighbour] - positions[self.centre] + shift


_KEPT: Kept[CrystalGraphs] = Kept(lambda graphs: graphs.bytes, HELD_BYTES)


def crystal_graphs(
    crystals: Crystals, cutoff: float = CUTOFF, nearest: int | None = NEAREST
) -> CrystalGraphs:
    """The graphs of ``crystals``; those asked for last are kept and not built again.

    Parameters
    ----------
    cutoff : no edge is longer, in Å.
    nearest : neighbours of a site that it has edges to, ``None`` for all within the cutoff. Of a
        shell of equally far ones it has all, so that the graph does not depend on how the cell was
        drawn. A site with no other within the cutoff has no edges.

    Raises
    ------
    InputError : a cell without volume; fewer than one neighbour.

    Examples
    --------
    Each site of caesium chloride has eight of the other kind at √3/2 of the lattice constant:

    >>> salt = Crystals(4.12 * np.eye(3)[None], np.array([0, 2]), np.array([55, 17]),
    ...                 np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), ("CsCl",))
    >>> graphs = crystal_graphs(salt, nearest=8)
    >>> np.bincount(graphs.centre).tolist(), graphs.distance.max().round(3)
    ([8, 8], np.float64(3.568))
    """
    if nearest is not None and nearest < 1:
        raise InputError("A site needs neighbours.", got=f"nearest={nearest}", allowed="1 or more")
    key = (crystals.fingerprint, float(cutoff), nearest)
    graphs = _KEPT.get(key, lambda: _built(crystals, float(cutoff), nearest))
    return replace(graphs, crystals=crystals)  # the names may be others


def _built(crystals: Crystals, cutoff: float, nearest: int | None) -> CrystalGraphs:
    if nearest is None:
        found = neighbour_list(crystals, cutoff)
    else:
        found = nearest_neighbours(crystals, nearest, cutoff)
    edges = np.bincount(crystals.owners[found.centre], minlength=len(crystals))
    return CrystalGraphs(
        crystals,
        np.concatenate([[0], np.cumsum(edges)]).astype(np.int64),
        found.centre,
        found.neighbour,
        found.image,
        found.distance,
        cutoff,
        nearest,
    )
