"""The terms of a decision, and what was found about one rung under them."""

from __future__ import annotations

from dataclasses import dataclass

from iceframe.balance.candidates import Candidate
from iceframe.balance.wording import number, quantity

CONFIDENCE = 0.95  # asked of an accusation: that intervals lie, that an action pays
ENOUGH = 0.5  # asked of a simpler rung: that it is good enough is more likely than not (ADR 14)


@dataclass(frozen=True)
class Judgement:
    """What was found about one rung: whether it may be chosen, how sure, and why, in a sentence.

    ``stage``: ``incomplete``, ``floor``, ``coverage``, ``loss``, ``physics`` or ``admitted``.
    """

    candidate: Candidate
    stage: str
    why: str
    probability: float = float("nan")

    @property
    def admitted(self) -> bool:
        return self.stage == "admitted"


@dataclass(frozen=True)
class Rule:
    """The terms of one decision: the loss, its unit, the ROPE and where it comes from."""

    loss: str
    unit: str
    rope: float
    because: str
    n_train: float
    n_test: float
    level: float

    def amount(self, value: float) -> str:
        """A difference of losses with its unit; of rates in percentage points."""
        if self.unit == "points":
            return f"{number(100 * value)} points"
        return quantity(value, self.unit)

    @property
    def margin(self) -> str:
        return f"±{self.amount(self.rope)} {self.because}"
