"""Fitting and tuning a rung, and the fitted rung as a value that can be stored.

Tuning happens inside the training data only (an inner cross-validation), so that a score on the
outer fold stays honest: Cawley & Talbot 2010, https://jmlr.org/papers/v11/cawley10a.html. The
search is the tree-structured Parzen estimator of Optuna, https://doi.org/10.1145/3292500.3330701.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.errors import InputError, UsageError
from iceframe.core.files import read_json, write_json
from iceframe.core.hashing import content_hash
from iceframe.core.seeds import derive_seed
from iceframe.core.values import Task
from iceframe.scale.rung import RUNGS, Context, Inputs, Rung

if TYPE_CHECKING:
    import optuna

FITTED_FILE = "fitted.json"
FORMAT = 1

# Tuning trials and inner folds by effort: a whole search stays under about a minute on one core
# for 300 samples and 150 columns.
TRIALS = {"light": 40, "medium": 16, "heavy": 8, "extreme": 3}
FOLDS = {"light": 5, "medium": 4, "heavy": 3, "extreme": 2}

# A probability of exactly zero would make one sample decide the whole log loss.
SMALLEST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class Fitted:
    """A rung fitted at some settings."""

    rung: Rung
    settings: Mapping[str, Any]
    context: Context
    estimator: Any

    def predict(self, inputs: Inputs) -> np.ndarray:
        """Predictions ``(n,)``, or probabilities ``(n, k)`` for a classification.

        A class that the training data did not contain gets the probability zero.
        """
        x = estimator_input(self.rung, inputs)
        if self.context.task == "regression":
            return np.asarray(self.estimator.predict(x), dtype=float).reshape(len(inputs))
        known = np.asarray(self.estimator.classes_, dtype=int)
        probabilities = np.zeros((len(inputs), self.context.n_classes))
        probabilities[:, known] = self.estimator.predict_proba(x)
        return probabilities

    def terms(self, inputs: Inputs) -> np.ndarray | None:
        """Exact contributions of each feature for a glass box; see :meth:`Rung.terms`."""
        return self.rung.terms(self.estimator, estimator_input(self.rung, inputs), self.context)

    def term_names(self) -> tuple[str, ...]:
        """What those contributions belong to; see :meth:`Rung.term_names`."""
        return self.rung.term_names(self.estimator, self.context)

    def describe(self) -> list[dict[str, Any]]:
        """What the model learned; see :meth:`Rung.describe`."""
        return self.rung.describe(self.estimator, self.context)

    def save(self, folder: Path) -> None:
        """Store under ``folder``; the file that marks it complete is written last."""
        self.rung.save(self.estimator, Path(folder))
        record = {
            "format": FORMAT,
            "rung": self.rung.name,
            "settings": dict(self.settings),
            "context": asdict(self.context),
        }
        write_json(Path(folder) / FITTED_FILE, record)

    @classmethod
    def load(cls, folder: Path) -> Fitted:
        """Read what :meth:`save` stored.

        Raises
        ------
        InputError : the folder is damaged or of a newer version, or its model is not to be trusted.
        """
        path = Path(folder) / FITTED_FILE
        record = read_json(path)
        try:
            if record["format"] != FORMAT:
                raise InputError(
                    "This model was stored by another version.",
                    where=path,
                    got=f"format {record['format']}",
                    allowed=f"format {FORMAT}",
                    hint="use the version that wrote it, or run again",
                )
            rung = RUNGS[record["rung"]]()
            settings = dict(record["settings"])
            context = _context_from_json(record["context"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                "This stored model is damaged.",
                where=path,
                got=f"{type(error).__name__}: {error}",
                hint="restore it from a copy, or run again",
            ) from error
        return cls(rung, settings, context, rung.load(Path(folder), settings, context))


def context_for(
    inputs: Inputs,
    task: Task,
    *,
    n_classes: int = 0,
    symmetries: tuple[str, ...] = (),
    device: str = "cpu",
    seed: int = 0,
    target: str = "",
    target_unit: str = "",
    teacher: str = "",
) -> Context:
    """What a rung may know beforehand of ``inputs``."""
    images = inputs.images
    return Context(
        task=task,
        n_samples=len(inputs),
        n_features=inputs.table.values.shape[1],
        blocks={name: tuple(map(int, columns)) for name, columns in inputs.table.blocks.items()},
        feature_names=tuple(inputs.table.names),
        n_classes=n_classes,
        image_shape=None if images is None else tuple(images.shape),
        periodic=images is not None and images.periodic,
        symmetries=tuple(symmetries),
        device=device,
        seed=seed,
        feature_units=tuple(inputs.table.units),
        target=target,
        target_unit=target_unit,
        teacher=teacher,
    )


def fit(
    rung: Rung, settings: Mapping[str, Any], inputs: Inputs, y: np.ndarray, context: Context
) -> Fitted:
    """Fit ``rung`` at ``settings`` to ``y``: float ``(n,)``, or class codes ``(n,)``.

    Raises
    ------
    UsageError : the rung does not do this task, or needs images and there are none.
    InputError : fewer than two samples, or a classification with one class.
    """
    check_fit(rung, inputs, y, context)
    context = replace(context, n_samples=len(inputs))
    estimator = rung.build(settings, context)
    x = inputs if rung.distils else estimator_input(rung, inputs)
    estimator.fit(x, _target(y, context))
    return Fitted(rung, dict(settings), context, estimator)


def tune(
    rung: Rung,
    inputs: Inputs,
    y: np.ndarray,
    context: Context,
    *,
    trials: int | None = None,
    folds: int | None = None,
    groups: np.ndarray | None = None,
) -> dict[str, Any]:
    """The settings with the lowest inner cross-validated loss.

    The loss is the mean absolute error, or the log loss for a classification. Settings that are
    worse than the median half-way are given up early. The result follows from the data and
    ``context.seed`` alone.

    Parameters
    ----------
    trials, folds : defaults by ``rung.effort`` (:data:`TRIALS`, :data:`FOLDS`); no trials leave
        the rung at its defaults.
    groups : ``(n,)`` labels; samples that share one stay on one side of every inner split.
    """
    check_fit(rung, inputs, y, context)
    if trials == 0:
        return {}
    n_folds = folds or FOLDS[rung.effort]
    n_trials = TRIALS[rung.effort] if trials is None else trials
    own = rung.search(inputs, y, context, trials=n_trials, folds=n_folds, groups=groups)
    if own is not None:
        return own
    seed = derive_seed(context.seed, "tune", rung.name)
    splits = list(inner_splits(y, context.task, n_folds, seed, groups))

    def losses(settings: Mapping[str, Any]) -> Iterator[float]:
        for train, test in splits:
            fitted = fit(rung, settings, inputs.take(train), y[train], context)
            yield loss(y[test], fitted.predict(inputs.take(test)), context.task)

    return lowest_loss(lambda trial: rung.space(trial, context), losses, n_trials, seed)[0]


def lowest_loss(
    suggest: Callable[[optuna.Trial], dict[str, Any]],
    losses: Callable[[Mapping[str, Any]], Iterator[float]],
    trials: int,
    seed: int,
    first: Sequence[Mapping[str, Any]] = (),
) -> tuple[dict[str, Any], float]:
    """The settings of the lowest mean loss, and that loss.

    Parameters
    ----------
    suggest : settings from a trial. Where it chooses nothing, they are returned with a loss of NaN.
    losses : yields one loss a fold; not asked for all folds where the first are bad.
    first : parameters of the trials to begin with.
    """
    import optuna

    probe = quiet_study(seed, 1).ask()
    settings = suggest(probe)
    if not probe.params:  # nothing to choose
        return settings, float("nan")
    seen: dict[str, float] = {}  # settings without continuous parts come up again

    def objective(trial: optuna.Trial) -> float:
        settings = suggest(trial)
        trial.set_user_attr("settings", settings)
        key = content_hash(settings)
        if key not in seen:
            seen[key] = np.inf  # stays so where the trial is given up
            seen[key] = mean_loss(settings, trial)
        return seen[key]

    def mean_loss(settings: Mapping[str, Any], trial: optuna.Trial) -> float:
        found: list[float] = []
        for step, value in enumerate(losses(settings)):
            found.append(value)
            trial.report(float(np.mean(found)), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(found))

    study = quiet_study(seed, trials)
    for parameters in first:
        study.enqueue_trial(dict(parameters))
    study.optimize(objective, n_trials=trials)
    return dict(study.best_trial.user_attrs["settings"]), float(study.best_value)


def loss(y: np.ndarray, predicted: np.ndarray, task: Task) -> float:
    """What tuning minimises: mean absolute error, or log loss for a classification.

    Examples
    --------
    >>> loss(np.array([1.0, 3.0]), np.array([2.0, 3.0]), "regression")
    0.5
    >>> round(loss(np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.5]]), "classification"), 3)
    0.693
    """
    if task == "regression":
        return float(np.mean(np.abs(y - predicted)))
    p = np.clip(predicted[np.arange(len(y)), y.astype(int)], SMALLEST_PROBABILITY, 1.0)
    return float(-np.mean(np.log(p)))


def inner_splits(
    y: np.ndarray, task: Task, folds: int, seed: int, groups: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Shuffled inner folds: stratified where every class has enough members, grouped on demand."""
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

    folds = max(2, min(folds, len(y) // 2))
    x = np.zeros((len(y), 1))
    if groups is not None and len(np.unique(groups)) >= 2:
        folds = min(folds, len(np.unique(groups)))
        yield from GroupKFold(folds, shuffle=True, random_state=seed).split(x, y, groups)
        return
    kind: Any = KFold
    if task == "classification" and np.unique(y, return_counts=True)[1].min() >= folds:
        kind = StratifiedKFold
    yield from kind(folds, shuffle=True, random_state=seed).split(x, y)


def estimator_input(rung: Rung, inputs: Inputs) -> Any:
    """What this rung's estimator looks at: the table's values, the images or the crystals."""
    if rung.input == "table":
        return inputs.table.values
    return inputs.images if rung.input == "image" else inputs.crystals


def check_fit(rung: Rung, inputs: Inputs, y: np.ndarray, context: Context) -> None:
    """Raise where this rung cannot be fitted to these data."""
    if context.task not in rung.tasks:
        raise UsageError(
            f"The rung '{rung.name}' does not do {context.task}.", allowed=", ".join(rung.tasks)
        )
    if rung.input != "table" and estimator_input(rung, inputs) is None:
        raise UsageError(
            f"The rung '{rung.name}' needs {rung.input}s, and this data set has none.",
            hint="leave it out of --ladder",
        )
    lacking = [name for name in rung.blocks if name not in inputs.table.blocks]
    if lacking:
        raise UsageError(
            f"The rung '{rung.name}' needs features that this data set has not.",
            got=", ".join(inputs.table.blocks) or "no features",
            allowed=", ".join(rung.blocks),
            hint="name a composition column, or leave the rung out of --ladder",
        )
    if rung.input == "table" and inputs.table.values.shape[1] == 0:
        raise InputError(
            "There is no feature to learn from.",
            hint="name a composition column, more columns, or give images",
        )
    if len(y) != len(inputs):
        raise ValueError(f"{len(y)} targets for {len(inputs)} samples")
    if len(y) < 2:
        raise InputError("Too few samples to fit a model.", got=len(y), allowed="2 or more")
    if context.task == "classification" and len(np.unique(y)) < 2:
        raise InputError(
            "The training data hold one class only.",
            got=f"class code {int(y[0])}",
            allowed="two or more classes in every fold",
            hint="use fewer folds, or merge rare classes",
        )


def _target(y: np.ndarray, context: Context) -> np.ndarray:
    return np.asarray(y, dtype=float if context.task == "regression" else np.int64)


def quiet_study(seed: int, n_trials: int) -> optuna.Study:
    """A study that says nothing and gives bad trials up."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    startup = max(4, n_trials // 3)
    return optuna.create_study(
        direction="minimize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=0),
    )


def _context_from_json(record: Mapping[str, Any]) -> Context:
    shape = record["image_shape"]
    return Context(
        **{
            **record,
            "blocks": {name: tuple(columns) for name, columns in record["blocks"].items()},
            "feature_names": tuple(record["feature_names"]),
            "feature_units": tuple(record.get("feature_units", ())),  # absent in older records
            "image_shape": None if shape is None else tuple(shape),
            "symmetries": tuple(record["symmetries"]),
        }
    )
