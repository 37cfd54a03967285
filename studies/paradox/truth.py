"""The yardstick: exact flips of C11 on some structures of three test sets, at every contrast."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from studies.paradox.data import available, law, test_set
from studies.paradox.pieces import Piece, Study

from iceframe.measure.physical.truth import PhysicalTruth, physical_truth

JUDGED = ("inside", "morphology", "gamma_prime")


def pieces(study: Study) -> list[Piece]:
    """One piece a test set and contrast."""
    return [
        Piece(
            f"{name}-c{contrast:g}",
            truth_path(study, name, contrast),
            lambda name=name, contrast=contrast: _make(study, name, contrast),
        )
        for contrast in study.contrasts
        for name in JUDGED
        if name in available(study)
    ]


def truth_path(study: Study, name: str, contrast: float) -> Path:
    """Where the exact flips of a test set lie."""
    return study.out / "truth" / f"{name}-c{contrast:g}.npz"


@cache
def truth(study: Study, name: str, contrast: float) -> PhysicalTruth:
    """Exact flips that were computed."""
    return PhysicalTruth.load(truth_path(study, name, contrast))


def _make(study: Study, name: str, contrast: float) -> None:
    sizes = study.sizes
    some = test_set(study, name, contrast).first(
        sizes.truth if name == "inside" else sizes.truth_shifted
    )
    found = physical_truth(some.phases, law(contrast), "C11", per_phase=sizes.per_phase, seed=0)
    found.save(truth_path(study, name, contrast))
