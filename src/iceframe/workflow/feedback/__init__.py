"""The feedback loop: ask the controller, carry out what it proposes, measure, until it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["BalancedRun", "open_balanced", "run_balanced"]

if TYPE_CHECKING:
    from iceframe.workflow.feedback.balanced import BalancedRun, open_balanced
    from iceframe.workflow.feedback.session import run_balanced


def __getattr__(name: str) -> Any:
    """Import on first use, so that ``import iceframe`` stays fast."""
    import importlib

    where = {"run_balanced": "session", "BalancedRun": "balanced", "open_balanced": "balanced"}
    if name in where:
        return getattr(importlib.import_module(f"{__name__}.{where[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
