"""Evidence, predictions, terms and examples made up by hand, with known contents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from iceframe.workflow.view import Example, RungView

COLUMNS = [
    "rung",
    "axis",
    "metric",
    "value",
    "low",
    "high",
    "folds",
    "better",
    "unit",
    "seed",
    "n",
    "note",
]

LADDER = {
    "mean": ("Mean", True, "table"),
    "ridge": ("Ridge regression", True, "table"),
    "ebm": ("Explainable boosting machine", True, "table"),
    "tree": ("Regression tree", True, "table"),
    "svm": ("Support vector machine", False, "table"),
    "extra_trees": ("Extra trees", False, "table"),
    "gp": ("Gaussian process", False, "table"),
    "mlp": ("MLP ensemble", False, "table"),
    "cnn": ("Small CNN", False, "image"),
}
#            complexity, gdf, error, coverage, faithfulness
NUMBERS: dict[str, tuple[float, ...]] = {
    "mean": (0.06, 1.0, 229.7, 0.905, float("nan")),
    "ridge": (0.31, 21.0, 118.2, 0.897, 0.93),
    "ebm": (0.44, 58.0, 90.4, 0.902, 0.97),
    "tree": (0.47, 31.0, 131.0, 0.911, 0.88),
    "svm": (0.58, 96.0, 96.3, 0.894, 0.66),
    "extra_trees": (0.66, 141.0, 86.2, 0.903, 0.71),
    "gp": (0.63, 118.0, 88.9, 0.872, 0.62),
    "mlp": (0.74, 166.0, 92.0, 0.891, 0.48),
    "cnn": (0.81, 201.0, 84.0, 0.899, 0.31),
}
FEATURES = (
    "mean atomic weight",
    "range of melting point",
    "molybdenum",
    "titanium",
    "cobalt",
    "nickel",
    "mean electronegativity",
    "aluminium",
    "carbon",
    "chromium",
)


def evidence(
    rungs: tuple[str, ...], task: str, unit: str, *, unmeasured: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Evidence as a run stores it."""
    rows: list[dict[str, Any]] = []

    def add(
        rung: str, axis: str, metric: str, value: float, half: float, better: str, own: str = ""
    ) -> None:
        if metric in unmeasured:
            value = float("nan")
        rows.append(
            {
                "rung": rung,
                "axis": axis,
                "metric": metric,
                "value": value,
                "low": value - half,
                "high": value + half,
                "folds": (value,) * 5,
                "better": better,
                "unit": own,
                "seed": 0,
                "n": 312,
                "note": "made up",
            }
        )

    for rung in rungs:
        c, gdf, error, coverage, faith = NUMBERS[rung]
        add(rung, "complexity", "complexity", c, 0.03, "lower")
        add(rung, "complexity", "gdf", gdf, 0.1 * gdf, "lower")
        add(rung, "complexity", "c1", np.log1p(gdf) / np.log1p(312), 0.02, "lower")
        add(rung, "complexity", "c2", min(0.8, c / 2), 0.02, "lower")
        add(rung, "complexity", "c3", c / 1.5, 0.03, "lower")
        if task == "regression":
            add(rung, "fidelity", "mae", error, 0.07 * error, "lower", unit)
            add(rung, "fidelity", "rmse", 1.4 * error, 0.1 * error, "lower", unit)
            add(rung, "fidelity", "r2", 1 - (error / 240) ** 2, 0.04, "higher")
        else:
            add(rung, "fidelity", "balanced_accuracy", 1 - error / 400, 0.02, "higher")
            add(rung, "fidelity", "log_loss", error / 200, 0.04, "lower")
        add(rung, "fidelity", "coverage_90", coverage, 0.028, "neither")
        add(rung, "transparency", "faithfulness", faith, 0.05, "higher")
        add(rung, "transparency", "seed_stability", 0.9 * faith, 0.04, "higher")
        add(rung, "transparency", "compactness", 0.4 + 0.2 * c, 0.02, "higher")
    return pd.DataFrame(rows, columns=COLUMNS)


def costs(rungs: tuple[str, ...]) -> pd.DataFrame:
    """Costs as a run stores them."""
    rows = [
        {"rung": r, "metric": m, "value": v * (1 + i)}
        for i, r in enumerate(rungs)
        for m, v in (("fit_seconds", 0.4), ("predict_seconds", 0.01), ("total_seconds", 9.0))
    ]
    return pd.DataFrame(rows, columns=["rung", "metric", "value"])


def numbers_predicted(rungs: tuple[str, ...], n: int, scale: float, ids: list[str]) -> pd.DataFrame:
    """Held-out predictions whose intervals miss about one truth in ten."""
    rng = np.random.default_rng(1)
    y = rng.gamma(9.0, 160.0, n) * scale
    parts = []
    for rung in rungs:
        sd = 1.25 * NUMBERS[rung][2] * scale
        mean = np.full(n, y.mean()) if rung == "mean" else y + rng.normal(0, sd, n)
        half = 1.64 * (y.std() if rung == "mean" else sd) * rng.uniform(0.8, 1.2, n)
        parts.append(
            pd.DataFrame(
                {
                    "rung": rung,
                    "fold": [f"fold{i % 5}" for i in range(n)],
                    "id": ids,
                    "y": y,
                    "mean": mean,
                    "low": mean - half,
                    "high": mean + half,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def classes_predicted(
    rungs: tuple[str, ...], classes: tuple[str, ...], ids: list[str]
) -> pd.DataFrame:
    """Held-out class probabilities of models of growing skill."""
    rng = np.random.default_rng(2)
    n, k = len(ids), len(classes)
    truth = rng.choice(k, n, p=np.linspace(k, 1, k) / np.linspace(k, 1, k).sum())
    parts = []
    for rung in rungs:
        skill = 0.2 if rung == "mean" else 4.5 - NUMBERS[rung][2] / 60
        logits = rng.normal(0, 1.1, (n, k))
        logits[np.arange(n), truth] += skill
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        table = pd.DataFrame(
            {
                "rung": rung,
                "fold": [f"fold{i % 5}" for i in range(n)],
                "id": ids,
                "y": np.array(classes)[truth],
                "mean": np.array(classes)[p.argmax(axis=1)],
            }
        )
        for j, name in enumerate(classes):
            table[f"p_{name}"] = p[:, j]
        table["set_size"] = (p > 0.08).sum(axis=1)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def terms_of(rung: str) -> tuple[dict[str, Any], ...]:
    """What a rung says that it learned."""
    x = np.linspace(0.0, 1.0, 24)
    waves = (
        x,
        -x,
        np.sin(5 * x),
        np.tanh(8 * (x - 0.5)),
        x**2,
        np.sqrt(x),
        0.3 * x,
        0 * x,
        x,
        -0.2 * x,
    )
    weight = np.exp(-0.45 * np.arange(len(FEATURES)))
    if rung == "ridge":
        signs = (1, -1, 1, 1, -1, 1, -1, 1, 1, -1)
        return tuple(
            {
                "term": f,
                "importance": float(w),
                "coefficient": float(40 * s * w),
                "x": [0.0, 1.0],
                "y": [-40.0 * s * w, 40.0 * s * w],
            }
            for f, w, s in zip(FEATURES, weight, signs, strict=True)
        )
    if rung == "ebm":
        rows = [
            {
                "term": f,
                "importance": float(90 * w),
                "x": x.tolist(),
                "y": (240 * w * wave).tolist(),
            }
            for f, w, wave in zip(FEATURES, weight, waves, strict=True)
        ]
        return (*rows, {"term": "nickel & cobalt", "importance": 21.0})
    if rung == "tree":
        return (
            {"term": "molybdenum", "importance": 0.7},
            {"term": "nickel", "importance": 0.3},
            {"term": "leaf 1", "importance": 0.4, "rule": "molybdenum ≤ 0.02 → 1240 (81 samples)"},
            {"term": "leaf 2", "importance": 0.6, "rule": "molybdenum > 0.02 → 1893 (112 samples)"},
        )
    if rung == "mean":
        return ()
    return tuple({"term": f, "importance": float(w)} for f, w in zip(FEATURES, weight, strict=True))


def table_examples(rung: str, ids: list[str]) -> tuple[Example, ...]:
    """Four explained rows; the last truth lies outside its interval."""
    rng = np.random.default_rng(3)
    truths = (1402.0, 1718.0, 2010.0, 2475.0)
    return tuple(
        Example(
            id=ids[i],
            truth=truth,
            prediction=truth + (310.0 if i == 3 else 31.0 * (-1) ** i),
            low=truth - 170.0 + (310.0 if i == 3 else 0.0),
            high=truth + 185.0 + (310.0 if i == 3 else 0.0),
            method="exact terms" if LADDER[rung][1] else "permutation SHAP",
            names=FEATURES,
            feature_values=tuple(float(v) for v in rng.uniform(0, 1, len(FEATURES)).round(3)),
            contributions=tuple(
                float(v) for v in rng.normal(0, 60, len(FEATURES)) * np.exp(-0.3 * np.arange(10))
            ),
            completeness_gap=0.004,
        )
        for i, truth in enumerate(truths)
    )


def picture(seed: int, size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A two-phase microstructure and a smooth signed map over it."""
    rng = np.random.default_rng(seed)
    wave = np.fft.fftfreq(size)
    k = np.hypot(*np.meshgrid(wave, wave))

    def smooth(length: float) -> np.ndarray:
        noise = np.fft.fft2(rng.normal(size=(size, size)))
        return np.fft.ifft2(noise * np.exp(-((k * length) ** 2))).real

    phases = (smooth(9.0) > 0).astype(np.float32)
    attribution = smooth(7.0) * (0.3 + phases)
    return phases, (attribution / np.abs(attribution).max() * 0.004).astype(np.float32)


def image_examples(ids: list[str], classes: tuple[str, ...] = ()) -> tuple[Example, ...]:
    """Four explained images; of a classification, the last one is wrong."""
    cases = []
    for i in range(4):
        image, attribution = picture(10 + i)
        known: dict[str, Any] = {
            "id": ids[i],
            "method": "integrated gradients",
            "image": image,
            "map": attribution,
            "completeness_gap": 0.021,
        }
        if classes:
            truth = classes[i % len(classes)]
            wrong = classes[(i + 1) % len(classes)]
            known |= {
                "truth": truth,
                "prediction": wrong if i == 3 else truth,
                "probability": 0.91 - 0.1 * i,
            }
        else:
            known |= {"truth": 3.1 + i, "prediction": 3.0 + i, "low": 2.4 + i, "high": 3.7 + i}
        cases.append(Example(**known))
    return tuple(cases)


def rung_view(name: str, terms: tuple[Any, ...], examples: tuple[Example, ...]) -> RungView:
    """A rung with its title and summary."""
    title, glass, reads = LADDER[name]
    return RungView(
        name,
        title,
        f"{title}, as made up for the tests.",
        f"{title} 2020, doi 10.1000/{name}",
        reads,
        glass,
        {"strength": 0.5, "blocks": ["magpie"]},
        terms,
        examples,
    )
