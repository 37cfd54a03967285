"""Which experiments would be worth most: ``experiments.csv``.

Among the unlabelled samples that are at hand; else among points of the feature space, drawn evenly
between the smallest and the largest value of every column that is a number, the others from the
known samples. What a measurement is worth: :func:`iceframe.workflow.feedback.sampling.most_telling`
on the features of the run.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.core.seeds import generator
from iceframe.workflow.feedback.bench import Bench

EXPERIMENTS = "experiments.csv"
POINTS = 512


def experiments(bench: Bench, candidate: str, n: int) -> pd.DataFrame:
    """``n`` experiments, what is worth most first: ``id``, ``worth``, their columns, and ``mean``
    and ``low``, ``high`` (regression) or ``predicted``, as ``candidate`` predicts them; what has
    the name of a column before it says behind it what it is.

    Raises
    ------
    InputError : nothing is known that could be measured.
    """
    variant = bench.variants[bench.measured[candidate].variant]
    data = variant.data
    given = bench.unlabelled
    pool = _points(data, bench.seed) if given is None else variant.as_these(given)
    inputs = bench.inputs(candidate, pool)
    known = bench.inputs(candidate, data)
    order, gains = most_telling_of(inputs.table.values, known.table.values, n)
    chosen = pool.take(order)
    table = pd.DataFrame({"worth": gains}, index=pd.Index(chosen.ids, name="id"))
    columns = [*chosen.features, *([chosen.composition] if chosen.composition else [])]
    if chosen.images is not None:
        table["file"] = list(chosen.images.names)
    table = table.join(chosen.table[columns].set_axis(table.index), rsuffix=" (column)")
    answers = bench.run_of(candidate).predict(chosen, rung=bench.measured[candidate].rung)
    wanted = [c for c in ("mean", "low", "high", "predicted") if c in answers]
    return table.join(answers[wanted], rsuffix=" (predicted)")


def write_experiments(bench: Bench, candidate: str, n: int, path: Path) -> pd.DataFrame:
    """Write :func:`experiments` to ``path`` and return it."""
    from iceframe.core.files import replacing

    table = experiments(bench, candidate, n)
    with replacing(path) as temporary:
        table.to_csv(temporary)
    return table


def most_telling_of(x: np.ndarray, known: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`~iceframe.workflow.feedback.sampling.most_telling`, of at most ``POINTS`` rows."""
    from iceframe.workflow.feedback.sampling import most_telling

    rows = np.unique(np.linspace(0, len(x) - 1, min(len(x), POINTS)).astype(int))
    order, gains = most_telling(x[rows], known, n)
    return rows[order], gains


def _points(data: Dataset, seed: int) -> Dataset:
    """Points of the feature space of a table, as samples without a target."""
    if data.images is not None or data.crystals is not None or data.composition is not None:
        raise InputError(
            "Which samples could be measured?",
            where=data.source or data.name,
            hint="give samples without a target: --unlabelled DATA",
        )
    rng = generator(seed, "experiments")
    table = data.table.iloc[rng.integers(0, len(data), POINTS)].copy()
    table.index = pd.Index([f"new{i:04d}" for i in range(POINTS)], name=data.table.index.name)
    for name in data.features:
        known = data.table[name].to_numpy() if _is_measured(data.table[name]) else np.zeros(0)
        known = known[np.isfinite(known)]
        if len(known):  # else all that is known of it stays
            table[name] = rng.uniform(known.min(), known.max(), POINTS)
    return replace(data, table=table)


def _is_measured(column: pd.Series) -> bool:
    """Whether it holds numbers between which others lie; whole numbers may be codes."""
    return bool(pd.api.types.is_float_dtype(column))
