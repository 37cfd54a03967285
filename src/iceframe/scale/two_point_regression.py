"""Two-point statistics, their principal components, and a polynomial: the MKS classic.

For an image ``m`` and a lag ``r``, ``A(r) = ⟨m(x) m(x + r)⟩`` (for two phases the probability that
both ends lie in the second one), at all lags up to a reach along every axis. Where a mirrored image
has the same target, lags that a mirror maps onto each other are averaged: that halves (in 3-D,
quarters) what must be learned. The maps of the training images are centred and projected on their
first ``p`` principal components; the standardised scores ``t`` enter all products ``Π t_i^{e_i}``
up to a total degree, and these a ridge (or logistic) regression. As a torch module the whole is
differentiable to every pixel.

Reference: Kalidindi, Hierarchical Materials Informatics (2015); Cecen et al. 2018,
doi:10.1016/j.actamat.2017.11.053.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement, product
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from iceframe.core.dataset import ImageSource
from iceframe.core.errors import InputError
from iceframe.scale.image_batches import READ_BATCH, as_source, reduce, reduction
from iceframe.scale.image_network import WholeModel
from iceframe.scale.log_odds import SoftmaxAnswers, logistic_scores

# Components that are kept for a fit; how many of them the polynomial uses is a setting.
MOST_COMPONENTS = 40
_FITTED = ("image_shape_", "factor_", "centre_", "axes_", "width_", "weights_", "intercept_")


class Autocorrelation(nn.Module):
    """``A(r)`` of each channel: ``(n, channels, *grid)`` to ``(n, features)``.

    ``reach``: largest lag along each axis, at most half the shortest side (0 means that). Of the
    pair ``r`` and ``−r``, which are equal, one is kept; with ``mirrored``, one of all lags that
    differ in signs only, their mean. Without ``periodic`` only pairs of points that both lie
    inside count.
    """

    place: Tensor
    pairs: Tensor

    def __init__(
        self, grid: tuple[int, ...], periodic: bool, reach: int = 0, mirrored: bool = False
    ) -> None:
        super().__init__()
        most = min(grid) // 2
        most = min(reach, most) if reach else most
        size = grid if periodic else tuple(side + most for side in grid)
        self.size, dimensions = size, len(grid)
        lags = np.stack(np.meshgrid(*[np.arange(-most, most + 1)] * dimensions, indexing="ij"), -1)
        lags = lags.reshape(-1, dimensions)
        if mirrored:
            lags = lags[(lags >= 0).all(axis=1)]
            signs = np.array([(1, *rest) for rest in product((1, -1), repeat=dimensions - 1)])
        else:
            lags = lags[len(lags) // 2 :]  # the second half, lag zero first: the first mirrors it
            signs = np.ones((1, dimensions), int)
        self.lags = lags
        every = lags[:, None] * signs  # (features, alike, D)
        flat = np.ravel_multi_index(tuple(np.moveaxis(every % np.array(size), -1, 0)), size)
        free = np.array(grid) - (0 if periodic else np.abs(every))
        self.register_buffer("place", torch.as_tensor(flat))
        self.register_buffer("pairs", torch.as_tensor(free.prod(axis=-1), dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        axes = tuple(range(2, x.ndim))
        spectrum = torch.fft.rfftn(x, s=self.size, dim=axes)
        power = torch.fft.irfftn(spectrum.abs().square(), s=self.size, dim=axes)
        chosen = power.flatten(2)[:, :, self.place] / self.pairs  # (n, channels, features, alike)
        return chosen.mean(dim=-1).flatten(1)


class PolynomialOfScores(nn.Module):
    """``features -> Σ_e w_e Π_i t_i^{e_i} + b`` with ``t`` the standardised scores."""

    def __init__(
        self,
        statistics: Autocorrelation,
        fitted: Mapping[str, np.ndarray],
        exponents: np.ndarray,
    ) -> None:
        super().__init__()
        self.statistics = statistics
        for name, value in fitted.items():
            self.register_buffer(name, torch.as_tensor(np.asarray(value), dtype=torch.float32))
        self.exponents = exponents

    def forward(self, x: Tensor) -> Tensor:
        scores = (self.statistics(x) - self.centre) @ self.axes.T / self.width
        return products(scores, self.exponents) @ self.weights.T + self.intercept


def exponents_up_to(components: int, degree: int) -> np.ndarray:
    """All exponents ``(terms, components)`` with a sum from 1 to ``degree``.

    Examples
    --------
    >>> exponents_up_to(2, 2).tolist()
    [[1, 0], [0, 1], [2, 0], [1, 1], [0, 2]]
    """
    rows = []
    for total in range(1, degree + 1):
        for chosen in combinations_with_replacement(range(components), total):
            rows.append(np.bincount(np.array(chosen), minlength=components))
    return np.array(rows)


def products(scores: Any, exponents: np.ndarray) -> Any:
    """``Π_i t_i^{e_i}`` ``(n, terms)`` of scores ``(n, p)``, NumPy or torch.

    Examples
    --------
    >>> products(np.array([[2.0, 3.0]]), exponents_up_to(2, 2)).tolist()
    [[2.0, 3.0, 4.0, 6.0, 9.0]]
    """
    ones = scores[:, :1] * 0 + 1
    columns = []
    for row in exponents:
        term = ones
        for i in np.flatnonzero(row):
            term = term * scores[:, i : i + 1] ** int(row[i])
        columns.append(term)
    stack = np.concatenate if isinstance(scores, np.ndarray) else torch.cat
    return stack(columns, 1)


class _TwoPointModel(BaseEstimator):
    """What both tasks share. ``components``: how many scores; ``degree`` of the polynomial;
    ``penalty`` of the ridge; ``reach``: largest lag in pixels (0: half the shortest side);
    ``periodic``: opposite edges meet; ``symmetries``: ``flip`` says that a mirrored image has the
    same target; ``factor``: reduction of the images (default: by their size)."""

    task: str

    def __init__(
        self,
        *,
        components: int = 10,
        degree: int = 2,
        penalty: float = 1.0,
        reach: int = 0,
        periodic: bool = False,
        symmetries: Sequence[str] = (),
        factor: int | None = None,
    ) -> None:
        self.components = components
        self.degree = degree
        self.penalty = penalty
        self.reach = reach
        self.periodic = periodic
        self.symmetries = symmetries
        self.factor = factor

    def fit(self, X: ImageSource | np.ndarray, y: np.ndarray) -> Any:
        """Fit to images ``X`` and targets or classes ``y`` ``(n,)``, or several targets
        ``(n, k)``."""
        source = as_source(X, self.periodic)
        y = np.asarray(y)
        if len(source) != len(y) or len(source) < 2:
            raise InputError("Images and targets must match.", got=(len(source), len(y)))
        self.image_shape_ = np.array(source.shape)
        self.factor_ = int(self.factor or reduction(source.shape))
        scores = self._fit_components(self._features(source))
        terms = products(scores, self._exponents())
        self._fit_terms(terms, y)
        for name in ("centre_", "axes_", "width_", "weights_", "intercept_"):
            # The layout that storage keeps: products of another one round differently.
            setattr(self, name, np.array(getattr(self, name), order="C"))
        return self

    def _fit_components(self, features: np.ndarray) -> np.ndarray:
        """Learn centre, axes and widths; the standardised scores ``(n, p)``."""
        from sklearn.decomposition import PCA

        number = max(1, min(self.components, MOST_COMPONENTS, len(features) - 1, features.shape[1]))
        exact = min(features.shape) <= 4 * MOST_COMPONENTS
        solver = "full" if exact else "randomized"
        pca = PCA(number, svd_solver=solver, random_state=0).fit(features)
        self.centre_, self.axes_ = pca.mean_, pca.components_
        scores = (features - self.centre_) @ self.axes_.T
        width = scores.std(axis=0)
        self.width_ = np.where(width > 1e-7 * max(width.max(), 1e-30), width, 1.0)
        return scores / self.width_

    def _exponents(self) -> np.ndarray:
        return exponents_up_to(len(self.axes_), self.degree)

    def _features(self, source: ImageSource) -> np.ndarray:
        """Autocorrelations float64 ``(n, features)``."""
        statistics = self._statistics()
        parts = []
        with torch.inference_mode():
            for start in range(0, len(source), READ_BATCH):
                index = np.arange(start, min(start + READ_BATCH, len(source)))
                x = torch.from_numpy(np.array(source.read(index), np.float32))
                parts.append(statistics(reduce(x, self.factor_)).numpy())
        return np.concatenate(parts).astype(np.float64)

    def _statistics(self) -> Autocorrelation:
        grid = tuple(int(side) // self.factor_ for side in self.image_shape_[1:])
        return Autocorrelation(grid, self.periodic, self.reach, "flip" in self.symmetries)

    def _outputs(self, X: ImageSource | np.ndarray) -> np.ndarray:
        """Predictions ``(n, outputs)`` before the link."""
        check_is_fitted(self, "weights_")
        source = as_source(X, self.periodic)
        if tuple(source.shape) != tuple(self.image_shape_):
            raise InputError(
                "These images have another shape than those the model was fitted on.",
                got=tuple(source.shape),
                allowed=tuple(int(side) for side in self.image_shape_),
                hint="read them with the same size",
            )
        if len(source) == 0:
            return np.zeros((0, len(self.weights_)))
        scores = (self._features(source) - self.centre_) @ self.axes_.T / self.width_
        return products(scores, self._exponents()) @ self.weights_.T + self.intercept_

    def torch_model(self) -> nn.Module:
        """The whole model, differentiable: images ``(n, channels, *grid)`` to ``(n, outputs)``."""
        check_is_fitted(self, "weights_")
        names = ("centre", "axes", "width", "weights", "intercept")
        fitted = {name: getattr(self, name + "_") for name in names}
        module = PolynomialOfScores(self._statistics(), fitted, self._exponents())
        return WholeModel(module, self.factor_, 1.0, 0.0).eval()

    def n_parameters(self) -> int:
        """Fitted numbers: the axes of the components and the weights of the terms."""
        return int(self.axes_.size + self.weights_.size + self.intercept_.size)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON values that :meth:`restore` needs."""
        arrays = {name: np.atleast_1d(getattr(self, name)) for name in _FITTED if name != "factor_"}
        values: dict[str, Any] = {"factor_": self.factor_}
        if self.task == "classification":
            values["classes_"] = self.classes_.tolist()
        return arrays, values

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> Any:
        """Become the fitted estimator that gave this state."""
        needed = {name for name in _FITTED if name != "factor_"}
        if set(arrays) != needed or "factor_" not in values:
            raise InputError(
                "This stored model does not fit its settings.",
                got=", ".join(sorted(arrays)),
                allowed=", ".join(sorted(needed)),
                hint="restore the rung's folder from a copy, or delete it and run again",
            )
        for name, array in arrays.items():
            setattr(self, name, np.asarray(array))
        self.factor_ = int(values["factor_"])
        if self.task == "classification":
            self.classes_ = np.array(values["classes_"])
        return self

    def _fit_terms(self, terms: np.ndarray, y: np.ndarray) -> None:
        raise NotImplementedError


class TwoPointRegressor(RegressorMixin, _TwoPointModel):
    """Polynomial ridge on the principal components of two-point statistics."""

    task = "regression"

    def _fit_terms(self, terms: np.ndarray, y: np.ndarray) -> None:
        from sklearn.linear_model import Ridge

        model = Ridge(alpha=self.penalty).fit(terms, np.asarray(y, float))
        self.weights_ = np.atleast_2d(model.coef_)
        self.intercept_ = np.atleast_1d(model.intercept_)

    def predict(self, X: ImageSource | np.ndarray) -> np.ndarray:
        """Predictions ``(n,)``, or ``(n, k)`` of several targets, in the target's unit."""
        answers = self._outputs(X)
        return answers[:, 0] if len(self.weights_) == 1 else answers


class TwoPointClassifier(SoftmaxAnswers, ClassifierMixin, _TwoPointModel):
    """Logistic regression on the same terms."""

    task = "classification"

    def _fit_terms(self, terms: np.ndarray, y: np.ndarray) -> None:
        from sklearn.linear_model import LogisticRegression

        self.classes_ = np.unique(y)
        if len(self.classes_) == 1:
            self.weights_ = np.zeros((1, terms.shape[1]))
            self.intercept_ = np.zeros(1)
            return
        model = LogisticRegression(C=1.0 / self.penalty, max_iter=3000).fit(terms, y)
        self.weights_, self.intercept_ = logistic_scores(model)
