"""What foretells a badly wrong answer, for held-out and for new samples alike; higher is worse.

* ``disagreement``: how far the rungs of the run differ on the sample, as members of an ensemble
  (:func:`iceframe.measure.uncertainty.novelty.ensemble_disagreement`). Only rungs that beat the
  mean count. Conformal intervals of one width for all tell no sample from another; this does.
* ``doubt`` (classification): one minus the largest probability.
* ``local error``: the mean held-out loss of the :data:`NEAR` training samples nearest to it.
* ``novelty``: distance to the training data
  (:class:`iceframe.measure.uncertainty.novelty.Novelty`).
* ``spread`` (regression): standard deviation among the trees of a forest grown on the training
  data. Features that the target does not depend on leave it alone: it is large where samples that
  differ in what matters meet.
* ``company`` (where samples are judged together): how strange the samples are that are asked about
  with it (:func:`iceframe.steer.company.company_p_values`), as −log p, with p at least
  :data:`FINEST`: a new kind is no riskier for being the more surely new.
* ``missing``: how many columns are missing, each counted by the share of the training samples that
  have it. Models put a typical value there, and novelty sees nothing strange in it.
* ``unexplained``: what the answer owes to nothing that can be read: its distance to the answer of
  the best glass box of the run (for classes, the largest difference of a probability).

For a held-out sample, the training data are those of its fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from iceframe.core.seeds import derive_seed, generator
from iceframe.measure.uncertainty.novelty import Novelty, ensemble_disagreement
from iceframe.scale.rung import RUNGS
from iceframe.steer.company import company_p_values
from iceframe.workflow.gating.held_out import BASELINE, HeldOut

COMPANY = "company"
NEAR = 10
MOST_NEAR = 10_000
"""Training samples among which neighbours are looked for."""

TREES = 100
LEAF = 3
MOST_GROWN = 2_000
"""Training samples that the forest of ``spread`` is grown on."""

FINEST = 0.02

FAR = 20.0
"""Spreads of a column beyond which a value is far, however far: forests compare in 32 bits."""


@dataclass(frozen=True)
class Panel:
    """Which rungs are asked beside the one that answers: ``companions`` and, if any, the ``glass``
    box that is read."""

    companions: tuple[str, ...]
    glass: str | None

    @property
    def rungs(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys([*self.companions, *([self.glass] if self.glass else [])]))


def panel_of(held_out: HeldOut) -> Panel:
    """The rungs of the run that are better than the mean, and the best glass box among them."""
    usual = ~held_out.strange
    loss = {name: float(held_out.losses(name)[usual].mean()) for name in held_out.answers}
    worst = loss.get(BASELINE, np.inf)
    good = [name for name in loss if name != BASELINE and loss[name] < worst]
    readable = [name for name in good if RUNGS[name].glass_box and RUNGS[name].input == "table"]
    return Panel(tuple(good), min(readable, key=lambda name: loss[name]) if readable else None)


@dataclass(frozen=True)
class Surroundings:
    """Training samples ``x`` ``(n, d)`` and their ``groups`` ``(n,)`` of near-duplicates, as their
    ``novelty`` scales them; the ``forest`` grown on them, if their targets are numbers."""

    novelty: Novelty
    x: np.ndarray
    groups: np.ndarray
    forest: Any
    seed: int

    @classmethod
    def fit(
        cls, x: np.ndarray, groups: np.ndarray, y: np.ndarray | None, seed: int
    ) -> Surroundings:
        """From training samples; ``y`` ``(n,)``: numbers, NaN where not known; None for classes."""
        novelty = Novelty.fit(x, groups=groups, seed=seed)
        forest = None if y is None else _grown(_within(novelty, x), y, seed)
        return cls(novelty, x, groups, forest, seed)

    def signals(self, new: np.ndarray, *, together: bool) -> dict[str, np.ndarray]:
        """``novelty``, ``missing`` and, where they are there, ``spread`` and ``company`` ``(m,)``
        of rows ``(m, d)``; ``together``: whether these are judged as a company."""
        found = {"novelty": self.novelty.score(new), "missing": self.missing(new)}
        z = _within(self.novelty, new)
        if self.forest is not None:
            found["spread"] = _spread(self.forest, z)
        if together:
            train = _within(self.novelty, self.x)
            p = company_p_values(train, z, groups=self.groups, seed=self.seed)
            found[COMPANY] = -np.log(np.maximum(p, FINEST))
        return found

    def local_loss(self, new: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Mean held-out ``loss`` ``(n,)``, NaN where not known, of the training samples nearest to
        rows ``(m, d)``: ``(m,)``."""
        from iceframe.measure.beyond_maps.prototypes import nearest

        known = np.flatnonzero(np.isfinite(loss))
        if not len(known):
            return np.zeros(len(new))
        if len(known) > MOST_NEAR:
            known = known[np.linspace(0, len(known) - 1, MOST_NEAR).astype(int)]
        z, there = (_scaled(self.novelty, part) for part in (new, self.x[known]))
        found = nearest(there, z, min(NEAR, len(known)))
        return np.asarray(loss[known][found.index].mean(axis=1))

    def missing(self, new: np.ndarray) -> np.ndarray:
        """Missing columns ``(m,)`` of rows ``(m, d)``, by the share of samples that have them."""
        return np.asarray(~np.isfinite(new) @ np.isfinite(self.x).mean(axis=0))


def _scaled(novelty: Novelty, x: np.ndarray) -> np.ndarray:
    return np.nan_to_num((x - novelty.centre) / novelty.spread)


def _within(novelty: Novelty, x: np.ndarray) -> np.ndarray:
    return np.clip(_scaled(novelty, x), -FAR, FAR)


def _grown(z: np.ndarray, y: np.ndarray, seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    known = np.flatnonzero(np.isfinite(y))
    if not len(known):
        return None
    if len(known) > MOST_GROWN:
        known = np.sort(generator(seed, "spread").choice(known, MOST_GROWN, replace=False))
    state = derive_seed(seed, "spread forest")
    forest = ExtraTreesRegressor(
        TREES, min_samples_leaf=LEAF, max_features=1 / 3, random_state=state
    )
    return forest.fit(z[known], y[known])


def _spread(forest: Any, z: np.ndarray) -> np.ndarray:
    """Standard deviation ``(m,)`` among the trees, one tree at a time."""
    total, squares = np.zeros(len(z)), np.zeros(len(z))
    offset = forest.predict(z)
    for tree in forest.estimators_:
        apart = tree.predict(z) - offset
        total += apart
        squares += apart**2
    n = len(forest.estimators_)
    return np.sqrt(np.maximum(squares / n - (total / n) ** 2, 0.0))


def signals_of(
    rung: str,
    panel: Panel,
    answers: Mapping[str, np.ndarray],
    around: Mapping[str, np.ndarray],
) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and values ``(m, s)`` of the signals for the answers of ``rung``.

    ``answers``: ``(m,)`` or ``(m, k)`` of the rung and of the panel; ``around``:
    the signals ``(m,)`` that come from the surroundings, by name, ``local error`` among them.
    """
    mine = answers[rung]
    columns: dict[str, np.ndarray] = {}
    members = [answers[name] for name in dict.fromkeys([rung, *panel.companions])]
    if len(members) > 1:
        columns["disagreement"] = ensemble_disagreement(_stacked(members))
    if mine.ndim == 2:
        columns["doubt"] = 1.0 - mine.max(axis=1)
    columns |= around
    if panel.glass is not None and panel.glass != rung:
        apart = np.abs(mine - answers[panel.glass])
        columns["unexplained"] = apart if mine.ndim == 1 else apart.max(axis=1)
    return tuple(columns), np.column_stack(list(columns.values()))


def _stacked(members: Sequence[np.ndarray]) -> np.ndarray:
    stack = np.stack(members)
    if stack.ndim == 3:  # some models give probabilities that do not quite add up
        stack = stack / stack.sum(axis=2, keepdims=True)
    return stack
