"""Generators and solvers as pure functions: microstructures in, effective properties out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iceframe.physics.generator import (
        GENERATORS,
        Factor,
        Generator,
        Microstructures,
        generate,
    )
    from iceframe.physics.homogenisation import Homogenized, SolveStatus, homogenize
    from iceframe.physics.properties import Conductivity, CubicElasticity, Elasticity

_WHERE = {
    "GENERATORS": "generator",
    "Conductivity": "properties",
    "CubicElasticity": "properties",
    "Elasticity": "properties",
    "Factor": "generator",
    "Generator": "generator",
    "Homogenized": "homogenisation",
    "Microstructures": "generator",
    "SolveStatus": "homogenisation",
    "generate": "generator",
    "homogenize": "homogenisation",
}

__all__ = [
    "GENERATORS",
    "Conductivity",
    "CubicElasticity",
    "Elasticity",
    "Factor",
    "Generator",
    "Homogenized",
    "Microstructures",
    "SolveStatus",
    "generate",
    "homogenize",
]


def __getattr__(name: str) -> Any:
    """Import on first use, so that importing the package stays fast."""
    if name in _WHERE:
        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
