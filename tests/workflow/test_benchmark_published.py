"""Published entries and predictions: reading them, and paired tests with known answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from iceframe.core.errors import InputError
from iceframe.workflow.benchmark.published import (
    Entry,
    compare,
    read_entries,
    read_predictions,
)
from iceframe.workflow.benchmark.tasks import TASKS

TASK = replace(TASKS["steels"], samples=10)
WHERE = Path("predictions.csv")
TRUTH = np.arange(10.0)


def ours(shift: float = 1.0, rung: str = "ridge") -> pd.DataFrame:
    """Held-out predictions of a rung; fold k is off by ``shift`` + k."""
    fold = np.arange(10) % 5
    return pd.DataFrame(
        {
            "rung": rung,
            "fold": [f"fold{k}" for k in fold],
            "id": TASK.ids,
            "y": TRUTH,
            "mean": TRUTH + shift + fold,
        }
    )


def theirs(**algorithms: np.ndarray) -> pd.DataFrame:
    keys = {"task": "steels", "fold": np.arange(10) % 5, "mbid": TASK.ids}
    return pd.DataFrame({**keys, **algorithms})


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_entries_by_task(tmp_path: Path) -> None:
    path = write(
        tmp_path / "board.csv",
        "task,algorithm,mean_mae,std_mae,mean_rocauc,std_rocauc,mean_balanced_accuracy\n"
        "matbench_steels,A,80.5,3,,,\nsteels,B,90,4,,,\nglass,C,,,0.99,0.01,0.96\n"
        "expt_is_metal,D,,,0.91,0.02,\nmp_gap,E,,,,,\n",
    )
    found = read_entries(path)
    assert found["steels"] == (Entry("A", 80.5, 3.0), Entry("B", 90.0, 4.0))
    assert found["glass"] == (Entry("C", 0.96, 0.01),)  # balanced accuracy where it is stated
    assert found["expt_is_metal"] == (Entry("D", 0.91, 0.02),)
    assert "mp_gap" not in found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("algorithm,mean_mae\nA,1\n", "no column 'task'"),
        ("task,algorithm\nsteels,A\n", "has no score"),
        ("task,algorithm,mean_mae\nsteels,A,low\n", "should be a number"),
        ("", "not a readable CSV"),
    ],
)
def test_entries_that_cannot_be_read(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_entries(write(tmp_path / "board.csv", text))
    with pytest.raises(InputError, match="no such file"):
        read_entries(tmp_path / "absent.csv")


def test_predictions_are_numbers_or_absent(tmp_path: Path) -> None:
    path = write(
        tmp_path / "p.csv", "task,fold,mbid,A\nmatbench_steels,fold_1,mb-1,2.5\nsteels,2,mb-2,\n"
    )
    found = read_predictions(path)
    assert found["task"].tolist() == ["steels", "steels"]
    assert found["fold"].tolist() == [1, 2]
    assert found["A"].isna().tolist() == [False, True]
    with pytest.raises(InputError, match="column 'A'"):
        read_predictions(write(path, "task,fold,mbid,A\nsteels,0,mb-1,many\n"))
    with pytest.raises(InputError, match="fold should be a number"):
        read_predictions(write(path, "task,fold,mbid,A\nsteels,last,mb-1,1\n"))
    with pytest.raises(InputError, match="no column 'mbid'"):
        read_predictions(write(path, "task,fold,A\nsteels,0,1\n"))


def test_a_packed_file_that_is_cut_short(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "p.csv.gz"
    path.write_bytes(gzip.compress(b"task,fold,mbid,A\nsteels,0,mb-1,2.5\n" * 200)[:60])
    with pytest.raises(InputError, match="not a readable CSV"):
        read_predictions(path)


def test_the_paired_test_has_its_known_answer() -> None:
    """Fold losses 1 … 5 against 3 everywhere: mean difference 0, s² = 2.5, scale²
    (1/5 + 2/8) 2.5 = 1.125; t of 4 degrees at 95 % is 2.1318."""
    (found,) = compare(TASK, ours(), theirs(A=TRUTH - 3), [], WHERE)
    assert (found.ours, found.theirs, found.difference) == (3.0, 3.0, 0.0)
    assert found.high == pytest.approx(2.131847 * np.sqrt(1.125), rel=1e-6)
    assert found.low == pytest.approx(-found.high)
    assert found.better == pytest.approx(0.5)
    assert found.n == 10


def test_lower_errors_are_better_with_more_certainty_the_lower_they_are() -> None:
    rows = pd.concat([ours(s, f"s{s:g}") for s in (0.0, 1.0, 4.0)])
    found = {c.rung: c for c in compare(TASK, rows, theirs(A=TRUTH + 3.0), [], WHERE)}
    assert found["s0"].better > found["s1"].better > found["s4"].better
    assert found["s0"].difference == pytest.approx(-1.0)
    assert found["s4"].difference == pytest.approx(3.0)


def test_predictions_find_their_entry_by_its_score() -> None:
    entries = [Entry("Best v2", 1.5, 0.1), Entry("Other", 1.6, 0.1)]
    made = theirs(best_v2=TRUTH + 1.5, stranger=TRUTH + 0.7)
    found = compare(TASK, ours(), made, entries, WHERE)
    # The lowest error comes first.
    assert [(c.algorithm, c.published) for c in found] == [("stranger", ""), ("best_v2", "Best v2")]


def test_who_left_a_sample_out_is_not_compared() -> None:
    partial = TRUTH + 1.0
    partial[4] = np.nan
    assert compare(TASK, ours(), theirs(A=partial), [], WHERE) == []
    unfinished = ours().iloc[:-1]
    rows = pd.concat([ours(rung="whole"), unfinished.assign(rung="part")])
    assert [c.rung for c in compare(TASK, rows, theirs(A=TRUTH), [], WHERE)] == ["whole"]


def test_other_folds_are_refused() -> None:
    made = theirs(A=TRUTH)
    made.loc[3, "fold"] = 0
    with pytest.raises(InputError, match="not on the official folds") as other:
        compare(TASK, ours(), made, [], WHERE)
    for words in ("mb-steels-04", "fold 0", "fold 3"):
        assert words in str(other.value)
    made = theirs(A=TRUTH)
    made.loc[3, "mbid"] = "mb-steels-99"
    with pytest.raises(InputError, match="a sample of the task"):
        compare(TASK, ours(), made, [], WHERE)


def test_the_published_predictions_have_the_published_scores(shared_data: Path) -> None:
    """Known answer: scores that were stored with the predictions, from the data themselves."""
    from iceframe.workflow.benchmark.tasks import find_tasks, read_task

    entries = read_entries(shared_data / "anchors" / "matbench_v0.1_leaderboard.csv")["steels"]
    predictions = read_predictions(
        shared_data / "anchors" / "matbench_v0.1_per_sample_predictions.csv.gz"
    )
    task = TASKS["steels"]
    ((_, path),) = find_tasks(shared_data / "tables", ["steels"])
    data = read_task(task, path)
    folds = predictions[predictions["task"] == "steels"].set_index("mbid")["fold"]
    mine = pd.DataFrame({"rung": "mean", "id": data.ids, "y": data.y})
    mine["fold"] = [f"fold{folds[name]}" for name in data.ids]
    tested = mine.groupby("fold")["y"]
    left = data.y.sum() - tested.transform("sum")
    mine["mean"] = left / (len(data) - tested.transform("count"))  # of the training samples
    found = {c.algorithm: c for c in compare(task, mine, predictions, entries, path)}
    assert found["TPOT"].published == "TPOT-Mat"
    assert found["rf"].published == "RF-SCM/Magpie"
    assert found["TPOT"].theirs == pytest.approx(79.9468, abs=1e-4)
    assert len(found) == 9
    assert all(c.published for c in found.values())
    assert found["TPOT"].better < 0.01
    assert found["dummy"].ours == pytest.approx(found["dummy"].theirs)  # the mean, too
