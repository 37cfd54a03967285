"""What foretells a badly wrong answer, for held-out and for new samples alike; higher is worse.

* ``disagreement``: how far the rungs of the run differ on the sample, as members of an ensemble
  (:func:`iceframe.measure.uncertainty.novelty.ensemble_disagreement`). Only rungs that beat the
  mean count. Conformal intervals of one width for all tell no sample from another; this does.
* ``doubt`` (classification): one minus the largest probability.
* ``local error``: the mean held-out loss of the :data:`NEAR` training samples nearest to it.
* ``novelty``: distance to the training data
  (:class:`iceframe.measure.uncertainty.novelty.Novelty`).
* ``missing``: how many columns are missing, each counted by the share of the training samples that
  have it. Models put a typical value there, and novelty sees nothing strange in it.
* ``unexplained``: what the answer owes to nothing that can be read: its distance to the answer of
  the best glass box of the run (for classes, the largest difference of a probability).

For a held-out sample, the training data are those of its fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from iceframe.measure.uncertainty.novelty import Novelty, ensemble_disagreement
from iceframe.scale.rung import RUNGS
from iceframe.workflow.gating.held_out import BASELINE, HeldOut

NEAR = 10
MOST_NEAR = 10_000
"""Training samples among which neighbours are looked for."""


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
    """Training samples ``x`` ``(n, d)`` as their ``novelty`` scales them, and the held-out ``loss``
    ``(n,)`` at each, NaN where it is not known."""

    novelty: Novelty
    x: np.ndarray
    loss: np.ndarray

    def signals(self, new: np.ndarray) -> dict[str, np.ndarray]:
        """``local error``, ``novelty`` and ``missing`` ``(m,)`` of rows ``(m, d)``."""
        return {
            "local error": self.local_loss(new),
            "novelty": self.novelty.score(new),
            "missing": self.missing(new),
        }

    def local_loss(self, new: np.ndarray) -> np.ndarray:
        """Mean loss ``(m,)`` of the training samples nearest to rows ``(m, d)``."""
        from iceframe.measure.beyond_maps.prototypes import nearest

        known = np.flatnonzero(np.isfinite(self.loss))
        if not len(known):
            return np.zeros(len(new))
        if len(known) > MOST_NEAR:
            known = known[np.linspace(0, len(known) - 1, MOST_NEAR).astype(int)]
        z, there = (self._scaled(part) for part in (new, self.x[known]))
        found = nearest(there, z, min(NEAR, len(known)))
        return np.asarray(self.loss[known][found.index].mean(axis=1))

    def missing(self, new: np.ndarray) -> np.ndarray:
        """Missing columns ``(m,)`` of rows ``(m, d)``, by the share of samples that have them."""
        return np.asarray(~np.isfinite(new) @ np.isfinite(self.x).mean(axis=0))

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        return np.nan_to_num((x - self.novelty.centre) / self.novelty.spread)


def signals_of(
    rung: str,
    panel: Panel,
    answers: Mapping[str, np.ndarray],
    around: Mapping[str, np.ndarray],
) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and values ``(m, s)`` of the signals for the answers of ``rung``.

    ``answers``: ``(m,)`` or ``(m, k)`` of the rung and of the panel; ``around``:
    the signals ``(m,)`` that come from the surroundings, by name.
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
