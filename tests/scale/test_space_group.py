"""Space groups in the columns of a table: what is recognised, and what a number means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.core.values import Representation
from iceframe.scale.descriptor import DESCRIPTORS
from iceframe.scale.descriptors import _space_groups as groups
from iceframe.scale.descriptors.space_group import columns_of
from iceframe.scale.represent import Representer

from .crystal_cases import copper, iron, magnesium, quartz, titanate, together, wurtzite


def table_of(**columns: list) -> Dataset:
    table = pd.DataFrame(columns)
    table.index = table.index.map(str)
    return Dataset(table, features=tuple(columns))


def described(data: Dataset) -> Representation:
    return DESCRIPTORS["space_group"]().fit(data).transform(data)


def feature(name: str) -> np.ndarray:
    """A feature of the groups 1 to 230."""
    place = [f.name for f in groups.FEATURES].index(name)
    return groups.features_of(np.arange(1, 231))[:, place]


def test_counts_of_the_international_tables() -> None:
    """Of 230 groups 92 have a centre of inversion, 65 proper operations only, 68 a polar axis."""
    assert feature("centrosymmetric").sum() == 92
    assert feature("chiral").sum() == 65
    assert feature("polar").sum() == 68
    systems = [int(feature(f"crystal system = {s}").sum()) for s in groups.SYSTEMS]
    assert systems == [2, 13, 59, 68, 25, 27, 36]
    centrings = [int(feature(f"centring = {c}").sum()) for c in groups.CENTRINGS]
    assert sum(centrings) == 230
    assert centrings[-1] == 7  # R
    order = feature("point group order")
    assert order.min() == 1
    assert order.max() == 48
    # The order of a group is that of its proper operations, or twice that.
    cubic = order[194:]
    assert sorted(set(cubic)) == [12, 24, 48]
    assert not (feature("polar") * feature("centrosymmetric")).any()
    assert not (feature("chiral") * feature("centrosymmetric")).any()


def test_orders_are_those_of_pymatgen() -> None:
    from pymatgen.symmetry.groups import PointGroup, SpaceGroup

    order = feature("point group order")
    for number in (1, 2, 5, 9, 14, 19, 33, 62, 76, 82, 88, 92, 99, 113, 121, 139, 146, 148):
        group = SpaceGroup.from_int_number(number)
        assert order[number - 1] == len(PointGroup(group.point_group).symmetry_ops)
    for number in (152, 161, 166, 173, 174, 176, 178, 186, 187, 189, 194, 198, 205, 212, 216, 227):
        group = SpaceGroup.from_int_number(number)
        assert order[number - 1] == len(PointGroup(group.point_group).symmetry_ops)


def test_equal_to_the_symmetry_of_the_crystals() -> None:
    held = together([copper(), iron(), magnesium(), quartz(), titanate(), wurtzite()])
    numbers = [225, 229, 194, 152, 221, 186]
    data = Dataset(pd.DataFrame(index=list("abcdef")), crystals=held)
    symmetry = DESCRIPTORS["symmetry"]().fit(data).transform(data)
    found = described(table_of(spg_num=numbers))
    shared = [symmetry.names.index(name) for name in found.names]
    np.testing.assert_array_equal(found.values, symmetry.values[:, shared])


@pytest.mark.parametrize(
    ("symbol", "number"),
    [
        ("Fm-3m", 225),
        ("F m -3 m", 225),
        ("Fm3m", 225),
        ("P6_3/mmc", 194),
        ("P63/mmc", 194),
        ("P 1 21/c 1", 14),
        ("P2_1/c", 14),
        ("P2_1/n", 14),
        ("Pbnm", 62),
        ("Pnma", 62),
        ("R-3c:H", 167),
        ("P−1", 2),
        ("Im3m", 229),
        ("cubic", 0),
        ("", 0),
    ],
)
def test_symbols_in_any_setting(symbol: str, number: int) -> None:
    assert groups.number_of(symbol) == number


def test_symbols_of_all_groups_are_read() -> None:
    from pymatgen.symmetry.groups import sg_symbol_from_int_number

    symbols = [sg_symbol_from_int_number(number) for number in range(1, 231)]
    assert [groups.number_of(s) for s in symbols] == list(range(1, 231))


@pytest.mark.parametrize(
    "name",
    ["spg_num", "space group", "SpaceGroup", "Space-group number", "sg", "spacegroup_symbol"],
)
def test_recognised_by_name(name: str) -> None:
    assert columns_of(table_of(**{name: [225, 62, 1]})) == (name, None)
    assert columns_of(table_of(**{name: ["Fm-3m", "Pnma", "P1"]})) == (name, None)


@pytest.mark.parametrize("name", ["crys_sys", "crystal system", "Crystal_System", "lattice system"])
def test_systems_are_recognised(name: str) -> None:
    assert columns_of(table_of(**{name: ["cubic", "Hexagonal", "triclinic"]})) == (None, name)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("temperature", [225, 62, 1]),  # not by its values alone
        ("space group", [0.5, 700.0, 900.0]),  # nor by its name alone
        ("space group", ["alpha", "beta", "gamma"]),
        ("crys_sys", ["large", "small", "large"]),
        ("message", [1, 2, 3]),
        ("sgm", [1, 2, 3]),
        ("spg_num", [None, None, None]),
    ],
)
def test_not_recognised(name: str, values: list) -> None:
    data = table_of(**{name: values})
    assert columns_of(data) == (None, None)
    assert not DESCRIPTORS["space_group"].suits(data)
    with pytest.raises(InputError, match="No column holds space groups"):
        DESCRIPTORS["space_group"]().fit(data)


def test_a_number_says_more_than_a_system() -> None:
    data = table_of(spg_num=[225.0, np.nan, np.nan], crys_sys=["cubic", "hexagonal", None])
    found = described(data)
    assert np.isfinite(found.values[0]).all()
    seven = len(groups.SYSTEMS)
    assert found.values[1, :seven].tolist() == [0, 0, 0, 0, 0, 1, 0]
    assert np.isnan(found.values[1, seven:]).all()
    assert np.isnan(found.values[2]).all()


def test_values_that_are_none_are_told() -> None:
    fitted = DESCRIPTORS["space_group"]().fit(table_of(spg_num=list(range(1, 41))))
    new = fitted.transform(table_of(spg_num=[225, 231, 0]))
    assert np.isfinite(new.values[0]).all()
    assert np.isnan(new.values[1:]).all()
    assert "2 values are no space groups" in fitted.notes[0]
    assert "231" in fitted.notes[0]
    assert fitted.missing(table_of(other=[1])) == ["spg_num"]


def test_numbers_are_preferred_to_symbols() -> None:
    data = table_of(**{"space group": ["Fm-3m"], "spg_num": [225]})
    assert columns_of(data) == ("spg_num", None)


@pytest.mark.parametrize("task", ["jdft2d", "phonons"])
def test_matbench_columns(shared_data: Path, task: str) -> None:
    from iceframe.ingest import read

    target = {"jdft2d": "exfoliation_en", "phonons": "last phdos peak"}[task]
    data = read(shared_data / "tables" / f"matbench_{task}.json.bz2", target)
    assert columns_of(data) == ("spg_num", "crys_sys")
    found = described(data)
    assert np.isfinite(found.values).all()
    systems = data.table["crys_sys"].str.lower()
    for k, system in enumerate(groups.SYSTEMS):
        assert (found.values[:, k] == (systems == system)).all()


def test_its_columns_are_no_plain_ones_beside_it():
    table = pd.DataFrame(
        {"spg_num": [225, 62], "crys_sys": ["cubic", "orthorhombic"], "T": [1.0, 2.0]},
        index=["a", "b"],
    )
    data = Dataset(table, features=("spg_num", "crys_sys", "T"))
    names = Representer().fit(data).transform(data).names
    assert "T" in names
    assert not any(name.startswith(("spg_num", "crys_sys")) for name in names)
    alone = replace(data, features=("spg_num",))
    described = Representer().fit(alone)
    assert [d.name for d in described.descriptors_] == ["space_group"]
    again = Representer.from_state(described.state()).transform(alone)
    assert again.names == described.transform(alone).names
    plain = Representer(["columns"]).fit(data).transform(data).names  # asked for alone, all are
    assert "spg_num" in plain
