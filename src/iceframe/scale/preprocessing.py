"""What every table rung does before its model: choose blocks of columns, fill gaps, scale.

All of it is learned inside the training fold, because it is part of the estimator. The block of
columns is a hyper-parameter: composition alone, statistics alone, or both.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.scale.rung import Context

if TYPE_CHECKING:
    import optuna
    from sklearn.pipeline import Pipeline

ALL = "all"


def block_options(context: Context) -> dict[str, tuple[int, ...]]:
    """Choices of columns: everything, and the blocks that can stand for it.

    Up to three blocks give every combination; more give each block alone.

    Examples
    --------
    >>> context = Context("regression", 10, 3, {"fractions": (0, 1), "magpie": (2,)})
    >>> block_options(context)
    {'all': (0, 1, 2), 'fractions': (0, 1), 'magpie': (2,)}
    """
    options = {ALL: tuple(range(context.n_features))}
    names = [name for name, columns in context.blocks.items() if len(columns)]
    if len(names) < 2:
        return options
    largest = 2 if len(names) == 3 else 1
    for size in range(1, largest + 1):
        for chosen in combinations(names, size):
            columns = sorted(column for name in chosen for column in context.blocks[name])
            options["+".join(chosen)] = tuple(columns)
    return options


def suggest_blocks(trial: optuna.Trial, context: Context) -> dict[str, Any]:
    """The setting ``blocks``, where there is a choice."""
    options = list(block_options(context))
    if len(options) == 1:
        return {}
    return {"blocks": trial.suggest_categorical("blocks", options)}


def chosen_columns(settings: Mapping[str, Any], context: Context) -> tuple[int, ...]:
    """Positions of the columns that ``settings["blocks"]`` stands for (default: all)."""
    return block_options(context)[settings.get("blocks", ALL)]


def select(columns: tuple[int, ...]) -> Any:
    """A transformer that keeps these columns, in this order."""
    from sklearn.compose import ColumnTransformer

    return ColumnTransformer([("keep", "passthrough", list(columns))])


def selected(estimator: Any) -> tuple[int, ...]:
    """Positions of the columns that a pipeline's step ``select`` keeps."""
    return tuple(int(column) for column in estimator["select"].transformers[0][2])


SCREENING_TREES = 100


def screening(most: int, of: int, context: Context) -> Any:
    """A transformer that keeps the ``most`` columns of which extra trees make most use.

    ``"passthrough"`` where that is all ``of`` them. It fits inside the training fold.
    """
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
    from sklearn.feature_selection import SelectFromModel

    if most >= of:
        return "passthrough"
    kind = ExtraTreesRegressor if context.task == "regression" else ExtraTreesClassifier
    trees = kind(n_estimators=SCREENING_TREES, random_state=context.seed, n_jobs=1)
    return SelectFromModel(trees, threshold=-np.inf, max_features=most)


def screened(estimator: Any) -> tuple[int, ...]:
    """Positions of the columns that a pipeline's steps ``select`` and ``screen`` keep."""
    columns = np.array(selected(estimator))
    if estimator["screen"] != "passthrough":
        columns = columns[estimator["screen"].get_support()]
    return tuple(int(column) for column in columns)


def scaled(columns: tuple[int, ...], model: Any) -> Pipeline:
    """Pipeline: choose columns, fill gaps by the median, standardise, then ``model``.

    A column without a single value becomes a constant, and a constant becomes zero.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    return Pipeline(
        [
            ("select", select(columns)),
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("scale", StandardScaler()),
            ("model", model),
        ]
    )


def spread(values: np.ndarray, columns: tuple[int, ...], n_features: int) -> np.ndarray:
    """Values of the chosen columns (axis 1) back at their places among all, zero elsewhere.

    Examples
    --------
    >>> spread(np.array([[1.0, 2.0]]), (2, 0), 4)
    array([[2., 0., 1., 0.]])
    """
    full = np.zeros((values.shape[0], n_features, *values.shape[2:]))
    full[:, list(columns)] = values
    return full
