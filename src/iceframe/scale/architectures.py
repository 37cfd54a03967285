"""The networks that an image estimator may hold, by name: the one place that knows them all.

To add one: a module with the network, and a function here. A network maps standardised images
``(n, channels, *grid)`` to ``(n, outputs)``, in two and in three dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from iceframe.core.errors import UsageError


@dataclass(frozen=True)
class Problem:
    """What a network is built for. ``grid``: pixels that it sees along each axis; ``alone``: no
    sample may meet another in a normalisation, as supervision by sensitivities needs."""

    channels: int
    grid: tuple[int, ...]
    outputs: int
    periodic: bool = False
    dropout: float = 0.0
    alone: bool = False


def _small(problem: Problem) -> nn.Module:
    from iceframe.scale.networks import SmallCNN

    return SmallCNN(
        problem.channels,
        problem.outputs,
        dimensions=len(problem.grid),
        periodic=problem.periodic,
        dropout=problem.dropout,
        alone=problem.alone,
    )


def _residual(problem: Problem) -> nn.Module:
    from iceframe.scale.residual_network import ResidualCNN

    return ResidualCNN(
        problem.channels,
        problem.outputs,
        dimensions=len(problem.grid),
        periodic=problem.periodic,
        dropout=problem.dropout,
    )


def _spectral(problem: Problem) -> nn.Module:
    from iceframe.scale.spectral_network import SpectralCNN

    return SpectralCNN(
        problem.channels,
        problem.grid,
        problem.outputs,
        modes=12 if len(problem.grid) == 2 else 6,
        periodic=problem.periodic,
        dropout=problem.dropout,
    )


def _transformer(problem: Problem) -> nn.Module:
    from iceframe.scale.transformer import VisionTransformer

    return VisionTransformer(
        problem.channels,
        problem.grid,
        problem.outputs,
        periodic=problem.periodic,
        stem=(24, 48) if min(problem.grid) >= 16 else (),
        drop=0.1,
        dropout=problem.dropout,
    )


ARCHITECTURES: Mapping[str, Callable[[Problem], nn.Module]] = {
    "small": _small,
    "residual": _residual,
    "spectral": _spectral,
    "transformer": _transformer,
}


def build(architecture: str, problem: Problem) -> nn.Module:
    """The untrained network of that name.

    Raises
    ------
    UsageError : there is none of that name.
    """
    if architecture not in ARCHITECTURES:
        raise UsageError(
            "Unknown network.", got=architecture, allowed=", ".join(sorted(ARCHITECTURES))
        )
    return ARCHITECTURES[architecture](problem)
