"""Neutralise: take a cue that is no material out of every sample alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iceframe.ingest.neutral import without_cue
from iceframe.workflow.feedback.bench import Bench
from iceframe.workflow.feedback.performer import PERFORMERS, Performed, Performer
from iceframe.workflow.feedback.variant import Variant


@PERFORMERS.register("neutralise")
class Neutralise(Performer):
    """See :mod:`iceframe.ingest.neutral`."""

    name = "neutralise"

    def perform(self, arguments: Mapping[str, Any], bench: Bench) -> Performed:
        cue, base = arguments["cue"], arguments["variant"]
        name = bench.name_for(f"without {cue}", base)
        known = bench.variants[base]
        bench.add(
            Variant(
                name,
                without_cue(known.data, cue),
                bench.splits(base),
                self.name,
                base,
                mended=known.mended,
                cues=(*known.cues, cue),
            )
        )
        return Performed(bench.measure([arguments["rung"]], name), (), {"variant": name})
