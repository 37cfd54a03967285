"""Benchmarks of the field: official data and folds, published entries, our rungs beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["matbench"]

if TYPE_CHECKING:
    from iceframe.workflow.benchmark.session import matbench


def __getattr__(name: str) -> Any:
    """Import on first use."""
    if name == "matbench":
        from iceframe.workflow.benchmark import session

        return session.matbench
    raise AttributeError(f"module 'iceframe.workflow.benchmark' has no attribute '{name}'")
