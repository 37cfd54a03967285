"""The answers as tables: is the taught glass box better than the same one alone?

Paired over folds: the correlated Bayesian t-test of :mod:`iceframe.balance.bayes`; a yes is a
probability of 0.95 or more that the mean error of the taught one is lower.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from studies.distillation.compare import pieces as pairs
from studies.distillation.images import pieces as images
from studies.distillation.pieces import Study
from studies.paradox.pieces import Piece
from studies.paradox.tables import markdown

from iceframe.balance.bayes import correlated_difference
from iceframe.core.files import read_json, write_text

YES = 0.95


def pieces(study: Study) -> list[Piece]:
    """One piece, made of whatever is there."""
    return [Piece("answers", study.out / "answers.md", lambda: _make(study), again=True)]


def _make(study: Study) -> None:
    found = [read_json(piece.done) for piece in pairs(study) if piece.done.exists()]
    text = ""
    if found:
        rows = pd.DataFrame([
            {**fold, **{k: body[k] for k in ("task", "teacher", "student", "repeat")},
             "teacher error": fold["teacher"]}
            for body in found for fold in body["folds"]
        ])  # fmt: skip
        write_text(study.out / "pairs.csv", rows.to_csv(index=False))
        keys = ["task", "teacher", "student"]
        text = markdown(pd.DataFrame([summary(part) for _, part in rows.groupby(keys)]))
    seeds = [read_json(piece.done) for piece in images(study) if piece.done.exists()]
    if seeds:
        means = pd.DataFrame(seeds).drop(columns="seed").agg(["mean", "min", "max"]).T
        means = means.map("{:.4g}".format).rename_axis("images").reset_index()
        text += "\n" + markdown(means)
    if not text:
        raise FileNotFoundError("nothing is there: run the stage `pairs` or `images` first")
    write_text(study.out / "answers.md", text)


def summary(part: pd.DataFrame) -> dict[str, str]:
    """One pair over all folds."""
    difference = correlated_difference(
        part["taught"].tolist(), part["alone"].tolist(),
        n_train=float(part["n_train"].mean()), n_test=float(part["n_test"].mean()),
    )  # fmt: skip
    chance = difference.probability_at_most(0.0)
    gap = part["alone"].mean() - part["teacher error"].mean()
    first = part.iloc[0]
    return {
        "task": first["task"],
        "teacher": first["teacher"],
        "student": first["student"],
        "folds": str(len(part)),
        "teacher MAE": f"{part['teacher error'].mean():.4g}",
        "alone MAE": f"{part['alone'].mean():.4g}",
        "taught MAE": f"{part['taught'].mean():.4g}",
        "difference": f"{difference.location:+.3g} ± {difference.scale:.2g}",
        "of the gap": f"{-difference.location / gap:.0%}" if gap > 0 else "no gap",
        "P(taught < alone)": f"{chance:.3f}",
        "better": verdict(chance),
        "follows teacher (alone, taught)": " ".join(
            f"{part[f'{who} follows teacher'].mean():.2f}" for who in ("alone", "taught")
        ),
        "taught by": f"{np.mean((part['share'] > 0) | (part['made'] > 0)):.0%} of folds",
    }


def verdict(chance: float) -> str:
    """What is said of a probability that the taught one is better.

    >>> verdict(0.97), verdict(0.5), verdict(0.01)
    ('yes', 'not shown', 'worse')
    """
    return "yes" if chance >= YES else "worse" if chance <= 1 - YES else "not shown"
