"""Copies of crystals: the same structure in another cell is one, another structure is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.core.values import Fold, Splits
from iceframe.ingest import check, make_splits, similar_crystals
from iceframe.ingest.crystals import pack
from iceframe.ingest.duplicates import duplicate_groups, find_duplicates
from iceframe.ingest.formulas import (
    composition_codes,
    crystal_formulas,
    shared_compositions,
)

from .crystals_on_disk import cell, cells


def rock_salt() -> Structure:
    return Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )


def rattled(structure: Structure, distance: float, seed: int = 0) -> Structure:
    moved = structure.copy()
    steps = np.random.default_rng(seed).normal(size=(len(moved), 3))
    steps *= distance / np.linalg.norm(steps, axis=1, keepdims=True)
    for i, step in enumerate(steps):
        moved.translate_sites([i], step, frac_coords=False)
    return moved


def dataset(structures: list[Structure], **columns: object) -> Dataset:
    ids = [f"s{i}" for i in range(len(structures))]
    crystals = pack(structures, ids)
    table = pd.DataFrame({"formula": crystal_formulas(crystals), **columns}, index=ids)
    table["y"] = table.get("y", np.random.default_rng(0).normal(size=len(table)))
    return Dataset(table, "y", "regression", composition="formula", crystals=crystals)


def pairs_of(structures: list[Structure]) -> list[tuple[int, int]]:
    pairs = similar_crystals.similar_crystals(pack(structures, ["x"] * len(structures)))[0]
    return [(int(i), int(j)) for i, j in pairs]


def test_the_cell_does_not_matter() -> None:
    whole = rock_salt()
    primitive = whole.get_primitive_structure()
    double = whole * (2, 1, 1)
    shifted = whole.copy()
    shifted.translate_sites(list(range(len(whole))), [0.13, 0.27, 0.4])
    shuffled = Structure.from_sites(list(reversed(whole.sites)))
    groups = duplicate_groups(dataset([whole, primitive, double, shifted, shuffled]))
    assert groups.tolist() == [0] * 5


def test_what_differs_is_no_copy() -> None:
    salt = rock_salt()
    other = salt.copy()
    other.replace_species({"Na": "K"})
    swelled = salt.copy()
    swelled.scale_lattice(salt.volume * 1.1)
    caesium_chloride = cell("Na", "Cl", edge=float(np.cbrt(salt.volume / 4)))
    assert pairs_of([salt, other, swelled, caesium_chloride]) == []


def test_exchanged_atoms_are_another_structure() -> None:
    """An antiperovskite has the formula of its perovskite, and its cell."""
    sites = [[0, 0, 0], [0.5] * 3, [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    perovskite = Structure(Lattice.cubic(4), ["Ca", "Ti", "O", "O", "O"], sites)
    exchanged = Structure(Lattice.cubic(4), ["Ti", "Ca", "O", "O", "O"], sites)
    assert pairs_of([perovskite, exchanged]) == []


def test_rounding_is_identical_and_a_distortion_the_same_structure() -> None:
    salt = rock_salt().get_primitive_structure()
    data = dataset([salt, rattled(salt, 0.003), rattled(salt, 0.2, 1)])
    found = find_duplicates(data)
    assert found.relation[0] == "identical"
    assert set(found.relation[1:]) == {"same structure"}
    assert found.groups.tolist() == [0, 0, 0]


def test_a_temperature_parts_what_is_identical() -> None:
    salt = rock_salt()
    data = dataset([salt, salt], T=[20.0, 900.0])
    hot = Dataset(
        data.table, "y", "regression", ("T",), composition="formula", crystals=data.crystals
    )
    assert find_duplicates(data).relation == ("identical",)
    assert find_duplicates(hot).relation == ("same structure",)


def test_too_many_pairs_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    salt = rock_salt().get_primitive_structure()
    frames = [rattled(salt, 0.05, seed) for seed in range(8)]
    monkeypatch.setattr(similar_crystals, "MOST_PAIRS", 10)
    data = dataset([*frames, frames[0]], y=np.arange(9.0))
    found = find_duplicates(data)
    assert not found.complete
    assert found.groups[0] == found.groups[8]  # exact copies are always found
    assert "copies-not-searched" in {f.code for f in check(data).findings}


def test_no_crystal_is_compared_where_formulas_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar_crystals, "structures", None)  # would be called to compare
    assert pairs_of(cells()) == []


def test_folds_keep_copies_of_a_structure_together() -> None:
    structures = cells() + [rattled(s, 0.002, i) for i, s in enumerate(cells()[:6])]
    data = dataset(structures)
    for seed in range(4):
        for fold in make_splits(data, "random", 5, seed).folds:
            assert not set(data.table["formula"].iloc[fold.test]) & set(
                data.table["formula"].iloc[fold.train]
            )


def test_clusters_do_not_part_polymorphs() -> None:
    loose = [cell(s[0].specie.symbol, s[1].specie.symbol, edge=5.5) for s in cells()]
    data = dataset([*cells(), *loose])
    for fold in make_splits(data, "cluster", 3).folds:
        test, train = data.take(fold.test), data.take(fold.train)
        assert not shared_compositions(test, train).any()


# -- compositions ----------------------------------------------------------------------------------


def test_one_composition_however_it_is_written() -> None:
    codes = composition_codes(["NaCl", "Na1 Cl1", "Cl4Na4", "Na0.5Cl0.5", "NaCl2", "?", "?"])
    assert codes.tolist() == [0, 0, 0, 0, 1, 2, 2]


def test_shared_compositions_are_those_of_both() -> None:
    a, b = dataset(cells()[:6]), dataset(cells()[4:9])
    assert shared_compositions(a, b).tolist() == [False] * 4 + [True] * 2
    bare = Dataset(pd.DataFrame({"y": [1.0]}), "y", "regression")
    with pytest.raises(InputError, match="no composition column"):
        shared_compositions(bare, a)


def test_grouping_by_formula_reads_formulas() -> None:
    table = pd.DataFrame({"formula": ["NaCl", "Cl2Na2", "KCl", "ClK", "LiF", "F3Li3"]})
    table["y"] = np.arange(6.0)
    data = Dataset(table, "y", "regression", composition="formula")
    for fold in make_splits(data, "grouped:formula", 3).folds:
        assert len(fold.test) == 2
        assert not shared_compositions(data.take(fold.test), data.take(fold.train)).any()


# -- the audit -------------------------------------------------------------------------------------


def with_polymorphs() -> Dataset:
    """Three formulas have a second structure of another volume; nothing is a copy."""
    loose = [cell(s[0].specie.symbol, s[1].specie.symbol, edge=6.0) for s in cells()[:3]]
    return dataset([*cells(), *loose])


def test_formulas_on_both_sides_are_counted() -> None:
    data = with_polymorphs()
    n = len(data)
    last = np.arange(n - 3, n)
    splits = Splits("random", (Fold("a", np.arange(n - 3), last), Fold("b", last, np.arange(3, 9))))
    audit = check(data, splits)
    found = {f.code: f for f in audit.findings}
    assert found["compositions-across-folds"].value == pytest.approx(3 / n)
    assert found["compositions-across-folds"].severity == "warning"
    assert set(found["compositions-across-folds"].samples) == set(data.ids[last])
    assert "grouped:formula" in found["compositions-across-folds"].remedy
    assert audit.facts["compositions"]["shared_compositions"] == 3
    assert "duplicates-across-folds" not in found


def test_polymorphs_are_information() -> None:
    audit = check(with_polymorphs())
    found = {f.code: f for f in audit.findings}
    assert (found["polymorphs"].value, found["polymorphs"].severity) == (3.0, "note")
    facts = audit.facts["crystals"]
    assert (facts["n_formulas"], facts["n_structures"], facts["sites"]) == (15, 18, [2, 2])
    assert facts["elements"] == ["Li", "F", "Na", "Cl", "K", "Br", "Rb", "Cs"]


def test_large_cells_are_told_with_what_they_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """15 cells of 128 sites: 1,920 sites, and 40 times as many with elements swapped."""
    large = dataset([s.make_supercell(4, in_place=False) for s in cells()])
    assert "large-cells" not in {f.code for f in check(large).findings}
    monkeypatch.setattr("iceframe.ingest.audit.crystals.LONG", 100.0)
    found = {f.code: f for f in check(large).findings}["large-cells"]
    assert (found.value, found.severity) == (128.0, "note")
    assert "128 sites on average" in found.title
    assert "under a minute for these crystals" in found.evidence  # 1,920 × 2 ms
    assert "3 minutes to explain" in found.evidence  # 154 s
    assert set(found.samples) == set(large.ids)
    assert "large-cells" not in {f.code for f in check(dataset(cells())).findings}


def test_copies_across_official_folds_are_found() -> None:
    data = dataset([*cells(), *[s * (2, 1, 1) for s in cells()]], y=np.arange(30.0) % 15)
    found = {f.code: f for f in check(data, make_splits(data, "matbench")).findings}
    assert found["duplicates-across-folds"].severity == "warning"


def test_repeats_of_a_structure_tell_the_error_of_the_method() -> None:
    """Two calculations of each structure that scatter by 0.1 about the truth."""
    truth = np.linspace(0, 10, 15)
    noise = np.random.default_rng(0).normal(0, 0.1, 30)
    data = dataset([*cells(), *cells()], y=np.tile(truth, 2) + noise)
    expected = np.abs(noise[:15] - noise[15:]).mean() / np.sqrt(2)
    assert check(data).facts["repeat_error"] == pytest.approx(expected)


def test_a_wrong_formula_is_told() -> None:
    data = dataset(cells())
    data.table.loc["s3", "formula"] = "KF"
    found = {f.code: f for f in check(data).findings}
    assert found["composition-mismatch"].samples == ("s3",)
    assert "KF for a crystal of NaF" in found["composition-mismatch"].evidence
    assert "composition-mismatch" not in {f.code for f in check(dataset(cells())).findings}
