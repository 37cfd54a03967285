"""Whether mended data are kept: by what is right, not by what looks better.

Wrong data flatter: a model that reads a cue, or that has seen the test samples, has a low loss. So
what takes away a cue, or mends a finding of severity ``error``, is kept whatever the loss. What
mends a warning is kept unless the same rung is measurably worse on the mended data.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iceframe.balance.action import Proposal, Verdict
from iceframe.balance.candidates import Candidate, gather
from iceframe.balance.judgement import CONFIDENCE
from iceframe.balance.keeping import probability_better
from iceframe.balance.situation import Situation, candidate_name
from iceframe.balance.wording import chance, number
from iceframe.core.values import Axis


def mended(
    proposal: Proposal, situation: Situation, made: Sequence[str], new: Sequence[str]
) -> Verdict:
    """The verdict on an action that mends data; ``made``: the variants, ``new``: the candidates
    that it brought."""
    if not made:
        return Verdict(False, "It could not be carried out: there are no mended data.")
    found = {c.name: c for c in gather(situation.evidence, situation.loss)}
    rung = str(proposal.arguments["rung"])
    after = found.get(candidate_name(rung, made[0]))
    before = found.get(candidate_name(rung, str(proposal.arguments["variant"])))
    if after is None or not np.isfinite(after.loss):
        return Verdict(False, f"{', '.join(f'`{n}`' for n in new) or rung} could not be measured.")
    price = _price(before, after)
    changes: dict[Axis, float] = (
        {"fidelity": (before.loss - after.loss) / before.loss}
        if before is not None and before.loss > 0
        else {}
    )
    finding = proposal.arguments["finding"]
    severity = next((f["severity"] for f in situation.findings if f["code"] == finding), "error")
    if proposal.action == "neutralise" or severity == "error":
        return Verdict(True, f"The data no longer have the finding '{finding}'{price}.", changes)
    worse = probability_better(before, after, situation) if before is not None else 0.0
    if worse >= CONFIDENCE:
        return Verdict(
            False, f"Without the samples of '{finding}' the model is worse{price} "
            f"({chance(worse)}).", changes
        )  # fmt: skip
    return Verdict(True, f"The data no longer have the finding '{finding}'{price}.", changes)


def _price(before: Candidate | None, after: Candidate) -> str:
    if before is None:
        return ""
    return f"; the loss of `{before.name}` goes from {number(before.loss)} to {number(after.loss)}"
