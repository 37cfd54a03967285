"""What copies on both sides of the split do to the score.

The errors of held-out samples with a near copy in their training set, against those of the others:
the difference of the means with a bootstrap interval, and a p-value from random deals. Where copies
are predicted better, the score is partly memory; ``without`` is the score without them.

Reference: Barz & Denzler 2020, doi:10.3390/jimaging6060041 (near-duplicates in test sets).
"""

from __future__ import annotations

import numpy as np

from iceframe.core.seeds import generator
from iceframe.core.values import Finding
from iceframe.measure.audits.multiplicity import permutation_p
from iceframe.measure.audits.outcome import SURE, Examined

KIND = "copies"
FEWEST = 5
DRAWS = 1999


def examine(
    losses: np.ndarray,
    leaked: np.ndarray,
    ids: np.ndarray,
    copied: int,
    loss: str,
    unit: str,
    *,
    seed: int = 0,
) -> Examined:
    """``losses`` ``(n,)`` of held-out samples ``ids``; ``leaked`` bool ``(n,)``: those with a copy
    in training; ``copied``: samples that have a copy anywhere."""
    losses, leaked = np.asarray(losses, float), np.asarray(leaked, bool)
    facts = {
        "copied": int(copied), "leaked": int(leaked.sum()), "n": len(losses),
        "loss": loss, "unit": unit, "all": float(losses.mean()),
    }  # fmt: skip
    if not leaked.any():
        return Examined(KIND, facts=facts)
    with_copy, without = losses[leaked], losses[~leaked]
    few = min(len(with_copy), len(without)) < FEWEST
    alone = float(without.mean()) if len(without) else None
    facts |= {"with": float(with_copy.mean()), "without": alone}
    p, said = float("nan"), "too few to say what they do to the score"
    if not few:
        rng = generator(seed, "copies")
        gap = float(without.mean() - with_copy.mean())
        null = np.empty(DRAWS)
        for i in range(DRAWS):
            dealt = losses[rng.permutation(len(losses))]
            null[i] = dealt[~leaked].mean() - dealt[leaked].mean()
        p = permutation_p(gap, null)
        draws = [
            rng.choice(without, len(without)).mean() - rng.choice(with_copy, len(with_copy)).mean()
            for _ in range(DRAWS)
        ]
        low, high = np.quantile(draws, (0.025, 0.975))
        facts |= {"gap": gap, "low": float(low), "high": float(high), "p": p}
        said = (
            f"{loss} {with_copy.mean():.3g} with a copy, {without.mean():.3g} without (difference "
            f"{gap:.3g} [{low:.3g}, {high:.3g}] {unit}".rstrip()
            + f", p = {p:.2g})"
        )
    flattering = not few and p < SURE
    finding = Finding(
        "copies-flatter" if flattering else "copies-in-training",
        "warning" if flattering else "note",
        "Copies in training make the score look better than it is"
        if flattering
        else f"Held-out samples with a near copy in training: {int(leaked.sum())}",
        f"{int(leaked.sum())} of {len(losses)} held-out samples have a near copy in training: "
        f"{said}.",
        "keep copies on one side (--splits random does), or quote the score without them",
        tuple(map(str, np.asarray(ids)[leaked][:20])),
        float(leaked.mean()),
    )
    return Examined(KIND, (finding,), facts)
