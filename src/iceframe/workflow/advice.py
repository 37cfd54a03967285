"""What to do next, from the verdict, the evidence and the audit; most useful first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iceframe.core.values import Audit, Equilibrium, Evidence, Status
from iceframe.scale.rung import RUNGS
from iceframe.workflow.plan import Workload

LOW_FAITHFULNESS = 0.5
LOW_STABILITY = 0.7
LOW_PHYSICS = 0.3
SHIFT_RATIO = 1.5  # error on unseen clusters over error on unseen samples


def next_steps(
    equilibrium: Equilibrium, evidence: Sequence[Evidence], audit: Audit, work: Workload
) -> list[str]:
    """Sentences, each an action with its reason."""
    steps = [f"{f.title}: {f.remedy}" for f in audit.findings if f.severity == "error"]
    if equilibrium.status is not Status.CONVERGED and equilibrium.remedy:
        steps.append(equilibrium.remedy)
    if equilibrium.rung is None:
        return steps
    value = {(e.rung, e.metric): e.value for e in evidence}
    steps += _about_trust(equilibrium.rung, value)
    steps += _about_shift(equilibrium.rung, value, work)
    steps += [f"{f.title}: {f.remedy}" for f in audit.findings if f.severity == "warning"]
    steps.append(
        f"Predict new samples with `{equilibrium.rung}` and its calibrated intervals: "
        "iceframe predict RUN DATA --out predictions.csv"
    )
    return steps


def _about_trust(rung: str, value: dict[tuple[str, str], float]) -> list[str]:
    steps = []
    faithfulness = value.get((rung, "faithfulness"), np.nan)
    if faithfulness < LOW_FAITHFULNESS:
        steps.append(
            f"Do not show the explanations of `{rung}` as findings: they agree with the "
            f"model's own responses at only {faithfulness:.2f}. Use a glass box to explain."
        )
    stability = value.get((rung, "seed_stability"), np.nan)
    if stability < LOW_STABILITY:
        steps.append(
            f"Explanations of `{rung}` change from seed to seed (agreement {stability:.2f}): "
            "average several fits, or get more data, before reading them."
        )
    agreement = value.get((rung, "pf_star"), np.nan)
    if agreement < LOW_PHYSICS:
        steps.append(
            f"Do not read the maps of `{rung}` as physics: they agree with the exact answer little "
            f"better than a blurred image does (PF* {agreement:.2f}). Simulate with "
            "`sensitivities: true`, and let a network learn from them (`sobolev_fno`)."
        )
    if not RUNGS[rung].glass_box:
        boxes = sorted({r for r, _ in value if RUNGS[r].glass_box and r != "mean"})
        if boxes:
            steps.append(
                f"`{rung}` is a black box. Where the reasons matter more than the last per cent, "
                f"compare it with {', '.join(f'`{b}`' for b in boxes)} in the table."
            )
    return steps


def _about_shift(rung: str, value: dict[tuple[str, str], float], work: Workload) -> list[str]:
    unseen = value.get((rung, "leave_cluster_out"), np.nan)
    if work.context.task == "regression":
        seen = value.get((rung, "mae"), np.nan)
    else:
        seen = 1.0 - value.get((rung, "balanced_accuracy"), np.nan)
    if unseen > SHIFT_RATIO * seen > 0:
        return [
            f"On clusters of samples that it has not seen, `{rung}` errs {unseen / seen:.1f} times "
            "as much: measure some samples of a new kind before you rely on it there."
        ]
    return []
