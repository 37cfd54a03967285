"""Supervise: measure a network taught by the solver's sensitivities.

The bench computes them where they are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iceframe.workflow.feedback.bench import Bench
from iceframe.workflow.feedback.performer import PERFORMERS, Performed, Performer


@PERFORMERS.register("supervise")
class Supervise(Performer):
    """See the module."""

    name = "supervise"

    def perform(self, arguments: Mapping[str, Any], bench: Bench) -> Performed:
        return Performed(bench.measure([arguments["rung"]], arguments["variant"]))
