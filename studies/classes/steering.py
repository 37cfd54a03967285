"""Trained on two classes, steered on the third: a run, its gate, and what each rung answers.

The run is the library's own at default settings: outer folds and left-out clusters of the training
samples alone calibrate its intervals and its gate. Neither sees a sample or a name of the third
class. With own phases two more runs follow: ``asked`` knows some of the third class, picked by the
first run's gate; ``bounded`` knows none, and learns where between the bounds an answer lies.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from studies.classes.data import Structures, as_dataset, bounds, path_of, real_path, there
from studies.classes.data import reference as reference_of
from studies.classes.pieces import LEVEL, RISK, TOLERANCE, Case, Study
from studies.paradox.pieces import Piece

import iceframe as ice
from iceframe.core.dataset import Dataset
from iceframe.core.files import replacing
from iceframe.core.seeds import generator
from iceframe.measure.conformal import Conformal, calibrate
from iceframe.measure.uncertainty.covariate_shift import density_ratio, weighted_thresholds
from iceframe.scale.fitting import context_for, fit
from iceframe.scale.represent import Representer
from iceframe.scale.rung import RUNGS, Inputs
from iceframe.workflow.gating import RunGate

FIRST, ASKED, BOUNDED = "first", "asked", "bounded"
DECIDED = ("decision", "by", "why", "novelty", "risk")


@dataclass(frozen=True)
class Parts:
    """Positions in the seed's structures: ``train`` of two classes and ``pool`` of the third, which
    labels are bought from; ``inside`` and ``outside``, which are only tested."""

    train: np.ndarray
    pool: np.ndarray
    inside: np.ndarray
    outside: np.ndarray

    @classmethod
    def of(cls, found: Structures, left_out: str) -> Parts:
        """Those of one class left out."""
        third = found.label == left_out
        masks = (~third & ~found.test, third & ~found.test, ~third & found.test, third & found.test)
        return cls(*[np.flatnonzero(mask) for mask in masks])


@dataclass(frozen=True)
class Steered:
    """A run that knows the structures at ``train`` of ``found``, in the answer's ``form``."""

    case: Case
    found: Structures
    train: np.ndarray
    form: str = "plain"

    def dataset(self, found: Structures, at: np.ndarray) -> Dataset:
        """Structures as this run reads them."""
        contrast, y = found.of(self.case.setting)
        return as_dataset(found.phases[at], contrast[at], y[at], self.form)

    @property
    def unit(self) -> np.ndarray:
        """What an answer of 1 is worth for each structure that is trained on ``(n,)``."""
        contrast, _ = self.found.of(self.case.setting)
        return reference_of(self.found.phases[self.train], contrast[self.train], self.form)[1]

    @property
    def known(self) -> Dataset:
        """What is trained on."""
        return self.dataset(self.found, self.train)


def pieces(study: Study) -> list[Piece]:
    """The first run of each case with own phases."""
    return [_piece(study, case, FIRST, _first) for case in study.cases if case.own]


def control_pieces(study: Study) -> list[Piece]:
    """The first run of each case with the same phases in all classes."""
    return [_piece(study, case, FIRST, _first) for case in study.cases if not case.own]


def mended_pieces(study: Study) -> list[Piece]:
    """With own phases, runs that know what the first run's gate asked for, or what bounds say."""
    makers = {BOUNDED: _bounded, ASKED: _asked}
    return [
        _piece(study, case, which, make)
        for case in study.cases
        if case.own
        for which, make in makers.items()
    ]


def _piece(study: Study, case: Case, which: str, make: Callable[[Study, Case], None]) -> Piece:
    return Piece(f"{case.name} {which}", rows_path(study, case, which), partial(make, study, case))


def rows_path(study: Study, case: Case, which: str) -> Path:
    return study.out / "steered" / f"{case.name}-{which}.parquet"


def picked(study: Study, case: Case) -> np.ndarray:
    """Samples of the pool in the order in which the gate has them labelled: those that it asks for,
    in random order, then others that it withholds, then the rest."""
    rows = pd.read_parquet(rows_path(study, case, FIRST))
    rows = rows[rows["part"] == "pool"]
    rows = rows.iloc[generator(case.seed, "labels", case.left_out).permutation(len(rows))]
    rank = rows["decision"].map({"ask": 0, "abstain": 1}).fillna(2).to_numpy()
    return np.asarray(rows["position"].to_numpy()[np.argsort(rank, kind="stable")])


def described(data: Dataset) -> Inputs:
    """What rungs that read tables are given: default descriptors, and the contrast."""
    return Inputs(Representer().fit(data).transform(data))


def answers(
    rung: str, known: Inputs, y: np.ndarray, new: Inputs, seed: int, calibrated: bool = False
) -> tuple[np.ndarray, Conformal | None]:
    """What a rung at its default settings answers after ``known``, whose answers are ``y``, about
    ``new``; and, if asked for, its residuals on ``known``, left out fold by fold."""
    context = context_for(known, "regression", seed=seed)
    predicted = fit(RUNGS[rung](), {}, known, y, context).predict(new)
    if not calibrated:
        return predicted, None
    return predicted, calibrate(RUNGS[rung](), {}, known, y, context, level=LEVEL)


# -- the runs --------------------------------------------------------------------------------------


def _first(study: Study, case: Case) -> None:
    found = Structures.load(path_of(study, case.seed))
    parts = Parts.of(found, case.left_out)
    steered = Steered(case, found, parts.train)
    rows = _rows(study, steered, FIRST, parts, parts.pool)
    known, y = described(steered.known), steered.known.y
    tested = described(steered.dataset(found, np.concatenate([parts.inside, parts.outside])))
    for rung in study.more:
        predicted, _ = answers(rung, known, y, tested, case.seed)
        rows.loc[rows["part"].isin(["inside", "outside"]), f"by {rung}"] = predicted
    _store(rows, study, case, FIRST)


def _asked(study: Study, case: Case) -> None:
    found = Structures.load(path_of(study, case.seed))
    parts = Parts.of(found, case.left_out)
    bought = picked(study, case)[: study.sizes.asked]
    steered = Steered(case, found, np.concatenate([parts.train, bought]))
    rest = np.setdiff1d(parts.pool, bought)
    _store(_rows(study, steered, ASKED, parts, rest), study, case, ASKED)


def _bounded(study: Study, case: Case) -> None:
    found = Structures.load(path_of(study, case.seed))
    parts = Parts.of(found, case.left_out)
    steered = Steered(case, found, parts.train, "bounded")
    _store(_rows(study, steered, BOUNDED, parts, parts.pool), study, case, BOUNDED)


def _store(rows: pd.DataFrame, study: Study, case: Case, which: str) -> None:
    with replacing(rows_path(study, case, which)) as temporary:
        rows.assign(**case.plain, which=which).to_parquet(temporary)


def _rows(
    study: Study, steered: Steered, which: str, parts: Parts, pool: np.ndarray
) -> pd.DataFrame:
    """One row a sample that the run has not seen."""
    start, case = time.process_time(), steered.case
    folder = study.out / "runs" / f"{case.name}-{which}"
    begun = folder.exists()  # then its time is not that of a whole run
    run = ice.run(
        steered.known,
        ladder=study.ladder,
        out=folder,
        folds=study.sizes.folds,
        seed=case.seed,
        repeats=1,
        trials=0,
        workers=1,
    )
    seconds = np.nan if begun else time.process_time() - start
    asked = {"inside": parts.inside, "outside": parts.outside, "pool": pool}
    frames = [_judged(run, steered, steered.found, at, part) for part, at in asked.items()]
    if there(study):
        real = Structures.load(real_path(study))
        for label in np.unique(real.label):
            part = "real outside" if label == case.left_out else "real inside"
            at = np.flatnonzero(real.label == label)
            frames.append(_judged(run, steered, real, at, part))
    return pd.concat(frames, ignore_index=True).assign(seconds=seconds)


def _judged(
    run: ice.Run, steered: Steered, found: Structures, at: np.ndarray, part: str
) -> pd.DataFrame:
    """What the run answers for structures that it has not seen, and what its gate decides.

    Answers and ends of intervals are logarithms of the conductivity, whatever the form.
    """
    setting = steered.case.setting
    new, tested = steered.dataset(found, at), part in ("inside", "outside")
    gate = RunGate(run, risk=RISK, tolerance=TOLERANCE / float(np.median(steered.unit)))
    usual = RunGate(run, risk=RISK)
    batch = RunGate(run, risk=RISK, tolerance=gate.tolerance, together=True)
    contrast, y = (values[at] for values in found.of(setting))
    base, unit = reference_of(found.phases[at], contrast, steered.form)
    plain, given, chosen = run.predict(new), gate.table(new), str(run.equilibrium.rung)
    weighted, told_apart, effective = _weighted(run, chosen, steered.known, new)
    ends = {
        "answer": plain["mean"],
        "plain_low": plain["low"],
        "plain_high": plain["high"],
        "weighted_low": plain["mean"] - weighted,
        "weighted_high": plain["mean"] + weighted,
        "given": given["mean"],
        "given_low": given["low"],
        "given_high": given["high"],
        **{f"by {name}": run.predict(new, rung=name)["mean"] for name in run.rungs},
    }
    limits = bounds(found.phases[at], contrast)
    return pd.DataFrame(
        {
            "part": part,
            "position": at,
            "label": found.label[at],
            "source": found.source[at],
            "y": y,
            "rung": chosen,
            **{name: base + unit * np.asarray(values) for name, values in ends.items()},
            **{name: given[name].to_numpy() for name in DECIDED},
            "promised": gate.promise.kept,
            "usual_decision": usual.table(new)["decision"].to_numpy(),
            "batch_decision": batch.table(new)["decision"].to_numpy() if tested else "",
            "usual_tolerance": usual.tolerance,
            "usual_promised": usual.promise.kept,
            "told_apart": told_apart,
            "effective": effective,
            "lowest": limits[:, 0],
            "highest": limits[:, -1],
        }
    )  # fmt: skip


def _weighted(
    run: ice.Run, rung: str, known: Dataset, new: Dataset
) -> tuple[np.ndarray, float, float]:
    """Half widths with calibration samples weighted by how much they resemble the new ones, how
    well the two can be told apart, and how many calibration samples still count."""
    folder = run.unit_folder(rung, "final")
    assert folder is not None
    left_out = Conformal.load(folder / "conformal.json").left_out
    assert left_out is not None
    representer = Representer().fit(known)
    x, there_too = (representer.transform(data).values for data in (known, new))
    ratio = density_ratio(x, there_too, groups=left_out.group)
    found = weighted_thresholds(left_out.scores(), ratio, LEVEL)
    return found.values, ratio.told_apart, found.effective
