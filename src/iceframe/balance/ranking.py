"""Which proposal goes first, and which is worth nothing.

First what serves a floor that is not met; then what mends the data, since all that is measured on
wrong data is wrong; then by the axis that a proposal serves, in the order of the goal's priorities.
Inside each of these, by what may be gained in a second: the gains, those of the first axis counted
once, of the second a half, of the third a quarter, over the seconds.

A proposal is worth its cost if what it may bring can be told from nothing: of the loss, more than
the ROPE; of the distance to full transparency or of the complexity, ``TELLING`` of it.
"""

from __future__ import annotations

from iceframe.balance.action import Proposal
from iceframe.balance.standing import Standing
from iceframe.balance.wording import number
from iceframe.core.ledger import canonical

TELLING = 0.1
MENDING = ("repair", "neutralise")
LEAST_SECONDS = 1e-3

Rank = tuple[bool, bool, int, float, str, str]


def rank(proposal: Proposal, now: Standing) -> Rank:
    """Sorts proposals, the first one first; the same for the same values in any order."""
    axes = now.goal.priorities
    served = [i for i, axis in enumerate(axes) if proposal.gains.get(axis, 0.0) > 0]
    value = sum(proposal.gains.get(axis, 0.0) / 2**i for i, axis in enumerate(axes))
    return (
        not serves_a_floor(proposal, now),
        proposal.action not in MENDING,
        min(served, default=len(axes)),
        -value / max(proposal.seconds, LEAST_SECONDS),
        proposal.action,
        canonical(proposal.arguments),
    )


def tried_as(proposal: Proposal) -> str:
    """What two proposals have in common that are the same: action and arguments; of those that mend
    the data the cue or the finding alone, since what could not be mended for one rung cannot be for
    another, and two findings on one cue are mended at once.

    >>> tried_as(Proposal("climb", {"variant": "", "rung": "gp"}, {}, 1.0, ""))
    '{"action":"climb","arguments":{"rung":"gp","variant":""}}'
    """
    arguments = dict(proposal.arguments)
    if proposal.action in MENDING:
        subject = "cue" if proposal.action == "neutralise" else "finding"
        arguments = {subject: arguments[subject]}
    return canonical({"action": proposal.action, "arguments": arguments})


def serves_a_floor(proposal: Proposal, now: Standing) -> bool:
    """Whether it may bring something on an axis where a floor is not met."""
    return any(proposal.gains.get(axis, 0.0) > 0 for axis in now.unmet)


def not_worth(proposal: Proposal, now: Standing) -> str:
    """Why a proposal is not worth its cost; ``""`` where it is."""
    if now.leader is None or proposal.action in MENDING or serves_a_floor(proposal, now):
        return ""
    if any(proposal.gains.get(axis, 0.0) >= TELLING for axis in ("transparency", "complexity")):
        return ""
    amount = proposal.gains.get("fidelity", 0.0) * now.leader.loss
    if amount > now.rope:
        return ""
    if proposal.gains.get("fidelity", 0.0) > 0:
        return (
            f"{proposal.why.removesuffix('.')}; {number(amount)} would not count, being inside the "
            f"±{number(now.rope)} that count as equal."
        )
    return f"{proposal.why.removesuffix('.')}; too little for its cost."
