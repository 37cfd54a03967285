"""What mends the answers on the third class, and at what price.

The rung that the first run chose is fitted again, to the samples of two classes and ``k`` answers
more, each the price of one solution by the solver (or one measurement):

* ``asked``: structures of the third class that the gate has labelled;
* ``telling``: those that lower the variance of a Gaussian process most, as the search's action
  "ask" picks them (:mod:`iceframe.workflow.feedback.sampling`);
* ``random``: any of the third class;
* ``swapped``: no structure of the third class at all, but known ones solved again with its phases.

Each is measured on test structures of the third class that no repair has seen.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from studies.classes.data import (
    FORMS,
    Structures,
    as_dataset,
    draw_contrast,
    path_of,
    real_path,
    reference,
    solve,
    there,
)
from studies.classes.pieces import LEVEL, TOLERANCE, Case, Study
from studies.classes.steering import FIRST, Parts, answers, described, picked, rows_path
from studies.paradox.pieces import Piece

from iceframe.core.files import replacing
from iceframe.core.seeds import generator
from iceframe.measure.uncertainty.mondrian import Mondrian
from iceframe.scale.rung import Inputs
from iceframe.workflow.feedback.sampling import most_telling

NOTHING = "nothing"
PICKERS = ("asked", "telling", "random", "swapped")

Samples = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Phases ``(n, h, w)``, contrasts ``(n,)`` and answers ``(n,)``."""


def pieces(study: Study) -> list[Piece]:
    """One piece a case with own phases."""
    return [
        Piece(case.name, repairs_path(study, case), partial(_repair, study, case))
        for case in study.cases
        if case.own
    ]


def repairs_path(study: Study, case: Case) -> Path:
    return study.out / "repaired" / f"{case.name}.parquet"


def _repair(study: Study, case: Case) -> None:
    found = Structures.load(path_of(study, case.seed))
    parts = Parts.of(found, case.left_out)
    rung = str(pd.read_parquet(rows_path(study, case, FIRST))["rung"].iloc[0])
    table = _Table.of(
        _samples(found, parts.train, case),
        _bought(study, case, found, parts),
        _tested(study, case, found, parts),
    )
    labels, rows = study.sizes.labels, []
    for form in FORMS:
        plain = form == FORMS[0]
        repairs = PICKERS if plain else ("random", "swapped")
        counts = labels if plain else labels[1::2]
        for name, k in [(NOTHING, 0), *[(name, k) for name in repairs for k in counts]]:
            start = time.process_time()
            row = table.refitted(rung, form, name, k, case.seed)
            seconds = time.process_time() - start
            about = {"repair": name, "form": form, "k": k, "rung": rung, "seconds": seconds}
            rows.append({**case.plain, **about, **row})
    with replacing(repairs_path(study, case)) as temporary:
        pd.DataFrame(rows).to_parquet(temporary)


@dataclass(frozen=True)
class _Table:
    """All structures of a case, described once: ``inputs`` and ``samples``; positions of those that
    are trained on (``base``), ``bought`` by each repair, and ``tested``."""

    inputs: Inputs
    samples: Samples
    base: np.ndarray
    bought: dict[str, np.ndarray]
    tested: dict[str, np.ndarray]

    @classmethod
    def of(cls, base: Samples, bought: dict[str, Samples], tested: dict[str, Samples]) -> _Table:
        everything = [base, *bought.values(), *tested.values()]
        phases, contrast, y = (np.concatenate(each) for each in zip(*everything, strict=True))
        ends = np.cumsum([0, *[len(each[2]) for each in everything]])
        places = [np.arange(a, b) for a, b in pairwise(ends)]
        return cls(
            described(as_dataset(phases, contrast, y)),
            (phases, contrast, y),
            places[0],
            dict(zip(bought, places[1:], strict=False)),
            dict(zip(tested, places[1 + len(bought) :], strict=True)),
        )

    def refitted(self, rung: str, form: str, name: str, k: int, seed: int) -> dict[str, float]:
        """Errors and coverage on what is tested, after ``k`` samples more."""
        zero, unit = reference(*self.samples[:2], form)
        truth = self.samples[2]
        more = self.bought[name][:k] if k else self.base[:0]
        known, new = np.concatenate([self.base, more]), np.concatenate([*self.tested.values()])
        y, third = ((truth - zero) / unit)[known], np.arange(len(known)) >= len(self.base)
        predicted, conformal = answers(
            rung, self.inputs.take(known), y, self.inputs.take(new), seed, calibrated=True
        )
        assert conformal is not None
        assert conformal.left_out is not None
        error = np.abs(zero[new] + unit[new] * predicted - truth[new])
        by_class = Mondrian.fit(conformal.left_out.scores(), third.astype(str), LEVEL)
        outside = ~np.isin(new, self.tested["inside"])
        own = by_class.thresholds(outside.astype(str)) * unit[new]  # from nine labels on
        half = conformal.half_widths(predicted) * unit[new]
        row: dict[str, float] = {}
        for part, at in self.tested.items():
            mine = np.isin(new, at)
            row[f"error {part}"] = error[mine].mean()
            row[f"bad {part}"] = (error[mine] > TOLERANCE).mean()
            row[f"covered {part}"] = (error[mine] <= half[mine]).mean()
            row[f"half {part}"] = float(np.median(half[mine]))
            row[f"covered own {part}"] = (error[mine] <= own[mine]).mean()
            row[f"half own {part}"] = float(np.median(own[mine]))
        return row


def _samples(found: Structures, at: np.ndarray, case: Case) -> Samples:
    contrast, y = found.of(case.setting)
    return found.phases[at], contrast[at], y[at]


def _tested(study: Study, case: Case, found: Structures, parts: Parts) -> dict[str, Samples]:
    tested = {"inside": parts.inside, "outside": parts.outside}
    samples = {name: _samples(found, at, case) for name, at in tested.items()}
    if there(study):
        real = Structures.load(real_path(study))
        for source in ("alloy", "superalloy", "ceramics", "composite"):
            of_it = np.char.startswith(real.source, source) & (real.label == case.left_out)
            if of_it.any():
                samples[f"real {source}"] = _samples(real, np.flatnonzero(of_it), case)
    return samples


def _bought(study: Study, case: Case, found: Structures, parts: Parts) -> dict[str, Samples]:
    """The samples that each way of choosing brings, in their order."""
    rng = generator(case.seed, "repairs", case.left_out)
    most = study.sizes.labels[-1]
    x, x_pool = (
        described(as_dataset(*_samples(found, at, case))).table.values
        for at in (parts.train, parts.pool)
    )
    chosen = {
        "asked": picked(study, case),
        "telling": parts.pool[most_telling(x_pool, x, most)[0]],
        "random": rng.permutation(parts.pool),
    }
    made = {name: _samples(found, at[:most], case) for name, at in chosen.items()}
    phases = found.phases[rng.permutation(parts.train)[:most]]
    contrast = draw_contrast(case.left_out, len(phases), rng)
    return made | {"swapped": (phases, contrast, solve(phases, contrast))}
