"""How complex a fitted model is, for any black box: C1, C2, C3 and their composite.

* C1 = ln(1 + GDF) / ln(1 + n), with Ye's generalised degrees of freedom (1998,
  doi 10.1080/01621459.1998.10474094): how far fitted values follow disturbed targets.
* C2 = 1 - max R²(f, g∘φ) over additive g: what no additive model of the features can follow.
* C3 = exp-entropy of the permutation shares over the features φ, over their number d.
* C = w C1 + (1 - w)/2 (C2 + C3), w = 1/2.

All lie in [0, 1]; 0 is a constant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from iceframe.core.errors import InputError
from iceframe.core.seeds import derive_seed, generator
from iceframe.core.values import Task
from iceframe.measure.additive import best_additive, imputed, two_dimensional

BOOTSTRAP = 1000
LEVEL = 0.95
MAX_ROWS = 4096  # rows a model is asked for at once: a GP holds their joint covariance
PERMUTED_ROWS = 24_000  # rows a model is asked for in all, for C3
REPEATS = 3
FEWEST = 50  # samples that are permuted at least


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval and how many replicates (or samples) it rests on.

    ``surrogate_r2`` is the fit of the model of the model that was used, NaN where none was;
    ``shares`` are those of the features in C3, summing to one (to zero for a constant model).
    """

    value: float
    low: float = float("nan")
    high: float = float("nan")
    replicates: int = 0
    note: str = ""
    surrogate_r2: float = float("nan")
    shares: tuple[float, ...] = ()


def generalised_degrees_of_freedom(
    refit: Callable[[np.ndarray], np.ndarray],
    y: np.ndarray,
    *,
    task: Task = "regression",
    tau_fraction: float = 0.5,
    replicates: int = 10,
    seed: int = 0,
    n_classes: int = 0,
) -> Estimate:
    """Generalised degrees of freedom: ``n Σ_k <δ_k, f̂(y+δ_k) − f̂(y)> / Σ_k <δ_k, δ_k>``.

    This is Ye's estimator (1998, eq. 2.1, and the algorithm of §2.2) divided by the realised
    instead of the expected size of the disturbances: the same expectation for linear smoothers,
    less variance, and exact for 1-NN. Known answers: least squares with p terms gives p, k-NN n/k,
    1-NN n.

    *Classification is our extension.* The labels of a random subset are permuted among themselves,
    so that a quarter of all labels change at ``tau_fraction=0.5``; δ is the difference of the
    one-hot labels and sums to zero over samples, hence 1-NN gives n and a model that knows only the
    class frequencies gives 0.

    The disturbances depend on ``seed`` and ``y`` alone, never on the rung: rungs are compared under
    the same δ. Trap: a refit must repeat everything that looks at ``y`` with the same random seed;
    tuned settings are held fixed, so the search itself is not counted.

    Parameters
    ----------
    refit : targets ``(n,)`` -> fitted values at the same n points, ``(n,)``; for a classification
        codes ``(n,)`` -> probabilities ``(n, n_classes)``. Called ``replicates + 1`` times.
    y : ``(n,)`` float, or integer codes.
    tau_fraction : size of the disturbance in standard deviations of ``y``; for a classification
        twice the fraction of labels changed.
    replicates : number K of disturbances. The interval is a bootstrap over them (95 %).

    Raises
    ------
    InputError : constant ``y``, for which there is nothing to disturb.

    Examples
    --------
    >>> y = np.array([1.0, 2.0, 4.0, 8.0])
    >>> round(generalised_degrees_of_freedom(lambda y: y, y, replicates=2).value, 6)
    4.0
    """
    y = np.asarray(y)
    n = len(y)
    if n < 2 or np.all(y == y[0]):
        raise InputError(
            "Degrees of freedom need a target that varies.",
            got=f"{n} samples, all {y[:1].tolist()}",
        )
    rng = generator(seed, "degrees of freedom", task, tau_fraction)
    fitted = _checked(refit(y), y, n_classes)
    moved, size = np.empty(replicates), np.empty(replicates)
    for k in range(replicates):
        if task == "classification":
            disturbed = _permuted_labels(y, tau_fraction / 2, rng)
            delta = np.eye(n_classes)[disturbed] - np.eye(n_classes)[y]
        else:
            delta = rng.normal(0.0, tau_fraction * np.std(y), n)
            disturbed = y + delta
        moved[k] = np.sum(delta * (_checked(refit(disturbed), y, n_classes) - fitted))
        size[k] = np.sum(delta**2)
    value = n * float(moved.sum() / size.sum())
    low, high = _bootstrap_ratio(moved, size, n, rng)
    return Estimate(value, min(low, value), max(high, value), replicates)


def _checked(fitted: np.ndarray, y: np.ndarray, n_classes: int) -> np.ndarray:
    fitted = np.asarray(fitted, float)
    expected = (len(y), n_classes) if n_classes else (len(y),)
    if fitted.shape != expected:
        raise ValueError(f"refit must return {expected}, got {fitted.shape}")
    return fitted


def _permuted_labels(codes: np.ndarray, changed: float, rng: np.random.Generator) -> np.ndarray:
    """Codes with about ``changed`` of them altered by permuting a random subset."""
    n = len(codes)
    shares = np.bincount(codes) / n
    chance = 1.0 - np.sum(shares**2)  # that a permuted label differs
    m = int(np.clip(round(changed * n / chance), 2, n))
    while True:
        subset = rng.choice(n, m, replace=False)
        result = codes.copy()
        result[subset] = codes[rng.permutation(subset)]
        if np.any(result != codes):
            return result


def _bootstrap_ratio(
    moved: np.ndarray, size: np.ndarray, n: int, rng: np.random.Generator
) -> tuple[float, float]:
    """95 % interval of n Σ moved / Σ size over replicates, widened for small K."""
    k = len(moved)
    if k < 2:
        return float("nan"), float("nan")
    draws = rng.integers(k, size=(BOOTSTRAP, k))
    ratios = n * moved[draws].sum(1) / size[draws].sum(1)
    centre = n * moved.sum() / size.sum()
    low, high = np.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    widen = np.sqrt(k / (k - 1))  # the bootstrap's variance is (k-1)/k of the unbiased one
    return float(centre + widen * (low - centre)), float(centre + widen * (high - centre))


def complexity_share(gdf: Estimate, n: int) -> Estimate:
    """C1 = ln(1 + GDF)/ln(1 + n), clipped to [0, 1]; lower is simpler (DESIGN §4).

    Examples
    --------
    >>> complexity_share(Estimate(99.0), 99).value
    1.0
    >>> complexity_share(Estimate(0.0), 99).value
    0.0
    """

    def share(value: float) -> float:
        if not np.isfinite(value):
            return float("nan")
        return float(np.clip(np.log1p(max(value, 0.0)) / np.log1p(n), 0.0, 1.0))

    return Estimate(share(gdf.value), share(gdf.low), share(gdf.high), gdf.replicates, gdf.note)


def non_additivity(f: np.ndarray, phi: np.ndarray, seed: int = 0, *, folds: int = 5) -> Estimate:
    """C2 = 1 − max R²(f, g(φ)) over additive g, cross-validated; lower is simpler (DESIGN §4).

    Surrogates: ridge on φ, ridge on splines of each φ_j, and boosted single-feature trees on what
    the ridge leaves. Probabilities are also tried as log-odds, so that a model that is additive on
    either scale counts as additive. A constant ``f`` is 0 by definition; XOR and products give ~1.

    Trap: an upper bound. With few samples for many features the surrogates cannot follow even an
    additive ``f``; and what ``f`` reads that is not in φ (pixels) counts as non-additive.

    Parameters
    ----------
    f : the model's outputs, ``(n,)``, or probabilities ``(n, k)``. phi : descriptors ``(n, d)``,
        NaN where missing.

    Returns
    -------
    Estimate in [0, 1] with a bootstrap interval over samples; ``surrogate_r2`` is the best R².
    """
    f, phi = two_dimensional(f), imputed(phi)
    if _is_constant(f):
        return Estimate(0.0, 0.0, 0.0, len(f), "constant model", float("nan"))
    best = best_additive(f, phi, seed, folds)
    rng = generator(seed, "non-additivity", "bootstrap")
    draws = rng.integers(len(f), size=(BOOTSTRAP, len(f)))
    total = np.maximum(best.total[draws].sum(1), np.finfo(float).tiny)
    spread = best.lost[draws].sum(1) / total
    low, high = np.clip(np.quantile(spread, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]), 0.0, 1.0)
    value = float(np.clip(best.ratio, 0.0, 1.0))
    return Estimate(
        value, min(float(low), value), max(float(high), value), len(f), best.name, 1.0 - best.ratio
    )


def effective_features(
    f: np.ndarray,
    phi: np.ndarray,
    seed: int = 0,
    *,
    predict: Callable[[np.ndarray], np.ndarray] | None = None,
    repeats: int | None = None,
) -> Estimate:
    """C3 = exp(−Σ s_j ln s_j) / d over permutation shares s_j; lower is simpler (DESIGN §4).

    ``s_j`` is the mean squared change of the model's output when φ_j is permuted, as a share of
    the sum (Breiman 2001, doi 10.1023/A:1010933404324, with the model's own output as reference).
    With ``predict`` the features are permuted in f itself; without (f reads pixels) in an
    extra-trees surrogate of f, whose out-of-bag R² is returned. A constant f is 0 by definition;
    one feature alone gives 1/d, equal use of all gives 1.

    Trap: correlated features share the credit (or carry it together), and permuting them asks the
    model about samples that cannot exist.

    Parameters
    ----------
    f : ``(n,)`` or ``(n, k)`` outputs at ``phi``. predict : ``(m, d)`` -> ``(m,)`` or ``(m, k)``.
    repeats : permutations of all samples; by default up to 3, and for many features one of a random
        subset of the samples, so that the model is asked for about 24 000 rows.
    """
    f = two_dimensional(f)
    n, d = phi.shape
    if _is_constant(f):
        return Estimate(0.0, 0.0, 0.0, n, "constant model", shares=(0.0,) * d)
    quality, note = float("nan"), ""
    if predict is None:
        predict, quality, phi = _forest_surrogate(f, phi, seed)
        note = "permuted in an extra-trees surrogate"
        f = two_dimensional(predict(phi))
    rows, repeats = _affordable(n, d, repeats, seed)
    changes = _permutation_changes(predict, f[rows], phi, rows, repeats, seed)
    importance = changes.sum(0)
    value = _effective_share(importance)
    shares = tuple((importance / max(importance.sum(), np.finfo(float).tiny)).tolist())
    rng = generator(seed, "effective features", "bootstrap")
    draws = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=BOOTSTRAP)
    spread = [_effective_share(row) for row in draws @ changes]
    low, high = (float(q) for q in np.quantile(spread, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    return Estimate(value, min(low, value), max(high, value), repeats, note, quality, shares)


def _affordable(n: int, d: int, repeats: int | None, seed: int) -> tuple[np.ndarray, int]:
    """Which samples are permuted, and how often."""
    if repeats is not None:
        return np.arange(n), repeats
    affordable = PERMUTED_ROWS // d
    if affordable >= n:
        return np.arange(n), min(REPEATS, affordable // n)
    rng = generator(seed, "effective features", "samples")
    return np.sort(rng.permutation(n)[: max(FEWEST, affordable)]), 1


def _permutation_changes(
    predict: Callable[[np.ndarray], np.ndarray],
    f: np.ndarray,
    phi: np.ndarray,
    rows: np.ndarray,
    repeats: int,
    seed: int,
) -> np.ndarray:
    """Squared change of the output of each of ``rows`` by each permuted feature, ``(m, d)``."""
    m, d = len(rows), phi.shape[1]
    changes = np.zeros((m, d))
    at_once = max(1, MAX_ROWS // m)
    for repeat in range(repeats):
        donors = generator(seed, "effective features", repeat).permutation(len(phi))[:m]
        for start in range(0, d, at_once):
            columns = np.arange(start, min(start + at_once, d))
            batch = np.repeat(phi[rows][None], len(columns), axis=0)  # (columns, m, d)
            batch[np.arange(len(columns)), :, columns] = phi[donors][:, columns].T
            moved = two_dimensional(predict(batch.reshape(-1, d))).reshape(len(columns), m, -1)
            changes[:, columns] += np.sum((moved - f) ** 2, axis=2).T / repeats
    return changes


def _effective_share(importance: np.ndarray) -> float:
    total = importance.sum()
    if total <= 0:
        return 0.0
    shares = importance[importance > 0] / total
    return float(np.exp(-np.sum(shares * np.log(shares))) / len(importance))


def _forest_surrogate(
    f: np.ndarray, phi: np.ndarray, seed: int
) -> tuple[Callable[[np.ndarray], np.ndarray], float, np.ndarray]:
    from sklearn.ensemble import ExtraTreesRegressor

    phi = imputed(phi)
    target = f[:, 0] if f.shape[1] == 1 else f
    forest = ExtraTreesRegressor(
        200, bootstrap=True, oob_score=True, random_state=derive_seed(seed, "surrogate")
    ).fit(phi, target)
    return forest.predict, float(forest.oob_score_), phi


def composite(c1: float, c2: float, c3: float, weight: float = 0.5) -> float:
    """C = w C1 + (1 − w)/2 (C2 + C3); NaN where a part is missing (DESIGN §4).

    Examples
    --------
    >>> composite(0.8, 0.4, 0.2)
    0.55
    """
    return float(weight * c1 + (1.0 - weight) / 2.0 * (c2 + c3))


def _is_constant(f: np.ndarray) -> bool:
    """Whether the outputs vary by no more than rounding."""
    scale = max(float(np.max(np.abs(f))), np.finfo(float).tiny)
    return bool(np.max(np.ptp(f, axis=0)) <= 1e-10 * scale)
