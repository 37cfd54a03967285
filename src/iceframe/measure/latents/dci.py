"""DCI: disentanglement, completeness and informativeness of a code, from one model a factor.

Eastwood & Williams 2018 (ICLR, openreview By-7dz-AZ), §2. A model predicts each factor j from all
latents; R_ij ≥ 0 is how important latent i is to it. With P_ij = R_ij/Σ_j R_ij (a latent's shares)
and Q_ij = R_ij/Σ_i R_ij (a factor's shares), and H_b the entropy to base b,

    D_i = 1 − H_k(P_i.),   D = Σ_i w_i D_i,  w_i = Σ_j R_ij / Σ_ij R_ij      (disentanglement)
    C_j = 1 − H_d(Q_.j),   C = mean_j C_j                                   (completeness)

Informativeness is the held-out score of the models: R² of a number, balanced accuracy of a class
from 0 at chance to 1 (there: the error; here higher is better, and 0 is what a constant knows).

Every factor's importances are divided by their sum, so that each factor counts alike in w. A factor
that cannot be predicted (held-out score under :data:`LEAST_SCORE`) has no importances: those of a
model that predicts nothing are noise, and a lasso that keeps one latent of noise would be called
complete. Its completeness is 0, it has no say in D, and a note says so; where no factor can be
predicted, D = C = 0.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from iceframe.core.errors import UsageError
from iceframe.core.seeds import derive_seed, generator
from iceframe.measure.latents.latent_code import (
    Code,
    Score,
    checked,
    draw,
    scored,
    standardised,
    undefined,
)

Importance = Literal["permutation", "forest", "boosting", "lasso"]

LEAST_SCORE = 0.05
TEST_SHARE = 1 / 3
TREES = 50
SHUFFLES = 2
TREE_SAMPLES = 1000  # drawn for each tree of a forest at most: enough, and the time stays bounded
LEAVES = (3, 10, 30)  # samples in a leaf at least: the one that predicts best is used
CLASS_PENALTY = 0.01  # of the lasso for classes, per sample


@dataclass(frozen=True)
class DCI:
    """The three scores, and importances ``(d, k)``: a column sums to 1 (to 0 where the factor
    cannot be predicted) and is NaN for a constant factor.

    ``disentanglement.parts`` are D_i, one a latent, NaN for latents that no model uses;
    ``completeness.parts`` and ``informativeness.parts`` are one a factor.
    """

    disentanglement: Score
    completeness: Score
    informativeness: Score
    importance: np.ndarray


def dci(
    latents: np.ndarray,
    factors: np.ndarray,
    *,
    classes: Sequence[int] = (),
    importance: Importance = "permutation",
    resamples: int = 20,
    seed: int = 0,
) -> DCI:
    """DCI of latents ``(n, d)`` for factors ``(n, k)``; each in [0, 1], higher is better.

    ``importance`` is one of

    * ``permutation``: by how much a latent's shuffling raises the held-out squared error of a
      forest of 50 trees (Breiman 2001, doi 10.1023/A:1010933404324; Brier score for a class);
    * ``forest``: decrease of impurity in the same forest, as published;
    * ``boosting``: decrease of impurity in 50 boosted trees;
    * ``lasso``: |coefficients| on standardised latents (for a class summed over the classes of a
      softmax regression); linear, sparse, fast.

    Models are fitted to two thirds of the samples and scored on the rest. Each resample refits all
    of them; the lasso's penalty and the size of the trees' leaves are tuned once. Measured on one
    core, a fit takes 0.1 s a factor for 1,000 samples of 3 latents, 0.6 s for 5,000 of 16.

    The interval leaves out the choice of split and settings. Measured with the lasso on a code that
    is half entangled (400 samples, 60 resamples), it holds the truth of D and of C in 97 of 100
    draws; for trees it was not measured, and their bias at small n is not in it.

    How it depends on n: with fewer samples models predict worse, and importance leaks to latents of
    noise, so that D and C fall; informativeness is held out and thus falls too. Compare at one n.

    Traps: impurity gives importance to latents of noise wherever the factor is only partly known
    (measured: a latent that knows one factor of three, all three known to R² = 0.5 to 1, has D_i =
    0.5 instead of 1), hence the default; a rotated code is informative yet neither disentangled nor
    complete; with the lasso a bent latent looks useless, and of two copies of a latent it takes one
    and calls the code complete; the others share the importance among copies, which lowers C and
    leaves D.

    Raises
    ------
    InputError, UsageError : as :func:`~iceframe.measure.latents.latent_code.checked`, and for an
        unknown ``importance``.
    """
    if importance not in get_args(Importance):
        raise UsageError(
            "Unknown importance for DCI.", got=importance, allowed=", ".join(get_args(Importance))
        )
    code = checked(latents, factors, classes)
    rng = generator(seed, "dci")
    order = rng.permutation(code.n)
    cut = int(code.n * TEST_SHARE)
    test, train = np.sort(order[:cut]), np.sort(order[cut:])
    models = [_Model(code, j, importance, train, derive_seed(seed, "dci", j)) for j in code.varying]
    if not models:
        none = [undefined(name, code, "No factor varies.", of) for name, of in _KINDS]
        table = np.full((code.latents.shape[1], code.factors.shape[1]), np.nan)
        return DCI(none[0], none[1], none[2], table)
    own = _measured(models, train, test)
    again = [_measured(models, draw(train, rng), draw(test, rng)) for _ in range(resamples)]
    return _report(code, own, again)


_KINDS: tuple[tuple[str, Literal["latent", "factor"]], ...] = (
    ("DCI disentanglement", "latent"),
    ("DCI completeness", "factor"),
    ("DCI informativeness", "factor"),
)


@dataclass(frozen=True)
class _Measured:
    """Importances ``(d, k)``, and held-out scores ``(k,)``, of the factors that vary."""

    importance: np.ndarray
    scores: np.ndarray

    def disentanglement(self) -> tuple[np.ndarray, float]:
        """D_i ``(d,)`` and D."""
        each = 1.0 - _entropy(self.importance, axis=1)
        weight = self.importance.sum(axis=1)
        if not weight.any():
            return each, 0.0
        return each, float(np.nansum(each * weight) / weight.sum())

    def completeness(self) -> np.ndarray:
        """C_j ``(k,)``."""
        return np.nan_to_num(1.0 - _entropy(self.importance, axis=0), nan=0.0)


def _report(code: Code, own: _Measured, again: list[_Measured]) -> DCI:
    notes = []
    unread = [j for j, s in zip(code.varying, own.importance.sum(axis=0), strict=True) if not s]
    if unread:
        listed = ", ".join(map(str, unread))
        notes.append(f"Factors that the latents do not predict have no importances: {listed}.")
    each, value = own.disentanglement()
    replicates = np.array([m.disentanglement()[1] for m in again])
    if len(code.varying) > 1:
        first = scored(_KINDS[0][0], code, each, replicates, of="latent", value=value, notes=notes)
    else:
        first = undefined(_KINDS[0][0], code, "Disentanglement needs two factors.", "latent")
    if code.latents.shape[1] > 1:
        spread = np.array([m.completeness().mean() for m in again])
        second = scored(_KINDS[1][0], code, own.completeness(), spread, notes=notes)
    else:
        second = undefined(_KINDS[1][0], code, "Completeness needs two latents.")
    known = np.array([np.clip(m.scores, 0, 1).mean() for m in again])
    third = scored(_KINDS[2][0], code, np.clip(own.scores, 0, 1), known, notes=notes)
    table = np.full((code.latents.shape[1], code.factors.shape[1]), np.nan)
    table[:, list(code.varying)] = own.importance
    return DCI(first, second, third, table)


def _measured(models: Sequence[_Model], train: np.ndarray, test: np.ndarray) -> _Measured:
    found = [model.measure(train, test) for model in models]
    return _Measured(np.column_stack([i for i, _ in found]), np.array([s for _, s in found]))


def _entropy(importance: np.ndarray, axis: int) -> np.ndarray:
    """Entropy of the shares along ``axis``, to the base of their number; NaN of nothing."""
    from scipy import special

    total = importance.sum(axis=axis, keepdims=True)
    shares = importance / np.where(total > 0, total, np.nan)
    base = max(importance.shape[axis], 2)
    return special.entr(shares).sum(axis=axis) / np.log(base)


class _Model:
    """The model of one factor; settings are chosen once, on the samples ``train``."""

    def __init__(
        self, code: Code, factor: int, kind: Importance, train: np.ndarray, seed: int
    ) -> None:
        self.z = standardised(code.latents)
        self.classes = factor in code.classes
        v = code.factors[:, factor]
        self.v = (
            np.unique(v, return_inverse=True)[1] if self.classes else standardised(v[:, None])[:, 0]
        )
        self.kind, self.seed = kind, seed
        self.setting = self._tuned(train)

    def measure(self, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, float]:
        """Importances ``(d,)`` that sum to 1 (or 0), and the score on ``test``."""
        nothing = np.zeros(self.z.shape[1])
        if len(np.unique(self.v[train])) < 2 or len(np.unique(self.v[test])) < 2:
            return nothing, 0.0
        model = self._fitted(train)
        score = self._score(model.predict(self.z[test]), self.v[test])
        weight = self._importance(model, test)
        # balanced accuracy of noise is not exactly 0: two standard errors are asked of a class
        least = max(LEAST_SCORE, 2 / np.sqrt(len(test))) if self.classes else LEAST_SCORE
        useless = score < least or weight.sum() <= 0
        return (nothing if useless else weight / weight.sum()), score

    def _tuned(self, train: np.ndarray) -> float:
        """The lasso's penalty by five folds, or the size of leaves by a third of ``train``."""
        if self.kind == "lasso" and self.classes:
            return CLASS_PENALTY
        if self.kind == "lasso":
            return _penalty(self.z[train], self.v[train])
        order = np.random.default_rng(self.seed).permutation(train)
        inner, outer = order[len(train) // 3 :], order[: len(train) // 3]
        scores = []
        for self.setting in LEAVES:
            guess = self._fitted(inner).predict(self.z[outer])
            scores.append(self._score(guess, self.v[outer]))
        return LEAVES[int(np.argmax(scores))]

    def _fitted(self, train: np.ndarray) -> Any:
        model = self._estimator(len(train))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unfinished descent shows in the held-out score
            return model.fit(self.z[train], self.v[train])

    def _importance(self, model: Any, test: np.ndarray) -> np.ndarray:
        """Not scaled, at least 0: ``(d,)``."""
        if self.kind == "lasso":
            return np.abs(np.atleast_2d(model.coef_)).sum(axis=0)
        if self.kind != "permutation":
            return np.asarray(model.feature_importances_)
        z, rng = self.z[test], np.random.default_rng(self.seed)
        d = z.shape[1]
        changed = np.tile(z, (d, SHUFFLES, 1, 1))  # (d, SHUFFLES, n, d)
        for i in range(d):
            changed[i, :, :, i] = rng.permuted(changed[i, :, :, i], axis=1)
        error = self._errors(model, changed.reshape(-1, d), np.tile(test, d * SHUFFLES))
        rise = error.reshape(d, -1).mean(axis=1) - self._errors(model, z, test).mean()
        return np.clip(rise, 0.0, None)

    def _errors(self, model: Any, z: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Squared errors, or Brier scores, of samples ``rows`` when their latents are ``z``."""
        if not self.classes:
            return (model.predict(z) - self.v[rows]) ** 2
        truth = self.v[rows][:, None] == model.classes_
        return ((model.predict_proba(z) - truth) ** 2).sum(axis=1)

    def _score(self, guess: np.ndarray, truth: np.ndarray) -> float:
        if not self.classes:
            return 1.0 - float(np.sum((truth - guess) ** 2) / np.sum((truth - truth.mean()) ** 2))
        present = np.unique(truth)
        recall = np.mean([np.mean(guess[truth == c] == c) for c in present])
        chance = 1.0 / len(present)
        return float((recall - chance) / (1.0 - chance))

    def _lasso_number(self) -> bool:
        return self.kind == "lasso" and not self.classes

    def _estimator(self, n: int) -> Any:
        from sklearn import ensemble, linear_model

        state: dict[str, Any] = {"random_state": self.seed}
        if self._lasso_number():
            return linear_model.Lasso(alpha=self.setting)
        if self.kind == "lasso":
            lasso = _l1() | state
            return linear_model.LogisticRegression(
                solver="saga", C=1 / (n * self.setting), max_iter=200, tol=1e-3, **lasso
            )
        if self.kind == "boosting":
            boost = (
                ensemble.GradientBoostingClassifier
                if self.classes
                else ensemble.GradientBoostingRegressor
            )
            return boost(
                n_estimators=TREES, min_samples_leaf=int(self.setting), learning_rate=0.2, **state
            )
        forest = ensemble.RandomForestClassifier if self.classes else ensemble.RandomForestRegressor
        # all latents at every split: else a latent of noise is used where it is the only choice
        drawn = TREE_SAMPLES if n > TREE_SAMPLES else None
        return forest(
            TREES, max_samples=drawn, min_samples_leaf=int(self.setting), max_features=None, **state
        )


def _penalty(z: np.ndarray, v: np.ndarray) -> float:
    """The lasso's penalty with the least error over five folds."""
    from sklearn.linear_model import LassoCV

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(LassoCV(cv=5).fit(z, v).alpha_) if z.any() else 1.0


def _l1() -> dict[str, Any]:
    """How this scikit-learn is told of a pure L1 penalty; the words changed in 1.8."""
    import sklearn

    major, minor = (int(part) for part in sklearn.__version__.split(".")[:2])
    return {"l1_ratio": 1.0} if (major, minor) >= (1, 8) else {"penalty": "l1"}
