"""SevenNet-0 as a network of this process: its weights, its inputs, and batches of bounded size.

SevenNet passes messages between atoms (neighbours within 5 Å) that turn with the crystal (spherical
harmonics up to l = 2) and adds an energy for each site. The weights ``7net-0`` (11 July 2024) were
trained, as CHGNet was, on the Materials Project's relaxations (MPtrj, PBE and PBE+U), and know 89
elements.

The package ``sevenn`` is an extra: ``pip install 'iceframe[sevennet]'``. The weights lie in it, so
that nothing is downloaded; they are read by its own loader. Neighbour lists are ICEFrame's, and
everything else is plain PyTorch: none of the package's accelerators is asked for.

Park et al. 2024, https://doi.org/10.1021/acs.jctc.4c00190.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.core.errors import InputError, NotAvailable
from iceframe.core.hashing import content_hash

MODEL = "7net-0"

EXTRA = "pip install 'iceframe[sevennet]'"


def require_sevenn() -> None:
    """Raise :class:`NotAvailable`, with what to install, where the package is not there."""
    try:
        with _quiet():
            import sevenn.util  # noqa: F401
    except ImportError as error:
        raise NotAvailable(
            "SevenNet is not importable.", got=f"needs '{error.name or error}'", hint=EXTRA
        ) from error


@lru_cache(maxsize=1)
def weights_file() -> Path:
    """Where the package keeps the weights."""
    require_sevenn()
    from sevenn.util import pretrained_name_to_path

    return Path(pretrained_name_to_path(MODEL))


@lru_cache(maxsize=1)
def weights_digest() -> str:
    """What the features depend on: the weights, and the code that evaluates them."""
    path = weights_file()
    from importlib.metadata import version

    return content_hash(version("sevenn"), MODEL, path.read_bytes())


def weights_state() -> dict[str, str]:
    """What a stored model says of the weights that its features came from."""
    return {"sevennet": weights_digest()}


def check_weights(values: Mapping[str, Any]) -> None:
    """Raise an :class:`InputError` where a stored model was made with other weights of SevenNet."""
    if values.get("sevennet") != weights_digest():
        raise InputError(
            "SevenNet has other weights than when this model was made.",
            got=weights_digest(),
            allowed=values.get("sevennet"),
            hint="install the version of sevenn that made it, or run again",
        )


@lru_cache(maxsize=1)
def shared_network() -> Any:
    """SevenNet-0 with its published weights, for energies alone, in evaluation mode on the CPU."""
    path = weights_file()
    import torch
    from sevenn.util import model_from_checkpoint

    with _quiet(), torch.random.fork_rng(devices=[]):
        network, _ = model_from_checkpoint(str(path))
    network.delete_module_by_key("force_output")  # no forces are asked for: no gradients
    network.key_grad = None
    return network.eval()


def known_elements(crystals: Crystals) -> np.ndarray:
    """Bool ``(n,)``: whether the network has weights for every element of a crystal."""
    strange = ~np.isin(crystals.numbers, list(shared_network().type_map))
    return np.bincount(crystals.owners, weights=strange, minlength=len(crystals)) == 0


def edge_counts(crystals: Crystals) -> np.ndarray:
    """Neighbours within the network's cutoff, of all sites of a crystal together ``(n,)``."""
    from iceframe.physics.neighbours import pieces

    counts = np.zeros(len(crystals), np.int64)
    for piece in pieces(crystals, shared_network().cutoff):
        counts += np.bincount(crystals.owners[piece.centre], minlength=len(crystals))
    return counts


def evaluate(crystals: Crystals) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One batch of crystals of known elements: the energy of each site in eV ``(m,)``, the numbers
    that it is read from ``(m, 64)``, and how many neighbours the site has ``(m,)``."""
    import sevenn._keys as key
    import torch

    from iceframe.physics.neighbours import neighbour_list
    from iceframe.scale.training import isolated

    network = shared_network()
    near = neighbour_list(crystals, network.cutoff)
    inputs = {
        key.ATOMIC_NUMBERS: torch.from_numpy(crystals.numbers.astype(np.int64)),
        key.EDGE_IDX: torch.from_numpy(np.stack([near.centre, near.neighbour])),
        key.EDGE_VEC: torch.from_numpy(near.vector.astype(np.float32)),
        key.BATCH: torch.from_numpy(crystals.owners),
        key.NUM_ATOMS: torch.from_numpy(crystals.sizes),
    }
    with isolated(0), torch.inference_mode():  # one thread, as for every network
        outputs = network(inputs)
    sites, vectors = outputs[key.ATOMIC_ENERGY], outputs[key.NODE_FEATURE]
    return sites.numpy().ravel(), vectors.numpy(), near.counts


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of e3nn's use of TorchScript, of which a user can do nothing."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.", DeprecationWarning)
        yield
