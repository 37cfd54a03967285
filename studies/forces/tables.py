"""The answers as tables: one row a variant and training size, mean and range over seeds."""

from __future__ import annotations

import pandas as pd
from studies.forces.models import pieces as fits
from studies.forces.pieces import Study
from studies.paradox.pieces import Piece
from studies.paradox.tables import markdown

from iceframe.core.files import read_json, write_text

SHOWN = ("energy r2", "energy mae", "force r2", "force r", "force cosine", "force slope", "seconds")


def pieces(study: Study) -> list[Piece]:
    """One piece, made of whatever is there."""
    done = study.out / "tables" / "answers.md"
    return [Piece("tables", done, lambda: _make(study), again=True)]


def _make(study: Study) -> None:
    rows = [read_json(piece.done) for piece in fits(study) if piece.done.exists()]
    if not rows:
        raise FileNotFoundError("no fit is there: run the stage `fit` first")
    found = pd.DataFrame(rows)
    folder = study.out / "tables"
    write_text(folder / "fits.csv", found.to_csv(index=False))
    shown = [
        {"n": n, "taught": variant, "seeds": len(part), "parameters": int(part["parameters"].max())}
        | {name: _cell(part[name]) for name in SHOWN}
        for (n, variant), part in found.groupby(["n", "variant"], sort=True)
    ]
    text = markdown(pd.DataFrame(shown))
    other = study.out / "perovskites.json"
    if other.exists():
        numbers = pd.Series(read_json(other)).rename_axis("measure").reset_index(name="value")
        text += "\n" + markdown(numbers.assign(value=numbers["value"].map("{:.4g}".format)))
    write_text(folder / "answers.md", text)


def _cell(values: pd.Series) -> str:
    """Mean, and lowest and highest.

    >>> _cell(pd.Series([0.5, 0.7]))
    '0.6 (0.5 to 0.7)'
    """
    return f"{values.mean():.3g} ({values.min():.3g} to {values.max():.3g})"
