"""The frozen values that flow through ICEFrame (DESIGN §3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal

import numpy as np

Task = Literal["regression", "classification"]
Axis = Literal["complexity", "fidelity", "transparency", "cost"]
Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Grid:
    """A regular grid of pixels or voxels: ``shape`` in voxels, ``spacing`` per axis in ``unit``."""

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    unit: str = "voxel"

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.spacing):
            raise ValueError(f"shape {self.shape} and spacing {self.spacing} differ in length")


@dataclass(frozen=True)
class Microstructure:
    """Values on a grid.

    ``values`` is ``(*shape)`` for ``phase`` (integers) and ``grey`` (floats), and
    ``(channels, *shape)`` for ``multichannel`` and ``orientation``.
    """

    values: np.ndarray
    kind: Literal["phase", "grey", "multichannel", "orientation"]
    grid: Grid
    phases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Law:
    """The physics that makes a target from phases: an effective property of known phases.

    ``kind``: ``elasticity`` (``constants``: ``young`` and ``poisson``) or ``conductivity``
    (``values``), one number a phase. ``component``: of the effective tensor, such as ``C11``.
    ``state``: ``plane strain`` or ``plane stress``, for elasticity in two dimensions.
    """

    kind: Literal["elasticity", "conductivity"]
    constants: Mapping[str, tuple[float, ...]]
    component: str
    state: Literal["plane strain", "plane stress"] = "plane strain"

    @property
    def phases(self) -> int:
        """How many phases it knows."""
        return len(next(iter(self.constants.values())))


@dataclass(frozen=True)
class Sample:
    """One row: what is known of one sample."""

    id: str
    modalities: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    specimen: str | None = None
    material_class: str | None = None


@dataclass(frozen=True)
class Representation:
    """Named features of samples: ``values`` float64 ``(n, d)``, NaN where missing.

    ``blocks`` names contiguous families of columns (``composition``, ``magpie``, ``lbp``, …), so
    that a rung may choose among them inside the training fold.
    """

    values: np.ndarray
    names: tuple[str, ...]
    units: tuple[str, ...]
    blocks: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    references: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n_columns = self.values.shape[1]
        if not n_columns == len(self.names) == len(self.units):
            raise ValueError(
                f"{n_columns} columns, {len(self.names)} names and {len(self.units)} units"
            )

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: np.ndarray) -> Representation:
        """The rows at ``index``."""
        return Representation(
            self.values[index], self.names, self.units, self.blocks, self.references
        )


@dataclass(frozen=True)
class Prediction:
    """Predictions for ``n`` samples.

    Regression: ``mean``, ``low``, ``high`` are ``(n,)`` in ``unit``. Classification: ``mean`` holds
    class names, ``probabilities`` is ``(n, k)`` and ``sets`` a boolean ``(n, k)`` conformal set.
    """

    mean: np.ndarray
    level: float
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    sets: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    unit: str = ""


@dataclass(frozen=True)
class Explanation:
    """Why a model answers as it does, for one sample.

    ``values`` lies on the input's own grid ``(*shape)`` or beside ``names`` ``(d,)``; for a
    classification ``target`` names the class explained. ``completeness_gap`` is
    ``|Σ values − (f(x) − f(baseline))|`` over ``|f(x) − f(baseline)|``; NaN where undefined.
    """

    method: str
    values: np.ndarray
    target: str
    names: tuple[str, ...] = ()
    prediction: float = float("nan")
    baseline: float = float("nan")
    completeness_gap: float = float("nan")
    reference: str = ""


@dataclass(frozen=True)
class Evidence:
    """One measured number about one rung, with its interval and its values per fold."""

    rung: str
    axis: Axis
    metric: str
    value: float
    low: float = float("nan")
    high: float = float("nan")
    folds: tuple[float, ...] = ()
    better: Better = "neither"
    unit: str = ""
    seed: int = 0
    n: int = 0
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """A plain mapping, for JSON and Parquet."""
        return asdict(self)


class Status(StrEnum):
    """How the search for an equilibrium ended."""

    CONVERGED = "CONVERGED"
    BUDGET_EXHAUSTED = "BUDGET_EXHAUSTED"
    OSCILLATING = "OSCILLATING"
    INFEASIBLE = "INFEASIBLE"


@dataclass(frozen=True)
class Equilibrium:
    """The chosen rung, how the search ended, what to do about it, and why, in sentences.

    ``trajectory`` holds one entry a rung in the order of measured complexity: ``rung``,
    ``complexity``, ``loss``, ``probability`` (of being non-inferior), ``admitted``, ``why``.
    """

    rung: str | None
    status: Status
    remedy: str
    reasons: tuple[str, ...] = ()
    trajectory: tuple[Mapping[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """A plain mapping, for JSON."""
        return {
            "rung": self.rung,
            "status": str(self.status),
            "remedy": self.remedy,
            "reasons": list(self.reasons),
            "trajectory": [dict(step) for step in self.trajectory],
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Equilibrium:
        """The equilibrium that :meth:`as_dict` wrote.

        >>> held = Equilibrium("ridge", Status.CONVERGED, "", ("It is good.",), ({"rung": "a"},))
        >>> Equilibrium.from_dict(held.as_dict()) == held
        True
        """
        return cls(
            body["rung"],
            Status(body["status"]),
            body["remedy"],
            tuple(body["reasons"]),
            tuple(body["trajectory"]),
        )


@dataclass(frozen=True)
class Decision:
    """What was done, which alternatives were refused and why, and what it was based on."""

    action: str
    alternatives: tuple[tuple[str, str], ...] = ()
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One thing an audit found: what is wrong, how bad, the evidence, and what to do.

    ``severity``: ``error`` (results would be wrong), ``warning`` (results may mislead),
    ``note`` (worth knowing).
    """

    code: str
    severity: Literal["error", "warning", "note"]
    title: str
    evidence: str
    remedy: str
    samples: tuple[str, ...] = ()
    value: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """A plain mapping, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Audit:
    """All findings of one audit, worst first, and the facts it was based on."""

    findings: tuple[Finding, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def worst(self) -> str:
        """``error``, ``warning``, ``note`` or ``clean``."""
        for severity in ("error", "warning", "note"):
            if any(f.severity == severity for f in self.findings):
                return severity
        return "clean"


@dataclass(frozen=True)
class Fold:
    """One train/test split: positions ``(n_train,)`` and ``(n_test,)`` into the data set."""

    name: str
    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Splits:
    """Outer folds, how they were made, and what was done to keep them honest.

    ``repeats``: the folds of further partitions of the same kind, on which the loss alone is
    measured, so that rungs can be told apart.
    """

    spec: str
    folds: tuple[Fold, ...]
    notes: tuple[str, ...] = ()
    repeats: tuple[Fold, ...] = ()
