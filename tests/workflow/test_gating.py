"""The gate of a run: fitted from its finished units, kept with it, applied to new samples."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from iceframe.core.errors import InputError, UsageError
from iceframe.core.files import read_json
from iceframe.workflow.gating import RunGate
from iceframe.workflow.gating.fitting import FORMAT, FittedGate, held_out_loss, surroundings
from iceframe.workflow.gating.held_out import held_out_answers
from iceframe.workflow.session import Run, open_run
from iceframe.workflow.session import run as run_ladder

DECIDED = ["decision", "by", "why", "novelty", "risk"]


@pytest.fixture(autouse=True)
def small_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iceframe.steer.company.TREES", 20)
    monkeypatch.setattr("iceframe.workflow.gating.signals.TREES", 20)


def _law(x: pd.DataFrame) -> pd.Series:
    return 900 - 0.5 * x["anneal"] + 300 * x["carbon"]


@pytest.fixture(scope="module")
def steel_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A linear law of two columns, with clusters left out: ridge can extend it, the tree not."""
    rng = np.random.default_rng(0)
    n = 240
    frame = pd.DataFrame({"anneal": rng.uniform(400, 900, n), "carbon": rng.uniform(0.1, 0.9, n)})
    frame["strength"] = _law(frame) + rng.normal(0, 4, n)
    out = tmp_path_factory.mktemp("runs") / "steels"
    return run_ladder(
        frame, "strength", ladder=["mean", "ridge", "tree"], out=out, folds=3, workers=1, trials=0
    )


@pytest.fixture(scope="module")
def usual() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {"anneal": rng.uniform(420, 880, 60), "carbon": rng.uniform(0.15, 0.85, 60)}
    )


@pytest.fixture(scope="module")
def old_run(alloy_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A copy of a run as it was made before gates existed."""
    folder = tmp_path_factory.mktemp("old") / "run"
    shutil.copytree(alloy_run.folder, folder, ignore=shutil.ignore_patterns(".lock"))
    return open_run(folder)


def test_usual_samples_are_answered_and_covered(steel_run: Run, usual: pd.DataFrame) -> None:
    table = RunGate(steel_run).table(usual)
    assert list(table.columns) == ["mean", "low", "high", *DECIDED]
    answered = (table["decision"] == "answer").to_numpy()
    assert answered.mean() > 0.85
    truth = _law(usual).to_numpy()
    inside = (truth >= table["low"]) & (truth <= table["high"])
    assert inside.to_numpy()[answered].mean() > 0.85
    assert table["novelty"].between(0, 1).all()
    assert table["risk"].between(0, 1).all()


def test_answers_are_those_of_the_plain_prediction(steel_run: Run, usual: pd.DataFrame) -> None:
    table, plain = RunGate(steel_run).table(usual), steel_run.predict(usual)
    mine = table["by"] == steel_run.equilibrium.rung
    np.testing.assert_array_equal(table.loc[mine, "mean"], plain.loc[mine, "mean"])


def test_a_missing_column_is_asked_for(steel_run: Run, usual: pd.DataFrame) -> None:
    new = usual.head(4).copy()
    new.loc[1, "carbon"] = np.nan
    decisions = RunGate(steel_run).decide(new)
    assert decisions[1].action == "ask"
    assert decisions[1].ask == "carbon"
    assert "missing" in decisions[1].why
    assert decisions[0].action == "answer"


def test_an_odd_column_is_named_with_what_the_run_holds(
    steel_run: Run, usual: pd.DataFrame
) -> None:
    new = usual.head(3).copy()
    new.loc[0, "anneal"] = 6500.0
    decision = RunGate(steel_run).decide(new)[0]
    assert (decision.action, decision.ask) == ("ask", "anneal")
    assert "6500" in decision.why
    assert decision.risk == 1.0
    assert not decision.answered
    assert decision.alternatives[0][0] == steel_run.equilibrium.rung


def test_of_strange_samples_alike_one_is_asked_for(steel_run: Run) -> None:
    """Two columns are off at once, so that no single one is at fault."""
    rng = np.random.default_rng(3)
    new = pd.DataFrame(
        {"anneal": 5000 + rng.uniform(-1, 1, 6), "carbon": 9 + rng.uniform(-0.01, 0.01, 6)}
    )
    decisions = RunGate(steel_run).decide(new)
    asked = [d for d in decisions if d.action == "ask"]
    assert 1 <= len(asked) <= 2
    assert asked[0].ask == "sample"
    assert "others like it" in asked[0].why
    assert {d.action for d in decisions} == {"ask", "abstain"}


def test_a_stranger_sample_is_never_more_readily_answered(steel_run: Run) -> None:
    away = np.linspace(0, 4000, 60)
    new = pd.DataFrame({"anneal": 890 + away, "carbon": 0.5})
    answered = [d.answered for d in RunGate(steel_run).decide(new)]
    assert answered == sorted(answered, reverse=True)
    assert not answered[-1]


def test_a_tree_falls_back_to_the_line_only_where_its_gate_is_open(steel_run: Run) -> None:
    """Beyond the training data the tree stops rising and ridge does not: known answer."""
    grid = pd.DataFrame({"anneal": np.linspace(300, 1000, 80), "carbon": np.linspace(0.0, 1.0, 80)})
    gate = RunGate(steel_run, rung="tree", tolerance=30.0)
    decisions = gate.decide(grid)
    table = gate.table(grid)
    fallen = (table["decision"] == "fall back").to_numpy()
    assert fallen.any()
    assert set(table["by"][fallen]) == {"ridge"}
    assert np.abs(table["mean"] - _law(grid).to_numpy())[fallen].max() < 30
    order = [step["rung"] for step in steel_run.equilibrium.trajectory]
    assert order.index("ridge") < order.index("tree")
    for decision in np.array(decisions, object)[fallen]:
        assert decision.why.startswith("tree refused")
        assert decision.alternatives[0][0] == "tree"
    half = (table["high"] - table["low"])[fallen] / 2
    assert half.median() <= 30.0


def test_the_gate_is_kept_with_the_run(steel_run: Run, usual: pd.DataFrame) -> None:
    first = RunGate(steel_run).table(usual)
    stored = list((steel_run.folder / "units").glob("gate-*/gate.json"))
    assert stored
    again = RunGate(open_run(steel_run.folder)).table(usual)  # sealed: nothing was broken
    pd.testing.assert_frame_equal(again, first)
    assert len(list((steel_run.folder / "units").glob("gate-*/gate.json"))) == len(stored)
    state = read_json(stored[0])
    assert FittedGate.from_state(state).state() == state
    with pytest.raises(InputError, match="damaged"):
        FittedGate.from_state({**state, "format": 99})


def test_a_smaller_share_answers_less(steel_run: Run) -> None:
    rng = np.random.default_rng(11)
    new = pd.DataFrame({"anneal": rng.uniform(400, 900, 200), "carbon": rng.uniform(0.1, 0.9, 200)})
    counts = [
        sum(d.action == "answer" for d in RunGate(steel_run, share=s).decide(new))
        for s in (0.2, 0.6, 1.0)
    ]
    assert counts == sorted(counts)
    assert counts[0] < 120 < counts[2]


def test_a_lower_risk_answers_less(steel_run: Run, usual: pd.DataFrame) -> None:
    far = usual.assign(anneal=usual["anneal"] * 1.15)
    counts = [
        sum(d.answered for d in RunGate(steel_run, risk=r).decide(far)) for r in (0.03, 0.1, 0.4)
    ]
    assert counts == sorted(counts)


def test_held_out_samples_are_judged_by_the_folds_that_held_them_out(steel_run: Run) -> None:
    found = held_out_answers(steel_run, "ridge")
    assert (~found.strange).sum() == 240
    assert found.strange.sum() == 240
    for number, fold in enumerate(found.folds):
        np.testing.assert_array_equal(np.sort(found.position[found.part == number]), fold.test)
        assert not np.isin(found.position[found.part == number], fold.train).any()
    assert found.losses("tree")[found.strange].mean() > 3 * found.losses("ridge").mean()


def test_local_errors_are_those_of_the_nearest(steel_run: Run) -> None:
    near, loss = surroundings(steel_run, "ridge"), held_out_loss(steel_run, "ridge")
    at = near.local_loss(near.x[:5], loss)
    assert np.all(at >= loss.min())
    assert np.all(at <= loss.max())
    assert near.missing(np.array([[np.nan, 1.0], [1.0, 1.0]])).tolist() == [1.0, 0.0]


def test_trees_spread_where_the_target_changes(steel_run: Run) -> None:
    """Known answer: the standard deviation among the answers of the trees."""
    near = surroundings(steel_run, "ridge")
    new = near.x[:7]
    spread = near.signals(new, together=False)["spread"]
    z = (new - near.novelty.centre) / near.novelty.spread
    answers = np.stack([tree.predict(z) for tree in near.forest.estimators_])
    np.testing.assert_allclose(spread, answers.std(axis=0), rtol=1e-9)


# -- judged together -------------------------------------------------------------------------------


def test_a_kind_never_seen_is_noticed_in_company(tmp_path: Path) -> None:
    """Steels with a gap, in which another law holds: of a kind of its own where many are there."""
    rng = np.random.default_rng(7)

    def made(n: int, *, gap: bool) -> pd.DataFrame:
        side = rng.choice([-1.0, 1.0], n)
        x = rng.uniform(-0.3, 0.3, n) if gap else side * rng.uniform(0.5, 1.5, n)
        return pd.DataFrame({"a": x, "b": rng.normal(size=n), "c": rng.normal(size=n)})

    frame = made(200, gap=False)
    frame["strength"] = 10 * np.abs(frame["a"]) + frame["b"] + 0.3 * rng.normal(size=200)
    run = run_ladder(
        frame, "strength", ladder=["mean", "tree"], out=tmp_path / "run", folds=3, workers=1,
        trials=0,
    )  # fmt: skip
    new = pd.concat([made(30, gap=False), made(30, gap=True)], ignore_index=True)
    alone, beside = (RunGate(run, rung="tree", together=t).table(new) for t in (False, True))
    pd.testing.assert_series_equal(alone["mean"], beside["mean"])
    kind = np.arange(60) >= 30
    ratio = [t["risk"][kind].median() / t["risk"][~kind].median() for t in (alone, beside)]
    assert ratio[1] > 4 * ratio[0]


def test_a_sample_by_itself_is_decided_as_in_a_table(steel_run: Run, usual: pd.DataFrame) -> None:
    gate = RunGate(steel_run)
    many = gate.table(usual.head(3))
    one = pd.concat([gate.table(usual.iloc[[i]]) for i in range(3)])
    columns = ["mean", "low", "high", *DECIDED]
    assert "company" not in gate.fitted().cascade.gates[gate.settings.rung].names
    pd.testing.assert_frame_equal(
        many[columns].reset_index(drop=True), one[columns].reset_index(drop=True)
    )


def test_both_gates_are_kept_beside_each_other(steel_run: Run, usual: pd.DataFrame) -> None:
    RunGate(steel_run).table(usual.head(2))
    gate = RunGate(steel_run, together=True)
    first = gate.table(usual.head(2))
    assert "company" in gate.fitted().cascade.gates[gate.settings.rung].names
    stored = [read_json(p) for p in (steel_run.folder / "units").glob("gate-*/gate.json")]
    assert {state["settings"]["together"] for state in stored} == {False, True}
    again = RunGate(open_run(steel_run.folder), together=True).table(usual.head(2))
    pd.testing.assert_frame_equal(again, first)


def test_a_gate_of_an_older_format_is_fitted_again(
    steel_run: Run, usual: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = steel_run.folder / "units"
    with monkeypatch.context() as before_now:
        for module in ("fitting", "run_gate"):
            before_now.setattr(f"iceframe.workflow.gating.{module}.FORMAT", 2)
        old = RunGate(steel_run, risk=0.12).table(usual.head(2))
    before = set(units.glob("gate-*"))
    new = RunGate(open_run(steel_run.folder), risk=0.12).table(usual.head(2))
    pd.testing.assert_frame_equal(new, old)
    added = set(units.glob("gate-*")) - before
    assert [read_json(p / "gate.json")["format"] for p in added] == [FORMAT]


# -- a run that was made before --------------------------------------------------------------------


def test_a_run_from_before_gates_is_gated(
    old_run: Run, alloys: Callable[..., pd.DataFrame]
) -> None:
    assert not list((old_run.folder / "units").glob("gate-*"))
    new = alloys(12, seed=5).drop(columns="strength")
    table = RunGate(old_run, risk=0.2).table(new)
    assert (table["decision"] == "answer").mean() > 0.5
    promise = RunGate(old_run, risk=0.2).promise
    assert promise.samples == 60
    assert promise.strange == 0
    assert promise.kept


def test_a_folder_that_cannot_be_written_to_is_gated_too(
    old_run: Run, alloys: Callable[..., pd.DataFrame]
) -> None:
    """Another process holds the run: the gate is fitted in memory."""
    before = {p.name for p in (old_run.folder / "units").iterdir()}
    with old_run.store.locked():
        busy = open_run(old_run.folder)
        table = RunGate(busy, risk=0.07).table(alloys(4, seed=5))
    assert len(table) == 4
    assert {p.name for p in (old_run.folder / "units").iterdir()} == before


def test_too_few_samples_answer_nothing_and_say_so(
    old_run: Run, alloys: Callable[..., pd.DataFrame]
) -> None:
    decisions = RunGate(old_run, risk=0.01).decide(alloys(3, seed=5))
    assert {d.action for d in decisions} <= {"abstain", "ask"}
    assert "it takes 299 held-out samples, there are 60" in decisions[0].why


def test_no_calibration_data(alloys: Callable[..., pd.DataFrame], tmp_path: Path) -> None:
    """The run was stopped before any rung was finished."""
    stopped = run_ladder(
        alloys(40), "strength", ladder=["ridge"], out=tmp_path / "run", budget=0.0, folds=3,
        workers=1, trials=0, shift=False,
    )  # fmt: skip
    with pytest.raises(UsageError, match="no rung"):
        RunGate(stopped)
    with pytest.raises(UsageError, match="ridge"):
        RunGate(stopped, rung="ridge")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"risk": 0.0}, "--risk"),
        ({"risk": 1.0}, "--risk"),
        ({"risk": float("nan")}, "--risk"),
        ({"level": 1.2}, "--level"),
        ({"tolerance": 0.0}, "--tolerance"),
        ({"tolerance": -5.0}, "--tolerance"),
        ({"tolerance": float("nan")}, "--tolerance"),
        ({"share": 0.0}, "--share"),
        ({"share": 1.5}, "--share"),
        ({"rung": "gp"}, "no finished rung 'gp'"),
    ],
)
def test_what_cannot_be_promised(alloy_run: Run, options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        RunGate(alloy_run, **options)  # type: ignore[arg-type]


# -- classes ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kind_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"a": rng.normal(size=160), "b": rng.normal(size=160)})
    score = frame["a"] + 0.5 * rng.normal(size=160)
    frame["kind"] = np.where(score > 0, "hard", "soft")
    out = tmp_path_factory.mktemp("runs") / "kinds"
    return run_ladder(
        frame, "kind", ladder=["mean", "ridge"], out=out, folds=3, workers=1, trials=0, shift=False
    )


def test_classes_are_answered_where_they_are_sure(kind_run: Run) -> None:
    new = pd.DataFrame({"a": np.linspace(-2.5, 2.5, 41), "b": 0.0})
    table = RunGate(kind_run, risk=0.3).table(new)
    assert list(table.columns) == ["predicted", "p_hard", "p_soft", "set", *DECIDED]
    answered = table["decision"].isin(["answer", "fall back"]).to_numpy()
    assert answered.any()
    if not answered.all():
        doubt = 1 - table[["p_hard", "p_soft"]].max(axis=1).to_numpy()
        assert doubt[answered].mean() < doubt[~answered].mean()
    assert table["set"].str.contains("hard|soft").all()


def test_a_class_has_no_tolerance(kind_run: Run) -> None:
    with pytest.raises(UsageError, match="right or wrong"):
        RunGate(kind_run, tolerance=1.0)


def test_images_are_gated_by_their_descriptors(
    quick_run: Callable[..., Run], stripes: Path, tmp_path: Path
) -> None:
    """An image of noise is stranger than all stripes, and is not answered."""
    made = quick_run(
        stripes, ladder=["mean", "tree"], trials=0, descriptors=["gradient_orientation"]
    )
    new = tmp_path / "new" / "across"
    new.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (24, 24), dtype=np.uint8)
    Image.fromarray(noise).save(new / "noise.png")
    for name in ("across1.png", "across2.png"):
        shutil.copy(stripes / "across" / name, new / name)
    table = RunGate(made, rung="tree", risk=0.5).table(tmp_path / "new")
    strange = table.index.str.contains("noise")
    assert table.loc[strange, "novelty"].max() < table.loc[~strange, "novelty"].min()
    assert table.loc[strange, "decision"].isin(["abstain", "ask"]).all()
