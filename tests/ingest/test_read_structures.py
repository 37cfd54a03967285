"""Readers of crystals: round trips, known answers, and what they refuse."""

from __future__ import annotations

import bz2
import gzip
import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.db import connect
from ase.io import write
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from iceframe.core.errors import InputError
from iceframe.ingest.crystal_checks import accept
from iceframe.ingest.reader import Entry, structure_reader, table_reader
from iceframe.ingest.readers.pymatgen_json import is_structure_json

from .structure_files import (
    CIF_SALT,
    FORMATS,
    POSCAR_SALT,
    XYZ_SALT,
    salt,
    skewed,
    write_structure,
)


def read(path: Path) -> list[Entry]:
    reader = structure_reader(path)
    assert reader is not None, path
    return reader.read(path)


def read_text(folder: Path, name: str, text: str) -> Entry:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    (entry,) = read(path)
    return entry


def refused(folder: Path, name: str, text: str) -> str:
    """The message for a file that is not taken, by the reader or by the checks."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        accept(read(path))
    assert name in str(caught.value)
    return str(caught.value)


def spacing(entry: Entry) -> float:
    """The shortest distance of two atoms, by pymatgen."""
    assert entry.structure is not None
    copies = entry.structure.make_supercell(2, in_place=False)
    distances = copies.distance_matrix
    return float(distances[distances > 0.1].min())


@pytest.mark.parametrize("make", [salt, skewed])
@pytest.mark.parametrize("kind", FORMATS)
def test_what_the_libraries_write_comes_back(kind: str, make: object, tmp_path: Path) -> None:
    structure = make()  # type: ignore[operator]
    (entry,) = read(write_structure(structure, tmp_path, kind))
    found = entry.structure
    assert found is not None
    assert entry.name == ("POSCAR" if kind == "POSCAR" else f"crystal.{kind}")
    assert sorted(s.specie.symbol for s in found) == sorted(s.specie.symbol for s in structure)
    np.testing.assert_allclose(found.lattice.abc, structure.lattice.abc, atol=1e-7)
    np.testing.assert_allclose(found.lattice.angles, structure.lattice.angles, atol=1e-6)
    distances = [
        np.sort(np.round(s.distance_matrix, 9), None) for s in (found, structure)
    ]  # what does not depend on the order of sites and the cell's orientation
    np.testing.assert_allclose(*distances, atol=2e-7)
    assert entry.notes == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("salt.cif", CIF_SALT),
        ("POSCAR", POSCAR_SALT),
        ("salt.extxyz", XYZ_SALT),
        ("cartesian.vasp", POSCAR_SALT.replace("Direct", "Cartesian")),
        ("volume.vasp", POSCAR_SALT.replace("5.64", f"-{5.64**3 / 4}", 1)),
        ("three.vasp", POSCAR_SALT.replace("5.64", "5.64 5.64 5.64", 1)),
        ("hashes.vasp", POSCAR_SALT.replace("Na Cl", "Na_pv/f474ac0d Cl/79d9987ad87")),
        ("fortran.vasp", POSCAR_SALT.replace("5.64", "0.564D1 ! in Å", 1)),
        (
            "selective.vasp",
            POSCAR_SALT.replace("Direct", "Selective dynamics\nDirect").replace(
                "0 0 0\n0.5 0.5 0.5", "0 0 0 T F T\n0.5 0.5 0.5 F F F"
            ),
        ),
    ],
)
def test_sodium_and_chlorine_are_half_a_cell_apart(name: str, text: str, tmp_path: Path) -> None:
    if name == "cartesian.vasp":
        text = text.replace("0.5 0.5 0.5\n", "0.5 0 0\n")[: len(text)]
    entry = read_text(tmp_path, name, text)
    assert spacing(entry) == pytest.approx(2.82, abs=1e-9)
    assert entry.structure is not None
    assert entry.structure.density == pytest.approx(2.164, abs=0.01)  # measured: 2.16 g/cm³


def test_a_negative_scale_moves_cartesian_positions_too(tmp_path: Path) -> None:
    text = POSCAR_SALT.replace("5.64", f"-{5.64**3 / 4}", 1).replace("Direct", "Cartesian")
    text = text.replace("0.5 0.5 0.5\n", "0.5 0 0\n")
    assert spacing(read_text(tmp_path, "POSCAR", text)) == pytest.approx(2.82)


def test_old_poscars_name_elements_behind_positions_or_first(tmp_path: Path) -> None:
    old = POSCAR_SALT.replace("Na Cl\n", "")
    behind = old.replace("0 0 0\n", "0 0 0 Na\n").replace("0.5 0.5 0.5\n", "0.5 0.5 0.5 Cl\n")
    first = old.replace("rock salt, primitive", "Na Cl")
    assert read_text(tmp_path, "a.vasp", behind).notes == ()
    entry = read_text(tmp_path, "b.vasp", first)
    assert "first line" in entry.notes[0]
    assert spacing(entry) == pytest.approx(2.82)
    assert "does not say which elements" in refused(tmp_path, "c.vasp", old)


def test_long_lists_of_elements_are_broken_into_lines(tmp_path: Path) -> None:
    names, counts = "Fe Cr " * 12, "1 " * 24
    sites = "\n".join(f"{i / 24} 0 0" for i in range(24))
    text = f"chain\n1\n60 0 0\n0 5 0\n0 0 5\n{names[:60]}\n{names[60:]}\n"
    text += f"{counts[:40]}\n{counts[40:]}\nDirect\n{sites}\n"
    entry = read_text(tmp_path, "CONTCAR_1", text)
    assert entry.structure is not None
    assert entry.structure.formula == "Cr12 Fe12"


@pytest.mark.parametrize(
    ("name", "claimed"),
    [
        ("POSCAR", True),
        ("CONTCAR.relaxed", True),
        ("POSCAR_12", True),
        ("poscar-3.gz", True),
        ("a.POSCAR", True),
        ("a.vasp.bz2", True),
        ("POSCAR_table.csv", False),
        ("POSCARS.txt", False),
        ("notes.md", False),
        ("a.cif.xz", True),
        ("a.xyz", True),
        ("a.db", True),
    ],
)
def test_names_that_are_claimed(name: str, claimed: bool) -> None:
    assert (structure_reader(name) is not None) == claimed


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
@pytest.mark.parametrize("kind", FORMATS)
def test_compressed_files(kind: str, suffix: str, pack: object, tmp_path: Path) -> None:
    path = write_structure(salt(), tmp_path, kind)
    packed = path.with_name(path.name + suffix)
    packed.write_bytes(pack(path.read_bytes()))  # type: ignore[operator]
    (entry,) = read(packed)
    assert spacing(entry) == pytest.approx(2.82)


# ------------------------------------------------------------------------------------------- CIF


def test_symmetry_by_operations_by_name_and_by_number(tmp_path: Path) -> None:
    number = CIF_SALT.replace("_symmetry_space_group_name_H-M 'F m -3 m'",
                              "_space_group_IT_number 225")  # fmt: skip
    for name, text in [("name.cif", CIF_SALT), ("number.cif", number)]:
        entry = read_text(tmp_path, name, text)
        assert entry.structure is not None
        assert len(entry.structure) == 8
        assert "space group were used" in entry.notes[0]


PROTOTYPES = {
    # cell, group, sites; atoms in the cell, density in g/cm³ and shortest bond in Å as measured.
    "rutile": ("4.5937 4.5937 2.9587 90 90 90", "P 42/m n m", "Ti 0 0 0;O .3053 .3053 0",
               6, 4.25, 1.949),
    "corundum": ("4.7589 4.7589 12.991 90 90 120", "R -3 c", "Al 0 0 .3522;O .3062 0 .25",
                 30, 3.99, 1.856),
    "quartz": ("4.9134 4.9134 5.4052 90 90 120", "P 31 2 1", "Si .4697 0 .3333;O .4133 .2672 .7855",
               9, 2.65, 1.605),
    "zinc oxide": ("3.2495 3.2495 5.2069 90 90 120", "P 63 m c",
                   "Zn .3333 .6667 0;O .3333 .6667 .3819", 4, 5.68, 1.975),
    "bismuth": ("4.546 4.546 11.862 90 90 120", "166", "Bi 0 0 .2339", 6, 9.81, 3.071),
}  # fmt: skip


@pytest.mark.parametrize("name", PROTOTYPES)
def test_minerals_of_several_space_groups(name: str, tmp_path: Path) -> None:
    cell, group, sites, atoms, density, bond = PROTOTYPES[name]
    keys = [f"_cell_{x}" for x in ("length_a", "length_b", "length_c")]
    keys += [f"_cell_angle_{x}" for x in ("alpha", "beta", "gamma")]
    lines = ["data_x", *(f"{key} {value}" for key, value in zip(keys, cell.split(), strict=True))]
    key = "_space_group_IT_number" if group.isdigit() else "_symmetry_space_group_name_H-M"
    lines += [f"{key} '{group}'", "loop_", "_atom_site_label"]
    lines += [f"_atom_site_fract_{x}" for x in "xyz"] + sites.split(";")
    entry = read_text(tmp_path, "x.cif", "\n".join(lines) + "\n")
    assert entry.structure is not None
    assert len(entry.structure) == atoms
    assert entry.structure.density == pytest.approx(density, rel=0.01)
    assert spacing(entry) == pytest.approx(bond, abs=0.01)
    assert len(accept([entry]).crystals) == 1


def test_a_group_whose_origin_is_chosen_otherwise_is_refused(tmp_path: Path) -> None:
    """Diamond: by the first choice of origin carbon is at 0 0 0, by the second at 1/8 1/8 1/8."""
    text = CIF_SALT.replace("F m -3 m", "F d -3 m").replace("5.64", "3.567")
    text = text.replace("'Na1 Cl1'", "C\n_cell_formula_units_Z 8")
    text = text.replace("Cl1 Cl1- 0.5 0.5 0.5 1\n", "")
    first = text.replace("Na1 Na1+", "C1 C")
    second = first.replace("0 0 0 1", "0.125 0.125 0.125 1")
    (tmp_path / "1.cif").write_text(first)
    (tmp_path / "2.cif").write_text(second)
    good, bad = ("1.cif", "2.cif") if _reads(tmp_path / "1.cif") else ("2.cif", "1.cif")
    structure = read(tmp_path / good)[0].structure
    assert structure is not None
    assert structure.density == pytest.approx(3.515, rel=0.01)
    with pytest.raises(InputError, match="8 units of C are stated"):
        read(tmp_path / bad)


def _reads(path: Path) -> bool:
    try:
        read(path)
    except InputError:
        return False
    return True


def test_a_site_on_a_symmetry_element_is_put_there(tmp_path: Path) -> None:
    """Magnesium, hexagonal: with four digits its copies do not meet, but they are one site."""
    text = """\
    data_mg
    _cell_length_a 3.2094
    _cell_length_b 3.2094
    _cell_length_c 5.2108
    _cell_angle_alpha 90
    _cell_angle_beta 90
    _cell_angle_gamma 120
    _space_group_IT_number 194
    loop_
    _atom_site_label
    _atom_site_fract_x
    _atom_site_fract_y
    _atom_site_fract_z
    Mg1 0.3333 0.6667 0.2500
    """.replace("\n    ", "\n").lstrip()
    entry = read_text(tmp_path, "mg.cif", text)
    assert entry.structure is not None
    assert len(entry.structure) == 2
    np.testing.assert_allclose(entry.structure[0].frac_coords, [1 / 3, 2 / 3, 1 / 4], atol=1e-12)
    assert any("symmetry element" in note for note in entry.notes)
    # Measured: neighbours 3.197 Å (other layer) and 3.209 Å; density 1.738 g/cm³.
    assert spacing(entry) == pytest.approx(3.197, abs=2e-3)
    assert entry.structure.density == pytest.approx(1.738, abs=5e-3)


def test_sites_in_general_position_are_where_the_operations_take_them(tmp_path: Path) -> None:
    """Every operation of P2_1/c on a general site, against the table of space group 14."""
    text = CIF_SALT.replace("_symmetry_space_group_name_H-M 'F m -3 m'\n", "")
    text = text.replace("_cell_angle_beta 90", "_cell_angle_beta 103")
    text = text.replace(
        "loop_\n",
        "loop_\n_symmetry_equiv_pos_as_xyz\n'x,y,z'\n'-x, y+1/2, -z+1/2'\n'-x,-y,-z'\n"
        "'x,-y+.5,z+0.5'\nloop_\n",
        1,
    )
    text = text.replace("Na1 Na1+ 0 0 0 1\nCl1 Cl1- 0.5 0.5 0.5", "Na1 Na 0.1 0.2 0.3")
    entry = read_text(tmp_path, "p21c.cif", text)
    assert entry.structure is not None
    expected = [[0.1, 0.2, 0.3], [0.9, 0.7, 0.2], [0.9, 0.8, 0.7], [0.1, 0.3, 0.8]]
    np.testing.assert_allclose(entry.structure.frac_coords, expected, atol=1e-12)


def test_no_coordinate_is_rounded_without_symmetry(tmp_path: Path) -> None:
    structure = Structure(Lattice.cubic(4), ["Fe", "O"], [[0.33334, 0, 0], [0.66665, 0.5, 0.5]])
    (entry,) = read(write_structure(structure, tmp_path, "cif"))
    assert entry.structure is not None
    np.testing.assert_allclose(entry.structure.frac_coords, structure.frac_coords, atol=1e-12)


def test_several_data_blocks_are_several_crystals(tmp_path: Path) -> None:
    publication = "data_global\n_journal_year 1999\n_publ_text\n;\ndata_in_text is no block\n;\n"
    path = tmp_path / "two.cif"
    path.write_text(publication + CIF_SALT + CIF_SALT.replace("5.64", "5.7"))
    entries = read(path)
    assert [entry.name for entry in entries] == ["two.cif#0", "two.cif#1"]
    volumes = [entry.structure.volume for entry in entries if entry.structure is not None]
    assert volumes == pytest.approx([5.64**3, 5.7**3])


def test_one_bad_block_does_not_spoil_the_others(tmp_path: Path) -> None:
    path = tmp_path / "two.cif"
    path.write_text(CIF_SALT.replace("Na1+", "Qx") + CIF_SALT)
    bad, good = read(path)
    assert bad.structure is None
    assert "two.cif#0, site 1 of 2 (Na1)" in str(bad.fault)
    assert good.structure is not None
    kept = accept([bad, good], drop_invalid=True)
    assert kept.kept.tolist() == [1]
    assert "1 of 2 crystals were left out" in kept.notes[-1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Na1 Na1+", "Na1 Kx", "no chemical element"),
        ("Na1 Na1+", "Na1 ?", "no chemical element"),
        ("Na1 Na1+", "Na1 OH", "not one atom"),
        ("Cl1 Cl1- 0.5 0.5 0.5 1", "Cl1 Cl1- 0.5 0.5 0.5 1.3", "occupancy of this site is above 1"),
        ("Cl1 Cl1- 0.5 0.5 0.5 1", "Cl1 Cl1- 0.5 0.5 0.5 0.9", "only partly occupied"),
        ("Cl1 Cl1- 0.5 0.5 0.5 1", "Cl1 Cl1- 0.5 0.5 0.5 -1", "no occupancy"),
        ("Cl1 Cl1- 0.5 0.5 0.5 1", "Cl1 Cl1- 0.5 ? 0.5 1", "no number"),
        ("Cl1 Cl1- 0.5 0.5 0.5 1", "Cl1 Cl1- 0 0 0 1", "above 1"),
        ("Cl1 Cl1- 0.5 0.5 0.5 1", "Cl1 Cl1- 0.05 0 0 1", "overlap"),
        ("_cell_length_b 5.64\n", "", "no cell"),
        ("_cell_length_b 5.64\n", "_cell_length_b ?\n", "no cell"),
        ("_cell_length_b 5.64\n", "_cell_length_b 0\n", "do not keep the lengths"),
        ("_cell_length_b 5.64\n", "_cell_length_b 6.64\n", "do not keep the lengths"),
        ("_cell_angle_gamma 90\n", "_cell_angle_gamma nan\n", "cell"),
        ("'F m -3 m'", "'F m -9 q'", "is not known"),
        ("5.64", "56.4", "density"),
        ("loop_\n_atom", "loop_\n_bond", "no sites"),
    ],
)
def test_bad_cifs_are_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = CIF_SALT.replace(old, new)
    assert text != CIF_SALT
    assert message in refused(tmp_path, "salt.cif", text)


def test_lines_beyond_reason_are_refused(tmp_path: Path) -> None:
    assert "too long" in refused(tmp_path, "a.cif", CIF_SALT + "'a" * 50_000)


def test_occupancies_are_never_scaled_or_dropped(tmp_path: Path) -> None:
    """Two elements at one position, 0.7 and 0.6: pymatgen alone would make them sum to 1."""
    text = CIF_SALT.replace("Na1 Na1+ 0 0 0 1", "Na1 Na1+ 0 0 0 0.7\nK1 K 0 0 0 0.6")
    message = refused(tmp_path, "salt.cif", text)
    assert "above 1" in message
    assert "0.7 Na + 0.6 K" in message
    text = text.replace("0.6\n", "0.3\n")
    assert "0.7 Na + 0.3 K" in refused(tmp_path, "salt.cif", text)


def test_sites_of_occupancy_zero_are_told(tmp_path: Path) -> None:
    text = CIF_SALT.replace("Cl1 Cl1-", "K1 K 0.25 0.25 0.25 0\nCl1 Cl1-")
    entry = read_text(tmp_path, "salt.cif", text)
    assert entry.structure is not None
    assert len(entry.structure) == 8
    assert any("occupancy 0" in note for note in entry.notes)


def test_labels_stand_in_for_elements_and_are_told(tmp_path: Path) -> None:
    text = CIF_SALT.replace("_atom_site_type_symbol\n", "").replace("Na1 Na1+", "NA1")
    entry = read_text(tmp_path, "salt.cif", text.replace("Cl1 Cl1-", "Cl1"))
    assert any("read as elements" in note for note in entry.notes)
    assert entry.structure is not None
    assert entry.structure.reduced_formula == "NaCl"
    assert "no chemical element" in refused(tmp_path, "bad.cif", text.replace("Cl1 Cl1-", "Kx1"))


def test_a_stated_formula_that_is_not_that_of_the_sites_is_told(tmp_path: Path) -> None:
    entry = read_text(tmp_path, "salt.cif", CIF_SALT.replace("'Na1 Cl1'", "'Na1 Cl1 H2 O1'"))
    assert any("formula" in note for note in entry.notes)


def test_hydrogens_without_a_place_are_refused(tmp_path: Path) -> None:
    text = CIF_SALT.replace("_atom_site_occupancy", "_atom_site_attached_hydrogens")
    assert "hydrogens" in refused(tmp_path, "salt.cif", text)


def test_magnetic_operations_are_read_and_group_names_are_not_evaluated(tmp_path: Path) -> None:
    magnetic = "loop_\n_space_group_symop_magn_"
    operations = f"{magnetic}operation.xyz\n'x,y,z,+1'\n'-x,-y,-z,-1'\n"
    operations += f"{magnetic}centering.xyz\n'x,y,z,+1'\n'x+1/2,y+1/2,z,-1'\n"
    bare = CIF_SALT.replace("_symmetry_space_group_name_H-M 'F m -3 m'\n", "")
    bare = bare.replace("_chemical_formula_sum 'Na1 Cl1'\n", "")
    entry = read_text(tmp_path, "m.cif", bare.replace("loop_\n", operations + "loop_\n", 1))
    assert entry.structure is not None
    assert len(entry.structure) == 4
    bomb = "_space_group_magn.name_BNS 'P_c1'\n_space_group_magn.transform_BNS_Pp_abc '9**9**9;0'\n"
    text = bare.replace("loop_\n", bomb + "loop_\n", 1)
    assert "none are listed" in refused(tmp_path, "n.cif", text)


# ---------------------------------------------------------------------------------------- POSCAR


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Na Cl\n1 1", "Na Xx\n1 1", "site 2 of 2 (Xx)"),
        ("1 1\n", "1\n", "number of atoms"),
        ("1 1\n", "1 5\n", "Positions are missing"),
        ("1 1\n", "999999999 1\n", "Positions are missing"),
        ("0.5 0.5 0.5\n", "0.5 0.5\n", "line 10"),
        ("0.5 0.5 0.5\n", "0.5 0.5 nan\n", "site 2 of 2 (Cl)"),
        ("Direct", "Fractional", "how positions are given"),
        ("5.64\n", "0\n", "scale factor"),
        ("5.64\n", "zero\n", "scale factor"),
        ("0.0 0.5 0.5", "0.5 0.0 0.5", "no usable cell"),
        ("0.5 0.5 0.0", "0.5 0.5", "line 5"),
        ("5.64\n", "0.564\n", "overlap"),
        ("5.64\n", "56.4\n", "density"),
    ],
)
def test_bad_poscars_are_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = POSCAR_SALT.replace(old, new, 1)
    assert text != POSCAR_SALT
    assert message in refused(tmp_path, "POSCAR", text)


def test_an_empty_poscar(tmp_path: Path) -> None:
    assert "scale factor" in refused(tmp_path, "POSCAR", "")
    none = POSCAR_SALT.replace("1 1\n", "0 0\n")
    assert "no atoms" in refused(tmp_path, "POSCAR", none)


# ---------------------------------------------------------------------------------- extended XYZ


def test_frames_and_their_values(tmp_path: Path) -> None:
    atoms = AseAtomsAdaptor.get_atoms(skewed())
    frames = []
    for i in range(3):
        frame = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell * (1 + i / 10), pbc=True)
        frame.info = {
            "energy": -1.5 * i,
            "relaxed": i == 2,
            "source": "run 7",
            "stress": np.ones(6),
        }
        frames.append(frame)
    write(tmp_path / "md.xyz", frames, format="extxyz")
    entries = read(tmp_path / "md.xyz")
    assert [entry.name for entry in entries] == ["md.xyz#0", "md.xyz#1", "md.xyz#2"]
    for i, entry in enumerate(entries):
        assert entry.values == {"energy": -1.5 * i, "relaxed": i == 2, "source": "run 7"}
        assert "stress" in entry.notes[0]
        assert entry.structure is not None
        np.testing.assert_allclose(entry.structure.cart_coords, atoms.positions, atol=1e-7)
        np.testing.assert_allclose(entry.structure.lattice.matrix, frames[i].cell, atol=1e-7)


def test_columns_in_another_order(tmp_path: Path) -> None:
    text = XYZ_SALT.replace("species:S:1:pos:R:3", "forces:R:3:pos:R:3:Z:I:1:species:S:1")
    text = text.replace("Na 0 0 0", "9 9 9 0 0 0 11 Na").replace("Cl 2", "9 9 9 2")
    text = text.replace("2.82 2.82 2.82\n", "2.82 2.82 2.82 17 Cl\n")
    assert spacing(read_text(tmp_path, "a.xyz", text)) == pytest.approx(2.82)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Lattice", "Cell", "has no cell"),
        ("energy", 'pbc="T T F" energy', "all three directions"),
        ("energy", "pbc=2 energy", "all three directions"),
        ("Cl 2.82", "Xx 2.82", "site 2 of 2 (Xx)"),
        ("Cl 2.82 2.82 2.82\n", "", "cut off"),
        ("Cl 2.82 2.82 2.82\n", "Cl 2.82 2.82\n", "site 2 of 2"),
        ("0 2.82 2.82 2.82 0 2.82 2.82 2.82 0", "1 0 0 0 1 0", "cannot be read"),
        ("0 2.82 2.82 2.82 0 2.82 2.82 2.82 0", "1 0 0 2 0 0 3 0 0", "no usable cell"),
        ("0 2.82 2.82 2.82 0 2.82 2.82 2.82 0", "1 0 0 0 1 0 0 0 1", "overlap"),
        ("species:S:1:pos:R:3", "species:S:1", "where elements and positions stand"),
        ("2\nLattice", "two\nLattice", "number of atoms"),
    ],
)
def test_bad_frames_are_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = XYZ_SALT.replace(old, new, 1)
    assert text != XYZ_SALT
    assert message in refused(tmp_path, "a.xyz", text)
    if message != "number of atoms":
        path = tmp_path / "many.xyz"
        path.write_text(XYZ_SALT + text)
        with pytest.raises(InputError, match=r"many.xyz#1"):
            accept(read(path))
        assert len(accept(read(path), drop_invalid=True).crystals) == 1


def test_a_molecule_is_no_crystal(tmp_path: Path) -> None:
    text = "3\nwater\nO 0 0 0\nH 0.76 0.59 0\nH -0.76 0.59 0\n"
    assert "has no cell" in refused(tmp_path, "water.xyz", text)


# ------------------------------------------------------------------------------------------ JSON


def test_lists_and_values_in_json(tmp_path: Path) -> None:
    plain = salt().as_dict()
    beside = {"structure": plain, "gap": 8.5, "tags": ["a"]}
    for name, value, names, values in [
        ("list.json", [plain, plain], ["list.json#0", "list.json#1"], {}),
        ("one.json", beside, ["one.json"], {"gap": 8.5}),
        ("many.json", [beside, beside], ["many.json#0", "many.json#1"], {"gap": 8.5}),
    ]:
        path = tmp_path / name
        path.write_text(json.dumps(value))
        entries = read(path)
        assert [entry.name for entry in entries] == names
        assert all(dict(entry.values) == values for entry in entries)
        assert all(spacing(entry) == pytest.approx(2.82) for entry in entries)


def test_json_of_other_kinds_is_left_to_the_table_reader(tmp_path: Path) -> None:
    plain = salt().as_dict()
    tables = [
        {"composition": {"0": "NaCl"}, "gap": {"0": 8.5}},
        [{"composition": "NaCl", "gap": 8.5}],
        {"structure": {"0": plain}, "gap": {"0": 8.5}},  # a table with a column of structures
        {"columns": ["structure", "gap"], "data": [[plain, 8.5]]},
        {"lattice": [1, 2], "site": [3, 4]},
        {"1": {"numbers": 3, "gap": 8.5}, "2": {"numbers": 4, "gap": 1.5}},  # pandas, by rows
        7,
    ]
    for i, value in enumerate(tables):
        path = tmp_path / f"{i}.json"
        path.write_text(json.dumps(value))
        assert not is_structure_json(path), value
        assert structure_reader(path) is None
        assert table_reader(path) is not None
    assert structure_reader(tmp_path / "absent.json") is None


def test_long_texts_in_a_table_are_passed_over_once(tmp_path: Path) -> None:
    """Text with many quotes that the head cuts off; it took minutes, once for each quote."""
    path = tmp_path / "texts.json"
    path.write_text(json.dumps({"cif": {"0": '"' * 400_000}}))
    assert not is_structure_json(path)


def test_keys_may_stand_in_any_order(tmp_path: Path) -> None:
    value = dict(sorted(salt().as_dict().items(), reverse=True))
    path = tmp_path / "sorted.json"
    path.write_text(json.dumps([{"z": {"lattice": 1}, "structure": value}]))
    assert is_structure_json(path)
    assert spacing(read(path)[0]) == pytest.approx(2.82)


def test_classes_that_json_names_are_not_imported(tmp_path: Path) -> None:
    value = salt().as_dict()
    trap = tmp_path / "trapped"
    value["properties"] = value["sites"][0]["properties"] = {
        "@module": "pathlib", "@class": "Path", "x": {"@module": "os", "@class": "system"},
        "@callable": "system", "@bound": None, "args": [f"touch {trap}"],
    }  # fmt: skip
    value["@module"], value["@class"] = "antigravity", "Structure"
    path = tmp_path / "trap.json"
    path.write_text(json.dumps(value))
    assert spacing(read(path)[0]) == pytest.approx(2.82)
    assert not trap.exists()
    import sys

    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("sites", 1, "species", 0, "element"), "Xx", "site 2 of 8 (Xx)"),
        (("sites", 1, "species", 0, "element"), None, "site 2 of 8"),
        (("sites", 1, "species", 0, "occu"), 1.5, "above 1"),
        (("sites", 1, "species", 0, "occu"), 0.5, "only partly occupied"),
        (("sites", 1, "species", 0, "occu"), "a", "cannot be read"),
        (("sites", 1, "species"), [], "cannot be read"),
        (("sites", 1, "abc"), [0, 0, 0.01], "overlap"),
        (("sites", 1, "abc"), [0, float("nan"), 0], "site 2 of 8 (Na)"),
        (("sites", 1), None, "site 2 of 8"),
        (("lattice",), None, "has no cell"),
        (("lattice", "pbc"), [True, True, False], "all three directions"),
        (("lattice", "matrix"), [[1, 0, 0], [0, 1, 0], [1, 1, 0]], "no usable cell"),
        (("sites",), [], "no atoms"),
    ],
)
def test_bad_json_structures_are_refused(
    keys: tuple[str | int, ...], value: object, message: str, tmp_path: Path
) -> None:
    whole = salt().as_dict()
    part = whole
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    assert message in refused(tmp_path, "a.json", json.dumps(whole))


# --------------------------------------------------------------------------------- ASE databases


@pytest.mark.parametrize("name", ["rows.db", "rows.json"])
def test_rows_and_their_values(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with connect(path) as database:
        for i in range(3):
            atoms = AseAtomsAdaptor.get_atoms(skewed())
            database.write(atoms, gap=0.5 * i, label="run 7", stable=i > 0, data={"x": [1, 2]})
    before = path.read_bytes()
    entries = read(path)
    assert [entry.name for entry in entries] == [f"{name}#{i}" for i in range(3)]
    for i, entry in enumerate(entries):
        assert entry.values == {"gap": 0.5 * i, "label": "run 7", "stable": i > 0}
        assert entry.structure is not None
        np.testing.assert_allclose(entry.structure.cart_coords, skewed().cart_coords, atol=1e-12)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".lock"] == [name]


@pytest.mark.parametrize("name", ["e.db", "e.json"])
def test_an_energy_becomes_a_column(name: str, tmp_path: Path) -> None:
    from ase.calculators.singlepoint import SinglePointCalculator

    atoms = AseAtomsAdaptor.get_atoms(salt())
    atoms.calc = SinglePointCalculator(atoms, energy=-27.5)
    with connect(tmp_path / name) as database:
        database.write(atoms)
    assert read(tmp_path / name)[0].values == {"energy": -27.5}


@pytest.mark.parametrize("name", ["mixed.db", "mixed.json"])
def test_rows_that_are_no_crystals_are_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with connect(path) as database:
        database.write(AseAtomsAdaptor.get_atoms(salt()))
        database.write(Atoms("H2O", [[0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]]))
        database.write(Atoms("Fe", cell=[3, 3, 20], pbc=[True, True, False]))
        database.write(Atoms("X", cell=[3, 3, 3], pbc=True))
    entries = read(path)
    assert [entry.structure is None for entry in entries] == [False, True, True, True]
    told = [str(entry.fault) for entry in entries[1:]]
    assert f"{name}#1 (id 2)" in told[0]
    assert "no cell" in told[0]
    assert "all three directions" in told[1]
    assert "site 1 of 1" in told[2]
    assert len(accept(entries, drop_invalid=True).crystals) == 1


def test_what_ase_reads_is_what_is_read_here(tmp_path: Path) -> None:
    """Rows that were deleted leave gaps in the ids; old files have no ids and plain lists."""
    path = tmp_path / "gaps.json"
    with connect(path) as database:
        for size in (1.0, 1.1, 1.2):
            atoms = AseAtomsAdaptor.get_atoms(skewed())
            atoms.set_cell(atoms.cell * size, scale_atoms=True)
            database.write(atoms, size=size)
        database.delete([2])
        expected = [(row.id, row.size, row.volume) for row in database.select()]
    entries = read(path)
    found = [(e.values["size"], e.structure.volume) for e in entries if e.structure is not None]
    np.testing.assert_allclose(found, [row[1:] for row in expected])
    cell = salt().lattice.matrix.tolist()
    numbers, positions = list(salt().atomic_numbers), salt().cart_coords.tolist()
    plain = {"cell": cell, "numbers": numbers, "pbc": [True] * 3, "positions": positions}
    old = tmp_path / "old.json"
    old.write_text(json.dumps({"1": plain}))
    assert spacing(read(old)[0]) == pytest.approx(2.82)
    assert len(next(connect(old).select()).toatoms()) == len(salt())


def test_objects_that_an_ase_file_names_are_not_made(tmp_path: Path) -> None:
    path = write_structure(salt(), tmp_path, "ase.json")
    value = json.loads(path.read_text())
    for key in ("calculator_parameters", "constraints", "data"):
        value["1"][key] = {"__ase_objtype__": "no such thing", "name": "antigravity"}
    value["1"]["cell"]["__ase_objtype__"] = "antigravity"
    path.write_text(json.dumps(value))
    assert spacing(read(path)[0]) == pytest.approx(2.82)


def test_long_data_before_the_atoms(tmp_path: Path) -> None:
    """ASE sorts the keys: ``data`` stands before ``numbers`` and may be longer than the head."""
    path = tmp_path / "long.json"
    with connect(path) as database:
        database.write(AseAtomsAdaptor.get_atoms(salt()), data={"dos": [0.125] * 100_000})
    assert spacing(read(path)[0]) == pytest.approx(2.82)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("1", "numbers"), [11, 200] * 4, "site 2 of 8 (Z=200)"),
        (("1", "numbers"), [11.5] * 8, "numbers of this row cannot be read"),
        (("1", "numbers"), [10**30] * 8, "numbers of this row cannot be read"),
        (("1", "numbers"), None, "numbers of this row cannot be read"),
        (("1", "positions"), [[0, 0, 0]], "3 coordinates"),
        (("1", "positions"), [["a"] * 3] * 8, "positions of this row cannot be read"),
        (("1", "positions"), [[0, 0, float("nan")]] * 8, "site 1 of 8"),
        (("1", "cell"), [[0, 0, 0]] * 3, "has no cell"),
        (("1", "cell"), [[1, 0, 0], [0, 1, 0], [1, 1, 0]], "no usable cell"),
        (("1", "pbc"), [True, True, False], "all three directions"),
        (("1", "pbc"), None, "pbc of this row cannot be read"),
        (("1", "key_value_pairs"), [1], "key-value pairs"),
        (("ids",), [1.5], "ids of this database"),
        (("ids",), [7], "not there"),
        (("ids",), [], "no crystals"),
    ],
)
def test_bad_rows_in_json_are_refused(
    keys: tuple[str, ...], value: object, message: str, tmp_path: Path
) -> None:
    path = write_structure(salt(), tmp_path, "ase.json")
    whole = json.loads(path.read_text())
    part = whole
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    assert message in refused(tmp_path, "b.json", json.dumps(whole))


def test_databases_of_other_kinds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE people (name TEXT)")
    connection.close()
    with pytest.raises(InputError, match="none of ASE"):
        read(path)
    view = tmp_path / "view.db"
    with sqlite3.connect(view) as connection:
        columns = "1 id, 2 numbers, 3 positions, 4 cell, 7 pbc, 0 energy, '{}' key_value_pairs"
        connection.execute(f"CREATE VIEW systems AS SELECT {columns}")
    connection.close()
    with pytest.raises(InputError, match="none of ASE"):
        read(view)


def test_rows_in_a_write_ahead_log_are_not_lost_in_silence(tmp_path: Path) -> None:
    path = write_structure(salt(), tmp_path, "db")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE more (x)")
    connection.commit()
    with pytest.raises(InputError, match="being written to"):
        read(path)
    connection.close()
    assert spacing(read(path)[0]) == pytest.approx(2.82)
