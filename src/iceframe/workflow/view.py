"""What a finished run holds, as plain values: the one thing that reports and other views read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from iceframe.core.values import Audit, Equilibrium, Explanation, Task

if TYPE_CHECKING:
    from iceframe.balance.state import Step


@dataclass(frozen=True)
class Example:
    """One explained sample.

    Tables: ``names``, ``feature_values`` and ``contributions`` are ``(d,)``. Images: ``image`` and
    ``map`` are ``(h, w)`` (3-D volumes: the middle slice). ``prediction``, ``low``, ``high`` and
    ``truth`` are numbers for a regression; for a classification ``prediction`` and ``truth`` are
    class names and ``probability`` is set. ``physics`` ``(h, w)``: what the solver's own derivative
    says in place of ``map``, where the property can be computed.
    """

    id: str
    truth: Any
    prediction: Any
    method: str
    low: float | None = None
    high: float | None = None
    probability: float | None = None
    names: tuple[str, ...] = ()
    feature_values: tuple[Any, ...] = ()
    contributions: tuple[float, ...] = ()
    image: np.ndarray | None = None
    map: np.ndarray | None = None
    completeness_gap: float | None = None
    physics: np.ndarray | None = None


@dataclass(frozen=True)
class Trust:
    """How far an explanation may be believed, as a picture of its model and of the material
    (:mod:`iceframe.measure.belief`), and the ``scores`` that say so, by metric."""

    of_model: str
    of_material: str
    sentence: str
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ConceptEffects:
    """Which named descriptors a network uses for one sample
    (:mod:`iceframe.measure.beyond_maps.concepts`).

    ``table``: one row a descriptor, what is used first. ``concept``, ``unit``; ``value`` of this
    sample and ``deviation`` from the background's mean, in standard deviations ``sd``; ``r2`` of it
    in the layer, ``present``; ``effect`` on ``score`` per ``sd`` with a 95 % interval ``low``,
    ``high``; ``p``, ``p_adjusted``, ``used``; ``note``. ``left_out``: descriptors that were not
    looked for, with the reason. ``images``: how many the descriptors were learned from, and
    ``where`` these came from.
    """

    table: pd.DataFrame
    score: str
    left_out: Mapping[str, str]
    layer: str
    images: int
    where: str
    draws: int
    level: float
    sentence: str
    reference: str


@dataclass(frozen=True)
class Counterfactual:
    """The least change found of a two-phase structure that moves a prediction
    (:mod:`iceframe.measure.beyond_maps.counterfactual`).

    ``asked``: what for, in words. ``phases``, ``changed`` bool ``(*grid)``: the second phase before
    the change, and where it changed. ``before``, ``after``: the prediction in ``unit``; for a
    classification the probability of the class asked for. ``reached``: whether that is enough; if
    not, ``remedy`` says what to do. ``fraction_before``, ``fraction_after``: of the second phase.
    ``at_boundary``: all that changed hangs together with a boundary between the phases. ``solved``:
    what the solver says, ``before``, ``after``, ``ratio`` (true over predicted change), ``agrees``
    and ``worked``; ``None`` where no physics can be computed.
    """

    asked: str
    phases: np.ndarray
    changed: np.ndarray
    before: float
    after: float
    reached: bool
    remedy: str
    unit: str
    fraction_before: float
    fraction_after: float
    at_boundary: bool
    kept_volume_fraction: bool
    solved: Mapping[str, Any] | None
    sentence: str
    reference: str

    @property
    def flips(self) -> int:
        """How many voxels changed."""
        return int(self.changed.sum())

    @property
    def share(self) -> float:
        """Share of voxels that changed."""
        return float(self.changed.mean())


@dataclass(frozen=True)
class Neighbourhood:
    """The samples of the run's data next to one sample, as its model sees them.

    ``table``: ``id``, ``distance`` and ``measured``, nearest first. ``representation``: what the
    distances are between. ``usual``: median distance of the run's samples to their nearest.
    ``farther``: share of the run's samples that lie nearer to theirs than this one does. ``own``:
    this sample is itself one of them, and is left out. ``images`` ``(k, h, w)``; where there are
    none, ``features``: one row a neighbour, a column a feature.
    """

    table: pd.DataFrame
    representation: str
    usual: float
    farther: float
    own: bool
    images: np.ndarray | None
    features: pd.DataFrame | None
    sentence: str
    reference: str


@dataclass(frozen=True)
class Explained:
    """One sample with its explanation, and how far that may be believed; and the answers to
    questions that were asked beside (:mod:`iceframe.workflow.further`)."""

    explanation: Explanation
    example: Example
    trust: Trust
    concepts: ConceptEffects | None = None
    counterfactual: Counterfactual | None = None
    neighbours: Neighbourhood | None = None


@dataclass(frozen=True)
class RungView:
    """What is known of one rung. ``terms`` holds rows with ``term``, ``importance`` and, where the
    model has one, a curve (``x`` and ``y`` lists) or a ``rule`` (text)."""

    name: str
    title: str
    summary: str
    reference: str
    input: str
    glass_box: bool
    settings: Mapping[str, Any] = field(default_factory=dict)
    terms: tuple[Mapping[str, Any], ...] = ()
    examples: tuple[Example, ...] = ()
    trust: Trust | None = None


@dataclass(frozen=True)
class SearchPath:
    """How a search (:mod:`iceframe.workflow.feedback`) came to its choice.

    ``steps``: what was tried and what became of it. ``evidence``: of all candidates, columns as of
    :class:`RunView`. ``chosen``: the candidate of the equilibrium. ``loss``: the metric that was
    compared. ``reasons``: why nothing further was worth its cost.
    """

    steps: tuple[Step, ...]
    evidence: pd.DataFrame
    chosen: str | None
    loss: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class RunView:
    """A run as plain values.

    ``evidence`` columns: rung, axis, metric, value, low, high, folds (tuple), better, unit, seed,
    n, note. ``costs``: rung, metric (``fit_seconds``, ``predict_seconds``, ``total_seconds``),
    value.
    ``predictions`` (held-out only): rung, fold, id, y, mean, low, high and, for a classification,
    ``p_<class>`` and ``set_size``; then ``y`` and ``mean`` are class names.
    ``path``: where a search led to this run. ``settings``: splits, folds, seed, level, ladder,
    floors, command. ``facts``: name, source,
    layout, n, n_features, image_shape, fingerprint, notes.
    """

    name: str
    target: str
    unit: str
    task: Task
    classes: tuple[str, ...]
    facts: Mapping[str, Any]
    settings: Mapping[str, Any]
    rungs: Mapping[str, RungView]
    evidence: pd.DataFrame
    costs: pd.DataFrame
    predictions: pd.DataFrame
    audit: Audit
    split_notes: tuple[str, ...]
    equilibrium: Equilibrium
    next_steps: tuple[str, ...]
    references: tuple[str, ...]
    versions: Mapping[str, str]
    created: str
    path: SearchPath | None = None
