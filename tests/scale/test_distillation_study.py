"""The distillation study: what it says of known numbers, and the whole of it, tiny."""

from __future__ import annotations

import doctest

import numpy as np
import pandas as pd
import pytest
from studies.distillation import answers, compare, images, study
from studies.distillation.pieces import Key, Study


def _folds(gain: float, rng: np.random.Generator) -> pd.DataFrame:
    alone = 10 + rng.normal(0, 1, 10)
    return pd.DataFrame(
        {
            "task": "t", "teacher": "gp", "student": "tree", "n_train": 80, "n_test": 20,
            "alone": alone, "taught": alone - gain + rng.normal(0, 0.1, 10),
            "teacher error": alone - 4.0, "share": [0.5] * 5 + [0.0] * 5, "made": 0.0,
            "alone follows teacher": 0.5, "taught follows teacher": 0.75,
        }
    )  # fmt: skip


def test_a_gain_is_told_from_none_and_from_a_loss(rng):
    found = [answers.summary(_folds(gain, rng)) for gain in (1.0, 0.0, -1.0)]
    assert [row["better"] for row in found] == ["yes", "not shown", "worse"]
    assert found[0]["of the gap"] in {"24%", "25%", "26%"}  # 1 of the teacher's lead of 4
    assert found[0]["taught by"] == "50% of folds"
    assert found[0]["follows teacher (alone, taught)"] == "0.50 0.75"
    tried = doctest.testmod(answers)
    assert (tried.failed, tried.attempted) == (0, 1)


def test_outer_folds_are_shared_and_keep_copies_together():
    groups = np.repeat(np.arange(20), 2)
    first = list(compare.outer(40, groups, Key("steels", "gp", "tree", 0)))
    for (train, test), (again, _) in zip(
        first, compare.outer(40, groups, Key("steels", "stack", "ebm", 0)), strict=True
    ):
        assert np.array_equal(train, again)
        assert not set(groups[train]) & set(groups[test])
    other = next(compare.outer(40, groups, Key("steels", "gp", "tree", 1)))
    assert not np.array_equal(first[0][1], other[1])


@pytest.mark.slow
def test_the_study_runs_and_goes_on_where_it_stopped(tmp_path):
    asked = ["images", "answer", "--quick", "--students", "tree", "--out", str(tmp_path)]
    assert study.main(asked) == 0
    text = (tmp_path / "answers.md").read_text(encoding="utf-8")
    assert "tree taught" in text
    done = [p.done for p in images.pieces(Study(tmp_path, (), (), ("tree",), repeats=1))]
    stamps = [path.stat().st_mtime_ns for path in done]
    assert study.main(asked) == 0
    assert stamps == [path.stat().st_mtime_ns for path in done]
