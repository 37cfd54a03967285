"""A weighted mean of several fitted rungs, its weights from predictions they made out of fold.

``ŷ(x) = Σ_m w_m f_m(x)``, ``w ≥ 0``, ``Σ w = 1``. Every member predicts each training sample from
folds that do not contain it; the weights minimise the loss of the mixture of these predictions, and
the members with a weight are fitted again to all samples. In the limit of many samples it is as
good as the best mixture that could have been chosen: van der Laan, Polley & Hubbard 2007 (super
learner), https://doi.org/10.2202/1544-6115.1309; Wolpert 1992 (stacked generalisation),
https://doi.org/10.1016/S0893-6080(05)80023-1; non-negative weights: Breiman 1996,
https://doi.org/10.1007/BF00117832.

The loss is the one by which rungs are tuned: the absolute error, whose minimum is a linear
programme, or the log loss, whose minimum is that of a mixture's likelihood (found by expectation
maximisation). Squared errors would let a few far-off samples choose the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.errors import InputError, UsageError
from iceframe.core.files import read_json, write_json
from iceframe.core.seeds import derive_seed
from iceframe.core.values import Representation
from iceframe.scale.fitting import SMALLEST_PROBABILITY, Fitted, fit, inner_splits, tune
from iceframe.scale.rung import RUNGS, Context, Inputs

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDS = 5

FEW = 100
"""Samples below which members keep their default settings and three folds give the weights: what
differs between settings is less than what differs between folds there."""

TRIALS = {"light": 12, "medium": 8, "heavy": 4, "extreme": 0}
"""Tuning trials of a member by its effort: fewer than it gets alone, as errors average out."""

STEPS, SETTLED = 500, 1e-9  # of expectation maximisation; the change of a weight

STACK_FILE, MEMBERS = "stack.json", "members"


class StackedEnsemble:
    """Members by name, fitted and weighted.

    Parameters
    ----------
    members : names of rungs that look at tables. context : the problem.

    Attributes
    ----------
    fitted_ : the members with a weight. weights_ : ``(m,)``, theirs, in the same order.
    classes_ : the class codes of the training data, for a classification.
    """

    def __init__(self, members: Sequence[str], context: Context) -> None:
        self.members = tuple(members)
        self.context = context

    def fit(self, x: np.ndarray, y: np.ndarray) -> StackedEnsemble:
        """Fit to features ``(n, d)`` and targets, or class codes, ``(n,)``.

        Raises
        ------
        UsageError : a member is no rung over tables, or there is none.
        """
        check_members(self.members)
        inputs, context = self._inputs(x), self.context
        self.classes_ = np.unique(y)
        seed = derive_seed(context.seed, "stack")
        few = len(y) < FEW
        chosen: list[Mapping[str, Any]] = []
        for name in self.members:
            rung = RUNGS[name]()
            trials = 0 if few else TRIALS[rung.effort]
            chosen.append(tune(rung, inputs, y, context, trials=trials))
        splits = list(inner_splits(y, context.task, 3 if few else FOLDS, seed))
        held_out = []
        for name, settings in zip(self.members, chosen, strict=True):
            shape = (len(y), context.n_classes) if context.task == "classification" else (len(y),)
            predicted = np.empty(shape)
            for train, test in splits:
                model = fit(RUNGS[name](), settings, inputs.take(train), y[train], context)
                predicted[test] = model.predict(inputs.take(test))
            held_out.append(predicted)
        weights = mixture_weights(np.stack(held_out, axis=1), y, classify=shape != (len(y),))
        used = np.flatnonzero(weights)
        self.weights_ = weights[used]
        self.fitted_ = [fit(RUNGS[self.members[m]](), chosen[m], inputs, y, context) for m in used]
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The weighted mean ``(n,)``, or the most probable class."""
        if self.context.task == "classification":
            return self.classes_[self.predict_proba(x).argmax(axis=1)]
        return self._mean(x)

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Weighted mean of the members' probabilities ``(n, k)``, in the order of ``classes_``."""
        return self._mean(x)[:, self.classes_]

    def save(self, folder: Path) -> None:
        """Every member by its own means in a folder of its own, then the weights."""
        for model in self.fitted_:
            model.save(Path(folder) / MEMBERS / model.rung.name)
        record = {
            "members": [model.rung.name for model in self.fitted_],
            "weights": self.weights_.tolist(),
            "classes": self.classes_.tolist() if self.context.task == "classification" else [],
        }
        write_json(Path(folder) / STACK_FILE, record)

    def restore(self, folder: Path) -> StackedEnsemble:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError : the folder is damaged.
        """
        path = Path(folder) / STACK_FILE
        record = read_json(path)
        try:
            names = [str(name) for name in record["members"]]
            check_members(names)
            self.weights_ = np.array(record["weights"], dtype=float).reshape(len(names))
            self.classes_ = np.array(record["classes"], dtype=int)
        except (KeyError, TypeError, ValueError, UsageError) as error:
            raise InputError(
                "This stored model is damaged.",
                where=path,
                got=f"{type(error).__name__}: {error}",
                hint="restore it from a copy, or run again",
            ) from error
        self.fitted_ = [Fitted.load(Path(folder) / MEMBERS / name) for name in names]
        return self

    def _mean(self, x: np.ndarray) -> np.ndarray:
        inputs = self._inputs(x)
        parts = [w * m.predict(inputs) for w, m in zip(self.weights_, self.fitted_, strict=True)]
        return np.sum(parts, axis=0)

    def _inputs(self, x: np.ndarray) -> Inputs:
        names, units = self.context.feature_names, self.context.feature_units
        units = units or ("",) * len(names)
        return Inputs(Representation(np.asarray(x, float), names, units, self.context.blocks))


def check_members(names: Sequence[str]) -> None:
    """Raise a :class:`UsageError` where a stack cannot be made of these rungs."""
    for name in names:
        if RUNGS[name].input != "table" or name == "stack":
            raise UsageError(
                f"The rung '{name}' cannot be a member of a stack.",
                allowed="rungs that look at a table, and no stack",
            )
    if not names or len(set(names)) < len(names):
        raise UsageError("A stack needs members, each once.", got=", ".join(names) or "none")


def mixture_weights(predicted: np.ndarray, y: np.ndarray, *, classify: bool) -> np.ndarray:
    """Weights ``(m,)`` of members, not negative and adding to one.

    Parameters
    ----------
    predicted : out-of-fold predictions ``(n, m)``, or probabilities ``(n, m, k)``.
    y : targets, or class codes, ``(n,)``.

    Examples
    --------
    One member is 1 too high and the other 1 too low: half of each is right.

    >>> y = np.array([0.0, 5.0, 7.0])
    >>> mixture_weights(np.column_stack([y + 1, y - 1]), y, classify=False).round(6).tolist()
    [0.5, 0.5]
    """
    if classify:
        own = predicted[np.arange(len(y)), :, y.astype(int)]
        return _likeliest(np.clip(own, SMALLEST_PROBABILITY, 1.0))
    return _least_absolute(predicted, y)


def _least_absolute(predicted: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``min Σ_i e_i`` with ``e_i ≥ ±(y_i − Σ_m w_m f_im)`` over the simplex."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix, hstack, identity, vstack

    n, m = predicted.shape
    scale = float(np.abs(y - np.median(y)).mean()) or 1.0
    centred, target = (predicted - np.median(y)) / scale, (y - np.median(y)) / scale
    slack = -identity(n, format="csr")
    above = hstack([csr_matrix(centred), slack])
    below = hstack([csr_matrix(-centred), slack])
    found = linprog(
        np.concatenate([np.zeros(m), np.ones(n)]),
        A_ub=vstack([above, below]),
        b_ub=np.concatenate([target, -target]),
        A_eq=np.concatenate([np.ones(m), np.zeros(n)])[None],
        b_eq=[1.0],
        bounds=(0, None),
        method="highs",
    )
    if found.x is None:  # no optimum within the solver's limits
        return np.full(m, 1 / m)
    weights = np.where(found.x[:m] < 1e-9, 0.0, found.x[:m])
    return weights / weights.sum()


def _likeliest(own: np.ndarray) -> np.ndarray:
    """The mixture of probabilities ``(n, m)`` of what happened that makes it likeliest."""
    weights = np.full(own.shape[1], 1 / own.shape[1])
    for _ in range(STEPS):
        shares = own * weights
        new = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
        settled = np.abs(new - weights).max() < SETTLED
        weights = new
        if settled:
            break
    weights = np.where(weights < 1e-3, 0.0, weights)  # it nears zero, but never comes there
    return weights / weights.sum()
