"""Crystals written to files by the libraries themselves, for tests of the readers."""

from __future__ import annotations

import json
from pathlib import Path

from ase.db import connect
from ase.io import write
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp import Poscar

FORMATS = ("cif", "POSCAR", "extxyz", "json", "db", "ase.json")


def salt() -> Structure:
    """Rock salt; sodium and chlorine are 2.82 Å apart."""
    sodium = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    chlorine = [[0.5, 0.5, 0.5], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    return Structure(Lattice.cubic(5.64), ["Na"] * 4 + ["Cl"] * 4, sodium + chlorine)


def skewed() -> Structure:
    """A triclinic cell without symmetry."""
    cell = Lattice.from_parameters(4.1, 5.2, 6.3, 78, 95, 112)
    positions = [[0.01, 0.02, 0.03], [0.333, 0.45, 0.6667], [0.7, 0.9, 0.25]]
    return Structure(cell, ["Fe", "O", "Ti"], positions)


def write_structure(structure: Structure, folder: Path, kind: str) -> Path:
    """One file of a format, as pymatgen or ASE writes it."""
    if kind == "POSCAR":
        path = folder / "POSCAR"
        Poscar(structure).write_file(path, significant_figures=12)
        return path
    path = folder / f"crystal.{kind}"
    if kind == "cif":
        CifWriter(structure, significant_figures=12).write_file(path)
    elif kind == "json":
        path.write_text(json.dumps(structure.as_dict()))
    elif kind == "extxyz":
        write(path, AseAtomsAdaptor.get_atoms(structure), format="extxyz")
    else:
        with connect(path, append=False) as database:
            database.write(AseAtomsAdaptor.get_atoms(structure))
    return path


CIF_SALT = """\
data_salt
_cell_length_a 5.64(1)
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
_chemical_formula_sum 'Na1 Cl1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 Na1+ 0 0 0 1
Cl1 Cl1- 0.5 0.5 0.5 1
"""
"""Rock salt by the name of its space group."""

POSCAR_SALT = """\
rock salt, primitive
5.64
0.0 0.5 0.5
0.5 0.0 0.5
0.5 0.5 0.0
Na Cl
1 1
Direct
0 0 0
0.5 0.5 0.5
"""

XYZ_SALT = """\
2
Lattice="0 2.82 2.82 2.82 0 2.82 2.82 2.82 0" Properties=species:S:1:pos:R:3 energy=-6.5 note="a b"
Na 0 0 0
Cl 2.82 2.82 2.82
"""
