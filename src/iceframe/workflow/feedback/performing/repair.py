"""Repair: leave out the samples that the audit found at fault, of training and test alike.

A finding names some of its samples only; the audit is repeated on the rest until it is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from iceframe.core.errors import InputError
from iceframe.core.files import read_json, write_json
from iceframe.ingest import check
from iceframe.workflow.feedback.bench import Bench
from iceframe.workflow.feedback.performer import PERFORMERS, Performed, Performer
from iceframe.workflow.feedback.variant import Variant, left_out

MOST = 0.2  # share of the samples that a repair may leave out


@PERFORMERS.register("repair")
class Repair(Performer):
    """See the module."""

    name = "repair"

    def perform(self, arguments: Mapping[str, Any], bench: Bench) -> Performed:
        code, base = arguments["finding"], arguments["variant"]
        data = bench.data(base)
        kept = bench.keep(
            "repaired",
            [code, base, data.fingerprint],
            lambda folder: write_json(folder / "ids.json", at_fault(bench, base, code)),
        )
        ids = list(read_json(kept / "ids.json"))
        stays = ~np.isin(data.ids.astype(str), ids)
        name = bench.name_for(f"without {code}", base)
        bench.add(
            Variant(
                name,
                data.take(np.flatnonzero(stays)),
                left_out(bench.splits(base), stays),
                self.name,
                base,
                mended=(*bench.variants[base].mended, code),
                cues=bench.variants[base].cues,
            )
        )
        note = f"{len(ids)} of {len(data)} samples are left out."
        return Performed(
            bench.measure([arguments["rung"]], name), (note,), {"variant": name, "left_out": ids}
        )


def at_fault(bench: Bench, base: str, code: str) -> list[str]:
    """Ids of the samples that a finding names, audit after audit."""
    data, splits = bench.data(base), bench.splits(base)
    gone: list[str] = []
    while True:
        stays = ~np.isin(data.ids.astype(str), gone)
        rest = data.take(np.flatnonzero(stays))
        audit = check(rest, left_out(splits, stays), seed=bench.seed)
        named = {str(i) for f in audit.findings if f.code == code for i in f.samples}
        if not named:
            break
        gone += sorted(named)
        if len(gone) > MOST * len(data):
            raise InputError(
                "Too many samples would have to be left out.",
                where=data.source or data.name,
                got=f"{len(gone)} of {len(data)} or more, for '{code}'",
                allowed=f"{MOST:.0%}",
                hint="correct them in the file",
            )
    if not gone:
        raise InputError(
            "The audit names no samples for this finding.",
            where=data.source or data.name,
            got=code,
            hint="look at it with iceframe check, and mend the file",
        )
    return gone
