"""Data → summary → template: writes the one self-contained HTML file.

A content security policy inside the file lists the hashes of its own scripts and allows nothing
else: no request can leave it, and no text of the data can run, even if escaping failed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iceframe.core.files import write_text
from iceframe.report.drawings import Drawings, draw
from iceframe.report.palette import DARK
from iceframe.report.scores import Scores
from iceframe.report.summary import Summary, summarise
from iceframe.report.words import GLOSSARY, METRICS
from iceframe.workflow.view import RunView

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup


def write_report(view: RunView, path: Path) -> Path:
    """Write the report of ``view`` to ``path``, whole or not at all, and return the path.

    Raises
    ------
    InputError : if ``path`` cannot be written to.
    """
    scores = Scores(view)
    summary = summarise(view, scores)
    drawings = draw(view, scores, summary)
    write_text(Path(path), render(summary, drawings))
    return Path(path)


def render(summary: Summary, drawings: Drawings) -> str:
    """The page as text."""
    return render_page(
        "report.html",
        created=summary.created,
        report=summary,
        drawings=drawings,
        glossary=[*GLOSSARY.items(), *((w.label, w.tip) for w in METRICS.values() if w.tip)],
    )


def render_page(name: str, *, created: str, **content: Any) -> str:
    """A page with plots, by the name of a template that extends ``page.html``; style, script and
    library are inside. ``created`` is when its numbers were made."""
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    library, script = get_plotlyjs(), asset("report.js")
    return template(name).render(
        created=created,
        style=Markup(asset("report.css")),
        library=Markup(library),
        script=Markup(script),
        colours=Markup(json.dumps(DARK)),
        policy=f"script-src {_hash(library)} {_hash(script)}",
        **content,
    )


def template(name: str) -> Template:
    """A template of this package: everything that it shows is escaped, nothing may be undefined."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("iceframe.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = prose
    environment.filters["linked"] = linked
    return environment.get_template(name)


def prose(text: str) -> Markup:
    """A sentence, escaped, with `` `names` `` set as code.

    Examples
    --------
    >>> str(prose("`ebm` is <b>best</b>"))
    '<code>ebm</code> is &lt;b&gt;best&lt;/b&gt;'
    """
    from markupsafe import Markup, escape

    unbroken = re.sub(r"\bP ([=<>≤≥]) (?=\d)", "P\N{NO-BREAK SPACE}\\1\N{NO-BREAK SPACE}", text)
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(unbroken))))


_LINK = re.compile(
    r"(?:doi:|\b)(?P<doi>10\.\d{4,9}/[^\s,;<>&]+[^\s,;.<>&)\]])"
    r"|arXiv[: ](?P<arxiv>\d{4}\.\d{4,5})"
    r"|(?P<page>https://[^\s<>&\"']+[^\s<>&\"'.,;)])"
)


def linked(text: str) -> Markup:
    """A reference, escaped, with its DOI, arXiv number or address as a link.

    Examples
    --------
    >>> str(linked("Ye 1998, doi:10.1080/0162"))
    'Ye 1998, <a href="https://doi.org/10.1080/0162" rel="noreferrer">doi:10.1080/0162</a>'
    >>> str(linked("arXiv 1806.08049"))
    '<a href="https://arxiv.org/abs/1806.08049" rel="noreferrer">arXiv 1806.08049</a>'
    """
    from markupsafe import Markup, escape

    def anchor(match: re.Match[str]) -> str:
        doi, arxiv, page = match.group("doi", "arxiv", "page")
        target = f"https://doi.org/{doi}" if doi else page or f"https://arxiv.org/abs/{arxiv}"
        return f'<a href="{target}" rel="noreferrer">{match.group(0)}</a>'

    text = re.sub(r"https?://(?:dx\.)?doi\.org/(?=10\.)", "doi:", text)
    return Markup(_LINK.sub(anchor, str(escape(text))))


def asset(name: str) -> str:
    """The text of a file beside the templates."""
    return files("iceframe.report").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
