"""Distil: let a glass box learn what a black box learned.

Arguments (JSON): ``teacher``, the rung that teaches (measured on ``variant``); ``student``, a rung
of the ladder whose ``distilled`` is not empty; ``variant``, the data. To perform: in each fold the
teacher labels unlabelled or simulated inputs, the student is fitted to these, and is measured as
the candidate ``student`` on ``variant``. One student is distilled a variant.

Proposed where there are inputs to label, and a black box is measurably better than the best glass
box that was fitted to the data and has a distilled form. Half of the difference of their losses is
expected to be passed on. What is left of it must not matter, or the teacher stays the choice: so
the gains count with the ROPE over what is left, unless a floor asks for what only a glass box has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from iceframe.balance.action import ACTIONS, Action, Proposal
from iceframe.balance.candidates import Candidate
from iceframe.balance.judgement import CONFIDENCE
from iceframe.balance.keeping import probability_better
from iceframe.balance.standing import Standing, stand
from iceframe.balance.wording import chance, number

if TYPE_CHECKING:
    from iceframe.balance.goal import Goal
    from iceframe.balance.situation import RungFacts, Situation
    from iceframe.core.values import Axis, Equilibrium

PASSED_ON = 0.5  # share of what the teacher knows better that a student is expected to learn


@ACTIONS.register("distil")
class Distil(Action):
    """A glass box taught by the best black box."""

    name = "distil"
    title = "Distil into a glass box"
    summary = "Fit a glass box to what a black box answers: transparency and complexity."
    reference = "Hinton, Vinyals & Dean 2015, https://arxiv.org/abs/1503.02531"

    def propose(
        self, situation: Situation, equilibrium: Equilibrium, goal: Goal
    ) -> Sequence[Proposal]:
        now = stand(situation, equilibrium, goal)
        teacher = _teacher(now)
        if teacher is None or not _has_lessons(teacher, situation):
            return []
        students = [f for f in situation.ladder if f.distilled]
        if any(now.was_tried(f.name, now.variant) for f in students):
            return []
        direct = [(c, f) for f in students if (c := _measured(now, f.distilled)) is not None]
        if not direct:
            return []
        best, student = min(direct, key=lambda pair: (pair[0].loss, pair[1].name))
        sure = probability_better(teacher, best, situation)
        return [_proposal(now, teacher, best, student, sure)] if sure >= CONFIDENCE else []


def _has_lessons(teacher: Candidate, situation: Situation) -> bool:
    """Whether there is something to ask the teacher about: rows of a table are made in the fold."""
    rung = situation.candidates[teacher.name].rung
    reads = next(f.input for f in situation.ladder if f.name == rung)
    return reads == "table" or bool(situation.unlabelled) or situation.generator


def _measured(now: Standing, rung: str) -> Candidate | None:
    found = now.at(rung, now.variant)
    return found if found is not None and np.isfinite(found.loss) else None


def _teacher(now: Standing) -> Candidate | None:
    """The black box with the lowest loss on the leader's data."""
    black = [
        c
        for f in now.situation.ladder
        if not f.glass_box and not f.distilled and (c := _measured(now, f.name)) is not None
    ]
    return min(black, key=lambda c: (c.loss, c.name), default=None)


def _proposal(
    now: Standing, teacher: Candidate, direct: Candidate, student: RungFacts, sure: float
) -> Proposal:
    gap = direct.loss - teacher.loss
    left = (1 - PASSED_ON) * gap
    asked = now.unmet & {"transparency", "complexity"}
    hope = 1.0 if asked or left <= now.rope else now.rope / left
    leader = now.leader or teacher
    gains: dict[Axis, float] = {"fidelity": 0.0}
    if leader.loss > 0:
        gains["fidelity"] = max(0.0, 1 - (teacher.loss + left) / leader.loss)
    if not now.is_glass(now.rung):
        gains |= {"transparency": hope, "complexity": hope * _simpler(leader, direct)}
    return Proposal(
        Distil.name,
        {
            "teacher": now.situation.candidates[teacher.name].rung,
            "student": student.name,
            "variant": now.variant,
        },
        gains,
        now.seconds(student.name, now.variant),
        f"`{teacher.name}` is better than `{direct.name}` by {number(gap)} ({chance(sure)}); "
        f"`{student.name}` could learn half of that from it and stay readable.",
    )


def _simpler(leader: Candidate, direct: Candidate) -> float:
    share = 1 - direct.complexity / leader.complexity
    return max(0.0, float(share)) if np.isfinite(share) else 0.0
