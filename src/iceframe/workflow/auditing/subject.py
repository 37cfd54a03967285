"""A run's model under audit: its data, its held-out answers, and models that did not see samples.

The final model of a run saw all samples, and answers them too well. Where answers to changed
samples are wanted, the rung is fitted again on the training side of the first outer folds, at the
settings that were tuned there, and asked about the other side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.core.files import read_json
from iceframe.core.seeds import derive_seed, generator
from iceframe.core.values import Fold
from iceframe.ingest import read
from iceframe.measure.audits.welch import groups_of
from iceframe.measure.conformal import Conformal
from iceframe.measure.fidelity import covered, covered_by_sets
from iceframe.scale.fitting import Fitted, fit
from iceframe.scale.represent import Representer
from iceframe.scale.rung import RUNGS, Inputs
from iceframe.workflow import prepare

if TYPE_CHECKING:
    from iceframe.workflow.session import Run

FOLDS = {"light": 3, "medium": 2, "heavy": 1, "extreme": 1}
"""How many folds are fitted again, by the rung's effort."""

MOST_DESCRIBED = 60
MOST_IMAGES = 200
MOST_ROWS = 2000
"""Samples that are asked about changed: images that have to be described anew, images that a
network reads, rows of a table."""


def data_of(run: Run, given: Dataset | str | Path | None) -> Dataset:
    """The run's data: ``given``, or read from where they were.

    Raises
    ------
    InputError : the data are gone, or are not those of the run.
    """
    header = run.header
    if isinstance(given, Dataset):
        data = given
    else:
        source = given or header["facts"]["source"]
        if not source:
            raise InputError(
                "This run was made of data that were never in a file.",
                where=run.folder,
                hint="give them: audit_run(run, data)",
            )
        if not Path(source).exists():
            raise InputError(
                "The run's own data are not where they were.",
                where=source,
                hint="put them back, or say where they are with --data",
            )
        data = read(source, **header["reading"])
    if data.fingerprint != header["identity"]["data"]:
        raise InputError(
            "These are not the data that the run was made of, or they were changed since.",
            where=data.source or data.name,
            got=f"{len(data)} samples, fingerprint {data.fingerprint}",
            allowed=f"{header['facts']['n']} samples, fingerprint {header['identity']['data']}",
            hint="restore the data, or run again with the new ones",
        )
    return data


def rung_of(run: Run, asked: str | None) -> str:
    """The rung to audit: the one asked for, else the equilibrium's.

    Raises
    ------
    UsageError : the run chose none, or holds no finished model of it.
    """
    name = asked or run.equilibrium.rung
    allowed = ", ".join(run.rungs) or "none: the run has no finished model"
    if name is None:
        raise UsageError("This run chose no rung.", hint="name one with --rung", allowed=allowed)
    if name not in run.rungs:
        raise UsageError(f"This run holds no finished model of '{name}'.", allowed=allowed)
    return name


@dataclass(frozen=True)
class Subject:
    """A rung of a run, and the run's data."""

    run: Run
    data: Dataset
    rung: str

    @property
    def seed(self) -> int:
        """Of the run."""
        return int(self.run.header["identity"]["seed"])

    @property
    def classification(self) -> bool:
        """Whether the target is a class."""
        return self.run.header["task"] == "classification"

    @property
    def loss_name(self) -> tuple[str, str]:
        """What a loss is called, and its unit."""
        if self.classification:
            return "share answered wrongly", ""
        return "mean absolute error", str(self.run.header["unit"])

    @cached_property
    def y(self) -> np.ndarray:
        """The target ``(n,)``: numbers, or codes of the classes."""
        if not self.classification:
            return self.data.y
        codes = {name: code for code, name in enumerate(self.data.classes)}
        return np.array([codes[name] for name in self.data.y], np.int64)

    @cached_property
    def groups(self) -> np.ndarray:
        """Group of the target of each sample ``(n,)``: classes, or quarters of a number."""
        return groups_of(self.y, self.classification)

    @cached_property
    def group_names(self) -> tuple[str, ...]:
        """What the groups are called."""
        if self.classification:
            codes = [int(self.y[self.groups == g][0]) for g in range(self.groups.max() + 1)]
            return tuple(f"class {self.data.classes[code]}" for code in codes)
        names = ("the lowest quarter", "the second quarter", "the third quarter",
                 "the highest quarter")  # fmt: skip
        return names[: int(self.groups.max()) + 1]

    @cached_property
    def inputs(self) -> Inputs:
        """All samples as models see them."""
        table, _ = self._represented
        return Inputs(table, self.data.images, self.data.crystals)

    @cached_property
    def _represented(self) -> tuple[Any, Representer]:
        return prepare.read_representation(prepare.prepared_folder(self.run.store))

    @cached_property
    def final(self) -> Path:
        """Folder of the final model."""
        folder = self.run.unit_folder(self.rung, "final")
        assert folder is not None
        return folder

    @cached_property
    def fitted(self) -> Fitted:
        """The final model."""
        return Fitted.load(self.final / "model")

    @cached_property
    def conformal(self) -> Conformal:
        """The final model's intervals."""
        return Conformal.load(self.final / "conformal.json")

    @cached_property
    def held_out(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions of the samples that were predicted held out ``(m,)``, their losses, and
        whether their intervals held."""
        table = self.run.predictions
        mine = table[table["rung"] == self.rung].drop_duplicates("position")
        position = mine["position"].to_numpy(int)
        if self.classification:
            wrong = (mine["mean"].astype(str) != mine["y"].astype(str)).to_numpy(float)
            return position, wrong, mine["covered"].to_numpy(bool)
        y = mine["y"].to_numpy(float)
        inside = covered(y, mine["low"].to_numpy(float), mine["high"].to_numpy(float))
        return position, np.abs(y - mine["mean"].to_numpy(float)), inside

    @cached_property
    def errors(self) -> np.ndarray:
        """Signed held-out errors ``(n,)`` of a regression, losses of a classification; NaN where a
        sample was never held out."""
        position, losses, _ = self.held_out
        errors = np.full(len(self.data), np.nan)
        errors[position] = losses
        if not self.classification:
            table = self.run.predictions
            mine = table[table["rung"] == self.rung].drop_duplicates("position")
            errors[position] = (mine["mean"] - mine["y"]).to_numpy(float)
        return errors

    # -- models that did not see the samples asked about -------------------------------------------

    @property
    def folds(self) -> tuple[Fold, ...]:
        """The outer folds that are fitted again."""
        return self.run.splits.folds[: FOLDS[RUNGS[self.rung].effort]]

    def settings(self, fold: Fold) -> Mapping[str, Any]:
        """What was tuned on the training side of a fold; of the final model where that is gone."""
        safe = "".join(c if c.isalnum() or c in "-." else "_" for c in fold.name)[:40]
        folder = self.run.unit_folder(self.rung, f"fold-{safe}")
        source = self.final / "final.json" if folder is None else folder / "result.json"
        settings: Mapping[str, Any] = read_json(source)["settings"]
        return settings

    def fitted_on(self, train: np.ndarray, fold: Fold) -> Fitted:
        """The rung at the settings of ``fold``, fitted to the samples at ``train``."""
        context = replace(
            self.fitted.context, seed=derive_seed(self.seed, self.rung, "fold", fold.name)
        )
        settings = self.settings(fold)
        return fit(RUNGS[self.rung](), settings, self.inputs.take(train), self.y[train], context)

    @cached_property
    def models(self) -> tuple[tuple[Fitted, np.ndarray], ...]:
        """Models of some folds, and the positions that each did not see."""
        return tuple((self.fitted_on(f.train, f), f.test) for f in self.folds)

    @cached_property
    def asked(self) -> np.ndarray:
        """Positions of the samples that are asked about changed, none of them seen."""
        unseen = np.unique(np.concatenate([fold.test for fold in self.folds]))
        most = MOST_ROWS
        if self.data.images is not None:
            most = MOST_IMAGES if RUNGS[self.rung].input == "image" else MOST_DESCRIBED
        if len(unseen) > most:
            unseen = np.sort(generator(self.seed, "asked").permutation(unseen)[:most])
        return unseen

    def answers(self, inputs: Inputs, position: np.ndarray) -> np.ndarray:
        """Predictions ``(m,)``, or probabilities ``(m, k)``, for ``inputs`` that stand in place of
        the samples at ``position`` ``(m,)``, by models that did not see these."""
        found: np.ndarray | None = None
        left = np.ones(len(position), bool)
        for fitted, test in self.models:
            mine = left & np.isin(position, test)
            if not mine.any():
                continue
            left &= ~mine
            answer = fitted.predict(inputs.take(np.flatnonzero(mine)))
            if found is None:
                found = np.full((len(position), *answer.shape[1:]), np.nan)
            found[mine] = answer
        assert found is not None
        assert not left.any()
        return found

    def with_images(self, pixels: np.ndarray, position: np.ndarray) -> Inputs:
        """Images ``(m, channels, *grid)`` in place of those at ``position``, described as these
        were where the rung reads descriptors."""
        assert self.data.images is not None
        images = ArrayImages(
            np.asarray(pixels, np.float32), self.data.images.periodic, self.data.images.kind
        )
        table = self.inputs.table.take(position)
        if RUNGS[self.rung].input == "table":
            changed = replace(self.data.take(position), images=images)
            table = self._represented[1].transform(changed)
        return Inputs(table, images)

    def judged(self, answers: np.ndarray, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Losses ``(m,)`` of answers, and whether their intervals or sets hold the truth."""
        y = self.y[position]
        if self.classification:
            sets = self.conformal.sets(answers)
            return (answers.argmax(axis=1) != y).astype(float), covered_by_sets(y, sets)
        return np.abs(answers - y), covered(y, *self.conformal.interval(answers))

    def terms(self) -> list[str]:
        """Features that the final model depends on, most first."""
        rows = read_json(self.final / "final.json")["terms"]
        ranked = sorted(rows, key=lambda row: -abs(float(row.get("importance", 0.0) or 0.0)))
        return [str(row["term"]) for row in ranked]


def as_labels(column: pd.Series) -> np.ndarray:
    """A column as text, missing values as the empty text."""
    return np.where(column.isna(), "", column.astype(str)).astype(str)
