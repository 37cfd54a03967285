"""What is done with one new sample: answer, fall back, abstain or ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from iceframe.core.values import Decision

Action = Literal["answer", "fall back", "abstain", "ask"]

ANSWER: Action = "answer"
FALL_BACK: Action = "fall back"
ABSTAIN: Action = "abstain"
ASK: Action = "ask"


@dataclass(frozen=True)
class SampleDecision(Decision):
    """The decision on one sample.

    ``action`` is an :data:`Action`; ``alternatives`` are the rungs that were refused, each with the
    reason; ``inputs`` the hashes of what it was decided on (run, samples, gate). ``by``: the rung
    that answers, or whose answer is withheld; ``why``: in a few words; ``risk``: the estimated
    chance that the answer of ``by`` is badly wrong, 1 beyond what was tested; ``novelty``: the
    p-value of being like the training data; ``ask``: the column, or ``sample``, to measure.
    """

    sample: str = ""
    by: str = ""
    why: str = ""
    risk: float = float("nan")
    novelty: float = float("nan")
    ask: str = ""

    @property
    def answered(self) -> bool:
        """Whether an answer is given."""
        return self.action in (ANSWER, FALL_BACK)
