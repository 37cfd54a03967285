"""Exact Gaussian process regression with one length scale a feature, and a classifier on top.

``f ~ GP(m, s² k(r))`` with ``r² = Σ_j (x_j − x'_j)² / l_j²``; ``k`` is the squared exponential or a
Matérn function. Hyper-parameters maximise the marginal likelihood times their priors (BoTorch).
Fitted estimators hold plain arrays only. References: Rasmussen & Williams 2006, eq. 2.22–2.30,
https://doi.org/10.7551/mitpress/3206.001.0001; Balandat et al. 2020, https://arxiv.org/abs/1910.06403.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

# No exponential kernel: its gradient is noisy where samples coincide, and the search breaks off.
KERNELS = ("rbf", "matern52", "matern32")

# BoTorch's length-scale prior is made for the unit cube; this is the spread of a uniform there.
UNIT_CUBE_SPREAD = 1 / math.sqrt(12)

# A step costs n² d and n³ for each latent function: hyper-parameters are found on a subset, which
# is smaller where there are more functions; the conditioning takes more samples.
MOST_FOR_SEARCH = 400
MOST_FOR_CONDITIONING = 4000

LATENT_DRAWS = 256


class _ARDProcess(BaseEstimator):
    """What the regressor and the classifier share: search, condition, predict latent values.

    Parameters
    ----------
    kernel : one of :data:`KERNELS`.
    steps : most steps of L-BFGS-B in the search for hyper-parameters.
    random_state : decides which samples are used where there are too many, and the latent draws.
    """

    def __init__(
        self, kernel: str = "rbf", steps: int = 50, random_state: int | None = None
    ) -> None:
        self.kernel = kernel
        self.steps = steps
        self.random_state = random_state

    def count_parameters(self) -> int:
        """Weights of the training samples and hyper-parameters."""
        return int(self.y_.size + sum(np.size(value) for value in self.hyperparameters_.values()))

    def _condition(self, x: np.ndarray, y: np.ndarray, noise: np.ndarray | None) -> None:
        """Find hyper-parameters for latent ``y`` ``(n, m)`` and keep what predictions need."""
        if self.kernel not in KERNELS:
            raise ValueError(f"kernel is {self.kernel!r}, allowed: {', '.join(KERNELS)}")
        limit = int(MOST_FOR_SEARCH / math.sqrt(y.shape[1]))
        order = np.arange(len(x))
        if len(x) > limit:
            order = np.random.default_rng(self.random_state).permutation(len(x))
        few, many = order[:limit], np.sort(order[:MOST_FOR_CONDITIONING])
        self.hyperparameters_ = _search(
            self.kernel, x[few], y[few], _rows(noise, few), self.steps, self.random_state
        )
        self.x_, self.y_, self.noise_ = x[many], y[many], _rows(noise, many)

    def _latent(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance ``(n, m)`` of the latent functions, in their own units."""
        import torch

        model = _model(self.kernel, self.x_, self.y_, self.noise_)
        model.load_state_dict(_tensors(self.hyperparameters_), strict=False)
        model.eval()
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            posterior = model.posterior(torch.from_numpy(x * UNIT_CUBE_SPREAD))
            mean, variance = posterior.mean.numpy(), posterior.variance.numpy()
        return mean, np.maximum(variance, 0.0)


class ARDRegressor(RegressorMixin, _ARDProcess):
    """Gaussian process regression with one length scale a feature, on standardised features."""

    def fit(self, X: Any, y: Any) -> ARDRegressor:
        X, y = validate_data(
            self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2, copy=True
        )
        y = np.asarray(y, dtype=np.float64)
        self.mean_ = float(y.mean())
        self.scale_ = float(y.std()) or 1.0
        self._condition(X, (y[:, None] - self.mean_) / self.scale_, None)
        return self

    def predict(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return self._latent(X)[0][:, 0] * self.scale_ + self.mean_


class ARDClassifier(ClassifierMixin, _ARDProcess):
    """Gaussian process regression on Dirichlet pseudo-counts, one latent function a class.

    With ``α = pseudo_count``, plus one for a sample's own class, ``σ² = ln(1/α + 1)`` and the
    target ``ln α − σ²/2`` match the moments of a log-normal to those of a gamma variable;
    probabilities are the mean of the softmax over draws of the latent values. Small pseudo-counts
    give confident probabilities; which suits the data is for tuning to find.
    """

    def __init__(
        self,
        kernel: str = "rbf",
        steps: int = 50,
        pseudo_count: float = 0.1,
        random_state: int | None = None,
    ) -> None:
        super().__init__(kernel, steps, random_state)
        self.pseudo_count = pseudo_count

    def fit(self, X: Any, y: Any) -> ARDClassifier:
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2, copy=True)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Classifier needs two classes or more, got one class: {y[0]!r}")
        counts = self.pseudo_count + np.eye(len(self.classes_))[codes]
        noise = np.log1p(1 / counts)
        latent = np.log(counts) - noise / 2
        self.mean_, self.scale_ = float(latent.mean()), float(latent.std())
        self._condition(X, (latent - self.mean_) / self.scale_, noise / self.scale_**2)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        mean, variance = self._latent(X)
        seed = 0 if self.random_state is None else self.random_state
        draws = np.random.default_rng(seed).standard_normal((LATENT_DRAWS // 2, mean.shape[1]))
        total = np.zeros_like(mean)
        for draw in np.concatenate([draws, -draws]):  # antithetic: the mean is met exactly
            total += softmax((mean + draw * np.sqrt(variance)) * self.scale_, axis=1)
        return total / (2 * len(draws))

    def predict(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]


def _model(kernel: str, x: np.ndarray, y: np.ndarray, noise: np.ndarray | None) -> Any:
    """The process before the data: one a column of the latent targets ``(n, m)``."""
    import torch

    with warnings.catch_warnings():
        # linear_operator still imports torch.jit; BoTorch asks for the unit cube and unit variance.
        warnings.simplefilter("ignore")
        from botorch.models import SingleTaskGP

        return SingleTaskGP(
            torch.from_numpy(x * UNIT_CUBE_SPREAD),
            torch.from_numpy(y),
            train_Yvar=None if noise is None else torch.from_numpy(noise),
            covar_module=_covariance(kernel, x.shape[1], y.shape[1], scaled=noise is not None),
            outcome_transform=None,
        ).double()


def _covariance(kernel: str, n_features: int, n_outputs: int, *, scaled: bool) -> Any:
    """``k(r)`` with BoTorch's prior on length scales; ``scaled`` adds the factor ``s²``."""
    import torch
    from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
    from gpytorch.kernels import MaternKernel, ScaleKernel

    batch = torch.Size([n_outputs] if n_outputs > 1 else [])
    covariance = get_covar_module_with_dim_scaled_prior(
        ard_num_dims=n_features, batch_shape=batch, use_rbf_kernel=kernel == "rbf"
    )
    if kernel == "matern32":
        smooth = covariance
        covariance = MaternKernel(
            nu=1.5,
            ard_num_dims=n_features,
            batch_shape=batch,
            lengthscale_prior=smooth.lengthscale_prior,
            lengthscale_constraint=smooth.raw_lengthscale_constraint,
        )
        covariance.lengthscale = smooth.lengthscale_prior.mode
    return ScaleKernel(covariance, batch_shape=batch) if scaled else covariance


def _search(
    kernel: str,
    x: np.ndarray,
    y: np.ndarray,
    noise: np.ndarray | None,
    steps: int,
    seed: int | None,
) -> dict[str, np.ndarray]:
    """Hyper-parameters at the maximum a posteriori; those of the prior where the search fails."""
    model = _model(kernel, x, y, noise)
    import torch
    from botorch.exceptions.errors import ModelFittingError
    from botorch.fit import fit_gpytorch_mll
    from gpytorch.mlls import ExactMarginalLogLikelihood

    start = _arrays(model)
    # A failed search starts again from a draw of torch's own generator: give it back as it was.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0 if seed is None else seed)
        try:
            fit_gpytorch_mll(
                ExactMarginalLogLikelihood(model.likelihood, model),
                optimizer_kwargs={"options": {"maxiter": steps}},
            )
        except ModelFittingError:
            return start
    return _arrays(model)


def _arrays(model: Any) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().copy() for name, value in model.named_parameters()}


def _tensors(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    import torch

    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def _rows(values: np.ndarray | None, index: np.ndarray) -> np.ndarray | None:
    return None if values is None else values[index]
