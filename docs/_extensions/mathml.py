"""Formulas as MathML, so that the pages read the same without a network (no script is fetched)."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)


def _render(translator: Any, node: nodes.Element) -> None:
    as_block = isinstance(node, nodes.math_block)
    try:
        translator.body.append(latex2mathml.tex2mathml(node.astext(), as_block=as_block))
    except MathError as error:
        logger.warning("cannot set %r: %s", node.astext(), error, location=node)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer under the name ``mathml``."""
    app.add_html_math_renderer("mathml", (_render, None), (_render, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
