"""One planted fault, one finding: columns, target, leaks, units, order, groups, copies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from iceframe.core.dataset import Dataset
from iceframe.core.values import Finding, Fold, Splits
from iceframe.ingest import check, make_splits
from iceframe.ingest.audit.copies import repeat_error

SEEDS = range(4)


def table_of(task: str = "regression", seed: int = 0, n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    table["y"] = table["a"] + rng.normal(size=n)
    if task == "classification":
        table["y"] = np.where(table["y"] > 0, "p", "q")
    table.index = [f"s{i}" for i in range(n)]
    return table


def dataset(table: pd.DataFrame, task: str = "regression", **more: object) -> Dataset:
    groups = more.get("groups", {})
    features = tuple(c for c in table.columns if c != "y" and c not in groups.values())
    return Dataset(table, "y", task, features, **more)


def only(data: Dataset, splits: Splits | None = None) -> Finding:
    """The one finding of this audit."""
    findings = check(data, splits).findings
    assert len(findings) == 1, [f.code for f in findings]
    return findings[0]


@pytest.mark.parametrize("seed", SEEDS)
class TestColumns:
    def test_missing(self, seed: int) -> None:
        table = table_of(seed=seed)
        table.iloc[::4, 1] = np.nan
        finding = only(dataset(table))
        assert (finding.code, finding.severity) == ("missing-values", "note")
        assert finding.value == pytest.approx(0.25)
        table.iloc[: 3 * 50, 1] = np.nan
        assert only(dataset(table)).severity == "warning"

    def test_infinite(self, seed: int) -> None:
        table = table_of(seed=seed)
        table.iloc[[3, 7], 0] = [np.inf, -np.inf]
        finding = only(dataset(table))
        assert (finding.code, finding.severity) == ("infinite-values", "error")
        assert finding.samples == ("s3", "s7")

    def test_constant(self, seed: int) -> None:
        finding = only(dataset(table_of(seed=seed).assign(furnace="A", pressure=1.0)))
        assert finding.code == "constant-columns"
        assert "--drop furnace,pressure" in finding.remedy

    @pytest.mark.parametrize("kind", ["counter", "shuffled counter", "names"])
    def test_id(self, seed: int, kind: str) -> None:
        numbers = np.arange(1, 201)
        if kind == "shuffled counter":
            numbers = np.random.default_rng(seed).permutation(numbers)
        values = [f"run-{i}" for i in numbers] if kind == "names" else numbers
        finding = only(dataset(table_of(seed=seed).assign(run=values)))
        assert (finding.code, finding.severity) == ("id-like-columns", "warning")

    def test_twins(self, seed: int) -> None:
        table = table_of(seed=seed)
        finding = only(dataset(table.assign(d=np.exp(table["b"]))))
        assert finding.code == "redundant-columns"
        assert "b and d" in finding.evidence

    def test_outlier(self, seed: int) -> None:
        table = table_of(seed=seed)
        table.iloc[17, 2] = 60.0
        finding = only(dataset(table))
        assert finding.code == "feature-outliers"
        assert finding.samples == ("s17",)

    @pytest.mark.parametrize("factor", [1e3, 1e6, 1e-3])
    @pytest.mark.parametrize("column", ["strength", "y"])
    def test_mixed_units(self, seed: int, factor: float, column: str) -> None:
        rng = np.random.default_rng(seed)
        table = table_of(seed=seed)
        table[column] = rng.uniform(200, 900, 200)
        table.loc[table.index[40:52], column] *= factor
        codes = [f.code for f in check(dataset(table)).findings]
        assert "mixed-units" in codes

    def test_units_are_facts(self, seed: int) -> None:
        table = table_of(seed=seed).rename(columns={"a": "a (MPa)", "b": "b [K]"})
        units = check(dataset(table, units={"c": "mm"})).facts["units"]
        assert units == {"a (MPa)": "MPa", "b [K]": "K", "c": "mm"}


@pytest.mark.parametrize("seed", SEEDS)
class TestTarget:
    def test_missing_target(self, seed: int) -> None:
        table = table_of(seed=seed)
        table.iloc[5, -1] = np.nan
        finding = only(dataset(table))
        assert (finding.code, finding.severity) == ("target-missing", "error")
        assert "--drop-invalid" in finding.remedy

    @pytest.mark.parametrize(("value", "severity"), [(25.0, "warning"), (5000.0, "warning")])
    def test_outlier(self, seed: int, value: float, severity: str) -> None:
        table = table_of(seed=seed)
        table.iloc[9, -1] = value
        finding = only(dataset(table))
        assert (finding.code, finding.severity) == ("target-outliers", severity)
        assert finding.samples == ("s9",)

    def test_many_zeros_beside_values_that_vary(self, seed: int) -> None:
        table = table_of(seed=seed)
        table["y"] = (table["y"] - 1).clip(lower=0)  # as band gaps: none below an edge
        finding = only(dataset(table))
        assert (finding.code, finding.severity) == ("target-zeros", "note")
        assert finding.value == pytest.approx((table["y"] == 0).mean())
        assert "hurdle_ebm" in finding.remedy

    def test_a_count_that_may_be_zero_is_no_such_case(self, seed: int) -> None:
        table = table_of(seed=seed)
        table["y"] = (table["y"] > 0).astype(float) * 3 + (table["a"] > 0)
        assert not {f.code for f in check(dataset(table)).findings} & {"target-zeros"}

    def test_rare_class(self, seed: int) -> None:
        table = table_of("classification", seed)
        table["y"] = ["rare"] * 12 + ["common"] * 188
        table = table.sample(frac=1, random_state=seed)
        finding = only(dataset(table, "classification"))
        assert finding.code == "class-balance"
        assert finding.value == pytest.approx(188 / 12)

    def test_one_class(self, seed: int) -> None:
        codes = [
            f.code for f in check(dataset(table_of().assign(y="p"), "classification")).findings
        ]
        assert "one-class" in codes

    def test_sorted_rows(self, seed: int) -> None:
        for task in ("regression", "classification"):
            table = table_of(task, seed).sort_values("y")
            finding = only(dataset(table, task))
            assert (finding.code, finding.severity) == ("row-order", "note")
            assert finding.value > 0.9

    def test_few_samples_and_many_features(self, seed: int) -> None:
        assert only(dataset(table_of(seed=seed, n=40))).code == "few-samples"
        rng = np.random.default_rng(seed)
        wide = pd.DataFrame(rng.normal(size=(60, 70))).add_prefix("f").assign(y=rng.normal(size=60))
        finding = only(dataset(wide))
        assert (finding.code, finding.severity) == ("many-features", "warning")


@pytest.mark.parametrize("seed", SEEDS)
class TestLeaks:
    def test_linear_copy(self, seed: int) -> None:
        table = table_of(seed=seed)
        finding = only(dataset(table.assign(d=table["y"] * 145.04 - 3)))
        assert (finding.code, finding.severity) == ("target-copy", "error")
        assert "--drop d" in finding.remedy

    def test_monotone_copy_with_gaps_and_rounding(self, seed: int) -> None:
        table = table_of(seed=seed)
        d = (-np.exp(table["y"])).round(4)
        d.iloc[:15] = np.nan
        codes = {f.code: f for f in check(dataset(table.assign(d=d))).findings}
        assert codes["target-copy"].severity == "warning"
        assert codes["target-copy"].value == pytest.approx(-1, abs=1e-3)

    def test_a_good_feature_is_no_copy(self, seed: int) -> None:
        table = table_of(seed=seed)
        noise = 0.1 * np.random.default_rng(seed + 50).normal(size=200)
        assert not check(dataset(table.assign(d=table["y"] + noise))).findings

    @pytest.mark.parametrize("kind", ["number", "text"])
    def test_one_column_tells_the_class(self, seed: int, kind: str) -> None:
        rng = np.random.default_rng(seed)
        table = table_of("classification", seed)
        p = (table["y"] == "p").to_numpy()
        if kind == "number":
            d = np.where(p, rng.uniform(0, 1, 200), rng.uniform(1.1, 2, 200))
        else:
            d = np.where(p, rng.choice(["x1", "x2"], 200), "x3")
        finding = only(dataset(table.assign(d=d), "classification"))
        assert (finding.code, finding.severity) == ("class-settled", "warning")

    @pytest.mark.parametrize("task", ["regression", "classification"])
    def test_gaps_that_tell(self, seed: int, task: str) -> None:
        rng = np.random.default_rng(seed)
        table = table_of(task, seed)
        high = table["y"] == "p" if task == "classification" else table["y"] > 0.5
        table["d"] = np.where(high & (rng.random(200) < 0.9), np.nan, rng.normal(size=200))
        codes = {f.code for f in check(dataset(table, task)).findings}
        assert codes == {"missing-values", "telling-gaps"}


def copied(table: pd.DataFrame, n_copies: int) -> pd.DataFrame:
    """``table`` with its first rows once more, under new ids."""
    twice = pd.concat([table, table.iloc[:n_copies]])
    return twice.set_axis([f"s{i}" for i in range(len(twice))])


def torn(n: int, seed: int = 0) -> Splits:
    """Plain folds that know nothing of copies and groups."""
    fold = np.random.default_rng(seed).permutation(n) % 5
    rows = np.arange(n)
    return Splits("torn", tuple(Fold(f"f{i}", rows[fold != i], rows[fold == i]) for i in range(5)))


@pytest.mark.parametrize("seed", SEEDS)
class TestCopies:
    def test_copies_kept_together_are_a_note(self, seed: int) -> None:
        data = dataset(copied(table_of(seed=seed), 8))
        finding = only(data, make_splits(data, seed=seed))
        assert (finding.code, finding.severity) == ("duplicates", "note")
        pairs = check(data).facts["duplicates"]["pairs"]
        assert [(p["a"], p["b"]) for p in pairs] == [(f"s{i}", f"s{200 + i}") for i in range(8)]

    def test_copies_across_folds_are_an_error(self, seed: int) -> None:
        data = dataset(copied(table_of(seed=seed), 30))
        finding = only(data, torn(230, seed))
        assert (finding.code, finding.severity) == ("duplicates-across-folds", "error")
        assert "--splits random" in finding.remedy

    def test_official_folds_are_only_warned_of(self, seed: int) -> None:
        data = dataset(copied(table_of(seed=seed), 30))
        finding = only(data, make_splits(data, "matbench"))
        assert (finding.code, finding.severity) == ("duplicates-across-folds", "warning")

    def test_labels_in_conflict(self, seed: int) -> None:
        table = copied(table_of("classification", seed), 6)
        table.iloc[-2:, -1] = ["q" if label == "p" else "p" for label in table["y"].iloc[-2:]]
        data = dataset(table, "classification")
        codes = {f.code: f for f in check(data, make_splits(data)).findings}
        assert set(codes) == {"conflicting-duplicates", "duplicates"}
        assert codes["conflicting-duplicates"].value == 2
        assert "at least 2 of 206" in codes["conflicting-duplicates"].evidence

    def test_repeats_give_the_repeat_error(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        table = copied(copied(table_of(seed=seed), 200), 400)
        table["y"] = 10 * table["a"] + rng.normal(0, 0.7, len(table))
        facts = check(dataset(table)).facts
        assert facts["repeat_groups"] == 200
        assert facts["repeat_sd"] == pytest.approx(0.7, rel=0.1)
        assert facts["repeat_error"] == pytest.approx(0.7 * np.sqrt(2 / np.pi), rel=0.1)

    def test_four_repeats_are_too_few(self, seed: int) -> None:
        table = copied(table_of(seed=seed), 4)
        table.iloc[-4:, -1] += 0.1
        facts = check(dataset(table)).facts
        assert facts["repeat_groups"] == 4
        assert "repeat_error" not in facts

    def test_hidden_variables_are_no_repeats(self, seed: int) -> None:
        table = copied(table_of(seed=seed), 100)
        table["y"] = np.random.default_rng(seed).normal(size=300)
        codes = {f.code: f for f in check(dataset(table)).findings}
        assert codes["conflicting-duplicates"].severity == "warning"
        assert "repeat_error" not in check(dataset(table)).facts

    def test_torn_specimens(self, seed: int) -> None:
        table = table_of(seed=seed).assign(bar=np.arange(200) // 5)
        data = dataset(table, groups={"specimen": "bar"})
        finding = only(data, torn(200, seed))
        assert (finding.code, finding.severity) == ("specimens-across-folds", "error")
        assert "--splits grouped:bar" in finding.remedy
        assert not check(data, make_splits(data)).findings

    def test_a_class_from_one_specimen(self, seed: int) -> None:
        table = table_of("classification", seed).assign(bar=np.arange(200) // 10)
        table["y"] = np.where(table["bar"] < 4, "rare", np.where(table["bar"] % 2, "p", "q"))
        table["bar"] = table["bar"].where(table["y"] != "rare", 0)
        table = table.sample(frac=1, random_state=seed)
        data = dataset(table, "classification", groups={"specimen": "bar"})
        codes = {f.code: f for f in check(data).findings}
        assert set(codes) == {"class-is-specimen"}
        assert "rare" in codes["class-is-specimen"].evidence


def test_repeat_error_is_calibrated() -> None:
    """Law: for a normal scatter, the mean absolute error is √(2/π) of the standard deviation."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(4000), rng.integers(2, 6, 4000))
    y = 50 * rng.normal(size=4000)[groups] + 3.0 * rng.normal(size=len(groups))
    error, deviation, n = repeat_error(y, groups)
    assert n == 4000
    assert deviation == pytest.approx(3.0, rel=0.02)
    assert error == pytest.approx(3.0 * np.sqrt(2 / np.pi), rel=0.02)
