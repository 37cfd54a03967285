"""The gate of a run: fitted once and kept in its folder, applied to new samples.

The fitted gate is a unit of its own in the run folder, keyed by what was promised; a run that was
made before gates existed gets one when it is first asked. Where the folder cannot be written to,
the gate is fitted again each time, to the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.core.files import read_json, write_json
from iceframe.core.hashing import content_hash
from iceframe.measure.conformal import Conformal, threshold
from iceframe.scale.fitting import Fitted
from iceframe.scale.rung import RUNGS, Inputs
from iceframe.steer.asking import NOVEL, Columns, missing_column, odd_column, worth_measuring
from iceframe.steer.decision import ABSTAIN, ANSWER, ASK, FALL_BACK, SampleDecision
from iceframe.steer.gate import Promise
from iceframe.steer.guarantee import check_probabilities, check_share
from iceframe.workflow.answers import final_folder, read_like, represented
from iceframe.workflow.gating import words
from iceframe.workflow.gating.fitting import (
    FORMAT,
    FittedGate,
    GateSettings,
    fit_run_gate,
    held_out_loss,
    surroundings,
    tolerance_of,
    widths,
)
from iceframe.workflow.gating.signals import Surroundings, signals_of
from iceframe.workflow.settings import LEVEL

if TYPE_CHECKING:
    from iceframe.workflow.session import Run

GATE = "gate.json"
KINDS = ("table", "image", "crystal")
MEASURED_BLOCKS = ("columns", "process")
"""Blocks of the representation that hold the user's own columns."""

MOST_COMPARED = 3000
"""Novel samples without an answer that are compared with one another."""


class RunGate:
    """Decides for new samples whether a run answers, falls back, abstains or asks.

    Parameters
    ----------
    rung : whose answers are gated; default the equilibrium's. risk : largest share of badly wrong
        answers among those given, promised with a confidence of 0.9. tolerance : the error from
        which an answer is badly wrong, in the unit of the target; default twice the half width of
        the rung's 90 % interval (a wrong class, for a classification). level : of the intervals and
        sets of the answers. together : whether the samples of one call are judged beside one
        another: many of a kind never seen are noticed where one is not, and a sample's decision
        depends on the company that it is in. share : the largest share of samples like the training
        data that is answered; below 1 the riskiest are withheld though the promise would allow
        them, and with them most of what is stranger.

    Raises
    ------
    UsageError : an unknown rung, or a risk, tolerance, level or share that cannot be.
    InputError : the run holds no held-out answers.
    """

    def __init__(
        self,
        run: Run,
        *,
        rung: str | None = None,
        risk: float = 0.1,
        tolerance: float | None = None,
        level: float = LEVEL,
        together: bool = False,
        share: float = 1.0,
    ) -> None:
        check_probabilities(risk=risk, level=level)
        check_share(share)
        final_folder(run, rung)
        name = rung or run.equilibrium.rung
        assert name is not None
        self.run = run
        self.settings = GateSettings(name, risk, tolerance, level, together=together, share=share)
        self.tolerance = tolerance_of(run, self.settings)
        self._fitted: dict[tuple[str, ...], FittedGate] = {}
        self._losses: dict[str, np.ndarray] = {}

    @cached_property
    def around(self) -> Surroundings:
        """The run's training data, which new samples are compared with."""
        return surroundings(self.run, self.settings.rung)

    @property
    def promise(self) -> Promise:
        """What the gate of the chosen rung keeps on held-out samples."""
        return self.fitted().cascade.gates[self.settings.rung].promise

    def fitted(self, inputs: Sequence[str] = KINDS) -> FittedGate:
        """The gates for samples that have these ``inputs``, of those that the run's data have;
        stored in the run where it can be."""
        facts = self.run.header["facts"]
        known = {
            "table": True,
            "image": bool(facts.get("image_shape")),
            "crystal": "sites" in facts,
        }
        there = tuple(kind for kind in KINDS if known[kind] and kind in inputs)
        settings = replace(self.settings, inputs=there)
        if settings.inputs not in self._fitted:
            self._fitted[settings.inputs] = _stored_or_fitted(self.run, settings)
        return self._fitted[settings.inputs]

    def decide(self, new: Dataset | str | Path | pd.DataFrame) -> list[SampleDecision]:
        """One decision a sample.

        Raises
        ------
        InputError : samples that do not hold what the rung looks at.
        """
        return self._judged(new).decisions

    def table(self, new: Dataset | str | Path | pd.DataFrame) -> pd.DataFrame:
        """Predictions and decisions, indexed by sample id.

        Columns as in :meth:`iceframe.workflow.session.Run.predict`, of the rung ``by``; then
        ``decision``, ``by``, ``why``, ``novelty`` (the p-value of being like the training data) and
        ``risk`` (the estimated chance that the answer is badly wrong). Intervals and sets of the
        answers hold at the level among the answers. Numbers of a sample that is not answered stand
        there for the record, with the interval of the run.
        """
        judged = self._judged(new)
        table = judged.predictions
        for name in ("action", "by", "why", "novelty", "risk"):
            column = [getattr(decision, name) for decision in judged.decisions]
            table["decision" if name == "action" else name] = column
        return table

    def _judged(self, new: Any) -> _Judged:
        data = read_like(self.run, new)
        inputs = represented(self.run, data)
        there = {
            "table": True,
            "image": data.images is not None,
            "crystal": data.crystals is not None,
        }
        rung = self.settings.rung
        if not there[RUNGS[rung].input]:
            raise InputError(
                f"The model '{rung}' looks at {RUNGS[rung].input}s, and these samples have none.",
                where=data.source or data.name,
                hint="give them, or take another model of the run (--rung)",
            )
        gate = self.fitted(tuple(kind for kind, has in there.items() if has))
        for name in gate.cascade.gates:
            if name not in self._losses:
                self._losses[name] = held_out_loss(self.run, name)
        return _Judged(self.run, gate, data, inputs, self.around, self._losses)


class _Judged:
    """New samples with the answers of all rungs that are asked, and what follows."""

    def __init__(
        self,
        run: Run,
        gate: FittedGate,
        data: Dataset,
        inputs: Inputs,
        around: Surroundings,
        losses: Mapping[str, np.ndarray],
    ) -> None:
        self.run, self.gate, self.data, self.inputs = run, gate, data, inputs
        self.chosen = gate.cascade.chosen
        self.regression = run.header["task"] == "regression"
        self.around = around
        self.answers = {
            name: Fitted.load(final_folder(run, name) / "model").predict(inputs)
            for name in gate.rungs
        }
        x = inputs.table.values
        self.p_values = self.around.novelty.p_values(x)
        shared = around.signals(x, together=gate.settings.together)
        self.signals = {}
        for name in gate.cascade.gates:
            columns = {"local error": around.local_loss(x, losses[name]), **shared}
            self.signals[name] = signals_of(name, gate.panel, self.answers, columns)[1]
        self.place = gate.cascade.route(self.signals)

    @property
    def predictions(self) -> pd.DataFrame:
        """The table of today, with the interval or set of the gate that let each sample pass."""
        names = list(self.gate.cascade.gates)
        folder = final_folder(self.run, self.chosen)
        conformal = Conformal.load(folder / "conformal.json")
        answer, level = self.answers[self.chosen].copy(), self.gate.settings.level
        half = (
            conformal.half_widths(answer, level)
            if self.regression
            else np.full(len(self.data), threshold(conformal.scores, level))
        )
        for place, name in enumerate(names):
            mine = self.place == place
            answer[mine] = self.answers[name][mine]
            quantile = self.gate.cascade.gates[name].quantile
            half[mine] = quantile * widths(self.run, name, self.answers[name][mine])
        index = pd.Index(self.data.ids, name="id")
        if self.regression:
            ends = {"mean": answer, "low": answer - half, "high": answer + half}
            return pd.DataFrame(ends, index=index)
        classes = np.array(self.run.header["classes"], dtype=object)
        sets = 1.0 - answer <= half[:, None]
        sets[np.arange(len(sets)), answer.argmax(axis=1)] = True
        table = pd.DataFrame({"predicted": classes[answer.argmax(axis=1)]}, index=index)
        for code, name in enumerate(classes):
            table[f"p_{name}"] = answer[:, code]
        table["set"] = ["|".join(classes[row]) for row in sets]
        return table

    @cached_property
    def decisions(self) -> list[SampleDecision]:
        """One a sample."""
        names = list(self.gate.cascade.gates)
        risks = {name: g.risk(self.signals[name]) for name, g in self.gate.cascade.gates.items()}
        wanted = self._wanted()
        hashes = (
            content_hash(self.run.header["identity"]),
            self.data.fingerprint,
            content_hash(self.gate.state()),
        )
        unit = str(self.run.header["unit"])
        refusals = {
            name: words.refusals(gate, self.signals[name], self.p_values, unit, self.regression)
            for name, gate in self.gate.cascade.gates.items()
        }
        found = []
        for i, place in enumerate(self.place):
            refused = names if place < 0 else names[:place]
            reasons = tuple((name, refusals[name][i]) for name in refused)
            by = self.chosen if place < 0 else names[place]
            ask = ""
            if place == 0:
                action, why = ANSWER, words.usual(self.p_values[i])
            elif place > 0:
                action, why = FALL_BACK, f"{self.chosen} refused: {reasons[0][1]}"
            elif i in wanted:
                action, (ask, why) = ASK, (wanted[i][0], f"{wanted[i][1]}; {reasons[0][1]}")
            else:
                action, why = ABSTAIN, reasons[0][1]
            found.append(
                SampleDecision(
                    action,
                    reasons,
                    hashes,
                    str(self.data.ids[i]),
                    by,
                    why,
                    float(risks[by][i]),
                    float(self.p_values[i]),
                    ask,
                )
            )
        return found

    def _wanted(self) -> dict[int, tuple[str, str]]:
        """For samples without an answer, what to measure: what is asked for, and in words."""
        table = self.inputs.table
        measured = [j for block in MEASURED_BLOCKS for j in table.blocks.get(block, ())]
        columns = Columns.of(self.around.x, np.array(measured, int))
        wanted: dict[int, tuple[str, str]] = {}
        alone: list[int] = []
        for i in np.flatnonzero(self.place < 0):
            row = table.values[i]
            j = missing_column(row, columns)
            if j is not None:
                wanted[int(i)] = table.names[j], f"measure {table.names[j]}: it is missing"
                continue
            if self.p_values[i] > NOVEL:
                continue
            j = odd_column(row, columns, self.around.novelty.p_values)
            if j is not None:
                seen = f"{columns.low[j]:.4g} to {columns.high[j]:.4g}"
                what = f"check {table.names[j]}: {row[j]:.4g}, and the run's data hold {seen}"
                wanted[int(i)] = table.names[j], what
            else:
                alone.append(int(i))
        # Of very many, the first are looked at: distances between all would fill the memory.
        for place, others in self._worth(np.array(alone[:MOST_COMPARED], int)).items():
            like = {0: "", 1: ", and one other like it"}.get(
                others, f", and {others} others like it"
            )
            wanted[alone[place]] = "sample", f"measure this sample{like}"
        return wanted

    def _worth(self, index: np.ndarray) -> dict[int, int]:
        if not len(index):
            return {}
        from scipy.spatial.distance import pdist, squareform

        usual = self.around.novelty
        z = np.nan_to_num((self.inputs.table.values[index] - usual.centre) / usual.spread)
        apart = squareform(pdist(z)) / np.sqrt(z.shape[1])
        return worth_measuring(apart, float(np.quantile(usual.left_out, 1 - NOVEL)))


def _stored_or_fitted(run: Run, settings: GateSettings) -> FittedGate:
    key = content_hash(
        run.header["identity"], "gate", FORMAT, dict(vars(settings)), list(run.rungs)
    )
    store = run.store
    if store.finished(key):
        return FittedGate.from_state(read_json(store.unit(key) / GATE))
    fitted = fit_run_gate(run, settings)
    try:
        with store.locked():
            staged = store.stage()
            write_json(staged / GATE, fitted.state())
            store.commit(key, f"gate-{settings.rung}-{key[:8]}", staged)
    except (InputError, OSError):
        pass  # held by another process, or a folder that is not ours: it works without
    return fitted
