"""What the controller remembers, and how a search ends; as JSON for the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iceframe.balance.action import Proposal, Verdict
from iceframe.balance.goal import Goal
from iceframe.balance.situation import GIVEN
from iceframe.core.values import Equilibrium

Json = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One step of the trajectory.

    Attributes
    ----------
    number : 0 for what was measured before the first proposal.
    proposal : what was done; ``None`` at the start.
    verdict : what became of it.
    candidates : what it measured.
    leader : the candidate chosen afterwards, else the nearest to the floors, else ``""``.
    """

    number: int
    proposal: Proposal | None
    verdict: Verdict
    candidates: tuple[str, ...]
    leader: str

    def as_dict(self) -> Json:
        """A plain mapping, for JSON."""
        return {
            "number": self.number,
            "proposal": self.proposal.as_dict() if self.proposal else None,
            "verdict": verdict_as_dict(self.verdict),
            "candidates": list(self.candidates),
            "leader": self.leader,
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Step:
        """The step that :meth:`as_dict` wrote."""
        return cls(
            body["number"],
            proposal_from_dict(body["proposal"]) if body["proposal"] else None,
            Verdict(**body["verdict"]),
            tuple(body["candidates"]),
            body["leader"],
        )


@dataclass(frozen=True)
class State:
    """The controller's memory.

    Attributes
    ----------
    goal : what the user asks.
    pending : the proposal that was given out last and is not judged yet.
    steps : the trajectory so far.
    tried : all proposals that were given out, called as by
        :func:`iceframe.balance.ranking.tried_as`.
    seen : the candidates that were there at the last step.
    root : the variant of the data that counts, with those made of it: the last one mended.
    bases : by variant, the one it was made of.
    choices : the candidates chosen one after the other since the root changed.
    """

    goal: Goal
    pending: Proposal | None = None
    steps: tuple[Step, ...] = ()
    tried: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    root: str = GIVEN
    bases: Mapping[str, str] = field(default_factory=lambda: {GIVEN: GIVEN})
    choices: tuple[str, ...] = ()

    @property
    def leader(self) -> str:
        """The candidate that led after the last step."""
        return self.steps[-1].leader if self.steps else ""

    def counts(self, variant: str) -> bool:
        """Whether a variant of the data counts: it is the root, or was made of it."""
        while variant != self.root:
            base = self.bases.get(variant, GIVEN)
            if base == variant:
                return False
            variant = base
        return True


@dataclass(frozen=True)
class Outcome:
    """How a search ended.

    Attributes
    ----------
    equilibrium : the choice, the status and its remedy.
    reasons : why no further action is worth its cost, in sentences.
    asks : what only the user can do, and would help.
    nearest : the candidate nearest to the floors, where none was chosen; else ``""``.
    """

    equilibrium: Equilibrium
    reasons: tuple[str, ...] = ()
    asks: tuple[Proposal, ...] = ()
    nearest: str = ""

    def as_dict(self) -> Json:
        """A plain mapping, for JSON."""
        return {
            "equilibrium": self.equilibrium.as_dict(),
            "reasons": list(self.reasons),
            "asks": [ask.as_dict() for ask in self.asks],
            "nearest": self.nearest,
        }


def proposal_from_dict(body: Mapping[str, Any]) -> Proposal:
    """The proposal that :meth:`Proposal.as_dict` wrote."""
    return Proposal(**body)


def verdict_as_dict(verdict: Verdict) -> Json:
    """A plain mapping, for JSON."""
    return {"kept": verdict.kept, "why": verdict.why, "changes": dict(verdict.changes)}


def goal_from_dict(body: Mapping[str, Any]) -> Goal:
    """The goal that :meth:`Goal.as_dict` wrote."""
    return Goal(
        **{**body, "priorities": tuple(body["priorities"]), "forbidden": tuple(body["forbidden"])}
    )
