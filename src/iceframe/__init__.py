"""ICEFrame: how complex must the model be, and can its explanation be believed?"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "LadderSearchCV",
    "check",
    "describe",
    "encode",
    "learning_curve",
    "open_balanced",
    "open_encoding",
    "open_run",
    "read",
    "run",
    "run_balanced",
    "simulate",
]

if TYPE_CHECKING:
    from iceframe.ingest import check, read
    from iceframe.workflow import LadderSearchCV, open_run, run
    from iceframe.workflow.describe import describe
    from iceframe.workflow.encode import encode, open_encoding
    from iceframe.workflow.feedback import open_balanced, run_balanced
    from iceframe.workflow.learning_curve import learning_curve
    from iceframe.workflow.simulate import simulate

_WHERE = {
    "read": "iceframe.ingest",
    "check": "iceframe.ingest",
    "run": "iceframe.workflow",
    "open_balanced": "iceframe.workflow.feedback",
    "run_balanced": "iceframe.workflow.feedback",
    "learning_curve": "iceframe.workflow.learning_curve",
    "open_run": "iceframe.workflow",
    "LadderSearchCV": "iceframe.workflow",
    "describe": "iceframe.workflow.describe",
    "encode": "iceframe.workflow.encode",
    "open_encoding": "iceframe.workflow.encode",
    "simulate": "iceframe.workflow.simulate",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that ``import iceframe`` stays fast."""
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'iceframe' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
