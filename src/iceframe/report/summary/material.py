"""The data behind the verdict: audit findings worst first, the nuisance baseline, the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iceframe.core.values import Finding
from iceframe.report.numbers import finite, number, plain_value
from iceframe.report.scores import Scores
from iceframe.report.words import word
from iceframe.workflow.view import RunView

_ORDER = {"error": 0, "warning": 1, "note": 2}
_SAYINGS = {
    "error": "Results would be wrong until this is mended.",
    "warning": "Results may mislead.",
    "note": "Worth knowing; nothing here is likely to mislead.",
    "clean": "The audit found nothing wrong.",
}
SHOWN_SAMPLES = 12


@dataclass(frozen=True)
class Nuisance:
    """What can be guessed without looking at the material, beside what was reached."""

    metric: str
    score: str
    chance: str
    best: str
    cues: str


@dataclass(frozen=True)
class Material:
    """The audit and the facts of the data set."""

    worst: str
    saying: str
    findings: tuple[Finding, ...]
    counts: tuple[tuple[str, int], ...]
    nuisance: Nuisance | None
    facts: tuple[tuple[str, str], ...]
    split_notes: tuple[str, ...]


def material(view: RunView, scores: Scores) -> Material:
    """Audit and data as the page shows them."""
    findings = sorted(view.audit.findings, key=lambda f: _ORDER.get(f.severity, 3))
    counts = [(s, sum(f.severity == s for f in findings)) for s in _ORDER]
    worst = view.audit.worst()
    return Material(
        worst=worst,
        saying=_SAYINGS.get(worst, ""),
        findings=tuple(findings),
        counts=tuple((s, n) for s, n in counts if n),
        nuisance=_nuisance(view, scores),
        facts=_facts(view),
        split_notes=tuple(view.split_notes),
    )


def _nuisance(view: RunView, scores: Scores) -> Nuisance | None:
    found = view.audit.facts.get("nuisance") or view.facts.get("nuisance")
    if not isinstance(found, Mapping):
        return None
    score = next(
        (found[k] for k in ("score", "value", "accuracy", "r2") if finite(found.get(k))), None
    )
    if score is None:
        return None
    metric = str(
        found.get("metric") or ("r2" if view.task == "regression" else "balanced_accuracy")
    )
    best = scores.best(metric)
    chance = next((found[k] for k in ("dummy", "chance", "baseline") if finite(found.get(k))), None)
    cues = found.get("cues") or found.get("features") or ()
    return Nuisance(
        metric=word(metric).label,
        score=number(score),
        chance=number(chance) if chance is not None else "",
        best=scores.get(best, metric).text if best else "",
        cues=", ".join(str(cue) for cue in cues) if not isinstance(cues, str) else cues,
    )


def _facts(view: RunView) -> tuple[tuple[str, str], ...]:
    labels = {
        "source": "Source",
        "layout": "Stored as",
        "n": "Samples",
        "n_features": "Features",
        "image_shape": "Image shape",
        "fingerprint": "Fingerprint",
    }
    rows = [(label, view.facts[key]) for key, label in labels.items() if _present(view.facts, key)]
    notes = view.facts.get("notes") or ()
    notes = [notes] if isinstance(notes, str) else list(notes)
    return tuple((label, _text(value)) for label, value in rows) + tuple(
        ("Note", str(note)) for note in notes
    )


def _present(facts: Mapping[str, Any], key: str) -> bool:
    return facts.get(key) not in (None, "", (), [])


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " × ".join(str(v) for v in value)
    return str(value) if isinstance(value, int) else plain_value(value)
