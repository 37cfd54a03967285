"""What a finished run holds, as plain values: the one thing that reports and other views read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.values import Audit, Equilibrium, Explanation, Task


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
class Explained:
    """One sample with its explanation, and how far that may be believed."""

    explanation: Explanation
    example: Example
    trust: Trust


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
class RunView:
    """A run as plain values.

    ``evidence`` columns: rung, axis, metric, value, low, high, folds (tuple), better, unit, seed,
    n, note. ``costs``: rung, metric (``fit_seconds``, ``predict_seconds``, ``total_seconds``),
    value.
    ``predictions`` (held-out only): rung, fold, id, y, mean, low, high and, for a classification,
    ``p_<class>`` and ``set_size``; then ``y`` and ``mean`` are class names.
    ``settings``: splits, folds, seed, level, ladder, floors, command. ``facts``: name, source,
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
