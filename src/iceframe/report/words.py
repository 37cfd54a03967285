"""The words of the page: what a metric is called, how it is shown, what it means in a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Show = Literal["plain", "share", "percent", "seconds", "count"]


@dataclass(frozen=True)
class Word:
    """A metric or term: its label, one line of meaning, and how its numbers are shown."""

    label: str
    tip: str
    show: Show = "plain"


METRICS: dict[str, Word] = {
    "complexity": Word(
        "Complexity",
        "Measured complexity from 0 (a constant) to 1 (memorises everything): "
        "half C1, a quarter C2, a quarter C3.",
        "share",
    ),
    "gdf": Word(
        "GDF",
        "Generalised degrees of freedom: how many free parameters the fitted model behaves as if "
        "it had. Least squares with p terms gives p; a model that memorises gives n.",
        "count",
    ),
    "c1": Word(
        "C1, flexibility", "Degrees of freedom on a scale from 0 to 1: ln(1+GDF)/ln(1+n).", "share"
    ),
    "c2": Word(
        "C2, non-additivity",
        "Share of the model that no sum of single-feature curves can reproduce: interactions.",
        "share",
    ),
    "c3": Word(
        "C3, breadth",
        "Share of the features that the model effectively relies on (entropy).",
        "share",
    ),
    "mae": Word("Mean absolute error", "Average distance between prediction and measurement."),
    "rmse": Word(
        "Root-mean-square error", "Like the mean absolute error, but large misses weigh more."
    ),
    "r2": Word(
        "R²", "Share of the target's variance that is explained; 1 is perfect, 0 is the mean."
    ),
    "accuracy": Word("Accuracy", "Share of samples put into the right class.", "percent"),
    "balanced_accuracy": Word(
        "Balanced accuracy", "Accuracy averaged over classes, so that rare ones count.", "percent"
    ),
    "log_loss": Word("Log loss", "Penalises confident mistakes; 0 is perfect, lower is better."),
    "coverage": Word(
        "Coverage",
        "How often the prediction interval (or set) holds the truth on held-out samples.",
        "percent",
    ),
    "worst_group_coverage": Word(
        "Worst-group coverage", "Coverage in the group of samples where it is lowest.", "percent"
    ),
    "interval_score": Word(
        "Interval score", "Width of the intervals plus a penalty for each miss; lower is better."
    ),
    "interval_width": Word("Interval width", "How wide the prediction intervals are."),
    "set_size": Word("Set size", "Average number of classes in the prediction set; 1 is decisive."),
    "cluster_error": Word(
        "Leave-cluster-out error", "Error on clusters of samples unlike those seen in training."
    ),
    "augrc": Word(
        "AUGRC",
        "Risk left when the model may abstain on its least certain samples; lower is better.",
    ),
    "faithfulness": Word(
        "Faithfulness",
        "Agreement of the explanation with what the model really does when a feature is changed; "
        "1 is perfect, 0 is chance.",
        "share",
    ),
    "stability": Word(
        "Stability",
        "Agreement of explanations between models trained from different seeds.",
        "share",
    ),
    "resample_stability": Word(
        "Stability under resampling",
        "Agreement of explanations between fits to two halves of the data.",
        "share",
    ),
    "compactness": Word(
        "Compactness",
        "How few features carry the explanation; 1 means that a single one does.",
        "share",
    ),
    "completeness": Word(
        "Completeness gap",
        "What the attributions leave unexplained of the prediction; 0 is complete.",
    ),
    "physical_agreement": Word(
        "Physical agreement", "Agreement of the map with the exact physical sensitivity.", "share"
    ),
    "parameters": Word("Parameters", "Numbers stored in the fitted model.", "count"),
    "fit_seconds": Word("Time to fit", "Seconds to fit one fold.", "seconds"),
    "predict_seconds": Word("Time to predict", "Seconds to predict the held-out fold.", "seconds"),
    "total_seconds": Word("Time in all", "Seconds spent on this rung, with tuning.", "seconds"),
}

# What others call the same thing; evidence may carry the level in the name.
ALIASES: dict[str, str] = {
    "composite": "complexity",
    "coverage_90": "coverage",
    "interval_score_90": "interval_score",
    "set_size_90": "set_size",
    "seed_stability": "stability",
    "completeness_gap": "completeness",
    "leave_cluster_out": "cluster_error",
    "pf_star": "physical_agreement",
}

GLOSSARY: dict[str, str] = {
    "Rung": "One model family on the ladder, tuned inside each training fold.",
    "Glass box": "A model whose explanation is exact: its terms or rules are the model.",
    "Black box": "A model that can only be explained from outside.",
    "Equilibrium": "The simplest rung that is not credibly worse than the best one.",
    "Fold": "One division of the samples into training and held-out parts.",
    "90 % interval": "A range that should hold the truth nine times out of ten.",
    "Conformal": "A way to make intervals from held-out errors that keep their promised coverage.",
    "ROPE": "The difference too small to matter: repeat error, or 2 % of the dummy's loss.",
    "Nuisance baseline": "What a model scores without looking at the material: from image size, "
    "contrast, file size and other metadata alone.",
    "Completeness gap": METRICS["completeness"].tip,
}

STATUS: dict[str, tuple[str, str]] = {
    "CONVERGED": ("Equilibrium found", "The choice holds under every weighting that was tried."),
    "BUDGET_EXHAUSTED": ("Budget exhausted", "Time ran out before every rung was measured."),
    "OSCILLATING": ("No stable choice", "The choice depends on how complexity is weighted."),
    "INFEASIBLE": ("No rung is good enough", "No rung on the ladder meets the floors."),
}

AXES: dict[str, str] = {
    "complexity": "Complexity",
    "fidelity": "Fidelity",
    "transparency": "Transparency",
    "cost": "Cost",
}


def canonical(metric: str) -> str:
    """The name under which a metric is known here.

    Examples
    --------
    >>> canonical("C1"), canonical("coverage_90"), canonical("new_score")
    ('c1', 'coverage', 'new_score')
    """
    lowered = metric.lower()
    return ALIASES.get(lowered, lowered)


def word(metric: str) -> Word:
    """Label and meaning of a metric: this page's own, else the metric registry's, else its name.

    Examples
    --------
    >>> word("mae").label, word("gdf_small").label, word("tau_check").label
    ('Mean absolute error', 'Degrees of freedom, small disturbance', 'Tau check')
    """
    name = canonical(metric)
    if name in METRICS:
        return METRICS[name]
    from iceframe.measure.metrics import METRICS as REGISTERED

    if metric in REGISTERED:
        entry = REGISTERED[metric]
        return Word(_capital(entry.title), _capital(entry.summary) + ".")
    text = metric.replace("_", " ")
    return Word(_capital(text), "", "seconds" if text.endswith("seconds") else "plain")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
