"""Fitting the gates of a run from its finished units; nothing is refitted but the gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.errors import InputError, UsageError
from iceframe.measure.conformal import Conformal, threshold
from iceframe.scale.rung import RUNGS
from iceframe.steer.cascade import Cascade, fit_cascade
from iceframe.steer.gate import Calibration, Gate
from iceframe.workflow import prepare
from iceframe.workflow.gating.held_out import BASELINE, HeldOut, held_out_answers
from iceframe.workflow.gating.signals import (
    COMPANY,
    Panel,
    Surroundings,
    panel_of,
    signals_of,
)
from iceframe.workflow.settings import LEVEL
from iceframe.workflow.viewing import trust_in

if TYPE_CHECKING:
    from iceframe.workflow.session import Run

FORMAT = 3  # part of the key of a stored gate: one of another format is fitted again
WIDE = 2.0
"""An error of so many half widths of the chosen rung's interval is badly wrong."""

MOST_FALL_BACKS = 3


@dataclass(frozen=True)
class GateSettings:
    """What is promised: ``risk``, the largest share of badly wrong answers among those given, for
    the rung ``rung``, with an error above ``tolerance`` badly wrong (in the unit of the target; a
    wrong class for a classification), and intervals at ``level``. ``inputs``: what new samples
    have (``table``, ``image``, ``crystal``); rungs that need more have no say. ``together``: new
    samples are judged beside one another, as the held-out samples of a fold are. ``share``: of the
    samples like the training data at most so much is answered."""

    rung: str
    risk: float = 0.1
    tolerance: float | None = None
    level: float = LEVEL
    inputs: tuple[str, ...] = ("table", "image", "crystal")
    together: bool = False
    share: float = 1.0


@dataclass(frozen=True)
class FittedGate:
    """Gates of a run: ``cascade``, the ``panel`` of rungs whose answers make the signals, and the
    ``tolerance`` (NaN for a classification)."""

    settings: GateSettings
    cascade: Cascade
    panel: Panel
    tolerance: float

    @property
    def rungs(self) -> tuple[str, ...]:
        """All rungs whose answers are needed."""
        return tuple(dict.fromkeys([*self.cascade.gates, *self.panel.rungs]))

    def state(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "format": FORMAT,
            "settings": {**vars(self.settings), "inputs": list(self.settings.inputs)},
            "gates": [{"rung": r, "gate": g.state()} for r, g in self.cascade.gates.items()],
            "companions": list(self.panel.companions),
            "glass": self.panel.glass,
            "tolerance": self.tolerance,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> FittedGate:
        """What :meth:`state` described.

        Raises
        ------
        InputError : the state is damaged or of another version.
        """
        try:
            if state["format"] != FORMAT:
                raise ValueError(f"format {state['format']}, this version reads {FORMAT}")
            settings = dict(state["settings"])
            return cls(
                GateSettings(**{**settings, "inputs": tuple(settings["inputs"])}),
                Cascade({e["rung"]: Gate.from_state(e["gate"]) for e in state["gates"]}),
                Panel(tuple(state["companions"]), state["glass"]),
                float(state["tolerance"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                "The stored gate is damaged or of another version.",
                got=f"{type(error).__name__}: {error}",
                hint="restore the folder from a copy",
            ) from error


def fit_run_gate(run: Run, settings: GateSettings) -> FittedGate:
    """Fit the gates of ``run``.

    Raises
    ------
    InputError : no held-out answers, or fewer than two. UsageError : a risk, level or tolerance
        that cannot be.
    """
    held_out = held_out_answers(run, settings.rung)
    usable = {
        name: answer
        for name, answer in held_out.answers.items()
        if RUNGS[name].input in settings.inputs
    }
    held_out = HeldOut(**{**vars(held_out), "answers": usable})
    panel = panel_of(held_out)
    tolerance = tolerance_of(run, settings)
    asked = [settings.rung, *_simpler(run, settings.rung, usable)]
    x, groups = _represented(run)
    seed = run.header["identity"]["seed"]
    own = {name: widths(run, name, usable[name]) for name in asked}
    cascade, _ = fit_cascade(
        calibrations(
            held_out, x, groups, panel, asked, tolerance, seed, own, together=settings.together
        ),
        target=settings.risk,
        level=settings.level,
        share=settings.share,
        widest=tolerance if np.isfinite(tolerance) else np.inf,
        seed=seed,
    )
    return FittedGate(settings, cascade, panel, tolerance)


def tolerance_of(run: Run, settings: GateSettings) -> float:
    """The error from which an answer is badly wrong; NaN for a classification.

    Raises
    ------
    UsageError : a tolerance that is not positive, or one for a classification.
    """
    given = settings.tolerance
    if run.header["task"] != "regression":
        if given is not None:
            raise UsageError(
                "A class is right or wrong: a tolerance is for numbers.",
                where="--tolerance",
                got=given,
                hint="leave it out",
            )
        return float("nan")
    if given is not None:
        if not (np.isfinite(given) and given > 0):
            raise UsageError(
                "The tolerance is an error above 0, in the unit of the target.",
                where="--tolerance",
                got=given,
                allowed="for example 20",
            )
        return float(given)
    folder = run.unit_folder(settings.rung, "final")
    assert folder is not None
    scores = Conformal.load(folder / "conformal.json").scores
    half = threshold(scores, LEVEL)
    return WIDE * (half if np.isfinite(half) else float(scores[-1]))


def _simpler(run: Run, rung: str, usable: Mapping[str, np.ndarray]) -> list[str]:
    """Rungs to fall back to, the most complex first: measured to be simpler than ``rung``, and
    with explanations that are not refuted."""
    order = [str(step["rung"]) for step in run.equilibrium.trajectory]
    below = order[: order.index(rung)] if rung in order else []
    good = [
        name
        for name in reversed(below)
        if name in usable and name != BASELINE and trust_in(run, name).of_model != "no"
    ]
    return good[:MOST_FALL_BACKS]


def widths(run: Run, rung: str, answer: np.ndarray) -> np.ndarray:
    """Half widths ``(m,)`` of the rung's own intervals around its answers, by which its errors are
    measured: a gate that recalibrates keeps what tells hard samples from easy ones. Ones for a
    classification, and where too few samples leave no finite width."""
    folder = run.unit_folder(rung, "final")
    if answer.ndim == 2 or folder is None:
        return np.ones(len(answer))
    half = Conformal.load(folder / "conformal.json").half_widths(answer, LEVEL)
    return np.where(np.isfinite(half) & (half > 0), half, 1.0)


def calibrations(
    held_out: HeldOut,
    x: np.ndarray,
    groups: np.ndarray,
    panel: Panel,
    rungs: Sequence[str],
    tolerance: float,
    seed: int,
    widths: Mapping[str, np.ndarray] | None = None,
    *,
    together: bool = False,
) -> dict[str, Calibration]:
    """The signals and outcomes of held-out answers, for each of ``rungs``.

    ``x`` ``(n, d)`` and ``groups`` ``(n,)`` are of all samples, which positions refer to;
    ``widths``: by which errors are measured, for each rung; see :func:`widths`. ``together``:
    whether the samples that a fold held out are judged as a company.
    """
    losses = {name: held_out.losses(name) for name in rungs}
    around = _around(held_out, x, groups, losses, seed, together)
    found = {}
    for name in rungs:
        names, signals = signals_of(name, panel, held_out.answers, around[name])
        answer = held_out.answers[name]
        bad = losses[name] > tolerance
        if answer.ndim == 2:
            bad = answer.argmax(axis=1) != held_out.y
        width = np.ones(len(answer)) if widths is None else widths[name]
        found[name] = Calibration(
            names,
            signals,
            bad,
            losses[name] / width,
            held_out.strange,
            groups[held_out.position],
            float(np.median(width)),
            (COMPANY,),
        )
    return found


def _around(
    held_out: HeldOut,
    x: np.ndarray,
    groups: np.ndarray,
    losses: Mapping[str, np.ndarray],
    seed: int,
    together: bool,
) -> dict[str, dict[str, np.ndarray]]:
    """Signals ``(n,)`` by rung and name, from the training data of the fold that held each sample
    out."""
    known = {name: by_sample(held_out, loss, len(x)) for name, loss in losses.items()}
    y = targets_by_sample(held_out, len(x))
    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in losses}
    for number, fold in enumerate(held_out.folds):
        mine = held_out.part == number
        train, new = fold.train, x[held_out.position[mine]]
        near = Surroundings.fit(x[train], groups[train], None if y is None else y[train], seed)
        shared = near.signals(new, together=together)
        for name, columns in found.items():
            of_rung = {"local error": near.local_loss(new, known[name][train]), **shared}
            for signal, values in of_rung.items():
                columns.setdefault(signal, np.empty(len(held_out)))[mine] = values
    return found


def by_sample(held_out: HeldOut, values: np.ndarray, n: int) -> np.ndarray:
    """The usual held-out value at each of the run's ``n`` samples, of ``values`` a held-out row;
    NaN where it has none."""
    usual = ~held_out.strange
    total, count = np.zeros(n), np.zeros(n)
    np.add.at(total, held_out.position[usual], values[usual])
    np.add.at(count, held_out.position[usual], 1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def targets_by_sample(held_out: HeldOut, n: int) -> np.ndarray | None:
    """The target at each of the run's ``n`` samples, NaN where none was held out; None for
    classes."""
    regression = next(iter(held_out.answers.values())).ndim == 1
    return by_sample(held_out, held_out.y, n) if regression else None


def surroundings(run: Run, rung: str) -> Surroundings:
    """All the training data of the run, for new samples; ``rung`` names one with held-out
    answers."""
    x, groups = _represented(run)
    y = targets_by_sample(held_out_answers(run, rung), len(x))
    return Surroundings.fit(x, groups, y, run.header["identity"]["seed"])


def held_out_loss(run: Run, rung: str) -> np.ndarray:
    """The usual held-out loss of ``rung`` at each sample of the run, NaN where it has none."""
    held_out = held_out_answers(run, rung)
    return by_sample(held_out, held_out.losses(rung), len(_represented(run)[0]))


def _represented(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Features ``(n, d)`` of the run's samples, and labels ``(n,)`` of what belongs together."""
    folder = prepare.prepared_folder(run.store)
    groups = np.load(folder / "groups.npy", allow_pickle=False)
    return prepare.read_representation(folder)[0].values, groups
