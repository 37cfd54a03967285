"""A board from start to end on small tasks, its verdict, and the files to submit."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.core.values import Equilibrium, Status
from iceframe.workflow.benchmark import matbench
from iceframe.workflow.benchmark.results import ranked, verdict
from iceframe.workflow.benchmark.session import Board, TaskProgress, ladder_for, shared_formulas
from iceframe.workflow.benchmark.tasks import TASKS
from iceframe.workflow.benchmark.view import Line
from iceframe.workflow.settings import RunSettings

N = 30
SMALL = {name: replace(TASKS[name], samples=N) for name in ("steels", "glass")}
QUICK: dict[str, Any] = {
    "ladder": ["ridge"],
    "descriptors": ["element_fractions"],
    "trials": 0,
    "workers": 1,
}


@pytest.fixture(scope="module")
def small_tasks() -> Iterator[None]:
    """Tasks of thirty samples, with little explained and few degrees of freedom refitted."""
    little = partial(RunSettings, explain_samples=1, gdf_replicates={"light": 2, "medium": 2})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("iceframe.workflow.session.RunSettings", little)
        for name, task in SMALL.items():
            patch.setitem(TASKS, name, task)
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks whose targets follow from the amounts; they have ten formulas in common."""
    folder = tmp_path_factory.mktemp("matbench")
    rng = np.random.default_rng(5)
    nickel, carbon = rng.uniform(0.02, 0.3, N).round(4), rng.uniform(0.001, 0.02, N).round(4)
    formulas = [f"Fe0.6Ni{a}C{b}" for a, b in zip(nickel, carbon, strict=True)]
    strength = (900 + 2000 * nickel + 9000 * carbon + rng.normal(0, 20, N)).round(1)
    steels = {"mbid": SMALL["steels"].ids, "composition": formulas, "yield strength": strength}
    (folder / "matbench_steels.json").write_text(
        json.dumps({k: {str(i): v for i, v in enumerate(c)} for k, c in steels.items()}),
        encoding="utf-8",
    )
    other = [*formulas[:10], *(f"Zr0.5Cu{a}Al{b}" for a, b in zip(nickel, carbon, strict=True))]
    rows = [[formula, bool(a > 0.15)] for formula, a in zip(other[:N], nickel, strict=True)]
    content = {"index": list(range(N)), "columns": ["composition", "gfa"], "data": rows}
    (folder / "matbench_glass.json.gz").write_bytes(gzip.compress(json.dumps(content).encode()))
    return folder


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "entries.csv"
    path.write_text(
        "task,algorithm,mean_mae,std_mae\nsteels,Oracle,0.5,0.1\nsteels,Dummy,500,9\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def board(
    small_tasks: None, files: Path, published: Path, tmp_path_factory: pytest.TempPathFactory
) -> Board:
    out = tmp_path_factory.mktemp("boards") / "board"
    return matbench(data=files, out=out, published=published, **QUICK)


def test_rungs_stand_among_published_entries(board: Board) -> None:
    steels, glass = board.view.tasks
    names = [line.name for line in steels.lines]
    assert (names[0], names[-1]) == ("Oracle", "Dummy")
    assert set(names[1:-1]) == {"mean", "nearest_neighbour", "ridge"}  # the baselines are added
    assert [line.rank for line in steels.lines] == [1, 2, 3, 4, 5]
    assert {line.ours for line in steels.published} == {False}
    assert glass.published == ()
    assert any("none for this task" in note for note in glass.notes)


def test_the_numbers_are_those_of_the_run(board: Board) -> None:
    from iceframe.workflow.session import open_run

    (steels, glass) = board.view.tasks
    for task in (steels, glass):
        run = open_run(board.folder / task.folder)
        assert run.splits.spec == "matbench"
        assert task.equilibrium["rung"] == run.equilibrium.rung
        for line in task.ours:
            rows = run.predictions[run.predictions["rung"] == line.name]
            if task.task == "regression":
                error = (rows["mean"] - rows["y"]).abs()
                folds = error.groupby(rows["fold"]).mean()
                assert line.value == pytest.approx(folds.mean())
                assert line.std == pytest.approx(folds.std(ddof=0))
            assert line.low <= line.value <= line.high
            assert (line.complexity, line.c1, line.c2, line.c3) == pytest.approx(
                [run.evidence.set_index(["rung", "metric"])["value"][line.name, metric]
                 for metric in ("complexity", "c1", "c2", "c3")]
            )  # fmt: skip
            assert line.seconds > 0
    assert {line.name for line in steels.ours if line.chosen} == {steels.equilibrium["rung"]}
    assert all(0 <= line.low <= line.high <= 1 for line in glass.ours)


def test_harder_splits_stand_beside_the_official_folds(board: Board) -> None:
    steels, glass = board.view.tasks
    assert {row.kind for row in steels.elsewhere} == {"random", "cluster", "extremes"}
    assert {row.kind for row in glass.elsewhere} == {"random", "cluster"}
    assert any("no extremes" in note for note in glass.notes)
    for task in (steels, glass):
        rows = {(row.rung, row.kind): row for row in task.elsewhere}
        for (rung, kind), row in rows.items():
            assert row.loss == pytest.approx(np.mean(row.folds))
            assert row.to_mean == pytest.approx(row.loss / rows["mean", kind].loss)
            neighbour = rows["nearest_neighbour", kind].loss
            if neighbour > 0:
                assert row.to_neighbour == pytest.approx(row.loss / neighbour)
            if rung == "nearest_neighbour" and neighbour > 0:
                assert row.to_neighbour == 1.0
    mine = {row.kind: row for row in steels.elsewhere if row.rung == "nearest_neighbour"}
    # Memory answers an extreme with a value from inside, and is worse there.
    assert mine["extremes"].loss > mine["random"].loss
    linear = {row.kind: row for row in steels.elsewhere if row.rung == "ridge"}
    assert linear["extremes"].to_neighbour < 1  # the law is linear


def test_the_extremes_are_those_of_the_target(board: Board, files: Path) -> None:
    from iceframe.core.runstore import RunStore

    store = RunStore.open(board.folder / "extremes" / "steels")
    folders = sorted((store.root / "units").glob("ridge-shift-*"))
    tested = [pd.read_parquet(folder / "predictions.parquet")["y"] for folder in folders]
    values = json.loads((files / "matbench_steels.json").read_text())["yield strength"].values()
    ends = sorted([*tested[0]]), sorted([*tested[1]])
    low, high = sorted(ends)
    assert low == sorted(values)[: len(low)]
    assert high == sorted(values)[-len(high) :]


def test_compositions_that_tasks_share(board: Board) -> None:
    pairs = {(pair.tested, pair.trained): pair for pair in board.view.shared}
    assert set(pairs) == {("steels", "glass"), ("glass", "steels")}
    assert {(pair.n, pair.of) for pair in pairs.values()} == {(10, N)}
    assert len(pairs["steels", "glass"].examples) == 5


def test_formulas_are_shared_however_they_are_written() -> None:
    def held(*formulas: str) -> Dataset:
        return Dataset(pd.DataFrame({"f": formulas}), composition="f")

    loaded = [(TASKS["steels"], held("FeNi", "Al")), (TASKS["glass"], held("Fe0.5Ni0.5", "Fe2Ni2"))]
    found = {(s.tested, s.trained): (s.n, s.of) for s in shared_formulas(loaded)}
    assert found == {("steels", "glass"): (1, 2), ("glass", "steels"): (2, 2)}


# -- files to submit -------------------------------------------------------------------------------

KEYS = {
    "@module", "@class", "version", "benchmark_name", "user_metadata", "tasks", "datestamp", "hash",
}  # fmt: skip


VERSION = "0.6"
"""Of the package ``matbench`` whose rules these are: ``bench.py``, ``task.py``, ``util.py`` and
``data_ops.py`` of materialsproject/matbench, as they were published."""


def immutable(value: dict[str, Any]) -> dict[str, Any]:
    """Keys in order, within mappings but not within lists, as Matbench hashes them."""
    plain = {k: immutable(v) if isinstance(v, dict) else v for k, v in value.items()}
    return dict(sorted(plain.items()))


def official_folds(truth: pd.Series, task: str) -> Iterator[tuple[str, list[str]]]:
    """The names of Matbench's folds and the ids tested in each."""
    from sklearn.model_selection import KFold, StratifiedKFold

    kind = KFold if task == "regression" else StratifiedKFold
    folds = kind(5, shuffle=True, random_state=18012019).split(truth, truth)
    for number, (_, test) in enumerate(folds):
        yield f"fold_{number}", truth.index[test].tolist()


def matbench_scores(truth: np.ndarray, told: np.ndarray, task: str) -> dict[str, float]:
    """What Matbench computes of a fold, with scikit-learn as it does."""
    from sklearn import metrics as m

    if task == "regression":
        counted = np.abs(truth) > 1e-5
        relative = np.abs((truth - told)[counted] / truth[counted])
        return {
            "mae": m.mean_absolute_error(truth, told),
            "rmse": math.sqrt(m.mean_squared_error(truth, told)),
            "mape": relative.mean(),
            "max_error": m.max_error(truth, told),
        }
    return {
        "accuracy": m.accuracy_score(truth, told),
        "balanced_accuracy": m.balanced_accuracy_score(truth, told),
        "f1": m.f1_score(truth, told),
        "rocauc": m.roc_auc_score(truth, told),
    }


def read_results(path: Path, truths: dict[str, pd.Series]) -> dict[str, Any]:
    """A reader of Matbench's format that insists on what its own one does, and on its scores.

    ``truths``: for each task the targets by id, in the order of the official file.
    """
    with gzip.open(path, "rt", encoding="utf-8") as file:
        body = json.load(file)
    assert set(body) == KEYS
    digest = body.pop("hash")
    assert digest == hashlib.sha256(json.dumps(immutable(body)).encode("utf-8")).hexdigest()
    assert (body["@module"], body["@class"]) == ("matbench.bench", "MatbenchBenchmark")
    assert body["version"] == VERSION
    datetime.strptime(body["datestamp"], "%Y.%m.%d %H:%M.%S")
    for name, task in body["tasks"].items():
        assert set(task) == {"@module", "@class", "benchmark_name", "dataset_name", "results"}
        assert (task["@module"], task["@class"]) == ("matbench.task", "MatbenchTask")
        assert task["dataset_name"] == name
        assert task["benchmark_name"] == body["benchmark_name"] == "matbench_v0.1"
        known, truth = TASKS[name.removeprefix("matbench_")], truths[name]
        folds = dict(official_folds(truth, known.task))
        assert set(task["results"]) == set(folds)
        for fold, ids in folds.items():
            held = task["results"][fold]
            assert {"data", "parameters", "scores"} <= set(held)
            assert set(held) <= {"data", "parameters", "scores", "uncertainty"}
            assert set(held["data"]) == set(ids)
            for value in held["data"].values():
                assert type(value) is float or (type(value) is bool and known.task != "regression")
                assert math.isfinite(value)
            assert held.get("uncertainty") is None
            assert isinstance(held["parameters"], dict)
            assert all(type(score) is float for score in held["scores"].values())
            told = np.array([held["data"][i] for i in ids])
            expected = matbench_scores(truth[ids].to_numpy(), told, known.task)
            assert held["scores"] == pytest.approx(expected)
    return body


@pytest.fixture(scope="module")
def truths(files: Path) -> dict[str, pd.Series]:
    steels = json.loads((files / "matbench_steels.json").read_text())["yield strength"]
    with gzip.open(files / "matbench_glass.json.gz", "rt") as file:
        glass = [row[1] for row in json.load(file)["data"]]
    return {
        "matbench_steels": pd.Series(list(steels.values()), matbench_ids("matbench_steels", N)),
        "matbench_glass": pd.Series(glass, matbench_ids("matbench_glass", N)),
    }


def matbench_ids(dataset: str, samples: int) -> list[str]:
    """Sample ids as Matbench makes them of a data set's name and rows."""
    zeros = math.floor(math.log(samples, 10)) + 1
    prefix = dataset.replace("matbench", "mb").replace("_", "-")
    return [f"{prefix}-{row + 1:0{zeros}d}" for row in range(samples)]


def test_sample_ids_are_those_of_matbench() -> None:
    for task in TASKS.values():
        assert task.ids == matbench_ids(task.dataset, task.samples)


def test_submissions_are_in_the_format_of_matbench(
    board: Board, truths: dict[str, pd.Series]
) -> None:
    assert set(board.submissions) == {"mean", "nearest_neighbour", "ridge"}
    for rung in board.submissions:
        body = read_results(board.folder / "submission" / rung / "results.json.gz", truths)
        assert set(body["tasks"]) == set(truths)


def test_submitted_scores_are_those_of_the_board(
    board: Board, truths: dict[str, pd.Series]
) -> None:
    body = read_results(board.folder / "submission" / "ridge" / "results.json.gz", truths)
    folds = body["tasks"]["matbench_steels"]["results"]
    line = next(x for x in board.view.tasks[0].ours if x.name == "ridge")
    assert [folds[f"fold_{k}"]["scores"]["mae"] for k in range(5)] == pytest.approx(line.folds)


def test_what_only_the_author_knows_is_left_open(board: Board) -> None:
    folder = board.folder / "submission" / "ridge"
    info = json.loads((folder / "info.json").read_text(encoding="utf-8"))
    assert set(info) == {
        "authors", "algorithm", "algorithm_long", "bibtex_refs", "notes", "requirements",
    }  # fmt: skip
    assert info["authors"].startswith("FILL IN")
    assert all(info[name] for name in ("algorithm", "algorithm_long", "bibtex_refs"))
    compile_only = (folder / "run.py").read_text(encoding="utf-8")
    import ast

    call = ast.parse(compile_only)
    named = {k.arg for node in ast.walk(call) if isinstance(node, ast.Call) for k in node.keywords}
    import inspect

    assert named <= set(inspect.signature(matbench).parameters)


# -- going on --------------------------------------------------------------------------------------


def test_a_repeated_board_computes_nothing_and_keeps_what_was_filled_in(
    board: Board, files: Path, published: Path
) -> None:
    folder = board.folder / "submission" / "ridge"
    (folder / "info.json").write_text('{"authors": "us"}', encoding="utf-8")
    before = (folder / "results.json.gz").read_bytes(), (board.folder / "board.json").read_bytes()
    seen: list[TaskProgress] = []
    again = matbench(data=files, out=board.folder, published=published, watch=seen.append, **QUICK)
    assert not seen
    assert again.view.as_dict() == board.view.as_dict()
    assert before == (
        (folder / "results.json.gz").read_bytes(),
        (board.folder / "board.json").read_bytes(),
    )
    assert json.loads((folder / "info.json").read_text()) == {"authors": "us"}


def test_a_budget_leaves_the_rest_for_later(small_tasks: None, files: Path, tmp_path: Path) -> None:
    stopped = matbench(["steels", "glass"], data=files, out=tmp_path / "b", budget=0, **QUICK)
    assert stopped.view.waiting == ("glass",)
    assert stopped.view.unfinished > 20
    assert stopped.submissions == ()
    (steels,) = stopped.view.tasks
    assert steels.lines == ()
    assert "No rung was measured" in steels.verdict
    assert json.loads((tmp_path / "b" / "board.json").read_text())["waiting"] == ["glass"]


def test_a_folder_that_is_no_board_is_left_alone(files: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work", encoding="utf-8")
    with pytest.raises(InputError, match="holds no board") as other:
        matbench(["steels"], data=files, out=tmp_path)
    assert "thesis.docx" in str(other.value)
    with pytest.raises(InputError, match="a file, not a folder"):
        matbench(["steels"], data=files, out=tmp_path / "thesis.docx")


# -- ladder and verdict ----------------------------------------------------------------------------


def test_rungs_that_do_not_fit_a_task_are_left_out_with_a_note() -> None:
    data = Dataset(
        pd.DataFrame({"f": ["Fe", "Ni"] * 9, "y": np.arange(18.0)}),
        target="y", task="regression", composition="f",
    )  # fmt: skip
    names, notes = ladder_for(TASKS["steels"], data, ["cnn", "ridge"])
    assert names == ["mean", "nearest_neighbour", "ridge"]
    assert notes == ["`cnn` is left out. The rung 'cnn' needs images, and this data set has none."]
    with pytest.raises(UsageError, match="No rung of this ladder fits the task 'steels'"):
        ladder_for(TASKS["steels"], data, ["cnn"])
    with pytest.raises(UsageError, match="Did you mean 'ridge'"):
        ladder_for(TASKS["steels"], data, ["rigde"])


def line(name: str, value: float, complexity: float, **options: Any) -> Line:
    return Line(name, ours=True, rank=0, value=value, complexity=complexity, **options)


def told(*lines: Line, chosen: str | None, task: str = "steels") -> str:
    known = TASKS[task]
    better = "lower" if known.task == "regression" else "higher"
    marked = [replace(one, chosen=one.name == chosen) for one in lines]
    found = Equilibrium(chosen, Status.CONVERGED, "relax a floor")
    return verdict(ranked(marked, better), found, known)


def test_the_verdict_says_what_the_last_rung_buys() -> None:
    text = told(
        line("ridge", 110.0, 0.2, glass_box=True),
        line("ebm", 95.0, 0.35, glass_box=True),
        line("stack", 80.0, 0.6),
        Line("TPOT", ours=False, rank=0, value=79.9),
        chosen="ridge",
    )
    assert text == (
        "The equilibrium stands at `ridge`: a mean absolute error of 110 MPa, complexity 0.20, "
        "rank 4 of 4, ahead of 0 of 1 published entry. The best rung, `stack` (rank 2), gains "
        "30.0 MPa over it for 0.40 more complexity (7.5 MPa per 0.1), and 15.0 MPa over the best "
        "glass box, `ebm`, for 0.25 more complexity (6.0 MPa per 0.1)."
    )


def test_the_verdict_where_nothing_is_better() -> None:
    text = told(line("ridge", 80.0, 0.2, glass_box=True), line("mlp", 99.0, 0.7), chosen="ridge")
    assert "No rung has a lower error." in text
    assert (
        "The most complex rung, `mlp` (complexity 0.70), reaches a mean absolute error of" in text
    )


def test_the_verdict_on_classes_and_without_an_equilibrium() -> None:
    text = told(
        line("tree", 0.9, 0.5, glass_box=True), line("gp", 0.92, 0.45), chosen=None, task="glass"
    )
    assert text == (
        "No rung is the equilibrium: relax a floor. The best rung, `gp` (rank 1), gains 2.0 points "
        "over the best glass box, `tree`, at no more complexity. The most complex rung, `tree` "
        "(complexity 0.50), reaches a balanced accuracy of 90.0 %."
    )
