"""The composition root: the only place that closes the feedback loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["LadderSearchCV", "open_run", "run"]

if TYPE_CHECKING:
    from iceframe.workflow.search import LadderSearchCV
    from iceframe.workflow.session import open_run, run


def __getattr__(name: str) -> Any:
    """Import on first use."""
    import importlib

    if name in ("run", "open_run"):
        return getattr(importlib.import_module("iceframe.workflow.session"), name)
    if name == "LadderSearchCV":
        return importlib.import_module("iceframe.workflow.search").LadderSearchCV
    raise AttributeError(f"module 'iceframe.workflow' has no attribute '{name}'")
