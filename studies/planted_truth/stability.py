"""Does the equilibrium stay the same where nothing of the matter changes?

Three changes: the rungs of the ladder in another order, the weight of C1 from 0.25 to 0.75 (the
decision and the loop try it, and say OSCILLATING where it matters), and other seeds (folds, fits
and disturbances drawn anew).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from studies.planted_truth.climb import evidence_of
from studies.planted_truth.judging import GOOD, chosen_from, judged
from studies.planted_truth.loop import replayed

from iceframe.core.seeds import generator
from iceframe.core.values import Equilibrium, Status

ORDERS = 10

# From a stored climb and an order of the ladder to the equilibrium.
Chooser = Callable[[Mapping[str, Any], Sequence[str] | None], Equilibrium]


def by_decision(record: Mapping[str, Any], order: Sequence[str] | None = None) -> Equilibrium:
    """The single climb's own."""
    rows = evidence_of(record)
    if order is not None:
        rows = sorted(rows, key=lambda row: list(order).index(row.rung))
    return chosen_from(record, rows)


def by_loop(record: Mapping[str, Any], order: Sequence[str] | None = None) -> Equilibrium:
    """That of the balanced loop."""
    return replayed(record, order).equilibrium


def orders(record: Mapping[str, Any]) -> list[list[str]]:
    """``ORDERS`` orders of the ladder."""
    rungs = sorted({row["rung"] for row in record["evidence"]})
    rng = generator(0, "orders", record["kind"], record["number"])
    return [[rungs[i] for i in rng.permutation(len(rungs))] for _ in range(ORDERS)]


def stability(
    record: Mapping[str, Any], others: Sequence[Mapping[str, Any]], choose: Chooser
) -> dict[str, Any]:
    """One row: what becomes of the equilibrium of ``record`` in other orders, at other weights of
    C1, and in its ``others`` (other seeds).

    ``alike``: the same rung under every change. ``says so``: the status of the first is
    OSCILLATING. ``good``: what other seeds chose is right or simpler as well.
    """
    first = choose(record, None)
    again = [choose(other, None) for other in others]
    verdicts = [judged(o, e, truth=record).verdict for o, e in zip(others, again, strict=True)]
    order = all(choose(record, o).rung == first.rung for o in orders(record))
    weight = first.status is not Status.OSCILLATING
    seeds = all(e.rung == first.rung for e in again)
    return {
        "kind": record["kind"],
        "number": record["number"],
        "n": record["n"],
        "chosen": first.rung,
        "others": ", ".join(str(e.rung) for e in again),
        "order": order,
        "weight": weight,
        "seeds": seeds,
        "alike": order and weight and seeds,
        "says so": not weight,
        "good": all(v in GOOD for v in verdicts),
    }


def summary(rows: pd.DataFrame) -> dict[str, float]:
    """Shares of the data sets."""
    found = {name: float(rows[name].mean()) for name in ("order", "weight", "seeds", "alike")}
    return found | {"alike, or says so": float((rows["alike"] | rows["says so"]).mean())}
