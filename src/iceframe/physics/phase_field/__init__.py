"""Phase field: Cahn–Hilliard separation and multi-order-parameter grain growth, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

_WHERE = {
    "CahnHilliard": "cahn_hilliard",
    "Evolution": "evolution",
    "EvolutionStatus": "evolution",
    "GrainGrowth": "grain_growth",
    "Model": "model",
    "color_grains": "polycrystal",
    "domain_size": "measures",
    "evolve": "evolution",
    "grain_labels": "measures",
    "mean_grain_area": "measures",
    "voronoi_labels": "polycrystal",
}

__all__ = [
    "CahnHilliard",
    "Evolution",
    "EvolutionStatus",
    "GrainGrowth",
    "Model",
    "color_grains",
    "domain_size",
    "evolve",
    "grain_labels",
    "mean_grain_area",
    "voronoi_labels",
]

if TYPE_CHECKING:
    from iceframe.physics.phase_field.cahn_hilliard import CahnHilliard
    from iceframe.physics.phase_field.evolution import Evolution, EvolutionStatus, evolve
    from iceframe.physics.phase_field.grain_growth import GrainGrowth
    from iceframe.physics.phase_field.measures import domain_size, grain_labels, mean_grain_area
    from iceframe.physics.phase_field.model import Model
    from iceframe.physics.phase_field.polycrystal import color_grains, voronoi_labels


def __getattr__(name: str) -> Any:
    """Import on first use, so that importing the package stays fast."""
    if name in _WHERE:
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
