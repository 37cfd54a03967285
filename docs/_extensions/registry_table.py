"""The directive ``registry-table``: what a registry holds, read from the code when pages are built.

``{registry-table} iceframe.scale.rung:RUNGS`` lists every entry with its title, summary and
reference, so that the page cannot fall behind the code.
"""

from __future__ import annotations

import importlib
import re
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive, directives
from sphinx.application import Sphinx

_DOI = re.compile(
    r"(?:https?://(?:dx\.)?doi\.org/|\bdoi[: ]\s*)?\b(10\.\d{4,9}/[^\s;,]*[^\s;,.)\]])",
    re.IGNORECASE,
)
_ARXIV = re.compile(r"(?:https?://arxiv\.org/abs/|\barXiv[: ]\s*)(\d{4}\.\d{4,5})", re.IGNORECASE)
_ADDRESS = re.compile(r"(?<!\]\()(https?://[^\s;,)]+)")


def with_links(text: str) -> str:
    """``text`` in Markdown, with DOIs, arXiv numbers and addresses as links."""
    text = _ADDRESS.sub(
        lambda m: m[0] if "doi.org/" in m[0] or "arxiv.org/" in m[0] else f"<{m[0]}>", text
    )
    text = _ARXIV.sub(r"[arXiv \1](https://arxiv.org/abs/\1)", text)
    return _DOI.sub(r"[\1](https://doi.org/\1)", text)


def rows(registry: Any, columns: list[str]) -> list[list[str]]:
    """One row an entry: its name, then ``columns`` (attributes) as text."""
    table = []
    for name, entry in registry.items():
        cells = [f"`{name}`"]
        for column in columns:
            value = getattr(entry, column)
            if isinstance(value, bool):
                value = "yes" if value else "no"
            elif isinstance(value, tuple):
                value = ", ".join(value)
            cells.append(with_links(" ".join(str(value).split())).replace("|", r"\|"))
        table.append(cells)
    return table


class RegistryTable(Directive):
    """A table of a registry's entries; ``columns`` names the attributes shown after the name."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"columns": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        module, attribute = self.arguments[0].split(":")
        registry = getattr(importlib.import_module(module), attribute)
        columns = self.options["columns"].split()
        header = ["name", *[column.replace("_", " ") for column in columns]]
        lines = ["| " + " | ".join(cells) + " |" for cells in rows(registry, columns)]
        text = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header), *lines]
        container = nodes.Element()
        self.state.nested_parse(directives_lines(text), self.content_offset, container)
        return container.children


def generator_lines(name: str, entry: Any) -> list[str]:
    """One generator in Markdown: title, picture, what it makes, its factors."""
    lines = [
        f"**{entry.title}**, `{name}`",
        "",
        f"![{entry.title}](../images/generators/{name}.png)",
        "",
        with_links(f"{entry.summary} Phases: {', '.join(entry.phase_names)}. {entry.reference}."),
        "",
        "| factor | meaning | default | range drawn from | accepted |",
        "|---|---|---|---|---|",
    ]
    for factor in entry.factors:
        only = "" if len(factor.dimensions) == 2 else f" ({factor.dimensions[0]}-D)"
        unit = f" {factor.unit}" if factor.unit else ""
        meaning = factor.meaning.replace("|", r"\|")
        lines.append(
            f"| `{factor.name}`{only} | {meaning} | {factor.default:g}{unit} "
            f"| {factor.low:g} to {factor.high:g} | {factor.minimum:g} to {factor.maximum:g} |"
        )
    return [*lines, ""]


class GeneratorGallery(Directive):
    """Every generator with its picture and its factors."""

    def run(self) -> list[nodes.Node]:
        from iceframe.physics import GENERATORS

        text = [line for name, entry in GENERATORS.items() for line in generator_lines(name, entry)]
        container = nodes.Element()
        self.state.nested_parse(directives_lines(text), self.content_offset, container)
        return container.children


def directives_lines(text: list[str]) -> Any:
    """Lines as the parser wants them, each knowing where it came from."""
    from docutils.statemachine import StringList

    return StringList(text, source="registry-table")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("registry-table", RegistryTable)
    app.add_directive("generator-gallery", GeneratorGallery)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
