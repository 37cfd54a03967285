"""One step of a search, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from iceframe.balance.action import Proposal, Verdict

START = "start"


@dataclass(frozen=True)
class Step:
    """What was tried and what came of it.

    Attributes
    ----------
    number : from 0. action, arguments : what was done; ``start`` is the first.
    proposal : with the gains that were expected and why; ``None`` for the start.
    candidates : what was measured. notes : for a person. facts : for the record.
    failed : why it could not be carried out, else empty.
    seconds : what it took, in seconds. folder : of the run it measured in, by name.
    verdict : whether it is kept; ``None`` where it was not judged yet.
    """

    number: int
    action: str
    arguments: Mapping[str, Any]
    proposal: Proposal | None = None
    candidates: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    failed: str = ""
    seconds: float = 0.0
    folder: str = ""
    verdict: Verdict | None = None

    def judged(self, verdict: Verdict) -> Step:
        """The same with its verdict."""
        return replace(self, verdict=verdict)

    def as_dict(self) -> dict[str, Any]:
        """A plain mapping, for JSON."""
        proposal, verdict = self.proposal, self.verdict
        return {
            "step": self.number,
            "action": self.action,
            "arguments": dict(self.arguments),
            "candidates": list(self.candidates),
            "expected": dict(proposal.gains) if proposal else {},
            "measured": dict(verdict.changes) if verdict else {},
            "kept": verdict.kept if verdict else None,
            "why": proposal.why if proposal else "",
            "verdict": self.failed or (verdict.why if verdict else ""),
            "notes": list(self.notes),
            "facts": dict(self.facts),
            "failed": self.failed,
            "seconds": self.seconds,
            "folder": self.folder,
        }
