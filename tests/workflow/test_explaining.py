"""Questions beside the map: descriptors used, the least change of structure, samples seen alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.core.values import Law, Representation
from iceframe.physics import generate, homogenize
from iceframe.physics.properties import Conductivity
from iceframe.scale.image_rung import ImageRung
from iceframe.workflow.further.concepts import _told_apart
from iceframe.workflow.further.counterfactual import _two_levels, change_asked
from iceframe.workflow.session import Run, open_run, run
from iceframe.workflow.viewing import trust_in

LAW = Law("conductivity", {"values": (1.0, 10.0)}, "k_xx")


def fields(n: int, grid: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Two phases in all amounts, uint8 ``(n, *grid)``."""
    amounts = np.random.default_rng(seed).uniform(0.2, 0.8, n)
    parts = [
        generate("random_field", 1, grid, volume_fraction=float(f), length=2.0, seed=seed + i)
        for i, f in enumerate(amounts)
    ]
    return np.concatenate([part.phases for part in parts])


def images_of(phases: np.ndarray) -> ArrayImages:
    return ArrayImages(phases[:, None].astype(np.float32), periodic=True, kind="phase")


def conducting(phases: np.ndarray) -> Dataset:
    y = homogenize(phases, Conductivity([1.0, 10.0])).tensor[:, 0, 0]
    table = pd.DataFrame({"k": y}, index=[f"s{i}" for i in range(len(y))])
    images = images_of(phases)
    return Dataset(
        table, "k", "regression", images=images, units={"k": "W/(m K)"}, name="fields", law=LAW
    )


def final_models(data: Dataset, ladder: list[str], out: Path) -> Run:
    """A run that fits its final models, briefly, and nothing else."""
    from iceframe.workflow.plan import plan_units

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageRung, "passes", lambda self, n: 25)
        patch.setattr(
            "iceframe.workflow.session.plan_units",
            lambda *given: [unit for unit in plan_units(*given) if unit.kind == "final"],
        )
        return run(data, ladder=ladder, out=out, folds=2, workers=1, trials=0, shift=False)


@pytest.fixture(scope="module")
def plane() -> Dataset:
    return conducting(fields(40, (16, 16)))


@pytest.fixture(scope="module")
def plane_run(plane: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return final_models(plane, ["ridge", "cnn"], tmp_path_factory.mktemp("runs") / "plane")


@pytest.fixture(scope="module")
def class_run(plane: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Dataset]:
    rich = np.where(plane.y > np.median(plane.y), "rich", "poor")
    table = pd.DataFrame({"kind": rich}, index=plane.table.index)
    data = Dataset(table, "kind", "classification", images=plane.images, name="kinds")
    return final_models(data, ["cnn"], tmp_path_factory.mktemp("runs") / "kinds"), data


def test_nothing_is_answered_that_was_not_asked(plane_run: Run, plane: Dataset) -> None:
    explained = plane_run.explain_sample(plane, 3, rung="cnn")
    assert explained.concepts is None
    assert explained.counterfactual is None
    assert explained.neighbours is None


# -- concepts --------------------------------------------------------------------------------------


def test_the_network_uses_the_amount_of_the_conducting_phase(
    plane_run: Run, plane: Dataset
) -> None:
    found = plane_run.explain_sample(plane, 3, rung="cnn", concepts=True).concepts
    assert found is not None
    first = found.table.iloc[0]
    assert first["concept"] == "volume fraction"
    assert first["used"]
    assert first["effect"] > 0
    assert plane.images is not None
    assert first["value"] == pytest.approx(plane.images.read([3]).mean(), abs=1e-6)
    assert found.images == 40
    assert found.score == "W/(m K)"
    assert "volume fraction" in found.sentence
    assert set(found.table["concept"]).isdisjoint(found.left_out)


def test_concepts_are_learned_from_what_the_run_keeps_if_its_data_are_gone(
    plane_run: Run, plane: Dataset
) -> None:
    other = conducting(fields(2, (16, 16), seed=90))
    found = plane_run.explain_sample(other, 0, rung="cnn", concepts=True).concepts
    assert found is not None
    assert found.images == 32
    assert "gone" in found.where


def test_descriptors_that_follow_from_others_are_left_out() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 60))
    unknown = np.where(np.arange(60) == 7, np.nan, b)
    columns = [a, 2 * a + 0.1 * b, np.ones(60), unknown, b, *rng.normal(size=(9, 60))]
    names = tuple(f"c{i}" for i in range(14))
    kept, why = _told_apart(Representation(np.array(columns).T, names, ("",) * 14))
    assert kept.names[:2] == ("c0", "c4")
    assert len(kept.names) == 6  # ten images for each
    assert why["c1"] == "follows from those before it"
    assert why["c2"] == "does not vary"
    assert why["c3"] == "not known for every image"
    assert why["c13"] == "more than one for 10 images"


# -- counterfactuals -------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [False, True])
def test_the_changed_structure_moves_the_prediction_as_asked(
    plane_run: Run, plane: Dataset, keep: bool
) -> None:
    found = plane_run.explain_sample(
        plane, "s3", rung="cnn", counterfactual="+5%", keep_volume_fraction=keep
    ).counterfactual
    assert found is not None
    assert found.reached
    assert found.remedy == ""
    changed = replace(plane.take([3]), images=images_of((found.phases ^ found.changed)[None]))
    before = plane_run.predict(plane.take([3]), rung="cnn")["mean"].iloc[0]
    after = plane_run.predict(changed, rung="cnn")["mean"].iloc[0]
    assert found.before == pytest.approx(before, rel=1e-5)
    assert found.after == pytest.approx(after, rel=1e-5)
    assert after >= before + 0.05 * abs(before) * (1 - 1e-5)
    assert (found.fraction_after == found.fraction_before) == keep


def test_the_solver_says_what_the_change_would_do(plane_run: Run, plane: Dataset) -> None:
    found = plane_run.explain_sample(plane, 3, rung="cnn", counterfactual=-0.2).counterfactual
    assert found is not None
    assert found.solved is not None
    truth = homogenize(
        np.stack([found.phases, found.phases ^ found.changed]).astype(np.uint8),
        Conductivity([1.0, 10.0]),
    ).tensor[:, 0, 0]
    assert found.solved["before"] == pytest.approx(plane.y[3], rel=1e-4)
    assert found.solved["after"] == pytest.approx(truth[1], rel=1e-6)
    ratio = (truth[1] - truth[0]) / (found.after - found.before)
    assert found.solved["ratio"] == pytest.approx(ratio, rel=1e-6)
    assert "The solver says" in found.sentence
    assert "W/(m K)" in found.sentence


def test_without_a_law_the_material_is_unknown(plane_run: Run, plane: Dataset) -> None:
    silent = replace(plane, law=None)
    found = plane_run.explain_sample(silent, 3, rung="cnn", counterfactual=0.1).counterfactual
    assert found is not None
    assert found.solved is None
    assert "unknown: no physics was computed" in found.sentence


def test_what_cannot_be_reached_comes_with_a_remedy(plane_run: Run, plane: Dataset) -> None:
    found = plane_run.explain_sample(plane, 3, rung="cnn", counterfactual=1e4).counterfactual
    assert found is not None
    assert not found.reached
    assert "smaller change" in found.remedy
    assert "Not reached" in found.sentence


def test_another_class_is_reached(class_run: tuple[Run, Dataset]) -> None:
    kinds, data = class_run
    said = kinds.predict(data.take([0]), rung="cnn")["predicted"].iloc[0]
    other = "poor" if said == "rich" else "rich"
    found = kinds.explain_sample(data, 0, rung="cnn", counterfactual=other, concepts=True)
    change, concepts = found.counterfactual, found.concepts
    assert change is not None
    assert change.reached
    assert change.before < 0.5 < change.after
    assert change.solved is None
    changed = replace(data.take([0]), images=images_of((change.phases ^ change.changed)[None]))
    answers = kinds.predict(changed, rung="cnn")
    assert answers["predicted"].iloc[0] == other
    assert change.after == pytest.approx(answers[f"p_{other}"].iloc[0], abs=1e-5)
    assert concepts is not None
    assert concepts.score == f"logit of '{said}'"
    with pytest.raises(UsageError, match="answers so already"):
        kinds.explain_sample(data, 0, rung="cnn", counterfactual=said)
    with pytest.raises(UsageError, match="no such class"):
        kinds.explain_sample(data, 0, rung="cnn", counterfactual="brass")


@pytest.mark.parametrize(
    ("wish", "expected"), [("+10%", 0.4), ("-10 %", -0.4), ("\N{MINUS SIGN}2", -2.0), (1.5, 1.5)]
)
def test_changes_are_numbers_or_per_cent_of_the_size(wish: Any, expected: float) -> None:
    assert change_asked(wish, -4.0) == pytest.approx(expected)


@pytest.mark.parametrize("wish", ["ten", "0", "%", "nan", "inf", "0%"])
def test_no_change_is_refused(wish: str) -> None:
    with pytest.raises(UsageError, match="number other than 0"):
        change_asked(wish, 4.0)


@pytest.mark.parametrize(
    ("image", "levels"),
    [
        (np.array([0.0, 1.0]), (0.0, 1.0)),
        (np.array([1.0, 1.0]), (0.0, 1.0)),
        (np.array([0.2, 0.7]), (0.2, 0.7)),
        (np.array([0.0, 0.5, 1.0]), None),
        (np.array([0.3, 0.3]), None),
    ],
)
def test_two_phases_are_needed(image: np.ndarray, levels: tuple[float, float] | None) -> None:
    given = image[None, None, None]
    if levels is not None:
        assert _two_levels(given) == levels
        return
    with pytest.raises(UsageError, match="two phases"):
        _two_levels(given)
    with pytest.raises(UsageError, match="two phases"):
        _two_levels(np.repeat(given, 3, axis=1))


# -- neighbours ------------------------------------------------------------------------------------


def test_neighbours_of_a_row_are_the_nearest_in_standardised_features(
    alloy_run: Run, alloy_table: Path, alloys: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    new = alloys(9, seed=4)
    new.drop(columns="strength").to_csv(tmp_path / "new.csv", index=False)
    found = alloy_run.explain_sample(tmp_path / "new.csv", 2, neighbours=5).neighbours
    assert found is not None
    known = pd.read_csv(alloy_table)
    x = known.drop(columns="strength")
    z = (new[x.columns].iloc[2] - x).div(x.std(ddof=0))
    distance = np.sqrt((z**2).sum(axis=1))
    nearest = distance.sort_values().index[:5]
    assert found.table["id"].tolist() == [f"row{i + 1}" for i in nearest]
    np.testing.assert_allclose(found.table["distance"], distance[nearest], rtol=1e-9)
    np.testing.assert_allclose(found.table["measured"], known["strength"][nearest])
    assert not found.own
    assert found.images is None
    assert found.features is not None
    np.testing.assert_allclose(found.features["carbon"], known["carbon"][nearest])
    assert 0 <= found.farther <= 1


def test_a_sample_is_not_its_own_neighbour(alloy_run: Run, alloy_table: Path) -> None:
    found = alloy_run.explain_sample(alloy_table, "row3", neighbours=59).neighbours
    assert found is not None
    assert found.own
    assert "row3" not in set(found.table["id"])
    assert "no test" in found.sentence


def test_a_copy_of_a_sample_is_itself_and_a_namesake_is_not(
    alloy_run: Run, alloy_table: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(alloy_table).iloc[:4].drop(columns="strength")
    table.to_csv(tmp_path / "copy.csv", index=False)
    copy = alloy_run.explain_sample(tmp_path / "copy.csv", "row2", neighbours=3).neighbours
    assert copy is not None
    assert copy.own
    table["carbon"] += 0.01
    table.to_csv(tmp_path / "other.csv", index=False)
    other = alloy_run.explain_sample(tmp_path / "other.csv", "row2", neighbours=3).neighbours
    assert other is not None
    assert not other.own
    assert other.table["id"][0] == "row2"


def test_neighbours_of_an_image_are_near_in_the_activations(plane_run: Run, plane: Dataset) -> None:
    found = plane_run.explain_sample(plane, 3, rung="cnn", neighbours=6).neighbours
    assert found is not None
    assert "activations of 'cnn'" in found.representation
    assert found.images is not None
    assert plane.images is not None
    position = int(found.table["id"][0].removeprefix("s"))
    np.testing.assert_array_equal(found.images[0], plane.images.read([position])[0, 0])
    assert found.table["measured"][0] == plane.y[position]
    assert found.table["distance"].is_monotonic_increasing
    # The network answers alike to what is near in what enters its last, linear layer.
    answers = plane_run.predict(plane, rung="cnn")["mean"]
    near = np.abs(answers[found.table["id"]] - answers["s3"]).mean()
    assert near < np.abs(answers - answers["s3"]).mean() / 2


def test_a_sample_unlike_all_others_is_called_so(
    alloy_run: Run, alloys: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    far = alloys(3, seed=5)
    far["carbon"] += 50
    far.to_csv(tmp_path / "far.csv", index=False)
    found = alloy_run.explain_sample(tmp_path / "far.csv", 0, neighbours=1).neighbours
    assert found is not None
    assert found.farther == 1.0
    assert "Nothing like this sample was seen" in found.sentence


def test_neighbours_need_the_runs_data(
    alloy_run: Run, alloys: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    alloys(5, seed=6).to_csv(tmp_path / "new.csv", index=False)
    moved = open_run(alloy_run.folder)
    moved.header["facts"]["source"] = str(tmp_path / "gone.csv")
    with pytest.raises(InputError, match="not where they were"):
        moved.explain_sample(tmp_path / "new.csv", 0, neighbours=2)
    moved.header["facts"]["source"] = str(tmp_path / "new.csv")  # other data in their place
    with pytest.raises(InputError, match="not where they were"):
        moved.explain_sample(alloys(2, seed=7), 0, neighbours=2)


# -- what does not apply ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"concepts": True}, "read images"),
        ({"counterfactual": "+10%"}, "read images"),
        ({"keep_volume_fraction": True}, "Only a counterfactual"),
        ({"neighbours": 0}, "one neighbour or more"),
        ({"neighbours": 60}, "not so many"),
    ],
)
def test_questions_that_do_not_apply_are_refused(
    alloy_run: Run, alloy_table: Path, asked: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        alloy_run.explain_sample(alloy_table, 0, **asked)


def test_a_model_of_images_without_layers_has_neighbours_in_its_features_and_no_concepts(
    plane: Dataset, tmp_path: Path
) -> None:
    made = final_models(plane, ["two_point_pca"], tmp_path / "run")
    near = made.explain_sample(plane, 3, rung="two_point_pca", neighbours=2).neighbours
    assert near is not None
    assert near.representation.startswith("features")
    assert near.images is not None
    with pytest.raises(UsageError, match="layers of a network"):
        made.explain_sample(plane, 3, rung="two_point_pca", concepts=True)


# -- volumes ---------------------------------------------------------------------------------------


def test_volumes_are_answered_like_images(tmp_path: Path) -> None:
    from iceframe.report import write_explanation

    data = conducting(fields(24, (8, 8, 8)))
    made = final_models(data, ["cnn"], tmp_path / "run")
    explained = made.explain_sample(
        data, 1, rung="cnn", concepts=True, counterfactual="+5%", neighbours=3
    )
    change, near = explained.counterfactual, explained.neighbours
    assert change is not None
    assert change.changed.shape == (8, 8, 8)
    assert change.flips > 0
    assert change.solved is not None
    assert change.solved["before"] == pytest.approx(data.y[1], rel=1e-4)
    assert near is not None
    assert near.images is not None
    assert near.images.shape == (3, 8, 8)
    page = write_explanation(explained, tmp_path / "why").read_text("utf-8")
    assert "slice " in page
    assert "voxels" in page
    np.testing.assert_array_equal(
        np.load(tmp_path / "why" / "counterfactual.npy"), change.phases ^ change.changed
    )


def test_another_explainer_is_not_judged_by_what_the_run_measured(plane_run: Run, plane: Dataset):
    """A glass box seen from outside is no longer exact, and its seeds are those of other maps."""
    read = plane_run.explain_sample(plane, 0, rung="ridge").trust
    named = plane_run.explain_sample(plane, 0, rung="ridge", explainer="terms").trust
    outside = plane_run.explain_sample(plane, 0, rung="ridge", explainer="shapley").trust
    assert "the terms are the model" in read.sentence
    assert named == read
    assert "the terms are the model" not in outside.sentence

    rows = [("cnn", "transparency", "seed_stability", 0.1), ("cnn", "transparency", "mprt", 0.9)]
    evidence = pd.DataFrame(rows, columns=["rung", "axis", "metric", "value"])
    measured: Any = SimpleNamespace(evidence=evidence)
    own = {"faithfulness": 0.9}
    assert trust_in(measured, "cnn", own).of_model == "no"
    other = trust_in(measured, "cnn", own, usual=False)
    assert (other.of_model, dict(other.scores)) == ("yes", own)
