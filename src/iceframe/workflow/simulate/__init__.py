"""Data sets simulated after a recipe: structures, factors, properties, sensitivities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["simulate"]

if TYPE_CHECKING:
    from iceframe.workflow.simulate.session import simulate


def __getattr__(name: str) -> Any:
    """Import on first use."""
    if name == "simulate":
        from iceframe.workflow.simulate import session

        return session.simulate
    raise AttributeError(f"module 'iceframe.workflow.simulate' has no attribute '{name}'")
