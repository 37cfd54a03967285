"""Generators and solvers as pure functions: microstructures in, effective properties out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["EffectiveConductivity", "SolveStatus", "effective_conductivity", "two_phase"]

if TYPE_CHECKING:
    from iceframe.physics.conduction import (
        EffectiveConductivity,
        SolveStatus,
        effective_conductivity,
    )
    from iceframe.physics.random_fields import two_phase


def __getattr__(name: str) -> Any:
    """Import on first use, so that importing the package stays fast."""
    if name in __all__:
        import importlib

        where = "random_fields" if name == "two_phase" else "conduction"
        return getattr(importlib.import_module(f"{__name__}.{where}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
