"""Are some samples served worse: errors and coverage group by group.

For each group of at least :data:`SMALLEST` samples: the mean loss against that of all others, by
Welch's t when groups are dealt out at random (:mod:`~.multiplicity` for p-values, adjusted over all
groups and both questions together), and the coverage of the intervals with its exact interval
(Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404) and the binomial chance of a coverage as low
as that at the level.

Traps: terciles of the target itself err more at the ends, whatever the model (regression to the
mean); intervals promise their level on average, so that a low group is no broken promise, but what
a user of that group should know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from iceframe.core.seeds import generator
from iceframe.core.values import Finding
from iceframe.measure.audits.multiplicity import benjamini_hochberg, permutation_p
from iceframe.measure.audits.outcome import SURE, Examined
from iceframe.measure.fidelity import coverage

KIND = "subgroups"
SMALLEST = 15
DRAWS = 1999
WORSE = 1.25
"""Of the others' mean loss, from which a group is reported."""
SHORT = 0.05
"""Below the level, from which a group's coverage is reported."""


@dataclass(frozen=True)
class Group:
    """One group: ``by`` what, its ``name``, samples ``n``, mean ``loss`` with a 95 % interval,
    that of the ``others``, ``coverage`` with its interval, and adjusted p-values."""

    by: str
    name: str
    n: int
    loss: float
    loss_low: float
    loss_high: float
    others: float
    loss_p: float
    coverage: float
    coverage_low: float
    coverage_high: float
    coverage_p: float


def subgroups(
    losses: np.ndarray,
    inside: np.ndarray,
    groupings: Mapping[str, np.ndarray],
    level: float,
    *,
    seed: int = 0,
) -> tuple[Group, ...]:
    """Groups of all ``groupings`` (labels ``(n,)`` by name; empty or missing labels are no group).

    ``losses`` ``(n,)``; ``inside`` bool ``(n,)``: whether each interval or set holds the truth.
    """
    from scipy.stats import binom

    losses, inside = np.asarray(losses, float), np.asarray(inside, bool)
    rows: list[tuple[str, str, np.ndarray]] = []
    for by, labels in groupings.items():
        labels = np.asarray(labels).astype(str)
        for name in np.unique(labels):
            mine = labels == name
            if name and SMALLEST <= mine.sum() <= len(losses) - SMALLEST:
                rows.append((by, str(name), mine))
    if not rows:
        return ()
    member = np.array([mine for *_, mine in rows]).astype(float)
    t, mean, others, wide = (part[0] for part in _studentised(member, losses[None]))
    rng = generator(seed, "subgroups")
    null = np.concatenate(
        [
            _studentised(member, rng.permuted(np.tile(losses, (part, 1)), axis=1))[0]
            for part in _parts(DRAWS, len(losses))
        ]
    )
    p_loss = np.array([permutation_p(t[i], null[:, i]) for i in range(len(rows))])
    held = [coverage(inside[mine]) for *_, mine in rows]
    hits = np.array([int(inside[mine].sum()) for *_, mine in rows])
    p_cover = binom.cdf(hits, member.sum(axis=1).astype(int), level)
    adjusted = benjamini_hochberg(np.concatenate([p_loss, p_cover]))
    return tuple(
        Group(
            by, name, int(mine.sum()), float(mean[i]), *_interval(losses[mine], float(wide[i])),
            float(others[i]), float(adjusted[i]),
            *held[i], float(adjusted[len(rows) + i]),
        )
        for i, (by, name, mine) in enumerate(rows)
    )  # fmt: skip


def _interval(losses: np.ndarray, wide: float) -> tuple[float, float]:
    """95 % interval of a mean loss: exact for a share, else normal and not below zero."""
    if np.isin(losses, (0.0, 1.0)).all():
        return coverage(losses > 0)[1:]
    return max(0.0, float(losses.mean()) - wide), float(losses.mean()) + wide


def _parts(draws: int, n: int) -> list[int]:
    """How many deals of ``n`` losses are held at once, part by part."""
    step = max(1, 2**21 // n)
    return [min(step, draws - start) for start in range(0, draws, step)]


def _studentised(member: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of groups ``(g, n)`` and deals of the losses ``(d, n)``: Welch's t of each group against the
    others, both means, the 95 % half-width; each ``(d, g)``."""
    n = member.sum(axis=1)
    rest = member.shape[1] - n
    total, squares = losses.sum(axis=1, keepdims=True), losses**2
    inside, inside_squares = losses @ member.T, squares @ member.T
    mean, others = inside / n, (total - inside) / rest
    square = inside_squares / n - mean**2
    square_rest = (squares.sum(axis=1, keepdims=True) - inside_squares) / rest - others**2
    floor = 1e-12 * squares.mean() + 1e-300
    own, their = np.maximum(square, floor) / (n - 1), np.maximum(square_rest, floor) / (rest - 1)
    return (mean - others) / np.sqrt(own + their), mean, others, 1.96 * np.sqrt(own)


def examine(groups: tuple[Group, ...], level: float, loss: str, unit: str) -> Examined:
    """Findings on :func:`subgroups`'s answers; ``loss``: what it is called."""
    if not groups:
        return Examined(KIND, skipped=f"No group of {SMALLEST} samples or more was found.")
    findings = []
    worse = sorted(
        (g for g in groups if g.loss_p < SURE and g.loss >= WORSE * g.others and g.loss > g.others),
        key=lambda g: -g.loss / max(g.others, 1e-300),
    )
    if worse:
        told = "; ".join(
            f"{g.by} {g.name}: {g.loss:.3g} [{g.loss_low:.3g}, {g.loss_high:.3g}] {unit}".rstrip()
            + f" against {g.others:.3g} (n = {g.n}, p = {g.loss_p:.2g})"
            for g in worse[:5]
        )
        findings.append(
            Finding(
                "subgroup-errors",
                "warning",
                f"Groups that are predicted worse than the others: {len(worse)} of {len(groups)}",
                f"{loss}: {told}.",
                "measure more samples of these groups, or a model of their own; state the error "
                "group by group",
                value=worse[0].loss / max(worse[0].others, 1e-300),
            )
        )
    short = sorted(
        (g for g in groups if g.coverage_p < SURE and g.coverage <= level - SHORT),
        key=lambda g: g.coverage,
    )
    if short:
        told = "; ".join(
            f"{g.by} {g.name}: {g.coverage:.0%} [{g.coverage_low:.0%}, {g.coverage_high:.0%}] "
            f"(n = {g.n}, p = {g.coverage_p:.2g})"
            for g in short[:5]
        )
        findings.append(
            Finding(
                "subgroup-coverage",
                "warning",
                f"Groups whose intervals hold too seldom: {len(short)} of {len(groups)}",
                f"Promised {level:.0%}; {told}.",
                "use intervals calibrated group by group (Mondrian), or measure more of these "
                "groups",
                value=short[0].coverage,
            )
        )
    facts = {"level": level, "loss": loss, "unit": unit, "groups": [asdict(g) for g in groups]}
    return Examined(KIND, tuple(findings), facts)
