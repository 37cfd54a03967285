"""Learning curves from start to end: fair subsets, honest numbers, resuming, failures."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.ingest import read
from iceframe.measure.fidelity import regression_scores
from iceframe.measure.learning_curve import mean_interval
from iceframe.scale.rung import RUNGS
from iceframe.scale.rungs.ridge import RidgeRung
from iceframe.scale.rungs.tree import TreeRung
from iceframe.workflow.execute import Progress
from iceframe.workflow.learning_curve import learning_curve, unit
from iceframe.workflow.learning_curve.session import LearningCurve
from iceframe.workflow.learning_curve.settings import goal, ordered_sizes
from iceframe.workflow.learning_curve.subsets import make_pools
from iceframe.workflow.session import open_run
from iceframe.workflow.session import run as run_ladder
from iceframe.workflow.settings import rungs_named

Frames = Callable[..., pd.DataFrame]
Go = Callable[..., LearningCurve]
QUICK: dict[str, Any] = {
    "ladder": ["mean", "ridge"],
    "sizes": [4, 8, 16, 32],
    "repeats": 3,
    "workers": 1,
    "tune": False,
}


@pytest.fixture
def curve_of(tmp_path: Path) -> Go:
    def go(data: Any, target: str | None = "strength", **options: Any) -> LearningCurve:
        return learning_curve(data, target, **{"out": tmp_path / "curve", **QUICK, **options})

    return go


@pytest.fixture
def steels(alloys: Frames) -> pd.DataFrame:
    """Sixty alloys from twelve melts, of three unequal classes."""
    frame = alloys()
    frame["melt"] = np.repeat([f"M{i}" for i in range(12)], 5)
    frame["grade"] = np.array(["low", "mid", "high"])[
        np.digitize(frame["strength"], np.quantile(frame["strength"], (0.6, 0.85)))
    ]
    return frame


# -- the subsets -----------------------------------------------------------------------------------


def numbers(frame: pd.DataFrame) -> Dataset:
    return read(frame.drop(columns=["melt", "grade"]), "strength")


def grades(frame: pd.DataFrame) -> Dataset:
    return read(frame.drop(columns=["melt", "strength"]), "grade")


def test_subsets_are_nested_and_never_tested(steels: pd.DataFrame) -> None:
    pools = make_pools(numbers(steels), "random", 0.3, 4, seed=0)
    folds = {fold.name: fold for fold in pools.subsets((4, 8, 16, 32)).folds}
    for repeat in range(4):
        chain = [folds[f"r{repeat}-n{size}"] for size in (4, 8, 16, 32)]
        assert [len(set(fold.train)) for fold in chain] == [4, 8, 16, 32]
        for small, large in pairwise(chain):
            assert set(small.train) < set(large.train)
            np.testing.assert_array_equal(small.test, large.test)
        assert not set(chain[-1].train) & set(chain[-1].test)
        assert len(chain[0].test) == 18
    tests = {tuple(fold.test) for fold in pools.folds}
    assert len(tests) == 4  # every repeat has its own
    assert pools.shared == pytest.approx(0.3)


def test_a_number_of_test_samples_may_be_named(steels: pd.DataFrame) -> None:
    pools = make_pools(numbers(steels), "random", 12, 2, seed=0)
    assert [len(fold.test) for fold in pools.folds] == [12, 12]
    assert pools.most == 48


def test_no_specimen_is_on_both_sides(steels: pd.DataFrame) -> None:
    data = read(steels.drop(columns="grade"), "strength", specimen="melt")
    for spec in ("auto", "grouped:melt", "grouped:specimen"):
        pools = make_pools(data, spec, 0.3, 5, seed=1)
        for fold in pools.folds:
            melts = steels["melt"].to_numpy()
            assert not set(melts[fold.train]) & set(melts[fold.test])
            assert len(fold.test) in (15, 20)  # whole melts of five, nearest to 18
            assert len(fold.test) + len(fold.train) == 60
        assert len(np.unique(pools.groups)) == 12
    mixed = make_pools(data, "random", 0.3, 1, seed=1).folds[0]
    assert set(melts[mixed.train]) & set(melts[mixed.test])


def test_copies_are_not_on_both_sides(steels: pd.DataFrame) -> None:
    frame = steels.drop(columns=["melt", "grade"])
    frame.loc[1] = frame.loc[0]
    for seed in range(6):
        pools = make_pools(read(frame, "strength"), "random", 0.3, 3, seed)
        for fold in pools.folds:
            assert (0 in fold.test) == (1 in fold.test)
    assert any("copies" in note for note in pools.notes)


def test_copies_in_other_specimens_are_not_trained_on(steels: pd.DataFrame) -> None:
    frame = steels.drop(columns="grade")
    frame.loc[59, ["anneal", "carbon", "batch_humidity"]] = frame.loc[0].drop(["strength", "melt"])
    data = read(frame, "strength", specimen="melt")
    apart = 0
    for fold in make_pools(data, "auto", 0.3, 8, seed=0).folds:
        assert not ({0, 59} & set(fold.test) and {0, 59} & set(fold.train))
        apart += len(fold.train) + len(fold.test) == 59
    assert apart > 0


def test_classes_keep_their_shares_everywhere(steels: pd.DataFrame) -> None:
    data = grades(steels)
    shares = pd.Series(data.y).value_counts(normalize=True)
    pools = make_pools(data, "random", 0.3, 5, seed=0)
    for fold in pools.folds:
        for part in (fold.test, fold.train[:20], fold.train[:32]):
            counts = pd.Series(data.y[part]).value_counts()
            for name, share in shares.items():
                assert abs(counts[str(name)] - share * len(part)) <= 1.5
        assert len(set(data.y[fold.train[:3]])) == 3  # the smallest subset has every class
        assert len(set(data.y[fold.train[:2]])) == 2


def test_one_more_repeat_leaves_the_others_alone(steels: pd.DataFrame) -> None:
    two, three = (make_pools(numbers(steels), "random", 0.3, n, seed=3) for n in (2, 3))
    for a, b in zip(two.folds, three.folds, strict=False):
        np.testing.assert_array_equal(a.train, b.train)
        np.testing.assert_array_equal(a.test, b.test)


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ("cluster", UsageError, "knows no splits"),
        ("random:melt", UsageError, "knows no splits"),
        ("grouped:mel", UsageError, "Did you mean 'melt'"),
        ("grouped:one", InputError, "whole groups"),
    ],
)
def test_wrong_splits_are_refused(
    steels: pd.DataFrame, spec: str, error: type[Exception], words: str
) -> None:
    data = read(steels.assign(one="x").drop(columns="grade"), "strength", drop=["melt"])
    with pytest.raises(error, match=words):
        make_pools(data, spec, 0.3, 2, seed=0)


# -- the numbers -----------------------------------------------------------------------------------


def test_the_linear_law_is_learned_from_few_samples(curve_of: Go, alloys: Frames) -> None:
    found = curve_of(alloys(120), sizes=[8, 16, 32, 64], repeats=4, wanted={"mae": 20})
    mean = found.curve.query("metric == 'mae'").set_index(["rung", "size"])["mean"]
    assert mean["ridge", 64] < 16  # the noise is 15, so 12 is the least
    assert mean["ridge", 8] > 1.3 * mean["ridge", 64]
    assert mean["mean", 64] > 50
    assert not found.laws["mean"].identifiable
    assert found.reached["mean"].how == "not reached"
    assert found.reached["ridge"].how in ("measured", "at the smallest size")
    assert found.reached["ridge"].size < 40


def test_a_value_is_what_a_fit_by_hand_gives(curve_of: Go, alloys: Frames) -> None:
    """The mean rung on one subset: recomputed from the subset itself."""
    frame = alloys()
    found = curve_of(frame)
    pools = make_pools(read(frame, "strength"), "auto", 0.3, 3, seed=0)
    y = frame["strength"].to_numpy()
    for repeat, fold in enumerate(pools.folds):
        expected = regression_scores(
            y[fold.test], np.full(len(fold.test), y[fold.train[:8]].mean())
        )
        mine = found.repeats.query("rung == 'mean' and size == 8")
        mine = mine[mine["repeat"] == repeat]
        assert dict(zip(mine["metric"], mine["value"], strict=True)) == pytest.approx(expected)


def test_the_curve_is_the_mean_of_its_repeats(curve_of: Go, alloys: Frames) -> None:
    found = curve_of(alloys())
    columns = ["rung", "size", "metric", "mean", "low", "high", "n_repeats"]
    assert list(found.curve.columns) == columns
    assert (found.curve["n_repeats"] == 3).all()
    means = found.repeats.groupby(["rung", "size", "metric"])["value"].mean()
    mine = found.curve.set_index(["rung", "size", "metric"])["mean"]
    pd.testing.assert_series_equal(mine.sort_index(), means, check_names=False)
    assert (found.curve["low"] <= found.curve["mean"]).all()
    errors = found.repeats.query("rung == 'ridge' and size == 16 and metric == 'r2'")["value"]
    _, low, high = mean_interval(1 - errors.to_numpy(), shared=18 / 60)  # as the tests overlap
    row = found.curve.query("rung == 'ridge' and size == 16 and metric == 'r2'").iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((1 - high, 1 - low))
    assert (found.curve.query("metric == 'mae'")["low"] >= 0).all()
    assert (found.curve.query("metric == 'r2'")["high"] <= 1).all()


def test_nothing_outside_the_subset_is_learned_from(
    curve_of: Go, steels: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Categories and tuning folds are those of the training subset."""
    seen: list[tuple[int, tuple[str, ...]]] = []
    tuned: list[int] = []
    fit, tune = unit.fit, unit.tune

    def spy_fit(rung: Any, settings: Any, inputs: Any, y: Any, context: Any) -> Any:
        seen.append((len(inputs), tuple(inputs.table.names)))
        return fit(rung, settings, inputs, y, context)

    def spy_tune(rung: Any, inputs: Any, y: Any, context: Any, **options: Any) -> Any:
        tuned.append(len(inputs))
        return tune(rung, inputs, y, context, **options)

    monkeypatch.setattr(unit, "fit", spy_fit)
    monkeypatch.setattr(unit, "tune", spy_tune)
    frame = steels.drop(columns="grade")
    curve_of(frame, ladder=["ridge"], sizes=[4, 40], repeats=2, tune=True, splits="random")
    data = read(frame, "strength")
    pools = make_pools(data, "random", 0.3, 2, seed=0)
    expected = [
        (size, {f"melt = {m}" for m in frame["melt"].to_numpy()[fold.train[:size]]})
        for size in (4, 40)
        for fold in pools.folds
    ]
    found = [(n, {name for name in names if name.startswith("melt")}) for n, names in seen]
    assert found == expected
    assert tuned == [4, 4, 40, 40]


def test_classes_are_told_apart_with_enough_samples(curve_of: Go, stripes: Path) -> None:
    found = curve_of(stripes, None, ladder=["mean", "tree"], sizes=[2, 8, 24], repeats=2)
    mean = found.curve.set_index(["rung", "size", "metric"])["mean"]
    assert mean["tree", 24, "balanced_accuracy"] > 0.9
    assert mean["mean", 24, "balanced_accuracy"] == pytest.approx(0.5)
    assert found.view().metric == "balanced_accuracy"


def test_workers_change_no_number(curve_of: Go, alloys: Frames, tmp_path: Path) -> None:
    frame = alloys()
    tuned = {"ladder": ["ridge"], "tune": True, "sizes": [8, 16], "repeats": 2}
    alone = curve_of(frame, **tuned)
    pair = curve_of(frame, **tuned, workers=2, out=tmp_path / "two")
    for name in ("curve.csv", "repeats.csv", "learning-curve.json"):
        assert (alone.folder / name).read_bytes() == (pair.folder / name).read_bytes()


# -- resuming --------------------------------------------------------------------------------------


def done(events: list[Progress]) -> list[tuple[str, str]]:
    return [(e.unit.rung, e.unit.part) for e in events if e.unit is not None]


def test_repeating_it_changes_nothing(curve_of: Go, alloys: Frames) -> None:
    first = curve_of(alloys(), wanted={"mae": 30})
    before = {p: p.read_bytes() for p in first.folder.rglob("*") if p.is_file()}
    events: list[Progress] = []
    curve_of(alloys(), wanted={"mae": 30}, watch=events.append)
    assert done(events) == []
    assert before == {p: p.read_bytes() for p in first.folder.rglob("*") if p.is_file()}


def test_rungs_sizes_repeats_and_another_goal_may_come_later(curve_of: Go, alloys: Frames) -> None:
    small = {"sizes": [8, 16], "repeats": 2, "ladder": ["mean"]}
    curve_of(alloys(), **small)
    for more, new in (
        ({"sizes": [8, 16, 32]}, {("mean", "r0-n32"), ("mean", "r1-n32")}),
        ({"repeats": 3}, {("mean", "r2-n8"), ("mean", "r2-n16")}),
        ({"ladder": ["mean", "ridge"]}, {("ridge", f"r{r}-n{n}") for r in (0, 1) for n in (8, 16)}),
        ({"wanted": {"r2": 0.9}}, set()),
    ):
        events: list[Progress] = []
        curve_of(alloys(), **{**small, **more}, watch=events.append)
        assert set(done(events)) == new


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"test": 0.4}, {"tune": True}, {"splits": "random"}]
)
def test_another_configuration_is_refused(
    curve_of: Go, alloys: Frames, change: dict[str, Any]
) -> None:
    curve_of(alloys(), ladder=["mean"], sizes=[4])
    with pytest.raises(InputError, match=rf"another run(.|\n)*{next(iter(change))}"):
        curve_of(alloys(), ladder=["mean"], sizes=[4], **change)


def test_a_curve_is_no_run_and_a_run_no_curve(curve_of: Go, alloys: Frames, tmp_path: Path) -> None:
    found = curve_of(alloys(), ladder=["mean"], sizes=[4])
    with pytest.raises(InputError, match="learning curve, not a run"):
        open_run(found.folder)
    with pytest.raises(InputError, match="another run"):
        run_ladder(alloys(), "strength", ladder=["mean"], out=found.folder, workers=1)


def test_a_budget_stops_it_and_the_rest_is_done_later(
    curve_of: Go, alloys: Frames, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = curve_of(alloys(), out=tmp_path / "whole")
    stopped = curve_of(alloys(), budget=0.0)
    assert stopped.unfinished == 24
    assert stopped.curve.empty
    ticks = iter(np.arange(0.0, 100.0, 0.5))  # every look at the clock takes half a second
    with monkeypatch.context() as patch:
        patch.setattr("iceframe.workflow.execute.time.monotonic", lambda: float(next(ticks)))
        half = curve_of(alloys(), budget=4.0)
    assert 0 < half.unfinished < 24
    smallest = half.curve.query("metric == 'mae' and n_repeats == 3")
    assert smallest["size"].min() == 4
    assert smallest["size"].max() < 32  # small sizes come first
    rest = curve_of(alloys())
    assert rest.unfinished == 0
    pd.testing.assert_frame_equal(rest.curve, whole.curve, check_exact=True)


DYING = """
import os, signal, sys
from iceframe.core.runstore import RunStore
from iceframe.workflow.learning_curve import learning_curve

append, left = RunStore._append, [int(sys.argv[3])]

def dying(self, entry):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    append(self, entry)

RunStore._append = dying
learning_curve(
    sys.argv[1], "strength", out=sys.argv[2], ladder=["mean", "ridge"], sizes=[4, 8, 16, 32],
    repeats=3, workers=1, tune=False,
)
"""


def finished(out: Path) -> list[str]:
    lines = (out / "manifest.jsonl").read_bytes().split(b"\n")[:-1]
    return [key for key in (json.loads(line)["key"] for line in lines) if key != "seal"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_curve_goes_on_to_the_same_numbers(
    curve_of: Go, alloy_table: Path, tmp_path: Path
) -> None:
    """Killed when its ninth unit is in place and the manifest does not know of it yet."""
    torn = tmp_path / "torn"
    killed = subprocess.run(
        [sys.executable, "-c", DYING, str(alloy_table), str(torn), "9"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    kept = finished(torn)
    assert len(kept) == 8
    assert len(list((torn / "units").iterdir())) == 9
    whole = curve_of(alloy_table)
    curve_of(alloy_table, out=torn)
    assert finished(torn)[: len(kept)] == kept  # nothing was done twice
    assert sorted(finished(torn)) == sorted(finished(whole.folder))
    for name in ("curve.csv", "repeats.csv", "learning-curve.json"):
        assert (torn / name).read_bytes() == (whole.folder / name).read_bytes()


# -- failures and bad input ------------------------------------------------------------------------


@pytest.fixture
def shy_ridge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ridge regressions that refuse fewer than ten samples."""
    build = RidgeRung.build

    def refuse(self: Any, settings: Any, context: Any) -> Any:
        if context.n_samples < 10:
            raise FloatingPointError("overflow in the test")
        return build(self, settings, context)

    monkeypatch.setattr(RidgeRung, "build", refuse)


@pytest.mark.usefixtures("shy_ridge")
def test_a_rung_that_fails_at_a_size_does_not_stop_the_others(curve_of: Go, alloys: Frames) -> None:
    found = curve_of(alloys(), wanted={"mae": 25})
    (failure,) = found.failures
    assert failure["rung"] == "ridge"
    assert failure["sizes"] == [4, 8]
    assert failure["times"] == 6
    assert "overflow in the test" in failure["message"]
    sizes = found.curve.query("metric == 'mae'").groupby("rung")["size"].apply(list)
    assert sizes["mean"] == [4, 8, 16, 32]
    assert sizes["ridge"] == [16, 32]
    assert found.unfinished == 0
    assert found.reached["ridge"].size >= 16


def test_where_nothing_works_it_says_so(
    curve_of: Go, alloys: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: Any) -> Any:
        raise FloatingPointError("overflow in the test")

    monkeypatch.setattr(TreeRung, "build", explode)
    with pytest.raises(InputError, match=r"No rung could be fitted(.|\n)*overflow"):
        curve_of(alloys(), ladder=["tree"])


def test_supervision_that_is_not_there_is_refused_before_anything_is_computed(
    curve_of: Go, rng: np.random.Generator, tmp_path: Path
) -> None:
    pixels = rng.random((24, 1, 12, 12)).astype(np.float32)
    table = pd.DataFrame({"k": pixels.mean(axis=(1, 2, 3))}, index=[f"m{i}" for i in range(24)])
    data = Dataset(table, "k", "regression", images=ArrayImages(pixels))
    with pytest.raises(InputError, match="without the target's sensitivity"):
        curve_of(data, None, ladder=["mean", "sobolev_cnn"], sizes=[4], out=tmp_path / "curve")
    assert not (tmp_path / "curve").exists()


def test_the_ladder_of_images_holds_the_rungs_that_can_look_at_them(
    rng: np.random.Generator,
) -> None:
    def named(side: int, **more: Any) -> set[str]:
        pixels = rng.random((12, 1, side, side)).astype(np.float32)
        table = pd.DataFrame({"k": pixels.mean(axis=(1, 2, 3))}, index=[str(i) for i in range(12)])
        images = ArrayImages(pixels, **{name: value * pixels for name, value in more.items()})
        data = Dataset(table, "k", "regression", images=images)
        return set(rungs_named(["mean", "images"], data))

    small, large, taught = named(16), named(32), named(16, derivatives=1.0)
    assert {"mean", "cnn", "vit", "vae_probe"} <= small
    assert large - small == {"micrographs_probe", "micrographs_tuned"}
    assert taught - small == {n for n in RUNGS.names() if n.startswith("sobolev_")}


def test_a_subset_of_one_class_is_a_failure_of_its_repeat(
    curve_of: Go, steels: pd.DataFrame
) -> None:
    """The one rare sample is tested in some repeats, which then have nothing to tell apart."""
    frame = steels.drop(columns=["strength", "grade"]).assign(kind="common")
    frame.loc[0, "kind"] = "rare"
    data = Dataset(frame, "kind", "classification", ("anneal", "carbon"))
    found = curve_of(data, None, ladder=["tree"], sizes=[2, 8], repeats=8, splits="grouped:melt")
    pools = make_pools(data, "grouped:melt", 0.3, 8, seed=0)
    lost = sum(0 in fold.test for fold in pools.folds)
    assert 0 < lost < 8
    (failure,) = found.failures
    assert "one class only" in failure["message"]
    assert failure["times"] == 2 * lost
    assert (found.curve["n_repeats"] == 8 - lost).all()


def test_subsets_too_small_to_tune_keep_default_settings(curve_of: Go, alloys: Frames) -> None:
    found = curve_of(alloys(), ladder=["ridge"], sizes=[2, 20], repeats=2, tune=True)
    assert found.failures == []
    assert [note for note in found.notes if "default settings" in note and "at 2 samples" in note]


def test_sizes_beyond_the_data_are_left_out_with_a_note(curve_of: Go, alloys: Frames) -> None:
    found = curve_of(alloys(), sizes=[16, 8, 8, 64, 2000])
    assert sorted(set(found.curve["size"])) == [8, 16]
    assert any("64, 2000" in note and "42 samples" in note for note in found.notes)
    assert any("rising order" in note for note in found.notes)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"sizes": [1, 8]}, UsageError, "needs two samples"),
        ({"sizes": []}, UsageError, "no size"),
        ({"sizes": [64, 128]}, InputError, "No size fits"),
        ({"repeats": 0}, UsageError, "Too few repeats"),
        ({"test": 0.0}, UsageError, "no size of a test set"),
        ({"test": 1.5}, UsageError, "no size of a test set"),
        ({"test": 59}, InputError, "must leave two samples"),
        ({"test": 0.01}, InputError, "must leave two samples"),
        ({"ladder": ["rigde"]}, UsageError, "Did you mean 'ridge'"),
        ({"ladder": ["cnn"]}, UsageError, "needs images"),
        ({"ladder": ["mean", "mean"]}, UsageError, "named twice"),
        ({"wanted": {"maee": 1}}, UsageError, "Did you mean 'mae'"),
        ({"wanted": {"faithfulness": 0.5}}, UsageError, "not what a regression curve shows"),
        ({"wanted": {"mae": -1}}, UsageError, "No model has such"),
        ({"wanted": {"r2": 1.0}}, UsageError, "No model has such"),
        ({"wanted": {"mae": 1, "r2": 0.5}}, UsageError, "One goal"),
        ({"seed": -1}, UsageError, "seed is negative"),
    ],
)
def test_bad_options_are_refused_before_anything_is_fitted(
    curve_of: Go, alloys: Frames, tmp_path: Path, options: dict[str, Any],
    error: type[Exception], words: str,
) -> None:  # fmt: skip
    with pytest.raises(error, match=words):
        curve_of(alloys(), **options)
    assert not (tmp_path / "curve").exists()


def bare(frame: pd.DataFrame) -> Dataset:
    """A data set as a program makes it, without the reader's checks."""
    return Dataset(frame, "strength", "regression", ("anneal", "carbon"))


@pytest.mark.parametrize("n", [2, 3])
def test_two_or_three_samples_are_too_few(curve_of: Go, alloys: Frames, n: int) -> None:
    with pytest.raises(InputError, match="Too few samples for a learning curve"):
        curve_of(bare(alloys(n)), None)
    with pytest.raises(InputError, match="too few samples"):
        curve_of(alloys(n))


def test_four_samples_are_just_enough(curve_of: Go, alloys: Frames) -> None:
    found = curve_of(bare(alloys(4)), None, ladder=["mean"], sizes=[2, 4], test=2)
    assert list(found.curve["size"].unique()) == [2]


def test_one_repeat_has_no_intervals(curve_of: Go, alloys: Frames) -> None:
    found = curve_of(alloys(), repeats=1, wanted={"mae": 40})
    assert found.curve[["low", "high"]].isna().all().all()
    assert np.isnan(found.reached["ridge"].low)
    assert "two repeats" in found.laws["ridge"].reason


def test_goals_and_sizes_as_they_are_meant() -> None:
    assert goal({"log_loss": 0.4}, "classification") == ("log_loss", 0.4)
    with pytest.raises(UsageError, match="classification curve"):
        goal({"mae": 1.0}, "classification")
    assert ordered_sizes([2, 4]) == ((2, 4), [])


def test_descriptors_of_images_can_be_named_and_no_others(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.random((40, 1, 16, 16)).astype(np.float32)
    table = pd.DataFrame({"y": values.mean(axis=(1, 2, 3))}, index=[str(i) for i in range(40)])
    data = Dataset(table, "y", "regression", images=ArrayImages(values), name="greys")
    options = {"ladder": ["ridge"], "sizes": [16], "repeats": 2, "tune": False, "workers": 1}
    made = learning_curve(data, **options, descriptors=["intensity"], out=tmp_path / "a")
    assert list(made.store.header["settings"]["descriptors"]) == ["intensity"]
    with pytest.raises(UsageError, match="no others"):
        learning_curve(data, **options, descriptors=["magpie"], out=tmp_path / "b")
