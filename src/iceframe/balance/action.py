"""What an action is: proposed from evidence, carried out by the workflow, kept only if it helped.

To add one, write one file in ``iceframe/balance/actions/``: a subclass of :class:`Action`
decorated with ``@ACTIONS.register(name)``, and one in ``iceframe/workflow/feedback/performing/``
that carries it out. The first proposes and is pure; the second touches data and models.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from iceframe.core.registry import Registry
from iceframe.core.values import Axis, Equilibrium

if TYPE_CHECKING:
    from iceframe.balance.goal import Goal
    from iceframe.balance.situation import Situation


@dataclass(frozen=True)
class Proposal:
    """One action that could be taken now.

    Attributes
    ----------
    action : its name in ``ACTIONS``.
    arguments : JSON values that fix what is done, such as ``{"rung": "cnn", "variant": ""}``.
    gains : what it may bring by axis, as a share in [0, 1]: of the loss (fidelity), of the distance
        to full agreement (transparency), of the complexity. Zero where it is not meant to help.
    seconds : what it may cost, in seconds of this machine.
    why : a sentence with the numbers that speak for it.
    by_user : only the user can carry it out (an experiment): it stands in the outcome.
    """

    action: str
    arguments: Mapping[str, Any]
    gains: Mapping[Axis, float]
    seconds: float
    why: str
    by_user: bool = False

    def as_dict(self) -> dict[str, Any]:
        """A plain mapping, for JSON."""
        return {**asdict(self), "arguments": dict(self.arguments), "gains": dict(self.gains)}


@dataclass(frozen=True)
class Verdict:
    """What became of an action: ``kept`` or not, ``why``, and the ``changes`` by axis that were
    measured (in the sense of :attr:`Proposal.gains`; negative: a loss)."""

    kept: bool
    why: str
    changes: Mapping[Axis, float] = field(default_factory=dict)


class Action(ABC):
    """One kind of action.

    Class attributes
    ----------------
    title : what a person calls it. summary : what it does, and to which axis.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str] = ""

    @abstractmethod
    def propose(
        self, situation: Situation, equilibrium: Equilibrium, goal: Goal
    ) -> Sequence[Proposal]:
        """What of this kind could be done now; empty where nothing could.

        Pure: no I/O, no randomness; the same arguments give the same answer.
        """


ACTIONS: Registry[type[Action]] = Registry("action", "iceframe.balance.actions")
