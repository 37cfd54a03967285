"""One small decision tree: at most five questions for any sample.

Path contributions are exact: the prediction is the root's value plus the change at every question
on the way down, credited to the feature that was asked about (Saabas 2014,
http://blog.datadive.net/interpreting-random-forests/). Leaf probabilities are Laplace-corrected,
which keeps log-odds finite (Provost & Domingos 2003, https://doi.org/10.1023/A:1024099825458).
Reference: Breiman et al. 1984, https://doi.org/10.1201/9781315139470.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.scale.log_odds import log_odds
from iceframe.scale.preprocessing import chosen_columns, select, selected, spread, suggest_blocks
from iceframe.scale.rung import RUNGS, Context, Rung

if TYPE_CHECKING:
    import optuna


@RUNGS.register("tree")
class TreeRung(Rung):
    """A decision tree of depth five at most."""

    name = "tree"
    title = "Decision tree"
    summary = "At most five yes/no questions, then one value per leaf."
    reference = "Breiman et al. 1984, https://doi.org/10.1201/9781315139470"
    family = "rules"
    glass_box = True
    trusted = (
        "iceframe.scale.trees.TreeClassifier",
        "iceframe.scale.trees.TreeRegressor",
        "sklearn.tree._tree.Tree",
    )

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from sklearn.pipeline import Pipeline

        from iceframe.scale.trees import TreeClassifier, TreeRegressor

        kind = TreeRegressor if context.task == "regression" else TreeClassifier
        model = kind(
            max_depth=int(settings.get("depth", 4)),
            min_samples_leaf=int(settings.get("leaf", 5)),
            random_state=context.seed,
        )
        return Pipeline([("select", select(chosen_columns(settings, context))), ("model", model)])

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        return {
            "depth": trial.suggest_int("depth", 2, 5),
            "leaf": trial.suggest_int("leaf", 1, 20, log=True),
            **suggest_blocks(trial, context),
        }

    def terms(self, estimator: Any, x: np.ndarray, context: Context) -> np.ndarray:
        tree = estimator["model"]
        columns = selected(estimator)
        values = node_values(tree, context)  # (nodes,) or (nodes, k)
        steps = np.zeros((tree.tree_.node_count, len(columns), *values.shape[1:]))
        for parent, children in enumerate(_children(tree)):
            for child in children:
                steps[child, tree.tree_.feature[parent]] = values[child] - values[parent]
        visited = tree.decision_path(estimator["select"].transform(x))  # sparse (n, nodes)
        flat = visited @ steps.reshape(len(steps), -1)
        return spread(flat.reshape(len(x), *steps.shape[1:]), columns, context.n_features)

    def describe(self, estimator: Any, context: Context) -> list[dict[str, Any]]:
        """Importance of each feature asked about, then one row a leaf with its rule.

        A leaf's ``importance`` is the share of training samples in it.
        """
        tree = estimator["model"]
        names = [context.feature_names[column] for column in selected(estimator)]
        importance = tree.feature_importances_
        rows: list[dict[str, Any]] = [
            {"term": names[j], "importance": float(importance[j])}
            for j in np.argsort(-importance, kind="stable")
            if importance[j] > 0
        ]
        size = tree.tree_.n_node_samples
        for number, (leaf, conditions) in enumerate(_leaves(tree, names), start=1):
            outcome = _outcome(tree, leaf, context)
            rule = f"{' and '.join(conditions) or 'always'} → {outcome} ({size[leaf]} samples)"
            share = float(size[leaf] / size[0])
            rows.append({"term": f"leaf {number}", "importance": share, "rule": rule})
        return rows

    def parameters(self, estimator: Any) -> int:
        return count_parameters(estimator["model"].tree_)


def node_values(tree: Any, context: Context) -> np.ndarray:
    """What each node would predict: ``(nodes,)``, or log-odds of each class ``(nodes, k)``."""
    if context.task == "regression":
        return tree.tree_.value[:, 0, 0]
    values = np.zeros((tree.tree_.node_count, context.n_classes))
    values[:, tree.classes_] = log_odds(tree.node_probabilities())
    return values


def count_parameters(tree: Any) -> int:
    """A feature and a threshold at each question, the free values at each leaf."""
    questions = int(np.count_nonzero(tree.children_left != -1))
    free = max(1, tree.value.shape[2] - 1)
    return 2 * questions + (questions + 1) * free


def _children(tree: Any) -> list[tuple[int, ...]]:
    pairs = zip(tree.tree_.children_left, tree.tree_.children_right, strict=True)
    return [() if left == -1 else (int(left), int(right)) for left, right in pairs]


def _leaves(tree: Any, names: list[str]) -> list[tuple[int, list[str]]]:
    """Every leaf, left to right, with the conditions that lead to it."""
    leaves: list[tuple[int, list[str]]] = []
    children = _children(tree)

    def descend(node: int, conditions: list[str]) -> None:
        if not children[node]:
            leaves.append((node, conditions))
            return
        name, threshold = names[tree.tree_.feature[node]], tree.tree_.threshold[node]
        gaps = " or missing" if tree.saw_missing_[tree.tree_.feature[node]] else ""
        gaps_left, gaps_right = (gaps, "") if tree.tree_.missing_go_to_left[node] else ("", gaps)
        left, right = children[node]
        descend(left, [*conditions, f"{name} ≤ {threshold:.4g}{gaps_left}"])
        descend(right, [*conditions, f"{name} > {threshold:.4g}{gaps_right}"])

    descend(0, [])
    return leaves


def _outcome(tree: Any, leaf: int, context: Context) -> str:
    if context.task == "regression":
        return f"{tree.tree_.value[leaf, 0, 0]:.5g}"
    shares = tree.node_probabilities()[leaf]
    best = int(np.argmax(shares))
    return f"class {tree.classes_[best]} (p = {shares[best]:.2f})"
