"""One file a command; each registers itself with the application when imported."""

from __future__ import annotations

import importlib

from iceframe.cli.app import app

# The order in which `iceframe --help` lists them: the order in which a user meets them.
ORDER = (
    "demo",
    "check",
    "run",
    "balance",
    "ledger",
    "learning_curve",
    "benchmark",
    "show",
    "report",
    "predict",
    "explain",
    "audit",
    "simulate",
    "describe",
    "encode",
    "list",
)


def load() -> None:
    """Import every command module."""
    for name in ORDER:
        importlib.import_module(f"iceframe.cli.commands.{name}")
    app.registered_commands.sort(key=lambda c: ORDER.index(c.name or c.callback.__name__))  # type: ignore[union-attr]
