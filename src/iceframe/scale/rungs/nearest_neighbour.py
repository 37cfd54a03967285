"""The most similar training sample: what a model must beat to have learned anything.

``ŷ(x) = y_i`` with ``i`` the training sample nearest to ``x`` in standardised features. One
neighbour on purpose, and nothing to tune: it is the reference of Meredig et al. 2018,
https://doi.org/10.1039/C8ME00012C, for errors on a cluster that was left out, where a model that
only remembers is no better than this.

Reference: Cover & Hart 1967, https://doi.org/10.1109/TIT.1967.1053964.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iceframe.scale.preprocessing import chosen_columns, scaled
from iceframe.scale.rung import RUNGS, Context, Rung


@RUNGS.register("nearest_neighbour")
class NearestNeighbourRung(Rung):
    """The target of the nearest training sample."""

    name = "nearest_neighbour"
    title = "Nearest neighbour"
    summary = "The value of the one training sample that is most similar in standardised features."
    reference = "Meredig et al. 2018, https://doi.org/10.1039/C8ME00012C"
    family = "neighbours"

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

        kind = KNeighborsRegressor if context.task == "regression" else KNeighborsClassifier
        # Brute force keeps plain arrays; a search tree gains nothing in a hundred dimensions.
        model = kind(n_neighbors=1, algorithm="brute", n_jobs=1)
        return scaled(chosen_columns(settings, context), model)

    def parameters(self, estimator: Any) -> int:
        """Every number of the training data, and its target."""
        model = estimator["model"]
        return int(model.n_samples_fit_ * (model.n_features_in_ + 1))
