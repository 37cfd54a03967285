"""Pretrain: measure a rung that starts from what was learned elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iceframe.workflow.feedback.bench import Bench
from iceframe.workflow.feedback.performer import PERFORMERS, Performed, Performer


@PERFORMERS.register("pretrain")
class Pretrain(Performer):
    """See the module."""

    name = "pretrain"

    def perform(self, arguments: Mapping[str, Any], bench: Bench) -> Performed:
        return Performed(bench.measure([arguments["rung"]], arguments["variant"]))
