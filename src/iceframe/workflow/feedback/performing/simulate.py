"""Simulate: more samples to train on, where the models are least sure.

Of four times as many structures from the recipe of the data those are solved on which a committee
of the best models disagrees and that lie far from what is known, in the standardised features of
the run (:func:`iceframe.workflow.feedback.simulation.worth`). They are never tested on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from iceframe.balance.situation import candidate_name
from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.workflow.feedback.bench import Bench
from iceframe.workflow.feedback.performer import PERFORMERS, Performed, Performer
from iceframe.workflow.feedback.sampling import distances
from iceframe.workflow.feedback.simulation import pool_of, recipe_of, solve_into, with_solved, worth
from iceframe.workflow.feedback.variant import Variant, only_trained_on

POOL = 4  # structures a sample that is solved
COMMITTEE = 3  # models, beside the one that is to learn


@PERFORMERS.register("simulate")
class Simulate(Performer):
    """See the module."""

    name = "simulate"

    def perform(self, arguments: Mapping[str, Any], bench: Bench) -> Performed:
        n, base, rung = int(arguments["samples"]), arguments["variant"], arguments["rung"]
        data, known = bench.data(base), bench.variants[base]
        seed = bench.seed_for("simulate", base, n)
        recipe = recipe_of(bench.data())

        committee = _committee(bench, rung, base)

        def make(folder: Path) -> None:
            pool = pool_of(bench.data(), POOL * n, seed)
            chosen = _most_worth(bench, committee, base, pool, n)
            solve_into(folder, pool, chosen, recipe["solver"])

        kept = bench.keep("simulated", [n, base, committee, data.fingerprint], make)
        more = with_solved(data, kept)
        added = len(more) - len(data)
        if not added:
            raise InputError(
                "None of the new samples could be solved.",
                where=bench.store.root,
                hint="let the solver take more steps: 'max_iterations' in the recipe",
            )
        name = bench.name_for(f"simulated {n}", base)
        splits = only_trained_on(bench.splits(base), len(data), added)
        bench.add(Variant(name, more, splits, self.name, base, known.mended, known.cues))
        note = f"{added} of {POOL * n} new structures were solved."
        return Performed(bench.measure([rung], name), (note,), {"variant": name, "added": added})


def _committee(bench: Bench, rung: str, base: str) -> list[str]:
    """The candidates whose disagreement counts: the one that is to learn, then the best."""
    first = candidate_name(rung, base)
    others = [name for name in bench.best(COMMITTEE + 1, base) if name != first][:COMMITTEE]
    return [*([first] if first in bench.measured else []), *others]


def _most_worth(bench: Bench, committee: list[str], base: str, pool: Dataset, n: int) -> np.ndarray:
    """Positions of the ``n`` structures of the pool whose labels are worth most."""
    inputs = bench.inputs(committee[0], pool)
    said = np.stack([bench.fitted(name).predict(inputs) for name in committee])
    novelty = distances(
        inputs.table.values, bench.inputs(committee[0], bench.data(base)).table.values
    )
    score = worth(said.std(axis=0), novelty)
    return np.sort(np.argsort(-score, kind="stable")[:n])
