"""How complex each model is: C1, C2, C3 and their composite (DESIGN, §4).

C2 and C3 rest on the default descriptors of the structures in distribution, the same for all
models. C1 asks for refits to disturbed targets, ``1 + replicates`` fits: it is measured for the
rungs whose fits take a minute or less (``REFITTED``), for the first seed. Sensitivities are not
disturbed with the targets: what a supervised network takes from them does not count as freedom.
The cubic in the volume fraction is linear in its four coefficients, so that its degrees of freedom
are four.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from studies.paradox.data import test_set
from studies.paradox.models import (
    DEGREE,
    fitted_keys,
    folder_of,
    load,
    refit,
    train_inputs,
)
from studies.paradox.pieces import Key, Piece, Study

from iceframe.core.dataset import Dataset
from iceframe.core.files import read_json, write_json
from iceframe.measure.complexity import (
    Estimate,
    complexity_share,
    composite,
    effective_features,
    generalised_degrees_of_freedom,
    non_additivity,
)
from iceframe.scale.represent import Representer

REFITTED = ("volume_fraction", "two_point_pca", "cnn", "sobolev_cnn")


def pieces(study: Study) -> list[Piece]:
    """Descriptors of the predictions of all models; degrees of freedom of some."""
    found = []
    for key in fitted_keys(study):
        folder = study.out / "complexity"
        found.append(
            Piece(
                f"C2 and C3 of {key.name}",
                folder / f"{key.name}.json",
                lambda key=key: _make_shape(study, key),
            )
        )
    for key in fitted_keys(study):
        if key.seed == 0 and key.rung in REFITTED:
            path = study.out / "complexity" / f"{key.name}.gdf.json"
            found.append(
                Piece(
                    f"degrees of freedom of {key.name}",
                    path,
                    lambda key=key: _make_freedom(study, key),
                )
            )
    return found


def table(study: Study) -> pd.DataFrame:
    """One row a model: c2, c3 and, where they were measured, gdf, c1 and c."""
    rows = []
    for key in fitted_keys(study):
        shape = study.out / "complexity" / f"{key.name}.json"
        freedom = shape.with_name(f"{key.name}.gdf.json")
        row = key.plain
        row |= read_json(shape) if shape.exists() else {}
        row |= read_json(freedom) if freedom.exists() else {}
        if "c1" in row and "c2" in row:
            row["c"] = composite(row["c1"], row["c2"], row["c3"])
        rows.append(row)
    return pd.DataFrame(rows)


@cache
def _descriptors(study: Study, contrast: float) -> np.ndarray:
    """Of the structures in distribution ``(n, d)``: the same at every contrast."""
    some = test_set(study, "inside", contrast)
    index = pd.Index([f"s{i}" for i in range(len(some.y))])
    data = Dataset(pd.DataFrame({"C11": some.y}, index=index), "C11", "regression",
                   images=some.inputs.images)  # fmt: skip
    return Representer().fit(data).transform(data).values


def _make_shape(study: Study, key: Key) -> None:
    with np.load(folder_of(study, key) / "predictions.npz") as stored:
        answers = stored["inside"]
    phi = _descriptors(study, key.contrast)
    c2, c3 = non_additivity(answers, phi), effective_features(answers, phi)
    found = {"c2": c2.value, "c3": c3.value, "c2_surrogate_r2": c2.surrogate_r2}
    write_json(study.out / "complexity" / f"{key.name}.json", found)


def _make_freedom(study: Study, key: Key) -> None:
    inputs, y = train_inputs(study, key)
    if key.rung == "volume_fraction":
        gdf = Estimate(DEGREE + 1.0, DEGREE + 1.0, DEGREE + 1.0, 0)
    else:
        fitted = load(study, key)
        gdf = generalised_degrees_of_freedom(
            lambda y: refit(fitted, inputs, y), y, replicates=study.sizes.replicates, seed=0
        )
    c1 = complexity_share(gdf, len(y))
    found = {"gdf": gdf.value, "gdf_low": gdf.low, "gdf_high": gdf.high, "c1": c1.value}
    write_json(study.out / "complexity" / f"{key.name}.gdf.json", found)
