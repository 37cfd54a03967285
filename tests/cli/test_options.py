"""Options that several commands have are defined once, so that they mean the same everywhere."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import iceframe.cli

CLI = Path(iceframe.cli.__file__).parent


def test_no_option_is_written_down_twice() -> None:
    """Equal name, help and all else: then it belongs into ``iceframe.cli.options``."""
    found: Counter[str] = Counter()
    for path in CLI.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                found[ast.unparse(node)] += ast.unparse(node.func) in (
                    "typer.Option",
                    "typer.Argument",
                )
    assert found.total() > 50
    assert [written for written, times in found.items() if times > 1] == []
