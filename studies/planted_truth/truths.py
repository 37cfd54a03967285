"""Data sets whose truth is known: what the target depends on, how, and how much is noise.

``y = s(latent) + σ ε`` with standard normal ε. σ is set so that the best attainable R² is a number
drawn from 0.5 to 0.97. Five kinds of ``s``:

* ``constant``: nothing that is measured matters;
* ``linear``: a weighted sum of features;
* ``additive``: a sum of bent curves; the best straight sum explains at most ``LEAST_BENT`` of it;
* ``interacting``: pairs of features act together; the best sum of curves explains at most
  ``LEAST_JOINT`` of it;
* ``image``: a quantity in the images that neither grey levels nor the table tell of
  (:mod:`studies.planted_truth.pictures`).

Every data set has 4 to 12 features; some matter, some do not, some are correlated, some have heavy
tails. Fresh samples of the same truth tell how good a model really is: for a prediction at the
distance d from the truth the expected absolute error is known,
``E|d + σ ε| = σ √(2/π) exp(−d²/2σ²) + d (1 − 2 Φ(−d/σ))``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import special
from studies.planted_truth.pictures import FAMILIES, pictures

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.seeds import generator

KINDS = ("constant", "linear", "additive", "interacting", "image")
LEAST_BENT = 0.6  # share of an additive signal's variance that a straight sum may explain
LEAST_JOINT = 0.5  # share of an interacting signal's variance that a sum of curves may explain
FEWEST_FEATURES, MOST_FEATURES = 4, 12
ATTAINABLE = (0.5, 0.97)  # range of the best R²
TRIED = 4000  # samples on which a drawn truth is looked at
DRAWS = 400  # truths drawn at most until one is bent, or joint, enough
TARGET = "property"
HEAVY = 4  # degrees of freedom of a heavy-tailed feature

Signal = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (latent normals, features) -> signal


@dataclass(frozen=True)
class Planted:
    """A data set, fresh samples of the same truth, and what is known of it.

    ``answer`` ``(m,)``: the noiseless target of the ``fresh`` samples; ``noise``: σ, both in the
    target's unit. ``attainable``: the best R² of a model that knows the truth.
    """

    kind: str
    data: Dataset
    fresh: Dataset
    answer: np.ndarray
    noise: float
    attainable: float
    family: str

    def loss(self, predicted: np.ndarray) -> float:
        """The true loss of ``predicted`` ``(m,)`` on the fresh samples: expected absolute error."""
        return float(np.mean(expected_error(np.asarray(predicted) - self.answer, self.noise)))


def expected_error(distance: np.ndarray, noise: float) -> np.ndarray:
    """``E|d + σ ε|`` of a standard normal ε, for distances d of any shape.

    Examples
    --------
    >>> float(expected_error(np.array(0.0), 1.0).round(4)), float(expected_error(np.array(9.0), 1))
    (0.7979, 9.0)
    """
    distance = np.asarray(distance, float)
    scaled = distance / noise
    spread = noise * np.sqrt(2 / np.pi) * np.exp(-(scaled**2) / 2)
    return spread + distance * (1 - 2 * special.ndtr(-scaled))


def planted(kind: str, number: int, root: int, *, n: tuple[int, int], fresh: int) -> Planted:
    """The data set ``number`` of a kind, under the root seed ``root``.

    Parameters
    ----------
    n : least and most samples; drawn log-uniformly. fresh : samples that no model is fitted to.
    """
    rng = generator(root, "planted truth", kind, number)
    size = round(float(np.exp(rng.uniform(np.log(n[0]), np.log(n[1])))))
    attainable = float(rng.uniform(*ATTAINABLE))
    table = _features(rng, size + fresh)
    if kind == "image":
        family = FAMILIES[number % len(FAMILIES)]
        values, signal = pictures(family, size + fresh, rng)
        images: ArrayImages | None = ArrayImages(values, periodic=True)
    else:
        family, images = kind, None
        signal = _SIGNALS[kind](rng, table)
    spread = float(np.std(signal))
    attainable = attainable if kind != "constant" else 0.0
    noise = spread * float(np.sqrt((1 - attainable) / attainable)) if attainable else 1.0
    scale, offset = float(10 ** rng.uniform(-1, 3)), float(rng.uniform(-3, 3))
    target = scale * (offset + (signal + noise * rng.normal(size=len(signal))) / (spread + noise))
    whole = _dataset(table, target, images, f"{kind} {number}")
    answer = scale * (offset + signal[size:] / (spread + noise))
    return Planted(
        kind,
        replace(whole.take(np.arange(size)), name=f"{kind} {number}"),
        whole.take(np.arange(size, size + fresh)),
        answer,
        scale * noise / (spread + noise),
        attainable,
        family,
    )


# -- features --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Table:
    """Latent normals ``(n, d)`` and the features ``(n, d)`` that follow from them one by one."""

    latent: np.ndarray
    values: np.ndarray

    @property
    def width(self) -> int:
        return self.values.shape[1]


def _features(rng: np.random.Generator, n: int) -> _Table:
    """Features with normal, flat, skewed and heavy-tailed margins, correlated with neighbours."""
    width = int(rng.integers(FEWEST_FEATURES, MOST_FEATURES + 1))
    correlation = float(rng.choice([0.0, 0.3, 0.6]))
    distance = np.abs(np.subtract.outer(np.arange(width), np.arange(width)))
    joint = np.linalg.cholesky(correlation**distance)
    order = rng.permutation(width)  # correlated features need not stand side by side
    latent = (rng.normal(size=(n, width)) @ joint.T)[:, order]
    values = np.empty_like(latent)
    for j in range(width):
        values[:, j] = _margin(rng.choice(["normal", "flat", "skewed", "heavy"]), latent[:, j])
    return _Table(latent, values)


def _margin(shape: str, z: np.ndarray) -> np.ndarray:
    if shape == "flat":
        return np.sqrt(12) * (special.ndtr(z) - 0.5)
    if shape == "skewed":
        return np.exp(0.7 * z)
    if shape == "heavy":
        return special.stdtrit(HEAVY, np.clip(special.ndtr(z), 1e-9, 1 - 1e-9))
    return z


# -- signals ---------------------------------------------------------------------------------------


def _constant(rng: np.random.Generator, table: _Table) -> np.ndarray:
    return np.zeros(len(table.values))


def _linear(rng: np.random.Generator, table: _Table) -> np.ndarray:
    columns, weights = _relevant(rng, table)
    standard = table.values / table.values.std(axis=0)
    return standard[:, columns] @ weights


def _additive(rng: np.random.Generator, table: _Table) -> np.ndarray:
    for _ in range(DRAWS):
        columns, weights = _relevant(rng, table)
        signal = sum(
            w * _standard(_bent(rng, table.latent[:, j]))
            for j, w in zip(columns, weights, strict=True)
        )
        if explained_by_a_straight_sum(table.values[:TRIED], signal[:TRIED]) <= LEAST_BENT:
            return signal
    raise RuntimeError("no bent truth was drawn")


def _interacting(rng: np.random.Generator, table: _Table) -> np.ndarray:
    for _ in range(DRAWS):
        columns = rng.permutation(table.width)
        signal = np.zeros(len(table.latent))
        for pair in range(int(rng.integers(1, min(2, table.width // 2) + 1))):
            first, second = table.latent[:, columns[2 * pair : 2 * pair + 2]].T
            signal += rng.uniform(0.7, 1.3) * _standard(_joint(rng, first, second))
        alone = table.latent[:, columns[0]]  # a feature of a pair may act by itself as well
        signal += rng.uniform(0.0, 0.7) * alone
        if explained_by_curves(table.latent[:TRIED], signal[:TRIED]) <= LEAST_JOINT:
            return signal
    raise RuntimeError("no joint truth was drawn")


_SIGNALS: dict[str, Callable[[np.random.Generator, _Table], np.ndarray]] = {
    "constant": _constant,
    "linear": _linear,
    "additive": _additive,
    "interacting": _interacting,
}


def _relevant(rng: np.random.Generator, table: _Table) -> tuple[np.ndarray, np.ndarray]:
    """Which features matter, two to five of them, and their weights."""
    number = int(rng.integers(2, min(5, table.width) + 1))
    columns = rng.permutation(table.width)[:number]
    return columns, rng.uniform(0.5, 1.5, number) * rng.choice([-1.0, 1.0], number)


def _bent(rng: np.random.Generator, z: np.ndarray) -> np.ndarray:
    """A curve: a threshold, a peak, a valley, a wave, an onset or a saturation."""
    centre = float(rng.uniform(-0.6, 0.6))
    shape = rng.choice(["threshold", "peak", "valley", "wave", "onset", "saturation"])
    curves: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "threshold": lambda t: np.tanh(4 * t),
        "peak": lambda t: np.exp(-2 * t**2),
        "valley": np.abs,
        "wave": lambda t: np.sin(2.2 * t),
        "onset": lambda t: np.maximum(t, 0.0),
        "saturation": lambda t: -np.exp(-1.2 * np.clip(t, -2.5, None)),
    }
    return curves[str(shape)](z - centre)


def _joint(rng: np.random.Generator, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Two features together: a product, a gate, an exclusive or, a wave whose size is another's."""
    shape = rng.choice(["product", "gate", "exclusive or", "wave"])
    if shape == "gate":
        return np.tanh(3 * first) * second
    if shape == "exclusive or":
        return np.tanh(3 * first) * np.tanh(3 * second)
    if shape == "wave":
        return np.sin(1.8 * first) * second
    return first * second


def _standard(signal: np.ndarray) -> np.ndarray:
    return (signal - signal.mean()) / signal.std()


def explained_by_a_straight_sum(features: np.ndarray, signal: np.ndarray) -> float:
    """R² of least squares of a signal ``(n,)`` on ``(n, d)`` features."""
    design = np.column_stack([np.ones(len(signal)), features])
    rest = signal - design @ np.linalg.lstsq(design, signal)[0]
    return 1.0 - float(np.var(rest) / np.var(signal))


def explained_by_curves(features: np.ndarray, signal: np.ndarray) -> float:
    """R² of the best sum of cubic splines of single features ``(n, d)``.

    Examples
    --------
    >>> x = generator(0, "example").normal(size=(2000, 2))
    >>> bent, joint = x[:, 0] ** 2, x[:, 0] * x[:, 1]
    >>> round(explained_by_curves(x, bent)), round(explained_by_curves(x, joint))
    (1, 0)
    """
    from sklearn.preprocessing import SplineTransformer

    curves = SplineTransformer(n_knots=8, knots="quantile").fit_transform(features)
    return explained_by_a_straight_sum(curves, signal)


# -- the data set ----------------------------------------------------------------------------------


def _dataset(table: _Table, target: np.ndarray, images: ArrayImages | None, name: str) -> Dataset:
    names = tuple(f"x{j + 1}" for j in range(table.width))
    frame = pd.DataFrame(table.values, columns=names)
    frame.index = pd.Index([f"s{i}" for i in range(len(frame))], name="id")
    frame[TARGET] = target
    return Dataset(frame, TARGET, "regression", names, images=images, name=name, source=name)
