"""How strange a sample is to the training data, in whatever represents it.

Columns are centred on their median and divided by their robust spread s_j (interquartile range /
1.349, at least a fifth of the standard deviation, so that no column of mostly zeros rules alone);
a missing value lies at the median. With z the scaled row and d the number of columns:

* ``knn``: s(x) = mean over the k nearest training samples of ‖z(x) − z_i‖ / √d (Sun, Ming, Zhu &
  Li 2022, arXiv 2204.06507).
* ``mahalanobis``: s(x) = min_c √((z − μ_c)ᵀ Σ⁻¹ (z − μ_c) / d), with the means μ_c of the classes
  (one class where no labels are given) and one covariance Σ within classes (Lee, Lee, Lee & Shin
  2018, arXiv 1807.03888), shrunk as Ledoit & Wolf say (2004, doi 10.1016/S0047-259X(03)00096-4).

Higher is stranger. The conformal p-value of a score, (1 + #{left-out scores ≥ s}) / (n + 1), is
small for a stranger (Bates, Candès, Lei, Romano & Sesia 2023, doi 10.1214/22-AOS2244): of samples
like the training ones, at most about a share p has a p-value of p or less. About, since a left-out
sample is compared with a few samples fewer than a new one.

Trap: novelty is not error. A strange sample may be easy, and a usual one hard.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from iceframe.core.errors import InputError
from iceframe.core.seeds import derive_seed, generator

Method = Literal["knn", "mahalanobis"]

NEIGHBOURS = 5
LEAST_SHARE = 0.2  # of the standard deviation, for a column's spread
NORMAL_QUARTILES = 1.349  # interquartile range of a standard normal
MOST_REFERENCE = 10_000  # training samples that new ones are compared with
MOST_LEFT_OUT = 2_000  # training samples whose own left-out score is worked out
FOLDS = 5
CHUNK = 4_000_000  # distances held at once


@dataclass(frozen=True)
class Novelty:
    """A fitted measure of strangeness; see :meth:`fit`.

    ``centre``, ``spread`` ``(d,)`` of the columns; ``reference`` ``(r, d)``: the scaled training
    samples (knn) or class means (mahalanobis); ``whitening`` ``(d, d)`` with Σ⁻¹ = W Wᵀ, empty for
    knn; ``left_out``: ascending scores of training samples that were left out.
    """

    centre: np.ndarray
    spread: np.ndarray
    reference: np.ndarray
    whitening: np.ndarray
    left_out: np.ndarray
    neighbours: int = NEIGHBOURS

    @classmethod
    def fit(
        cls,
        x: np.ndarray,
        *,
        method: Method = "knn",
        labels: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        neighbours: int = NEIGHBOURS,
        seed: int = 0,
    ) -> Novelty:
        """Learn what is usual from a representation ``(n, d)``; NaN where a value is missing.

        Parameters
        ----------
        labels : ``(n,)`` classes, for ``mahalanobis``; knn looks at no labels.
        groups : ``(n,)``; samples that share one (a specimen, near-duplicates) are left out
            together, so that a twin does not make a sample look usual.
        neighbours : k, for knn; fewer where there are fewer.
        seed : of the draw of ``MOST_REFERENCE`` samples from larger sets, and of the folds.

        Raises
        ------
        InputError : fewer than two samples, no column, or a value that is infinite.

        Examples
        --------
        >>> novelty = Novelty.fit(np.array([[0.0], [1.0], [2.0], [3.0]]), neighbours=1)
        >>> novelty.score(np.array([[1.0], [9.0]])).round(3).tolist()
        [0.0, 5.396]
        >>> novelty.p_values(np.array([[1.0], [9.0]])).tolist()
        [1.0, 0.2]
        """
        x = _rows(x)
        if method not in ("knn", "mahalanobis"):
            raise ValueError(f"method must be knn or mahalanobis, got {method!r}")
        if len(x) < 2:
            raise InputError("Novelty needs two samples or more.", got=len(x), allowed="2 or more")
        labels = np.zeros(len(x), int) if labels is None else _codes(labels, len(x), "labels")
        groups = np.arange(len(x)) if groups is None else _codes(groups, len(x), "groups")
        if len(np.unique(groups)) == 1:
            groups = np.arange(len(x))
        if len(x) > MOST_REFERENCE:
            kept = generator(seed, "novelty").choice(len(x), MOST_REFERENCE, replace=False)
            x, labels, groups = (part[np.sort(kept)] for part in (x, labels, groups))
        centre, spread = _robust_scale(x)
        z = _scaled(x, centre, spread)
        if method == "knn":
            some = _some(len(z), seed)
            left_out = _mean_distances(z[some], z, neighbours, groups[some], groups)
            parts = z, np.empty((0, 0))
        else:
            left_out = np.empty(len(z))
            for train, test in _folds(groups, seed):
                left_out[test] = _mahalanobis(z[test], *_gaussians(z[train], labels[train]))
            parts = _gaussians(z, labels)
        return cls(centre, spread, *parts, np.sort(left_out), neighbours)

    @property
    def method(self) -> Method:
        return "mahalanobis" if self.whitening.size else "knn"

    def score(self, x: np.ndarray) -> np.ndarray:
        """How strange each row of ``x`` ``(m, d)`` is, in standard deviations a column: ``(m,)``.

        Raises
        ------
        InputError : another number of columns than at the fit, or a value that is infinite.
        """
        x = _rows(x)
        if x.shape[1] != len(self.centre):
            raise InputError(
                "These samples have another number of columns than the training data.",
                got=x.shape[1],
                allowed=len(self.centre),
                hint="represent them as the training data were",
            )
        z = _scaled(x, self.centre, self.spread)
        if self.method == "mahalanobis":
            return _mahalanobis(z, self.reference, self.whitening)
        return _mean_distances(z, self.reference, self.neighbours)

    def p_values(self, x: np.ndarray) -> np.ndarray:
        """Conformal p-values ``(m,)`` in (0, 1] of rows ``(m, d)``; small for a stranger."""
        return self.p_values_of(self.score(x))

    def p_values_of(self, scores: np.ndarray) -> np.ndarray:
        """Conformal p-values ``(m,)`` of scores ``(m,)``."""
        n = len(self.left_out)
        beyond = n - np.searchsorted(self.left_out, np.asarray(scores, float), side="left")
        return (1.0 + beyond) / (n + 1.0)

    def state(self) -> dict[str, np.ndarray]:
        """Everything that it learned, as numeric arrays by name."""
        return {
            "centre": self.centre,
            "spread": self.spread,
            "reference": self.reference,
            "whitening": self.whitening,
            "left_out": self.left_out,
            "neighbours": np.array([self.neighbours]),
        }

    @classmethod
    def from_state(cls, arrays: Mapping[str, np.ndarray]) -> Novelty:
        """The value that :meth:`state` gave.

        Raises
        ------
        InputError : an array is missing or of another shape.
        """
        try:
            parts = {name: np.asarray(arrays[name], float) for name in _ARRAYS}
            found = cls(**parts, neighbours=int(np.asarray(arrays["neighbours"]).item()))
            d = len(found.centre)
            if not (
                found.centre.shape == found.spread.shape == (d,)
                and found.reference.shape[1:] == (d,)
                and found.whitening.shape in ((0, 0), (d, d))
                and found.left_out.ndim == 1
            ):
                raise ValueError("the shapes of the arrays do not match")
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                "The stored measure of novelty is damaged or of another version.",
                got=f"{type(error).__name__}: {error}",
                hint="restore the folder from a copy, or run again",
            ) from error
        return found


_ARRAYS = ("centre", "spread", "reference", "whitening", "left_out")


def ensemble_disagreement(predictions: np.ndarray) -> np.ndarray:
    """How far the members of an ensemble differ on each sample: ``(m,)``, higher is stranger.

    Values ``(members, m)``: their standard deviation, in the unit of the target (Lakshminarayanan,
    Pritzel & Blundell 2017, arXiv 1612.01474). Probabilities ``(members, m, k)``: entropy of the
    mean minus mean of the entropies, in nats, which is the information that the answer would give
    about the model (Houlsby et al. 2011, arXiv 1112.5745).

    Raises
    ------
    InputError : fewer than two members, or a value that is not finite.

    Examples
    --------
    >>> ensemble_disagreement(np.array([[1.0, 5.0], [3.0, 5.0]])).round(3).tolist()
    [1.414, 0.0]
    >>> sure_but_different = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    >>> ensemble_disagreement(sure_but_different).round(3).tolist()    # ln 2
    [0.693]
    """
    predictions = np.asarray(predictions, float)
    if predictions.ndim not in (2, 3) or len(predictions) < 2:
        raise InputError(
            "Disagreement needs the predictions of two models or more.",
            got=f"shape {predictions.shape}",
            allowed="(members, samples) or (members, samples, classes)",
        )
    _require_finite(predictions, "the predictions of the ensemble")
    if predictions.ndim == 2:
        return np.asarray(predictions.std(axis=0, ddof=1))
    information = _entropy(predictions.mean(axis=0)) - _entropy(predictions).mean(axis=0)
    return np.maximum(information, 0.0)


def _entropy(p: np.ndarray) -> np.ndarray:
    from scipy import special

    return np.asarray(special.entr(p).sum(axis=-1))


# -- scaling ---------------------------------------------------------------------------------------


def _rows(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, float)
    if x.ndim != 2 or not x.shape[1]:
        raise InputError(
            "Novelty needs a table of numbers.", got=f"shape {x.shape}", allowed="(samples, d)"
        )
    if np.isinf(x).any():
        row, column = np.argwhere(np.isinf(x))[0]
        raise InputError(
            "Novelty cannot be told from an infinite value.",
            where=f"row {row}, column {column}",
            got=x[row, column],
            allowed="numbers; NaN where a value is missing",
        )
    return x


def _require_finite(values: np.ndarray, what: str) -> None:
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise InputError(
            f"Not all of {what} are numbers.", got=f"{bad} NaN or infinite", allowed="finite values"
        )


def _codes(values: np.ndarray, n: int, what: str) -> np.ndarray:
    values = np.asarray(values)
    if values.shape != (n,):
        raise ValueError(f"{what} {values.shape} do not match {n} samples")
    return np.asarray(np.unique(values, return_inverse=True)[1])


def _robust_scale(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and spread of each column; a constant is measured by its own size, or by 1."""
    known = np.isfinite(x).any(axis=0)
    filled = np.where(known, x, 0.0)
    low, centre, high = np.nanquantile(filled, [0.25, 0.5, 0.75], axis=0)
    spread = np.maximum((high - low) / NORMAL_QUARTILES, LEAST_SHARE * np.nanstd(filled, axis=0))
    size = np.abs(centre)
    constant = spread <= 1e-12 * size
    return centre, np.where(constant, np.where(size > 0, size, 1.0), spread)


def _scaled(x: np.ndarray, centre: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return np.nan_to_num((x - centre) / spread, nan=0.0)


# -- distances -------------------------------------------------------------------------------------


def _mean_distances(
    z: np.ndarray,
    reference: np.ndarray,
    neighbours: int,
    groups: np.ndarray | None = None,
    reference_groups: np.ndarray | None = None,
) -> np.ndarray:
    """Mean distance ``(m,)`` to the nearest of ``reference``, over √d; own group left out."""
    from scipy.spatial.distance import cdist

    found = np.empty(len(z))
    step = max(1, CHUNK // len(reference))
    for start in range(0, len(z), step):
        part = slice(start, start + step)
        distance = cdist(z[part], reference)
        if groups is not None and reference_groups is not None:
            distance[groups[part, None] == reference_groups[None]] = np.inf
        k = min(neighbours, len(reference))
        nearest = np.partition(distance, k - 1, axis=1)[:, :k]
        there = np.isfinite(nearest)
        found[part] = np.where(there, nearest, 0.0).sum(axis=1) / there.sum(axis=1)
    return found / np.sqrt(z.shape[1])


def _some(n: int, seed: int) -> np.ndarray:
    if n <= MOST_LEFT_OUT:
        return np.arange(n)
    return np.sort(generator(seed, "novelty left out").choice(n, MOST_LEFT_OUT, replace=False))


def _gaussians(z: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class means ``(c, d)`` and whitening ``(d, d)`` of the shrunk covariance within classes."""
    from sklearn.covariance import ledoit_wolf

    classes, code = np.unique(labels, return_inverse=True)
    count = np.bincount(code)
    means = np.zeros((len(classes), z.shape[1]))
    np.add.at(means, code, z)
    means /= count[:, None]
    within = z - means[code]
    if not within.any():  # every sample lies on the mean of its class
        return means, np.eye(z.shape[1])
    covariance, _ = ledoit_wolf(within, assume_centered=True)
    value, vector = np.linalg.eigh(np.atleast_2d(covariance))
    return means, vector / np.sqrt(np.maximum(value, 1e-9 * value[-1]))


def _mahalanobis(z: np.ndarray, means: np.ndarray, whitening: np.ndarray) -> np.ndarray:
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(z @ whitening, means @ whitening).min(axis=1) / np.sqrt(z.shape[1]))


def _folds(groups: np.ndarray, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    from sklearn.model_selection import GroupKFold

    folds = min(FOLDS, len(np.unique(groups)))
    state = derive_seed(seed, "novelty folds")
    kind = GroupKFold(folds, shuffle=True, random_state=state)
    yield from kind.split(np.zeros((len(groups), 1)), groups=groups)
