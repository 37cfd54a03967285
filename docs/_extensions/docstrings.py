"""Docstrings as this project writes them, turned into the form that napoleon reads.

Here an entry is ``name : what it is`` on one line, and short entries may share one:
``fit : learns. state_ : what it learned.`` numpydoc wants the name and the text on two lines.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_SECTION = re.compile(r"(Class attributes|Parameters|Attributes|Returns|Raises)$")
_ENTRY = re.compile(r"((?:`{0,2}\w+`{0,2})(?:, \w+)*) : (.*)$")
_NEXT = re.compile(r"(?<=[.;]) (?=\w+(?:, \w+)* : )")
_TRAILING = re.compile(r"(?<![\w`])(\w+)_(?![\w`_])")


def two_lines(lines: list[str]) -> list[str]:
    """``name : text`` entries of the known sections as a name and an indented text."""
    result: list[str] = []
    inside = False
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if following.startswith("---") and set(following) == {"-"}:
            inside = bool(_SECTION.match(line))
            result.append(line)
            continue
        if not inside or not line.strip() or set(line) == {"-"}:
            result.append(line)
            continue
        for part in _NEXT.split(line):
            entry = _ENTRY.match(part.lstrip() if part is not line else part)
            if entry:
                result += [entry.group(1), "    " + entry.group(2)]
            else:
                result.append("    " + part.strip())
    return result


def _process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    # A fitted name ends in "_", which reStructuredText would take for a link.
    lines[:] = [
        line if ">>>" in line else _TRAILING.sub(r"\1\\_", line) for line in two_lines(lines)
    ]


def setup(app: Sphinx) -> dict[str, Any]:
    """Rewrite before napoleon (priority 500) does."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
