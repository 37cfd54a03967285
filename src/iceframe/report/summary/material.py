"""The data behind the verdict: audit findings worst first, the nuisance baseline, the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iceframe.core.values import Finding
from iceframe.report.numbers import finite, plain_value
from iceframe.report.scores import Score, Scores
from iceframe.report.words import word
from iceframe.workflow.view import RunView

_ORDER = {"error": 0, "warning": 1, "note": 2}
_SAYINGS = {
    "error": "Results would be wrong until this is mended.",
    "warning": "Results may mislead.",
    "note": "Worth knowing; nothing here is likely to mislead.",
    "clean": "The audit found nothing wrong.",
}
SHOWN_CUES = 5


@dataclass(frozen=True)
class Nuisance:
    """What can be guessed without looking at the material, beside what was reached."""

    metric: str
    score: str
    interval: str
    chance: str
    best: str
    cues: str
    flagged: bool


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
    """The audit's nuisance baseline, if it has one, beside the best rung."""
    found = view.audit.facts.get("nuisance")
    if not isinstance(found, Mapping) or not finite(found.get("score")):
        return None
    metric = str(found["metric"])
    best = scores.best(metric)
    cues = [str(cue).replace("_", " ") for cue in found.get("cues", ())]
    more = f" and {len(cues) - SHOWN_CUES} more" if len(cues) > SHOWN_CUES else ""
    value, low, high = (float(found.get(key, "nan")) for key in ("score", "low", "high"))
    own = Score(metric, value, low, high)
    return Nuisance(
        metric=word(metric).label,
        score=own.text,
        interval=own.interval,
        chance=Score(metric, float(found["chance"])).text if finite(found.get("chance")) else "",
        best=scores.get(best, metric).text if best else "",
        cues=", ".join(cues[:SHOWN_CUES]) + more,
        flagged=bool(found.get("flagged")),
    )


def _facts(view: RunView) -> tuple[tuple[str, str], ...]:
    labels = {
        "source": "Source",
        "layout": "Stored as",
        "n": "Samples",
        "n_features": "Features",
        "image_shape": "Image shape",
        "sites": "Atomic sites",
        "fingerprint": "Fingerprint",
    }
    rows = [(label, view.facts[key]) for key, label in labels.items() if _present(view.facts, key)]
    known = [(label, _text(value)) for label, value in rows]
    repeat = view.audit.facts.get("repeat_error")
    if finite(repeat):
        known.append(("Repeat error", f"{plain_value(repeat)} {view.unit}".strip()))
    known += [("Note", str(note)) for note in view.facts.get("notes") or ()]
    return tuple(known)


def _present(facts: Mapping[str, Any], key: str) -> bool:
    return facts.get(key) not in (None, "", (), [])


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " × ".join(str(v) for v in value)
    return str(value) if isinstance(value, int) else plain_value(value)
