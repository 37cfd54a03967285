"""Descend: measure a simpler rung."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iceframe.workflow.feedback.bench import Bench
from iceframe.workflow.feedback.performer import PERFORMERS, Performed, Performer


@PERFORMERS.register("descend")
class Descend(Performer):
    """See the module."""

    name = "descend"

    def perform(self, arguments: Mapping[str, Any], bench: Bench) -> Performed:
        return Performed(bench.measure([arguments["rung"]], arguments["variant"]))
