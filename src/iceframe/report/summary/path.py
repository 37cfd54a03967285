"""The steps of a search, in words."""

from __future__ import annotations

from dataclasses import dataclass

from iceframe.balance.action import ACTIONS
from iceframe.balance.state import Step
from iceframe.workflow.view import SearchPath


@dataclass(frozen=True)
class Tried:
    """One action: its ``title``, ``why`` it was tried, what ``became`` of it, whether it was
    ``kept``."""

    title: str
    why: str
    became: str
    kept: bool


def tried(path: SearchPath | None) -> tuple[Tried, ...]:
    """The actions of a search in order; empty where there was none."""
    return () if path is None else tuple(_said(s) for s in path.steps if s.proposal is not None)


def _said(step: Step) -> Tried:
    proposal = step.proposal
    assert proposal is not None
    known = proposal.action in ACTIONS
    title = ACTIONS[proposal.action].title if known else proposal.action
    on = " and ".join(f"`{name}`" for name in step.candidates)
    return Tried(
        f"{step.number}. {title}{': ' if on else ''}{on}",
        proposal.why,
        step.verdict.why,
        step.verdict.kept,
    )
