"""What the user asks of an equilibrium, beyond what every user asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from iceframe.core.errors import UsageError
from iceframe.core.values import Axis

AXES: tuple[Axis, ...] = ("fidelity", "transparency", "complexity")


@dataclass(frozen=True)
class Goal:
    """Floors, a budget and the order of the axes.

    ``floors``: limits by metric, as :func:`iceframe.balance.decision.decide` takes them.
    ``seconds``: after which no action starts; ``None``: no limit. ``priorities``: the axes, what
    counts most first; where two actions promise as much for their cost, the one that serves the
    earlier axis goes first. ``forbidden``: names of actions that are not to be taken.
    ``most_actions``: an upper bound, so that a search ends.
    """

    floors: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    priorities: tuple[Axis, ...] = AXES
    forbidden: tuple[str, ...] = ()
    most_actions: int = 40

    def __post_init__(self) -> None:
        if sorted(self.priorities) != sorted(AXES):
            raise UsageError(
                "The priorities must name each axis once.",
                got=", ".join(self.priorities),
                allowed=", ".join(AXES),
            )
        if self.seconds is not None and not self.seconds > 0:
            raise UsageError(
                "The budget is not above zero.",
                got=self.seconds,
                allowed="seconds above 0, or none",
            )
        if self.most_actions < 1:
            raise UsageError(
                "At least one action must be allowed.", got=self.most_actions, allowed="1 or more"
            )

    def as_dict(self) -> dict[str, Any]:
        """A plain mapping, for JSON."""
        body = asdict(self)
        return {**body, "floors": dict(self.floors), "priorities": list(self.priorities),
                "forbidden": list(self.forbidden)}  # fmt: skip
