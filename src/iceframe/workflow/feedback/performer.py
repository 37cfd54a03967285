"""What carries out an action that the controller proposed.

To add one, write one file in ``iceframe/workflow/feedback/performing/``: a subclass of
:class:`Performer` decorated with ``@PERFORMERS.register(name)``, under the name that the action has
in ``ACTIONS``. It is given the :class:`~iceframe.workflow.feedback.bench.Bench`, on which all data,
runs and models of the search lie, and measures with ``bench.measure(rungs, variant)``.

A search that was stopped is repeated from its start: what a performer does must follow from its
arguments, the bench and the seed alone, and what takes long must be kept there (units of a run,
simulated data sets, :meth:`~iceframe.workflow.feedback.bench.Bench.keep`), so that doing it again
is quick and gives the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from iceframe.core.registry import Registry

if TYPE_CHECKING:
    from iceframe.workflow.feedback.bench import Bench


@dataclass(frozen=True)
class Performed:
    """What an action did: the candidates that it measured, ``notes`` for a person, and ``facts``
    (JSON values) for the record."""

    candidates: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


class Performer(ABC):
    """Carries out one kind of action."""

    name: ClassVar[str]

    @abstractmethod
    def perform(self, arguments: Mapping[str, Any], bench: Bench) -> Performed:
        """Carry out the action with these arguments of its proposal.

        Raises
        ------
        InputError, UsageError : the action cannot be carried out on these data; the search notes
            it as an action that did not help, and goes on.
        """


PERFORMERS: Registry[type[Performer]] = Registry(
    "performer", "iceframe.workflow.feedback.performing"
)
