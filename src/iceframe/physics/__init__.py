"""Generators and solvers as pure functions: microstructures in, effective properties out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iceframe.physics.flips import (
        Flips,
        exact_flips,
    )
    from iceframe.physics.generator import (
        GENERATORS,
        Factor,
        Generator,
        Microstructures,
        generate,
    )
    from iceframe.physics.homogenisation import (
        Homogenized,
        SolveStatus,
        homogenize,
    )
    from iceframe.physics.phase_field.cahn_hilliard import (
        CahnHilliard,
    )
    from iceframe.physics.phase_field.evolution import (
        Evolution,
        EvolutionStatus,
        evolve,
    )
    from iceframe.physics.phase_field.grain_growth import (
        GrainGrowth,
    )
    from iceframe.physics.presets import (
        PRESETS,
    )
    from iceframe.physics.properties import (
        Conductivity,
        CubicElasticity,
        Elasticity,
    )
    from iceframe.physics.sensitivity import (
        effective_tensor,
    )

_WHERE = {
    "GENERATORS": "generator",
    "PRESETS": "presets",
    "CahnHilliard": "phase_field.cahn_hilliard",
    "Conductivity": "properties",
    "CubicElasticity": "properties",
    "Elasticity": "properties",
    "Evolution": "phase_field.evolution",
    "EvolutionStatus": "phase_field.evolution",
    "Factor": "generator",
    "Flips": "flips",
    "Generator": "generator",
    "GrainGrowth": "phase_field.grain_growth",
    "Homogenized": "homogenisation",
    "Microstructures": "generator",
    "SolveStatus": "homogenisation",
    "effective_tensor": "sensitivity",
    "evolve": "phase_field.evolution",
    "exact_flips": "flips",
    "generate": "generator",
    "homogenize": "homogenisation",
}

__all__ = [
    "GENERATORS",
    "PRESETS",
    "CahnHilliard",
    "Conductivity",
    "CubicElasticity",
    "Elasticity",
    "Evolution",
    "EvolutionStatus",
    "Factor",
    "Flips",
    "Generator",
    "GrainGrowth",
    "Homogenized",
    "Microstructures",
    "SolveStatus",
    "effective_tensor",
    "evolve",
    "exact_flips",
    "generate",
    "homogenize",
]


def __getattr__(name: str) -> Any:
    """Import on first use, so that importing the package stays fast."""
    if name in _WHERE:
        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
