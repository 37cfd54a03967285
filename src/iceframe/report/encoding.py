"""The page of an encoder: traversals, neighbours, a map of the latents, and scores.

One HTML file that needs nothing else, made as the report is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from iceframe.core.files import write_text
from iceframe.report.figures.latents import latent_map, neighbours, traversals
from iceframe.report.numbers import number
from iceframe.report.page import render_page
from iceframe.workflow.encoding_view import EncodingView


@dataclass(frozen=True)
class ScoreRow:
    """One score as text."""

    name: str
    value: str
    interval: str
    chance: str
    reference: str


def write_encoding(view: EncodingView, path: Path) -> Path:
    """Write the page of ``view`` to ``path``, whole or not at all, and return the path.

    Raises
    ------
    InputError : if ``path`` cannot be written to.
    """
    write_text(Path(path), render(view))
    return Path(path)


def render(view: EncodingView) -> str:
    """The page as text."""
    maps = [latent_map(view, colouring) for colouring in view.colourings or (None,)]
    return render_page(
        "encoding.html",
        created=view.created,
        view=view,
        facts=_facts(view),
        traversals=traversals(view),
        neighbours=neighbours(view),
        maps=maps,
        scores=_scores(view),
        warnings=_warnings(view),
        leakage=_leakage(view),
    )


def _facts(view: EncodingView) -> list[tuple[str, str]]:
    """What is to be known of the fit, as pairs of a word and a value."""
    facts = [("images", str(len(view.ids))), ("latents", str(len(view.latents)))]
    for name, value in view.record.items():
        if name not in ("images", "best epoch"):
            facts.append((str(name), number(value)))
    return facts


def _scores(view: EncodingView) -> list[ScoreRow]:
    if view.scores is None:
        return []
    return [
        ScoreRow(
            str(row["score"]),
            number(row["value"]),
            f"{number(row['low'])} to {number(row['high'])}",
            number(row["chance"]),
            str(row["reference"]),
        )
        for row in view.scores.to_dict("records")
    ]


def _warnings(view: EncodingView) -> list[str]:
    """What the scores warn of, each once."""
    if view.scores is None:
        return []
    return list(dict.fromkeys(str(w) for w in view.scores["warning"] if str(w)))


def _leakage(view: EncodingView) -> list[tuple[str, str, str, str]]:
    """Of each named latent: R² of its own latent, and of the others, linear and by trees."""
    held = view.leakage
    if held is None:
        return []
    return [
        (str(name), number(own), number(linear), number(trees))
        for name, own, linear, trees in zip(
            held["factors"], held["aligned"], held["free_linear"], held["free_trees"], strict=True
        )
    ]
