"""Columns: numbers in text, and which column takes which role."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from iceframe.core.errors import InputError
from iceframe.ingest import read
from iceframe.ingest.columns import interpret
from iceframe.ingest.quantities import known_unit, parse_numbers

N = 30


def frame(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({**columns, "x": np.sin(np.arange(N)), "y": np.cos(np.arange(N))})


def noted(data: object, *words: str) -> bool:
    return any(all(word in note for word in words) for note in data.notes)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1.5", "2"], [1.5, 2]),
        (["1,5", "22"], [1.5, 22]),
        (["1.234,5", "2.000,0"], [1234.5, 2000]),
        (["1,234.5", "2,000"], [1234.5, 2000]),
        (["1 234", "5"], [1234, 5]),
        (["12 MPa", "13.5MPa"], [12, 13.5]),
        (["−3", "+4e-2"], [-3, 0.04]),
        (["300K", "77 K"], [300, 77]),
        (["inf", "-Infinity"], [np.inf, -np.inf]),
    ],
)
def test_numbers_in_text(texts: list[str], values: list[float]) -> None:
    found = parse_numbers(texts)
    assert found.good.all()
    assert found.values.tolist() == values


@pytest.mark.parametrize(
    "text", ["316L", "Ti64", "5±1", "1-2", "1.2.3", "1_000", "<3", "abc", "e5"]
)
def test_not_numbers(text: str) -> None:
    assert not parse_numbers([text]).good.any()


def test_units_are_told_from_words() -> None:
    assert all(known_unit(u) for u in ("MPa", "W/(m K)", "g/cm^3", "J mol^-1", "µm", "wt%", "1/K"))
    assert not any(known_unit(u) for u in ("measured", "as cast", "abc", "-", ""))


def test_steel_grades_stay_categories() -> None:
    column = interpret(pd.Series(["304L", "316L", "304", "316"], name="grade"))
    assert column.kind == "text"


def test_mixed_units_are_not_numbers() -> None:
    data = read(frame(time=["2 h", "30 min"] * (N // 2)), "y")
    assert data.table["time"].tolist()[:2] == ["2 h", "30 min"]


def test_a_few_odd_cells_count_as_missing_and_are_told() -> None:
    values = [f"{i}" for i in range(N)]
    values[4] = "<0.01"
    data = read(frame(dose=values), "y")
    assert np.isnan(data.table["dose"].iloc[4])
    assert noted(data, "'dose'", "<0.01", "missing")


def test_infinite_features_count_as_missing_and_are_told() -> None:
    data = read(frame(a=[np.inf, *np.linspace(0, 1, N - 1)]), "y")
    assert np.isnan(data.table["a"].iloc[0])
    assert noted(data, "'a'", "infinite")


def test_booleans_become_numbers() -> None:
    data = read(frame(a=["True", "FALSE"] * (N // 2)), "y")
    assert data.table["a"].tolist()[:2] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("made", [f"2024-01-{i + 1:02}" for i in range(N)], "date"),
        ("made", pd.date_range("2024", periods=N), "date"),
        ("year", list(range(1990, 1990 + N)), "date"),
        ("label", [f"sample {chr(65 + i)}" for i in range(N)], "every value is different"),
        ("remarks", ["good", "bad"] * (N // 2), "where the sample comes from"),
        ("story", [f"words {i // 2}" for i in range(N - 1)] + ["end"], "free text"),
        ("hole", [None] * N, "empty"),
        ("rare", [1.0, 2.0] + [None] * (N - 2), "only 2 of 30"),
        ("cells", [[1, 2]] * N, "lists"),
    ],
)
def test_what_is_no_feature_and_why(name: str, values: list[object], why: str) -> None:
    data = read(frame(**{name: values}), "y")
    assert data.features == ("x",)
    assert noted(data, f"'{name}'", why)


def test_a_named_feature_overrules() -> None:
    data = read(frame(year=range(1990, 1990 + N)), "y", features=["year"])
    assert data.features == ("year",)
    with pytest.raises(InputError, match="among the features"):
        read(frame(), "y", features=["x", "y"])
    with pytest.raises(InputError, match="Did you mean 'x'"):
        read(frame(), "y", features=["xx"])


@pytest.mark.parametrize("name", ["Sl. No.", "index", "id", "Unnamed: 0", "mbid"])
def test_counters_under_an_id_name_become_ids(name: str) -> None:
    data = read(frame(**{name: np.arange(5, 5 + N)}), "y")
    assert data.features == ("x",)
    assert data.ids.tolist()[:2] == ["5", "6"]
    assert data.recipe["id_column"] == name


def test_long_integer_ids_stay_apart() -> None:
    data = read(frame(id=2**60 + np.arange(N)), "y")
    assert data.ids.tolist()[:2] == [str(2**60), str(2**60 + 1)]


def test_a_quantity_under_a_loose_id_name_stays_a_feature() -> None:
    data = read(frame(number=np.linspace(0.1, 9, N)), "y")
    assert data.features == ("number", "x")


def test_duplicate_ids_are_named() -> None:
    with pytest.raises(InputError, match="'s1'") as error:
        read(frame(id=["s1", "s1", *(f"t{i}" for i in range(N - 2))]), "y")
    assert "rows 1 (row1), 2" in str(error.value) or "rows 1, 2" in str(error.value)
    assert "specimen" in str(error.value)


def test_repeated_ids_may_be_specimens_or_dropped() -> None:
    repeated = frame(id=[f"s{i // 3}" for i in range(N)])
    assert read(repeated, "y", drop=["id"]).features == ("x",)
    assert read(repeated, "y", specimen="id").groups == {"specimen": "id"}


def test_groups_are_no_features() -> None:
    data = read(
        frame(
            specimen=[f"s{i // 5}" for i in range(N)],
            material_class=["metal", "ceramic"] * (N // 2),
            doi=[f"10/{i // 6}" for i in range(N - 1)] + [None],
        ),
        "y",
    )
    assert data.features == ("x",)
    assert data.groups == {
        "specimen": "specimen",
        "material_class": "material_class",
        "reference": "doi",
    }
    assert data.table["doi"].iloc[-1] == "(unknown)"


def test_compositions_are_found_and_bad_ones_named() -> None:
    formulas = [f"Fe0.{i + 1}Ni" for i in range(N)]
    assert read(frame(formula=formulas), "y").composition == "formula"
    formulas[6] = "Inconel 718"
    with pytest.raises(InputError, match="row 7") as error:
        read(frame(formula=formulas), "y")
    assert "Inconel 718" in str(error.value)
    kept = read(frame(formula=formulas), "y", drop_invalid=True)
    assert len(kept) == N - 1
    assert "row7" not in kept.ids
    assert noted(kept, "row 7", "left out")


def test_sodium_nitride_is_not_missing() -> None:
    data = read(frame(formula=["NaN", "Al₂O₃", "Fe2O3"] * (N // 3)), "y")
    assert data.table["formula"].tolist()[:2] == ["NaN", "Al2O3"]


def test_grades_under_a_formula_name_are_no_compositions() -> None:
    data = read(frame(alloy=["Ti64", "Al7075"] * (N // 2)), "y")
    assert data.composition is None
    assert "alloy" in data.features


def test_codes_may_be_declared_categories() -> None:
    data = read(frame(route=[1, 2, 3] * (N // 3)), "y", categorical=["route"])
    assert data.table["route"].tolist()[:3] == ["1", "2", "3"]
    assert "route" in data.recipe["categorical"]


def test_no_column_left() -> None:
    only = pd.DataFrame({"note": ["a", "b"] * 5, "y": np.arange(10.0)})
    with pytest.raises(InputError, match="No column is left"):
        read(only, "y")


def test_units_stated_by_the_user_come_first() -> None:
    data = read(frame(**{"k (GPa)": np.arange(N) * 1.0}), "y", units={"k (GPa)": "MPa", "y": "K"})
    assert data.units == {"k (GPa)": "MPa", "y": "K"}
