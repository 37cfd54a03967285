"""Predictions and explanations for new samples, by the final models of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.ingest import read
from iceframe.measure.attribution import attribute, default_explainer
from iceframe.measure.conformal import Conformal
from iceframe.measure.model_flips import flips, foretold_flips
from iceframe.measure.transparency import faithfulness
from iceframe.scale.fitting import Fitted
from iceframe.scale.rung import Inputs
from iceframe.steer.guarantee import check_probabilities
from iceframe.workflow import prepare
from iceframe.workflow.examples import example_of, picture
from iceframe.workflow.further import Questions, further_answers
from iceframe.workflow.further.subject import Subject
from iceframe.workflow.physics import agreement_of, physics_maps, testable, truth_of
from iceframe.workflow.view import Explained
from iceframe.workflow.viewing import trust_in

if TYPE_CHECKING:
    from iceframe.workflow.session import Run


def predict_samples(
    run: Run, new: Any, rung: str | None, level: float | None = None
) -> pd.DataFrame:
    """See :meth:`iceframe.workflow.session.Run.predict`; ``level``: of the intervals and sets.

    Raises
    ------
    UsageError : a level that is no probability.
    """
    if level is not None:
        check_probabilities(level=level)
    data = read_like(run, new)
    folder = final_folder(run, rung)
    fitted = Fitted.load(folder / "model")
    require_input(fitted, data)
    inputs = represented(run, data)
    predicted = fitted.predict(inputs)
    conformal = Conformal.load(folder / "conformal.json")
    index = pd.Index(data.ids, name="id")
    if run.header["task"] == "regression":
        low, high = conformal.interval(predicted, level)
        return pd.DataFrame({"mean": predicted, "low": low, "high": high}, index=index)
    classes = np.array(run.header["classes"], dtype=object)
    sets = conformal.sets(predicted, level)
    table = pd.DataFrame({"predicted": classes[predicted.argmax(axis=1)]}, index=index)
    for code, name in enumerate(classes):
        table[f"p_{name}"] = predicted[:, code]
    table["set"] = ["|".join(classes[row]) for row in sets]
    return table


def explain_sample(
    run: Run,
    new: Any,
    sample: int | str,
    rung: str | None,
    explainer: str | None,
    asked: Questions,
) -> Explained:
    """See :meth:`iceframe.workflow.session.Run.explain_sample`."""
    data = read_like(run, new)
    one = data.take([_position(data, sample)])
    folder = final_folder(run, rung)
    fitted = Fitted.load(folder / "model")
    require_input(fitted, data)
    conformal = Conformal.load(folder / "conformal.json")
    inputs, against = represented(run, one), background(run)
    further = further_answers(asked, Subject(run, fitted, data, one, inputs, against))
    seed = run.header["identity"]["seed"]
    classes = tuple(run.header["classes"])
    attributions = attribute(fitted, inputs, against, explainer=explainer, seed=seed)
    explanation = attributions.explanations(run.header["target"], classes)[0]
    truth = one.table[one.target].iloc[0] if one.target in one.table else None
    example = example_of(explanation, fitted, conformal, inputs, str(one.ids[0]), truth, classes)
    codes = attributions.target if fitted.context.task == "classification" else None
    moved = flips(fitted, inputs, against, seed=seed, codes=codes)
    parts = foretold_flips(attributions, inputs, against)
    if attributions.meaning == "importance":
        moved = np.abs(moved)
    scores: dict[str, float] = {}
    if parts.shape == moved.shape:  # the terms of a glass box of crystals are no elements
        scores["faithfulness"] = float(faithfulness(parts, moved)[0])
    if inputs.images is not None and fitted.rung.input == "image" and testable(one):
        assert one.law is not None
        image = inputs.images.read([0])
        exact = physics_maps(image, one.law, attributions.meaning)
        example = replace(example, physics=picture(exact[0]))
        found = agreement_of(fitted, attributions, inputs, truth_of(inputs.images, one.law, seed))
        scores |= {
            "pf_star": found.star(),
            "explanation_vs_model": float(found.explanation_vs_model[0]),
            "model_vs_physics": float(found.model_vs_physics[0]),
        }
    usual = explainer in (None, default_explainer(fitted, inputs))
    trust = trust_in(run, fitted.rung.name, scores, usual=usual)
    return Explained(explanation, example, trust, **further)


def background(run: Run) -> Inputs:
    """Typical samples of the run, which explanations are measured against."""
    folder = prepare.prepared_folder(run.store)
    representation, _ = prepare.read_representation(folder)
    index = prepare.background_index(len(representation))
    images = None
    if (folder / prepare.BACKGROUND).exists():
        images = ArrayImages(np.load(folder / prepare.BACKGROUND, allow_pickle=False))
    crystals = None
    if (folder / prepare.BACKGROUND_CRYSTALS).exists():
        crystals = prepare.read_crystals(folder / prepare.BACKGROUND_CRYSTALS)
    return Inputs(representation.take(index), images, crystals)


def read_like(run: Run, new: Dataset | str | Path | pd.DataFrame) -> Dataset:
    """Read ``new`` with the options that the run's data were read with; a target is not needed."""
    if not isinstance(new, Dataset):
        new = read(new, require_target=False, **run.header["reading"])
    return run.as_learned(new)


def final_folder(run: Run, rung: str | None) -> Path:
    """Folder of the final model of ``rung``, or of the equilibrium's; refused if there is none."""
    name = rung or run.equilibrium.rung
    if name is None:
        raise UsageError(
            "This run chose no rung.", hint="name one with --rung", allowed=", ".join(run.rungs)
        )
    folder = run.unit_folder(name, "final") if name in run.header["settings"]["ladder"] else None
    if folder is None:
        raise UsageError(f"This run holds no finished rung '{name}'.", allowed=", ".join(run.rungs))
    return folder


def represented(run: Run, data: Dataset) -> Inputs:
    """New samples as the models of a run look at them.

    Raises
    ------
    InputError : their features are not those of the run.
    """
    known, representer = prepare.read_representation(prepare.prepared_folder(run.store))
    described = representer.transform(data)
    if described.names != known.names:  # the models know columns by position
        raise InputError(
            "The features of these samples are not those of the run.",
            got=", ".join(sorted(set(described.names) ^ set(known.names))) or "another order",
            hint="the run folder was written by another version: run again",
        )
    return Inputs(described, data.images, data.crystals)


def require_input(fitted: Fitted, data: Dataset) -> None:
    """Refuse samples that do not hold what this model looks at."""
    if fitted.rung.input == "crystal" and data.crystals is None:
        raise InputError(
            f"The model '{fitted.rung.name}' looks at crystals, and these samples have none.",
            where=data.source or data.name,
            hint="give structures (CIF, POSCAR, …), or take another model of the run (--rung)",
        )


def _position(data: Dataset, sample: int | str) -> int:
    if isinstance(sample, int):
        if not -len(data) <= sample < len(data):
            raise UsageError("No such sample.", got=sample, allowed=f"0 to {len(data) - 1}")
        return sample % len(data)
    found = np.flatnonzero(data.ids == sample)
    if not len(found):
        import difflib

        near = difflib.get_close_matches(str(sample), [str(i) for i in data.ids], n=1)
        raise UsageError(
            f"No sample has the id '{sample}'." + (f" Did you mean '{near[0]}'?" if near else ""),
            allowed=f"{data.ids[0]}, … ({len(data)} ids)",
        )
    return int(found[0])
