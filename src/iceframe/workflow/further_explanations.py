"""Answers beside the map or the terms: which descriptors a network uses, what would change its
answer, and which samples it has seen that are like this one.

Each answers one question about one sample, and nothing is computed that was not asked. The methods
lie in :mod:`iceframe.measure.concepts`, :mod:`~iceframe.measure.counterfactual` and
:mod:`~iceframe.measure.prototypes`; here they meet a run.

Concepts are learned from the run's own images and table of descriptors. Descriptors that follow
from those before them in the table are left out, since effects cannot be shared out between them:
a variance inflation factor ``1/(1 − R²)`` above 10 (Marquardt 1970, doi:10.2307/1267205), and what
is left when there are ten images for each.

Neighbours are near in what the model makes of a sample: the pooled activations that enter a
network's last layer; the features, each in standard deviations of the run's data, for a table.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError, UsageError
from iceframe.core.values import Representation
from iceframe.ingest import read
from iceframe.scale.rung import Inputs
from iceframe.workflow import prepare
from iceframe.workflow.examples import picture
from iceframe.workflow.physics import properties_of, testable
from iceframe.workflow.view import ConceptEffects, Counterfactual, Neighbourhood

if TYPE_CHECKING:
    from torch import Tensor

    from iceframe.core.dataset import Dataset, ImageSource
    from iceframe.measure.image_model import ImageModel
    from iceframe.scale.fitting import Fitted
    from iceframe.workflow.session import Run

MOST_CONCEPTS = 20
IMAGES_PER_CONCEPT = 10
MOST_INFLATION = 10.0
"""Variance inflation factor from which a descriptor counts as following from others."""

MOST_IMAGES = 2000
MOST_VOXELS = 2**28
"""Of the images that concepts are learned from: a gigabyte."""

USUAL_OF = 500
"""Samples of the run whose own nearest neighbours say what distance is usual."""

NEAR = "Papernot & McDaniel 2018, https://arxiv.org/abs/1803.04765"

UNLIKE = 0.95
"""Share of the run's samples nearer to their neighbours than this one, from which nothing like it
was seen."""


@dataclass(frozen=True)
class Questions:
    """What is asked of a sample beside its map or terms; see
    :meth:`iceframe.workflow.session.Run.explain_sample`."""

    concepts: bool = False
    counterfactual: float | str | None = None
    keep_volume_fraction: bool = False
    neighbours: int | None = None


@dataclass(frozen=True)
class Subject:
    """The sample asked about: ``one`` and its ``inputs`` (one row), at ``position`` in ``given``;
    its model, and ``typical`` samples of the run."""

    run: Run
    fitted: Fitted
    given: Dataset
    one: Dataset
    position: int
    inputs: Inputs
    typical: Inputs

    @property
    def unit(self) -> str:
        """Of the target."""
        return str(self.run.header["unit"])

    @cached_property
    def known(self) -> Dataset | None:
        """The run's own data: ``given``, if they are the same, or where they were read from;
        ``None`` where they are gone or changed."""
        header, given = self.run.header, self.given
        if given.target == header["target"] and given.fingerprint == header["identity"]["data"]:
            return given
        source = header["facts"]["source"]
        if not source or not Path(source).exists():
            return None
        try:
            data = read(source, require_target=False, **header["reading"])
        except InputError:
            return None
        return data if data.fingerprint == header["identity"]["data"] else None

    @cached_property
    def code(self) -> int | None:
        """The predicted class, which is explained; ``None`` for a regression."""
        if self.fitted.context.task == "regression":
            return None
        return int(self.fitted.predict(self.inputs)[0].argmax())


def further_answers(asked: Questions, subject: Subject) -> dict[str, Any]:
    """Answers by name, as :class:`~iceframe.workflow.view.Explained` holds them.

    Raises
    ------
    UsageError : a question that does not apply to this model or these data.
    InputError : neighbours, and the run's data are gone.
    """
    answers: dict[str, Any] = {}
    if asked.keep_volume_fraction and asked.counterfactual is None:
        raise UsageError(
            "Only a counterfactual can keep the volume fraction.",
            where="--keep-volume-fraction",
            hint="add --counterfactual",
        )
    if asked.counterfactual is not None:
        answers["counterfactual"] = _counterfactual(
            subject, asked.counterfactual, asked.keep_volume_fraction
        )
    if asked.concepts:
        answers["concepts"] = _concepts(subject)
    if asked.neighbours is not None:
        answers["neighbours"] = _neighbours(subject, asked.neighbours)
    return answers


# -- concepts ------------------------------------------------------------------------------------


def _concepts(subject: Subject) -> ConceptEffects:
    import torch

    from iceframe.measure.concepts import concept_use

    model = _network(subject, "--concepts", "Concepts are looked for in networks")
    known, where = _background(subject)
    chosen, left_out = _told_apart(known.table)
    assert known.images is not None
    assert subject.inputs.images is not None
    code = subject.code
    found = concept_use(
        model,
        model.to_device(subject.inputs.images.read([0])),
        model.to_device(known.images.read(np.arange(len(known)))),
        chosen,
        codes=None if code is None else torch.tensor([code], device=model.device),
        seed=subject.run.header["identity"]["seed"],
    )
    mine = dict(zip(subject.inputs.table.names, subject.inputs.table.values[0], strict=True))
    table = found.table.drop(columns=["share", "br"]).rename(columns={"sensitivity": "effect"})
    table.insert(2, "value", [mine[name] for name in table["concept"]])
    table.insert(3, "deviation", (table["value"] - chosen.values.mean(axis=0)) / table["sd"])
    rank = np.lexsort((-table["effect"].abs(), ~table["present"], ~table["used"]))
    table = table.iloc[rank].reset_index(drop=True)
    score = subject.unit
    if code is not None:
        score = f"logit of '{subject.run.header['classes'][code]}'"
    return ConceptEffects(
        table=table,
        score=score,
        left_out=left_out,
        layer=found.layer,
        images=len(known),
        where=where,
        draws=found.draws,
        level=found.level,
        sentence=_use_in_words(table, score),
        reference=found.reference,
    )


def _background(subject: Subject) -> tuple[Inputs, str]:
    """Images with their descriptors that concepts are learned from, and where they come from: the
    run's data, evenly drawn where they are many, or the few that the run keeps."""
    data = subject.known
    if data is None or data.images is None:
        return subject.typical, "the images that the run keeps, since its data are gone"
    representation, _ = prepare.read_representation(prepare.prepared_folder(subject.run.store))
    most = min(MOST_IMAGES, MOST_VOXELS // math.prod(data.images.shape))
    index = np.unique(np.linspace(0, len(data) - 1, min(len(data), most)).astype(int))
    return Inputs(representation.take(index), data.images.take(index)), "the run's data"


def _told_apart(table: Representation) -> tuple[Representation, dict[str, str]]:
    """Descriptors that vary and do not follow from those before them; why others are left out."""
    from iceframe.measure.concepts import LEAST_IMAGES

    most = min(MOST_CONCEPTS, max(len(table), LEAST_IMAGES) // IMAGES_PER_CONCEPT)
    kept: list[int] = []
    why: dict[str, str] = {}
    standard = np.ones((len(table), 1))  # beside a constant, so that R² is about the mean
    for j, (name, column) in enumerate(zip(table.names, table.values.T, strict=True)):
        if not np.isfinite(column).all():
            why[name] = "not known for every image"
        elif column.std() <= 1e-9 * np.abs(column).max():
            why[name] = "does not vary"
        else:
            z = (column - column.mean()) / column.std()
            left = z - standard @ np.linalg.lstsq(standard, z, rcond=None)[0]
            if left.var() * MOST_INFLATION < 1.0:
                why[name] = "follows from those before it"
            elif len(kept) == most:
                why[name] = f"more than one for {IMAGES_PER_CONCEPT} images"
            else:
                kept.append(j)
                standard = np.column_stack([standard, z])
    if not kept:
        raise InputError(
            "No descriptor of the run's table can be looked for in the network.",
            got="; ".join(f"{name}: {reason}" for name, reason in why.items()) or "no descriptors",
            hint="run again with other descriptors: --descriptors",
        )
    part = Representation(
        table.values[:, kept],
        tuple(table.names[j] for j in kept),
        tuple(table.units[j] for j in kept),
    )
    return part, why


def _use_in_words(table: pd.DataFrame, score: str) -> str:
    used = table[table["used"]]
    held = table[table["present"] & ~table["used"]]
    if used.empty:
        said = "None of these descriptors is used beyond chance"
    else:
        effects = [
            f"{row.concept} ({row.effect:+.3g} {score} per standard deviation)".replace("  ", " ")
            for row in used.itertuples()
        ]
        said = "The network uses " + _listed(effects)
    if held.empty:
        return said + "."
    return f"{said}; it knows but does not use {_listed(held['concept'].tolist())}."


# -- counterfactual ------------------------------------------------------------------------------


def _counterfactual(subject: Subject, wish: float | str, keep: bool) -> Counterfactual:
    import torch

    from iceframe.measure.counterfactual import REFERENCE, counterfactuals

    model = _network(subject, "--counterfactual", "A changed structure is looked for with networks")
    source = subject.inputs.images
    assert source is not None
    image = source.read([0])
    levels = _two_levels(image)
    classes = tuple(subject.run.header["classes"])
    predicted = subject.fitted.predict(subject.inputs)[0]
    options: dict[str, Any] = {"levels": levels, "periodic": source.periodic}
    if classes:
        code = _class_asked(wish, classes, int(predicted.argmax()))
        options["to"] = torch.tensor([code], device=model.device)
        asked = f"the class '{classes[code]}'"
    else:
        delta = change_asked(wish, float(predicted))
        options["delta"] = delta
        asked = f"{delta:+.4g} {subject.unit}".rstrip()
    x = model.to_device(image)
    found = counterfactuals(model, x, keep_volume_fraction=keep, **options)
    before, after = float(found.before[0]), float(found.after[0])
    if classes:
        ends = torch.cat([x, model.to_device(found.images)])
        with torch.inference_mode():
            before, after = model.module(ends).softmax(dim=1)[:, code].tolist()
    phases, changed = found.phases[0], found.changed[0]
    law = subject.one.law if testable(subject.one) else None
    solved, says = None, "Whether the material would follow is unknown: no physics was computed."
    if law is not None and changed.any():
        from iceframe.measure.counterfactual import solved as solve
        from iceframe.physics.components import component_pair

        pair = component_pair(law.kind, law.component, phases.ndim)
        truth = replace(solve(found, properties_of(law), pair), unit=subject.unit)
        solved = {
            "before": float(truth.before[0]),
            "after": float(truth.after[0]),
            "ratio": float(truth.ratio[0]),
            "agrees": bool(truth.agrees[0]),
            "worked": bool(truth.worked[0]),
        }
        says = truth.sentence(0)
    reached = bool(found.reached[0])
    remedy = "" if reached else found.status[0].remedy
    words = _change_in_words(changed, reached, remedy, asked)
    return Counterfactual(
        asked=asked,
        phases=phases,
        changed=changed,
        before=before,
        after=after,
        reached=reached,
        remedy=remedy,
        fraction_before=float(phases.mean()),
        fraction_after=float((phases ^ changed).mean()),
        at_boundary=bool(found.at_boundary[0]),
        kept_volume_fraction=keep,
        solved=solved,
        sentence=f"{words} {says}" if changed.any() else words,
        reference=REFERENCE,
    )


def change_asked(wish: float | str, prediction: float) -> float:
    """The change of the prediction that is asked for: a number, or per cent of the prediction's
    size, with a sign: ``+`` raises, ``-`` lowers.

    Raises
    ------
    UsageError : neither a number nor per cent, or no change at all.

    Examples
    --------
    >>> change_asked("-2.5", 50.0), change_asked("+10%", -50.0)
    (-2.5, 5.0)
    """
    text = str(wish).strip().replace("\N{MINUS SIGN}", "-")
    try:
        if text.endswith("%"):
            change = float(text[:-1]) / 100 * abs(prediction)
        else:
            change = float(text)
    except ValueError:
        change = float("nan")
    if not math.isfinite(change) or change == 0:
        raise UsageError(
            "The change of the prediction must be a number other than 0, or per cent.",
            where="--counterfactual",
            got=wish,
            allowed="for example 2.5, -2.5, +10% or -10%",
        )
    return change


def _class_asked(wish: float | str, classes: tuple[str, ...], predicted: int) -> int:
    """The code of the class that the model shall answer."""
    others = tuple(name for code, name in enumerate(classes) if code != predicted)
    if wish not in others:
        raise UsageError(
            "The model answers so already."
            if wish == classes[predicted]
            else "The model knows no such class.",
            where="--counterfactual",
            got=wish,
            allowed=", ".join(others),
        )
    return classes.index(str(wish))


def _two_levels(image: np.ndarray) -> tuple[float, float]:
    """The pixel values of the two phases of an image ``(1, channels, *grid)``."""
    values = np.unique(image)
    if image.shape[1] != 1 or len(values) > 2 or (len(values) == 1 and values[0] not in (0, 1)):
        got = f"{len(values)} different values" if image.shape[1] == 1 else "several channels"
        raise UsageError(
            "Counterfactual structures need images of two phases.",
            where="--counterfactual",
            got=got,
            allowed="two values in one channel",
            hint="segment the images into two phases and run again",
        )
    if set(values.tolist()) <= {0.0, 1.0}:
        return 0.0, 1.0
    return float(values[0]), float(values[1])


def _change_in_words(changed: np.ndarray, reached: bool, remedy: str, asked: str) -> str:
    noun = "pixel" if changed.ndim == 2 else "voxel"
    flips = int(changed.sum())
    if not flips:
        return f"No change of structure was found that moves the prediction; {remedy}."
    share = f"{flips} of {changed.size} {noun}s ({flips / changed.size:.2%})"
    if reached:
        return f"Changing {share} would make the model answer as asked ({asked})."
    return f"Not reached ({asked}); the closest that was found changes {share}: {remedy}."


# -- neighbours ----------------------------------------------------------------------------------


def _neighbours(subject: Subject, k: int) -> Neighbourhood:
    from iceframe.measure.prototypes import nearest

    if k < 1:
        raise UsageError("Ask for one neighbour or more.", where="--neighbours", got=k)
    run = subject.run
    data = subject.known
    if data is None:
        raise InputError(
            "The run's own data are not where they were, or were changed.",
            where="--neighbours",
            got=run.header["facts"]["source"] or "data that were never in a file",
            hint="put them back, or explain a sample of these data",
        )
    own = data is subject.given
    others = np.delete(np.arange(len(data)), subject.position) if own else np.arange(len(data))
    if k > len(others):
        raise UsageError(
            "The run holds not so many samples.",
            where="--neighbours",
            got=k,
            allowed=f"1 to {len(others)}",
        )
    there, here, representation = _as_the_model_sees(subject, data)
    found = nearest(there[others], here, k)
    index, distance = others[found.index[0]], found.distance[0]
    few = np.unique(np.linspace(0, len(data) - 1, min(len(data), USUAL_OF)).astype(int))
    apart = nearest(there, there[few], 2).distance[:, 1]
    table = pd.DataFrame(
        {"id": data.ids[index].astype(str), "distance": distance, "measured": data.y[index]}
    )
    usual, farther = float(np.median(apart)), float((apart < distance[0]).mean())
    pictures = None
    if data.images is not None:
        pictures = np.stack([picture(one.mean(axis=0)) for one in data.images.read(index)])
    return Neighbourhood(
        table=table,
        representation=representation,
        usual=usual,
        farther=farther,
        own=own,
        images=pictures,
        sentence=_near_in_words(table, farther, own, subject.unit),
        reference=NEAR if subject.fitted.rung.input == "image" else "",
    )


def _as_the_model_sees(subject: Subject, data: Dataset) -> tuple[np.ndarray, np.ndarray, str]:
    """The run's samples ``(n, d)``, this one ``(1, d)``, and what the columns are."""
    if subject.fitted.rung.input == "image":
        from iceframe.measure.layer_tap import LayerTap

        model = _network(subject, "--neighbours", "Neighbours of images are looked for in networks")
        assert data.images is not None
        assert subject.inputs.images is not None
        x = model.to_device(subject.inputs.images.read([0]))
        tap = LayerTap(model, x)
        there = np.concatenate([tap.activations(part) for part in _parts(model, data.images)])
        return there, tap.activations(x), f"activations of '{subject.fitted.rung.name}', {tap.name}"
    known, _ = prepare.read_representation(prepare.prepared_folder(subject.run.store))
    values, mine = known.values, subject.inputs.table.values
    seen = np.isfinite(values).any(axis=0)
    values, mine = values[:, seen], mine[:, seen]
    centre, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    scale = np.where(spread > 1e-9 * np.abs(centre), spread, np.inf)  # a constant tells nothing
    there, here = (np.nan_to_num((v - centre) / scale) for v in (values, mine))
    return there, here, "features, each in standard deviations of the run's data"


def _parts(model: ImageModel, images: ImageSource) -> Iterator[Tensor]:
    """All images, some at a time."""
    step = max(1, MOST_VOXELS // 16 // math.prod(images.shape))
    for start in range(0, len(images), step):
        yield model.to_device(images.read(np.arange(start, min(start + step, len(images)))))


def _near_in_words(table: pd.DataFrame, farther: float, own: bool, unit: str) -> str:
    measured = table["measured"]
    if len(table) == 1:
        said = f"The nearest sample that was seen is '{table['id'][0]}', measured {measured[0]}"
    elif measured.dtype.kind == "f":
        said = f"The {len(table)} nearest were measured {measured.min():.4g} to "
        said += f"{measured.max():.4g} {unit}".rstrip() + f", {measured.mean():.4g} on average"
    else:
        counts = measured.value_counts()
        said = f"Of the {len(table)} nearest "
        said += _listed([f"{count} are '{name}'" for name, count in counts.items()])
    if farther >= UNLIKE:
        said += f". Nothing like this sample was seen: {farther:.0%} of the run's samples lie "
        said += "nearer to their nearest"
    else:
        said += f". {farther:.0%} of the run's samples lie nearer to their nearest than this one"
    if own:
        said += ". The model was fitted to this sample too: its answer here is no test of it"
    return said + "."


# -- shared --------------------------------------------------------------------------------------


def _network(subject: Subject, option: str, what: str) -> ImageModel:
    """The model of a rung that reads images."""
    from iceframe.measure.image_model import ImageModel

    rung = subject.fitted.rung
    if rung.input != "image" or not hasattr(subject.fitted.estimator, "torch_model"):
        raise UsageError(
            f"{what} that read images.",
            where=option,
            got=f"the rung '{rung.name}', which reads {rung.input}s",
            hint="name a network of this run with --rung, or leave this out",
        )
    return ImageModel.of(subject.fitted)


def _listed(items: list[str]) -> str:
    """Items as a sentence lists them."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
