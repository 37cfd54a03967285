"""Was the right rung chosen? Every data set's verdict, from what a climb stored.

*Right* is, of some rungs, the simplest one by measured complexity whose true loss lies within the
ROPE of the best of them. The ROPE is the decision's own share of the true loss of ``mean``. There
are two readings:

* by kind: the rungs that are made for such a truth (``MADE_FOR``): ``mean`` for a constant,
  ``ridge`` for a straight sum, ``ebm`` for a sum of curves, whatever knows of pairs for pairs, and
  ``cnn`` for images;
* strictly: all rungs that can represent the truth (``ABLE``). A smooth sum of curves may be learned
  better by ``gp`` than by ``ebm``; then ``gp`` is right.

The choice is

* ``right``;
* ``simpler``: another rung of lower complexity that is not worse than the right one by more
  than the ROPE, in truth;
* ``better``: a rung of higher complexity that is truly better than the right one by more than the
  ROPE (by kind alone, or where the rung cannot represent the truth);
* ``needless``: a rung of higher complexity that is not;
* ``too simple``: a rung of lower complexity that is truly worse;
* ``none``: no rung was chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from studies.planted_truth.climb import evidence_of

from iceframe.balance.decision import DEFAULT_ROPE_SHARE, decide
from iceframe.core.values import Equilibrium, Evidence, Status

_BENT = ("tree", "ebm", "extra_trees", "gp")
ABLE: dict[str, tuple[str, ...]] = {
    "constant": ("mean", "ridge", *_BENT),
    "linear": ("ridge", *_BENT),
    "additive": _BENT,
    "interacting": _BENT,
    "image": ("cnn",),
}
MADE_FOR: dict[str, tuple[str, ...]] = {
    "constant": ("mean",),
    "linear": ("ridge",),
    "additive": ("ebm",),
    "interacting": _BENT,
    "image": ("cnn",),
}
GOOD = ("right", "simpler")


@dataclass(frozen=True)
class Outcome:
    """What became of one data set, by kind. ``named``: the status is OSCILLATING and the right rung
    is among those that change places. ``excess``: true loss of the chosen rung over that of the
    right one, in ROPEs. ``strict``: the verdict in the strict reading."""

    kind: str
    number: int
    seed: int
    n: int
    features: int
    attainable: float
    right: str
    chosen: str
    verdict: str
    status: str
    named: bool
    excess: float
    strict: str

    def as_dict(self) -> dict[str, Any]:
        """A row of a table."""
        return asdict(self)


def chosen_from(
    record: Mapping[str, Any], evidence: Sequence[Evidence] | None = None
) -> Equilibrium:
    """The equilibrium of a stored climb."""
    rows = evidence_of(record) if evidence is None else evidence
    return decide(rows, n_train=record["n_train"], n_test=record["n_test"], rope=record["rope"])


def complexities(record: Mapping[str, Any]) -> dict[str, float]:
    """Rung -> measured complexity."""
    rows = evidence_of(record)
    return {row.rung: row.value for row in rows if row.metric == "complexity"}


def true_rope(record: Mapping[str, Any]) -> float:
    """The difference of true losses that does not matter."""
    return DEFAULT_ROPE_SHARE * record["true"]["mean"]


def right_rung(record: Mapping[str, Any], among: Mapping[str, tuple[str, ...]] = MADE_FOR) -> str:
    """The right rung of a data set, ``among`` those of its kind."""
    true, complexity = record["true"], complexities(record)
    able = [rung for rung in among[record["kind"]] if rung in true]
    best = min(true[rung] for rung in able)
    return min(
        (rung for rung in able if true[rung] <= best + true_rope(record)),
        key=lambda rung: (complexity[rung], true[rung], rung),
    )


def judged(
    record: Mapping[str, Any],
    equilibrium: Equilibrium | None = None,
    *,
    truth: Mapping[str, Any] | None = None,
) -> Outcome:
    """The verdict on a climb, or on another ``equilibrium`` over the same data set.

    ``truth``: the record that holds the true losses and complexities, where ``record`` does not
    (other seeds).
    """
    found = chosen_from(record) if equilibrium is None else equilibrium
    known = record if truth is None else truth
    rung = found.rung
    right = right_rung(known)
    verdict, excess = _verdict(known, right, rung)
    strict, _ = _verdict(known, right_rung(known, ABLE), rung)
    return Outcome(
        record["kind"], record["number"], record["seed"], record["n"], record["features"],
        record["attainable"], right, rung or "none", verdict, str(found.status),
        found.status is Status.OSCILLATING and f"`{right}`" in found.remedy, excess, strict,
    )  # fmt: skip


def _verdict(record: Mapping[str, Any], right: str, rung: str | None) -> tuple[str, float]:
    if rung is None:
        return "none", float("nan")
    true, complexity, rope = record["true"], complexities(record), true_rope(record)
    excess = (true[rung] - true[right]) / rope
    if rung == right:
        return "right", 0.0
    if complexity[rung] < complexity[right]:
        return ("simpler" if excess <= 1 else "too simple"), float(excess)
    return ("needless" if excess >= -1 else "better"), float(excess)
