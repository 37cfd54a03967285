"""The gate of one model: which of its answers to give, and how wide their intervals must be.

Fitted on held-out samples, those drawn like the training data and, where there are any, *strange*
ones: whole clusters that the model had not seen. For each the model's answer is known to be badly
wrong or not, and signals that should foretell this are known: how uncertain, how novel, how little
of the answer can be explained.

1. A monotone model makes one risk of the signals (:mod:`iceframe.steer.risk`).
2. A threshold on the risk is certified: of the answers at most ``target`` are badly wrong, among
   samples like the training data, and among these and the strange ones together
   (:mod:`iceframe.steer.guarantee`).
3. The conformal quantile is taken again over samples that passed (:mod:`iceframe.steer.selection`).

Every calibration sample is judged by a risk model that was fitted without it, in
:data:`PARTS` parts; samples of one group (near-duplicates, a specimen, or the same sample held out
in two ways) stay together. Nothing is answered beyond the ``reach`` of what was tested: the largest
value of each signal, or its :data:`UNTESTED_REACH` quantile where no strange sample was held out. A
signal that is given as a surprise knows no such end.

Direction: fewer answers are safer. Trap: the promise is an average over samples; for one kind of
sample it may fail, and of samples stranger than the clusters held out it says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from iceframe.core.errors import InputError
from iceframe.core.seeds import generator
from iceframe.measure.fidelity import clopper_pearson
from iceframe.steer.guarantee import certified_threshold, check_probabilities, fewest_samples
from iceframe.steer.risk import ROUNDING, RiskModel, checked
from iceframe.steer.selection import selected_quantile

PARTS = 5
UNTESTED_REACH = 0.98


@dataclass(frozen=True)
class Calibration:
    """Held-out answers of one model.

    ``signals`` ``(n, s)``, higher is worse, and their ``names``; ``bad`` ``(n,)``: badly wrong;
    ``scores`` ``(n,)``: conformity scores (absolute errors, or one minus the probability of the
    true class, or errors over a width of their own); ``unit``: what a score of 1 is worth in the
    unit of the target, as a rule; ``strange`` ``(n,)``: of a cluster that the model had not seen;
    ``groups`` ``(n,)``: samples that share a label are never calibrated on one another;
    ``surprises``: names of signals that are surprises as they stand (:mod:`iceframe.steer.risk`).
    """

    names: tuple[str, ...]
    signals: np.ndarray
    bad: np.ndarray
    scores: np.ndarray
    strange: np.ndarray
    groups: np.ndarray
    unit: float = 1.0
    surprises: tuple[str, ...] = ()

    @property
    def given(self) -> np.ndarray:
        """Which signals ``(s,)`` are surprises as they stand."""
        return np.isin(self.names, self.surprises)

    def __len__(self) -> int:
        return len(self.bad)

    def take(self, index: np.ndarray) -> Calibration:
        """The samples at ``index``, positions or a mask."""
        names = ("signals", "bad", "scores", "strange", "groups")
        return replace(self, **{name: getattr(self, name)[index] for name in names})


@dataclass(frozen=True)
class Promise:
    """What a gate was found to keep on its calibration samples, each judged without itself.

    ``target`` risk and ``confidence``; of ``samples`` like the training data and ``strange`` ones,
    ``answered`` and ``strange_answered``, of which ``bad`` and ``strange_bad`` badly wrong, as are
    ``wrong`` of all;
    ``upper`` is the Clopper-Pearson bound of the selective risk of all, and ``needed`` the fewest
    samples that could certify the target.
    """

    target: float
    confidence: float
    samples: int
    answered: int
    bad: int
    strange: int
    strange_answered: int
    strange_bad: int
    upper: float
    needed: int
    wrong: int

    @property
    def kept(self) -> bool:
        """Whether anything can be answered at this risk."""
        return self.answered > 0


@dataclass(frozen=True)
class Gate:
    """A fitted gate. ``threshold`` on the risk, ``-inf`` where nothing may be answered; ``reach``
    ``(s,)`` of each signal; ``quantile`` of the conformity scores after selection, at ``level``."""

    names: tuple[str, ...]
    model: RiskModel
    threshold: float
    reach: np.ndarray
    quantile: float
    level: float
    promise: Promise

    def risk(self, signals: np.ndarray) -> np.ndarray:
        """The estimated chance ``(m,)`` that an answer is badly wrong, for signals ``(m, s)``;
        taken to be 1 beyond what was tested."""
        return np.where(self.beyond(signals).any(axis=1), 1.0, self.model(_finite(signals)))

    def beyond(self, signals: np.ndarray) -> np.ndarray:
        """Which signals ``(m, s)`` exceed what was tested, or are not numbers: bool ``(m, s)``."""
        return _outside(_finite(signals), self.reach)

    def passes(self, signals: np.ndarray) -> np.ndarray:
        """Which answers may be given: bool ``(m,)``."""
        inside = ~self.beyond(signals).any(axis=1)
        return np.asarray(inside & (self.model(_finite(signals)) <= self.threshold))

    def shares(self, signals: np.ndarray) -> np.ndarray:
        """What each signal adds to the log-odds of being badly wrong, ``(m, s)`` ≥ 0."""
        return np.asarray(self.model.surprises(_finite(signals)) * self.model.weights)

    def state(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "names": list(self.names),
            "known": [column.tolist() for column in self.model.known],
            "weights": self.model.weights.tolist(),
            "given": self.model.given.tolist(),
            "intercept": self.model.intercept,
            "threshold": self.threshold,
            "reach": self.reach.tolist(),
            "quantile": self.quantile,
            "level": self.level,
            "promise": dict(vars(self.promise)),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Gate:
        """The gate that :meth:`state` described.

        Raises
        ------
        InputError : the state is damaged or of another version.
        """
        try:
            names = tuple(map(str, state["names"]))
            known = tuple(np.asarray(column, float) for column in state["known"])
            weights, reach = (np.asarray(state[n], float) for n in ("weights", "reach"))
            given = np.asarray(state["given"], bool)
            if not len(names) == len(known) == len(weights) == len(reach) == len(given):
                raise ValueError("one entry a signal is expected")
            if np.any(weights < 0) or any(np.any(np.diff(c) < 0) or not len(c) for c in known):
                raise ValueError("a weight is negative or a signal is not ascending")
            return cls(
                names,
                RiskModel(known, weights, float(state["intercept"]), given),
                float(state["threshold"]),
                reach,
                float(state["quantile"]),
                float(state["level"]),
                Promise(**state["promise"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                "The stored gate is damaged or of another version.",
                got=f"{type(error).__name__}: {error}",
                hint="restore the folder from a copy, or fit the gate again",
            ) from error


@dataclass(frozen=True)
class Fit:
    """A gate, and how each calibration sample fared with gates that had not seen it: its ``risk``
    ``(n,)`` (infinite beyond the reach) and whether it ``passed`` ``(n,)``."""

    gate: Gate
    risk: np.ndarray
    passed: np.ndarray


def fit_gate(
    data: Calibration,
    *,
    target: float = 0.1,
    confidence: float = 0.9,
    level: float = 0.9,
    share: float = 1.0,
    seed: int = 0,
) -> Fit:
    """Fit the gate of one model to its held-out answers.

    Parameters
    ----------
    target : largest share of badly wrong answers among those given. confidence : of that promise.
    level : coverage of the intervals of what passes.
    share : of the samples like the training data at most so much passes.

    Raises
    ------
    UsageError : a target, confidence or level outside (0, 1), a share that is none.
    InputError : fewer than two samples.
    """
    check_probabilities(risk=target, confidence=confidence, level=level)
    checked(data.signals, data.bad)
    part = _parts(data.groups, seed)
    risk = np.empty(len(data))
    for number in np.unique(part):
        mine = part == number
        others = data.take(~mine) if (~mine).sum() > 1 else data
        model = RiskModel.fit(others.signals, others.bad, others.given)
        outside = _outside(data.signals[mine], _reach(others)).any(axis=1)
        risk[mine] = np.where(outside, np.inf, model(data.signals[mine]))
    passed = np.zeros(len(data), bool)
    for number in np.unique(part):
        mine = part == number
        passed[mine] = risk[mine] <= _threshold(
            data.take(~mine), risk[~mine], target, confidence, share
        )
    threshold = _threshold(data, risk, target, confidence, share)
    usual = ~data.strange if (~data.strange).any() else data.strange
    gate = Gate(
        data.names,
        RiskModel.fit(data.signals, data.bad, data.given),
        threshold,
        _reach(data),
        selected_quantile(data.scores, passed & usual, level),
        level,
        _promise(data, risk <= threshold, target, confidence),
    )
    return Fit(gate, risk, passed)


def _threshold(
    data: Calibration, risk: np.ndarray, target: float, confidence: float, share: float
) -> float:
    everything = np.ones(len(data), bool)
    usual = ~data.strange if (~data.strange).any() else everything
    return certified_threshold(
        risk,
        data.bad,
        target,
        confidence=confidence,
        populations=[usual, everything],
        share=share,
    )


def _reach(data: Calibration) -> np.ndarray:
    share = 1.0 if data.strange.any() else UNTESTED_REACH
    tested = np.quantile(data.signals, share, axis=0, method="higher")
    return np.asarray(np.where(data.given, np.inf, tested))


def _outside(signals: np.ndarray, reach: np.ndarray) -> np.ndarray:
    return np.asarray(signals > reach + ROUNDING * np.abs(reach))


def _parts(groups: np.ndarray, seed: int) -> np.ndarray:
    """A part in ``0 … PARTS − 1`` for each sample ``(n,)``, the same for a whole group."""
    labels, code = np.unique(groups, return_inverse=True)
    deal = np.arange(len(labels)) % PARTS
    return np.asarray(generator(seed, "gate parts").permutation(deal)[code])


def _promise(data: Calibration, answered: np.ndarray, target: float, confidence: float) -> Promise:
    usual, strange = answered & ~data.strange, answered & data.strange
    tail = 2 * confidence - 1  # a two-sided interval whose upper end is the one-sided bound
    _, _, upper = clopper_pearson(int(data.bad[answered].sum()), int(answered.sum()), tail)
    return Promise(
        target=target,
        confidence=confidence,
        samples=int((~data.strange).sum()),
        answered=int(usual.sum()),
        bad=int(data.bad[usual].sum()),
        strange=int(data.strange.sum()),
        strange_answered=int(strange.sum()),
        strange_bad=int(data.bad[strange].sum()),
        upper=float(upper),
        needed=fewest_samples(target, confidence),
        wrong=int(data.bad.sum()),
    )


def _finite(signals: np.ndarray) -> np.ndarray:
    """A signal that is not known counts as beyond all."""
    given = np.asarray(signals, float)
    return np.where(np.isfinite(given), given, np.inf)
