"""Readers, checks, audits and splits: from files to a :class:`~iceframe.core.dataset.Dataset`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["check", "make_splits", "read"]

if TYPE_CHECKING:
    from iceframe.ingest.audit import check
    from iceframe.ingest.reading import read
    from iceframe.ingest.splits import make_splits

_WHERE = {"read": "reading", "check": "audit", "make_splits": "splits"}


def __getattr__(name: str) -> Any:
    """Import on first use, so that ``import iceframe`` stays fast."""
    if name in _WHERE:
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
