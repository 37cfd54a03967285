"""Learning curves: how the error of every rung falls with the number of training samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["learning_curve"]

if TYPE_CHECKING:
    from iceframe.workflow.learning_curve.session import learning_curve


def __getattr__(name: str) -> Any:
    """Import on first use."""
    if name == "learning_curve":
        from iceframe.workflow.learning_curve import session

        return session.learning_curve
    raise AttributeError(f"module 'iceframe.workflow.learning_curve' has no attribute '{name}'")
