"""A composition column for data sets of crystals: the user's own, else made from the structures."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from iceframe.ingest.columns import interpret
from iceframe.ingest.folders import Found
from iceframe.ingest.options import Options
from iceframe.ingest.reader import Entry
from iceframe.ingest.roles import find_composition

NAME = "composition"


def with_compositions(found: Found, options: Options, notes: list[str]) -> tuple[Found, Options]:
    """A composition for every row, and options that name its column.

    A column of the user's is taken as it is; where it is absent from new samples, which were read
    with one, it is made under its name.
    """
    assert found.entries is not None
    frame = found.table.frame
    name = options.composition
    if name is None:
        aside = {options.target, options.id_column, *options.drop, *(options.features or ())}
        columns = {str(c): interpret(frame[c]) for c in frame.columns if c not in aside}
        name = find_composition(columns, set())
    elif name not in frame.columns and options.require_target:
        return found, options  # told as any unknown column
    if name is not None and name in frame.columns:
        return found, replace(options, composition=name)
    if name is None:
        name, count = NAME, 1
        while name in frame.columns:
            count += 1
            name = f"{NAME} ({count})"
    made = frame.assign(**{name: pd.Series(_formulas(found.entries), dtype=object)})
    notes.append(made_note(name))
    table = replace(found.table, frame=made)
    return replace(found, table=table), replace(options, composition=name)


def _formulas(entries: tuple[Entry, ...]) -> list[str | None]:
    """Reduced formulas; none where there is no structure."""
    known: dict[tuple[tuple[str, float], ...], str] = {}
    made: list[str | None] = []
    for entry in entries:
        if entry.structure is None or not len(entry.structure):
            made.append(None)
            continue
        composition = entry.structure.composition
        key = tuple(sorted(composition.get_el_amt_dict().items()))
        if key not in known:
            known[key] = composition.element_composition.reduced_formula
        made.append(known[key])
    return made


def made_note(name: str) -> str:
    """What is said of a composition column that was made."""
    return f"Compositions were made from the crystals (column '{name}')."
