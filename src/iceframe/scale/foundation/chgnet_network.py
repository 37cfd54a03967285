"""CHGNet as a network of this process: its weights, its graphs, and batches of bounded size.

CHGNet passes messages between atoms (neighbours within 6 Å), bonds and angles (bonds within 3 Å)
and adds an energy for each site. It was trained on the energies, forces, stresses and magnetic
moments of 1.6 million steps of the Materials Project's relaxations (PBE and PBE+U), so that its
energy of a crystal is that of density-functional theory, per atom, with all its conventions.

Deng et al. 2023, https://doi.org/10.1038/s42256-023-00716-3. The weights come with the package
``chgnet``; they are read without executing anything that is stored in them.
"""

from __future__ import annotations

import contextlib
import copy
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from iceframe.core.crystals import Crystals
from iceframe.core.hashing import content_hash
from iceframe.ingest.crystals import structures

VERSION = "0.3.0"
"""Of the weights."""

WEIGHTS = "pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar"

REFERENCE = "Deng et al. 2023, https://doi.org/10.1038/s42256-023-00716-3"

HEAVIEST = 94
"""Atomic number of plutonium, the last element that the network has weights for."""

EDGES_AT_ONCE = 30_000
"""Bonds and angles in one batch; each takes some ten kilobytes while it is computed."""


@lru_cache(maxsize=1)
def stored_model() -> dict[str, Any]:
    """The arguments and weights of the network as they come with the package; not to be changed."""
    import chgnet

    path = Path(chgnet.__file__).parent / WEIGHTS
    return dict(torch.load(path, map_location="cpu", weights_only=True)["model"])


@lru_cache(maxsize=1)
def weights_digest() -> str:
    """What the features depend on: the weights, and the code that evaluates them."""
    from importlib.metadata import version

    held = stored_model()["state_dict"]
    arrays = [held[name].numpy() for name in sorted(held)]
    return content_hash(version("chgnet"), VERSION, *arrays)


def new_network() -> Any:
    """CHGNet with its published weights, in evaluation mode on the CPU."""
    from chgnet.model.model import CHGNet

    # Its constructor prints; the message is kept off the output that others read.
    with contextlib.redirect_stdout(io.StringIO()), torch.random.fork_rng(devices=[]):
        network = CHGNet.from_dict(stored_model(), mlp_out_bias=False, version=VERSION)
    network.graph_converter.set_isolated_atom_response("ignore")  # see `build_graph`
    return network.eval()


@lru_cache(maxsize=1)
def shared_network() -> Any:
    """One :func:`new_network` for all who only ask it."""
    return new_network()


def known_elements(crystals: Crystals) -> np.ndarray:
    """Bool ``(n,)``: whether the network has weights for every element of a crystal."""
    heavy = crystals.numbers > HEAVIEST
    return np.bincount(crystals.owners, weights=heavy, minlength=len(crystals)) == 0


def build_graph(structure: Any, converter: Any) -> Any:
    """The graph of a ``pymatgen`` structure, or ``None`` where an atom has no neighbour.

    An atom without a neighbour within 6 Å gets no messages: the network was never trained on one.
    """
    # Where it fails, the converter would write the structure into the working directory.
    structure.to = lambda *args, **kwargs: os.devnull
    try:
        with warnings.catch_warnings():  # of sorting a formula, which decides nothing here
            warnings.filterwarnings("ignore", "No Pauling electronegativity", UserWarning)
            graph = converter(structure)
    except RuntimeError:  # a bond seen from one end only, at the very edge of the cutoff
        return None
    if len(structure) and (len(graph.atom_graph) == 0 or graph.num_isolated_atoms):
        return None
    graph.atom_frac_coord.requires_grad_(False)  # no forces are asked for
    graph.lattice.requires_grad_(False)
    return graph


def geometry(crystals: Crystals, i: int) -> bytes:
    """Cell and coordinates of one crystal; what a graph follows from, whatever the elements."""
    sites = slice(crystals.offsets[i], crystals.offsets[i + 1])
    return bytes(crystals.lattices[i].tobytes() + crystals.fractional[sites].tobytes())


def graphs_of(
    crystals: Crystals, index: Sequence[int] | np.ndarray
) -> Iterator[tuple[int, Any | None]]:
    """The positions ``index`` one after another, each with its graph, or ``None`` without one.

    Crystals that differ in their elements alone, as swapped ones do, share all else of a graph.
    """
    known = known_elements(crystals)
    converter = shared_network().graph_converter
    built: dict[bytes, Any | None] = {}
    for i in np.asarray(index, int):
        if not known[i]:
            yield int(i), None
            continue
        place = geometry(crystals, i)
        if place not in built:
            (structure,) = structures(crystals, [i])
            built[place] = build_graph(structure, converter)
        graph = copy.copy(built[place])
        if graph is not None:
            numbers = crystals.numbers[crystals.offsets[i] : crystals.offsets[i + 1]]
            graph.atomic_number = torch.tensor(numbers, dtype=torch.int32)
        yield int(i), graph


def cost(graph: Any) -> int:
    """Bonds and angles of a graph, to which time and memory are proportional."""
    return len(graph.atom_graph) + len(graph.bond_graph)
