"""Run views made up by hand, one a kind of run, for the tests of the report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from report_parts import (
    LADDER,
    classes_predicted,
    costs,
    evidence,
    image_examples,
    numbers_predicted,
    rung_view,
    table_examples,
    terms_of,
)

from iceframe.core.values import Audit, Equilibrium, Finding, Status
from iceframe.workflow.view import RunView

FINDINGS = (
    Finding(
        "outlier",
        "note",
        "3 samples lie far from all others",
        "`s007`, `s041`, `s200`: distance above 6 MAD.",
        "Check their entry; they widen the intervals.",
        ("s007", "s041", "s200"),
    ),
    Finding(
        "near-duplicates",
        "warning",
        "14 rows are near-duplicates of others",
        "Distance below 0.001 of the spread in all features.",
        "They are kept on one side of every split; nothing to do.",
        tuple(f"s{i:03d}" for i in range(14)),
    ),
    Finding(
        "leak",
        "error",
        "The column `hardness` is a monotone copy of the target",
        "Spearman correlation 1.000.",
        "Drop it: --drop hardness",
        (),
    ),
)


def regression_table(n: int = 312) -> RunView:
    """A regression on a table with all table rungs; the EBM was chosen."""
    rungs = tuple(r for r in LADDER if r != "cnn")
    ids = [f"s{i:03d}" for i in range(n)]
    return RunView(
        name="matbench_steels",
        target="yield strength",
        unit="MPa",
        task="regression",
        classes=(),
        facts={
            "name": "matbench_steels",
            "source": "steels.json.bz2",
            "layout": "matbench",
            "n": n,
            "n_features": 146,
            "image_shape": None,
            "fingerprint": "9f86d081884c7d65",
            "notes": ("units from the file",),
        },
        settings={
            "splits": "matbench",
            "folds": 5,
            "seed": 0,
            "level": 0.9,
            "ladder": rungs,
            "floors": {"mae": 110.0},
            "command": "iceframe run steels.json.bz2 --target 'yield strength' --out runs/steels",
        },
        rungs={
            r: rung_view(r, terms_of(r), table_examples(r, ids) if r != "mean" else ())
            for r in rungs
        },
        evidence=evidence(rungs, "regression", "MPa"),
        costs=costs(rungs),
        predictions=numbers_predicted(rungs, n, 1.0, ids),
        audit=Audit(FINDINGS),
        split_notes=("the five official folds of Matbench, ids checked",),
        equilibrium=Equilibrium(
            "ebm",
            Status.CONVERGED,
            "",
            (
                "`ebm` is 4.2 MPa worse than `extra_trees`, inside the ±4.6 MPa that repeat error "
                "explains (P = 0.97), and is two thirds as complex.",
                "`ridge` is simpler but 32 MPa worse than the best rung (P < 0.01): refused.",
                "The choice stays the same when the weight of C1 runs from 0.25 to 0.75.",
            ),
        ),
        next_steps=(
            "Drop `hardness`: it is a monotone copy of the target.",
            "Measure more alloys above 2200 MPa, where intervals are widest.",
            "Predict new samples with `ebm`: iceframe predict RUN DATA --out predictions.csv",
        ),
        references=(
            "Ye 1998, doi 10.1080/01621459.1998.10474094",
            "Nori et al. 2019, InterpretML, https://arxiv.org/abs/1909.09223",
            "Barber et al. 2021, Predictive inference with the jackknife+, doi:10.1214/20-AOS1965",
        ),
        versions={
            "iceframe": "0.1.0",
            "python": "3.11.2",
            "numpy": "2.3.0",
            "scikit-learn": "1.9.0",
        },
        created="2026-01-01 12:00",
    )


def regression_images() -> RunView:
    """A regression on images: the CNN was chosen, within the budget that there was."""
    rungs = ("mean", "ridge", "ebm", "extra_trees", "cnn")
    base = regression_table(60)
    ids = [f"field-{i:03d}.png" for i in range(60)]
    views = {
        r: rung_view(r, terms_of(r), table_examples(r, ids) if r == "ebm" else ())
        for r in rungs
        if r != "cnn"
    }
    views["cnn"] = rung_view("cnn", (), image_examples(ids))
    return replace(
        base,
        name="two-phase fields",
        target="conductivity",
        unit="W/(m K)",
        facts={
            **base.facts,
            "n": 60,
            "layout": "image-folder",
            "image_shape": (1, 96, 96),
            "n_features": 88,
        },
        settings={**base.settings, "ladder": rungs, "splits": "random"},
        rungs=views,
        evidence=evidence(rungs, "regression", "W/(m K)"),
        costs=costs(rungs),
        predictions=numbers_predicted(rungs, 60, 0.002, ids),
        equilibrium=Equilibrium(
            "cnn",
            Status.BUDGET_EXHAUSTED,
            "Give more time: --budget 30m; finished units are kept.",
            ("`mlp` was not reached before the budget ended.",),
        ),
    )


def classification_images() -> RunView:
    """A classification of micrographs with nuisance cues; extra trees were chosen."""
    rungs = ("mean", "ridge", "ebm", "extra_trees", "cnn")
    classes = ("martensite", "network", "pearlite", "spheroidite")
    base = regression_images()
    ids = [f"micrograph{i}.tif" for i in range(240)]
    views = dict(base.rungs)
    views["cnn"] = rung_view("cnn", (), image_examples(ids, classes))
    class_rows = tuple(
        replace(e, truth="pearlite", prediction="pearlite", low=None, high=None, probability=0.83)
        for e in table_examples("extra_trees", ids)
    )
    views["extra_trees"] = rung_view("extra_trees", terms_of("extra_trees"), class_rows)
    views["ebm"] = rung_view("ebm", (), ())
    x = np.linspace(0, 1, 9)
    curves = np.column_stack([x, -x, 0.5 * x, 0.2 - x])
    views["ridge"] = rung_view(
        "ridge",
        (
            {"term": "contrast", "importance": 0.9, "x": x.tolist(), "y": curves.tolist()},
            {"term": "etchant", "importance": 0.4, "x": ["nital", "picral"], "y": [0.2, -0.4]},
        ),
        (),
    )
    return replace(
        base,
        name="uhcs",
        target="microconstituent",
        unit="",
        task="classification",
        classes=classes,
        rungs=views,
        evidence=evidence(rungs, "classification", ""),
        predictions=classes_predicted(rungs, classes, ids),
        audit=Audit(
            FINDINGS[:2],
            {
                "nuisance": {
                    "metric": "balanced_accuracy",
                    "score": 0.62,
                    "low": 0.57,
                    "high": 0.67,
                    "chance": 0.25,
                    "flagged": True,
                    "cues": ["file_size", "contrast", "sharpness"],
                },
            },
        ),
        equilibrium=Equilibrium(
            "extra_trees",
            Status.OSCILLATING,
            "Name the measure that matters with --floor, or measure more samples.",
            ("With C1 weighted 0.25 the choice is `ridge`, with 0.75 `extra_trees`.",),
        ),
    )


def infeasible() -> RunView:
    """No rung meets the floors, so none is chosen."""
    return replace(
        regression_table(80),
        equilibrium=Equilibrium(
            None,
            Status.INFEASIBLE,
            "Raise the floor to mae=84, or measure about 400 more samples.",
            ("The best rung, `extra_trees`, reaches 86.2 MPa; 50 MPa was asked for.",),
        ),
    )


def bare() -> RunView:
    """One rung, nothing measured but its error, nothing explained, nothing found."""
    base = regression_table(20)
    table = evidence(
        ("ridge",), "regression", "MPa", unmeasured=("complexity", "faithfulness", "gdf")
    )
    return replace(
        base,
        facts={},
        settings={},
        rungs={"ridge": rung_view("ridge", (), ())},
        evidence=table[table["metric"].isin(["complexity", "mae", "faithfulness"])],
        costs=costs(()),
        predictions=base.predictions.iloc[:0],
        audit=Audit(()),
        split_notes=(),
        equilibrium=Equilibrium("ridge", Status.CONVERGED, ""),
        next_steps=(),
        references=(),
        versions={},
    )


def hostile() -> RunView:
    """Names that would do harm if any of them were not escaped."""
    evil = "<script>alert(1)</script>"
    base = regression_table(40)
    predictions = base.predictions.assign(
        id=[f"</script><img src=x onerror=alert({i})>" for i in base.predictions.index]
    )
    examples = tuple(
        replace(e, id=evil, names=(evil,) * len(e.names), method=evil)
        for e in base.rungs["ebm"].examples
    )
    rungs = dict(base.rungs)
    rungs["ebm"] = replace(
        rungs["ebm"],
        title=evil,
        terms=({"term": evil, "importance": 1.0, "x": [evil, "b"], "y": [0.0, 1.0]},),
        examples=examples,
    )
    return replace(
        base,
        name=evil,
        target=evil,
        unit="<b>MPa</b>",
        rungs=rungs,
        predictions=predictions,
        audit=Audit((replace(FINDINGS[0], title=evil, evidence=f"`{evil}`", samples=(evil,)),)),
        next_steps=(f"`{evil}`",),
        references=('https://example.org/"onmouseover="alert(1)',),
        settings={**base.settings, "command": evil},
    )


VIEWS = {
    "regression-table": regression_table,
    "regression-images": regression_images,
    "classification-images": classification_images,
    "infeasible": infeasible,
    "bare": bare,
    "hostile": hostile,
}
