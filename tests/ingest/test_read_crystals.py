"""Data sets of crystals: every way they come in, and what is wrong with them is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ase.db import connect
from ase.io import write
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifWriter

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.ingest import read
from iceframe.ingest.crystal_checks import accept
from iceframe.ingest.structure_tables import crystals_in_columns

from .crystals_on_disk import HALOGENS, METALS, PAIRS, N, cells, gaps, write_cifs

FORMULAS = [metal + halogen for metal, halogen in PAIRS]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_cifs(tmp_path / "halides", temperature=np.arange(N) * 10.0)
    return tmp_path / "halides"


def edit(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    labels = pd.read_csv(folder / "labels.csv")
    change(labels).to_csv(folder / "labels.csv", index=False)


def noted(data: Dataset, *words: str) -> bool:
    return any(all(word in note for word in words) for note in data.notes)


def assert_halides(data: Dataset) -> None:
    """All crystals are there, each with its own gap and formula."""
    assert data.crystals is not None
    assert data.composition is not None
    assert len(data) == N
    assert data.table[data.composition].tolist() == FORMULAS
    np.testing.assert_allclose(data.y, gaps())
    expected = [structure.volume for structure in cells()]
    np.testing.assert_allclose(data.crystals.volumes, expected, rtol=1e-4)
    assert data.crystals.sizes.tolist() == [2] * N


# -- every way in ----------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["file", "structure", "CIF file"])
def test_a_folder_of_files_with_labels(tmp_path: Path, column: str) -> None:
    write_cifs(tmp_path / "cifs", column, temperature=np.arange(N) * 10.0)
    data = read(tmp_path / "cifs", "gap")
    assert_halides(data)
    assert data.features == ("temperature",)
    assert data.layout == "structure-folder"
    assert data.ids[0] == "LiF.cif"
    assert data.crystals is not None
    assert data.crystals.names == tuple(data.ids)
    assert read(tmp_path / "cifs" / "labels.csv", "gap").fingerprint == data.fingerprint


def test_rows_stay_with_their_crystals_whatever_the_order(folder: Path) -> None:
    edit(folder, lambda labels: labels.iloc[::-1])
    data = read(folder, "gap")
    assert data.table["composition"].tolist() == FORMULAS[::-1]
    np.testing.assert_allclose(data.y, gaps()[::-1])


def test_a_folder_as_cgcnn_has_it(folder: Path) -> None:
    labels = pd.read_csv(folder / "labels.csv")[["file", "gap"]]
    labels["file"] = labels["file"].str.removesuffix(".cif")
    labels.to_csv(folder / "id_prop.csv", index=False, header=False)
    (folder / "labels.csv").unlink()
    (folder / "atom_init.json").write_text('{"1": [0, 1], "2": [1, 0]}')
    data = read(folder, "gap")
    assert_halides(data)
    assert noted(data, "no header", "'gap'")


def test_one_subfolder_a_class(folder: Path) -> None:
    for (metal, _), formula in zip(PAIRS, FORMULAS, strict=True):
        (folder / metal).mkdir(exist_ok=True)
        (folder / f"{formula}.cif").rename(folder / metal / f"{formula}.cif")
    (folder / "labels.csv").unlink()
    data = read(folder)
    assert (data.target, data.task, data.classes) == (
        "class",
        "classification",
        tuple(sorted(METALS)),
    )
    first = data.table["composition"].str.replace("|".join(HALOGENS), "", regex=True)
    assert (first == data.y).all()


def as_dictionaries(folder: Path) -> Path:
    path = folder / "matbench_halides.json"
    rows = [[s.as_dict(), gap] for s, gap in zip(cells(), gaps().tolist(), strict=True)]
    index = [f"mb-halides-{i}" for i in range(N)]
    path.write_text(json.dumps({"index": index, "columns": ["structure", "gap"], "data": rows}))
    return path


def as_records(folder: Path) -> Path:
    path = folder / "records.json"
    pairs = zip(cells(), gaps().tolist(), strict=True)
    path.write_text(json.dumps([{"structure": s.as_dict(), "gap": gap} for s, gap in pairs]))
    return path


def as_parquet(folder: Path) -> Path:
    path = folder / "dictionaries.parquet"
    held = [json.loads(s.to_json()) for s in cells()]
    for one in held:
        del one["properties"]  # an object without keys cannot be written
        for site in one["sites"]:
            del site["properties"]
    pd.DataFrame({"structure": held, "gap": gaps()}).to_parquet(path)
    return path


def as_json_text(folder: Path) -> Path:
    path = folder / "text.csv"
    texts = [json.dumps(s.as_dict()) for s in cells()]
    pd.DataFrame({"gap": gaps(), "crystal": texts}).to_csv(path, index=False)
    return path


def as_cif_text(folder: Path) -> Path:
    path = folder / "cifs.parquet"
    pd.DataFrame({"cif": [str(CifWriter(s)) for s in cells()], "gap": gaps()}).to_parquet(path)
    return path


def as_columns(folder: Path) -> Path:
    path = folder / "columns.csv.gz"
    rows = [
        {
            "lattice": " ".join(f"{x:.5f}" for x in s.lattice.parameters),
            "species": " ".join(site.specie.symbol for site in s),
            "frac": " ".join(f"{x:.5f}" for x in s.frac_coords.ravel()),
        }
        for s in cells()
    ]
    pd.DataFrame(rows).assign(gap=gaps()).to_csv(path, index=False)
    return path


def as_lists(folder: Path) -> Path:
    path = folder / "lists.json"
    rows = [
        {
            "cell": s.lattice.matrix.tolist(),
            "atomic_numbers": list(s.atomic_numbers),
            "scaled_positions": s.frac_coords.tolist(),
            "gap": gap,
        }
        for s, gap in zip(cells(), gaps().tolist(), strict=True)
    ]
    path.write_text(json.dumps(rows))
    return path


def as_frames(folder: Path) -> Path:
    path = folder / "frames.extxyz"
    atoms = [AseAtomsAdaptor.get_atoms(s) for s in cells()]
    for one, gap in zip(atoms, gaps(), strict=True):
        one.info["gap"] = float(gap)
    write(path, atoms)
    return path


def as_database(folder: Path) -> Path:
    path = folder / "halides.db"
    with connect(path, append=False) as database:
        for s, gap in zip(cells(), gaps(), strict=True):
            database.write(AseAtomsAdaptor.get_atoms(s), gap=float(gap))
    return path


def as_archive(folder: Path) -> Path:
    write_cifs(folder / "zipped")
    return Path(shutil.make_archive(str(folder / "zipped"), "zip", folder, "zipped"))


def as_zipped_table(folder: Path) -> Path:
    inside = folder / "inside"
    inside.mkdir()
    as_columns(inside)
    return Path(shutil.make_archive(str(folder / "table"), "zip", inside))


@pytest.mark.parametrize(
    "make",
    [
        *(as_dictionaries, as_records, as_json_text, as_cif_text, as_columns, as_lists),
        *(as_parquet, as_frames, as_database, as_archive, as_zipped_table),
    ],
)
def test_every_container_gives_the_same_crystals(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    data = read(path, "gap")
    assert_halides(data)
    assert data.source == str(path)
    assert data.features == ()


def test_matbench_keeps_its_layout_and_order(tmp_path: Path) -> None:
    data = read(as_dictionaries(tmp_path), "gap")
    assert data.layout == "matbench"
    assert data.ids[3] == "mb-halides-3"
    assert "structure" not in data.table.columns


def test_a_data_frame_of_structures() -> None:
    frame = pd.DataFrame({"structure": cells(), "gap": gaps()})
    assert_halides(read(frame, "gap"))


def test_files_say_what_they_know_without_labels(tmp_path: Path) -> None:
    """A folder of extended XYZ, one frame or more a file; values become columns."""
    whole = as_frames(tmp_path)
    folder = tmp_path / "parts"
    folder.mkdir()
    lines = whole.read_text().splitlines(keepends=True)
    for i in range(0, len(lines), 12):
        (folder / f"{i:03}.extxyz").write_text("".join(lines[i : i + 12]))
    data = read(folder, "gap")
    assert_halides(data)
    assert data.ids[:2].tolist() == ["000.extxyz#0", "000.extxyz#1"]


def test_the_users_own_compositions_come_first(folder: Path) -> None:
    edit(folder, lambda labels: labels.assign(formula=[f + f for f in FORMULAS]))
    data = read(folder, "gap")
    assert data.composition == "formula"
    assert data.table["formula"].iloc[0] == "LiFLiF"
    dropped = read(folder, "gap", drop=["formula"])
    assert dropped.composition == "composition"
    assert dropped.table["composition"].tolist() == FORMULAS


def test_labels_name_crystals_in_one_file(tmp_path: Path) -> None:
    as_frames(tmp_path)
    rows = {"file": [f"frames.extxyz#{i}" for i in range(N)], "gap": gaps() * 2}
    pd.DataFrame(rows).to_csv(tmp_path / "labels.csv", index=False)
    data = read(tmp_path, "gap")
    assert data.ids[4] == "frames.extxyz#4"
    np.testing.assert_allclose(data.y, gaps() * 2)
    assert data.table["composition"].tolist() == FORMULAS


def test_json_files_that_a_table_names_are_looked_for_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the folder where one happens to work; what is a table there is no crystal."""
    there, elsewhere = tmp_path / "set", tmp_path / "elsewhere"
    there.mkdir()
    elsewhere.mkdir()
    for i, structure in enumerate(cells()):
        (there / f"{i}.json").write_text(json.dumps(structure.as_dict()))
        (elsewhere / f"{i}.json").write_text('[{"gap": 1}]')
    names = [f"{i}.json" for i in range(N)]
    pd.DataFrame({"file": names, "gap": gaps()}).to_csv(there / "gaps.csv", index=False)
    monkeypatch.chdir(elsewhere)
    for source in (there, there / "gaps.csv"):
        assert_halides(read(source, "gap"))
    monkeypatch.chdir(there)
    kinds = {"file": names, "composition": FORMULAS, "gap": gaps()}
    pd.DataFrame(kinds).to_csv(elsewhere / "gaps.csv", index=False)
    data = read(elsewhere / "gaps.csv", "gap")
    assert data.crystals is None
    assert data.layout == "table"


def test_new_samples_are_read_with_the_recipe(folder: Path, tmp_path: Path) -> None:
    edit(folder, lambda labels: labels.drop(columns="temperature").assign(formula=FORMULAS))
    data = read(folder, "gap")
    one = read(folder / "NaCl.cif", require_target=False, **data.recipe)
    assert (len(one), one.composition) == (1, "formula")
    assert one.table["formula"].tolist() == ["NaCl"]
    (folder / "labels.csv").unlink()
    whole = read(folder, require_target=False, **data.recipe)
    assert sorted(whole.table["formula"]) == sorted(FORMULAS)
    table = read(as_columns(tmp_path), require_target=False, **data.recipe)
    assert table.crystals is not None
    assert table.table["formula"].tolist() == FORMULAS


def test_real_perovskites_simply_work(shared_data: Path) -> None:
    path = shared_data / "structures" / "perov5_structures.csv.gz"
    frame = pd.read_csv(path, nrows=200)
    aside = ["heat_ref", "dir_gap", "ind_gap", "cdvae_split"]
    data = read(frame, "heat_all", drop=aside)
    assert data.crystals is not None
    assert (len(data), data.features, data.composition) == (200, (), "formula")
    assert (data.crystals.sizes == 5).all()
    assert data.ids[0] == "18517"
    np.testing.assert_allclose(data.crystals.volumes[0], 4.27928**3, rtol=1e-6)


@given(
    cells=st.lists(
        st.tuples(
            st.sampled_from(["4 4 4 90 90 90", "4 4 4 0 0 0", "1e999 4 4 90 90 90", "[[4]]", ""])
            | st.text(max_size=12) | st.none() | st.lists(st.floats(), max_size=9),
            st.sampled_from(["Na Cl", "11 17", "Q1", "²", "9" * 400]) | st.text(max_size=8),
            st.sampled_from(["0 0 0 0.5 0.5 0.5", "nan " * 6, "1e400 " * 6]) | st.integers(),
        ),
        min_size=1,
        max_size=4,
    )
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_whatever_cells_hold_is_a_crystal_or_a_fault(cells: list[tuple[Any, Any, Any]]) -> None:
    good = ("4 4 4 90 90 90", "Cs Cl", "0 0 0 0.5 0.5 0.5")
    rows = [*[good] * (len(cells) + 1), *cells]
    held = crystals_in_columns(pd.DataFrame(rows, columns=["lattice", "species", "frac"]))
    assert held is not None
    assert len(held.entries) == len(rows)
    for entry in held.entries:
        assert (entry.structure is None) == (entry.fault is not None)
    assert {0, *range(len(cells) + 1)} <= set(accept(held.entries, drop_invalid=True).kept)


# -- what is wrong is said, and the others go on ---------------------------------------------------


def spoil(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)


def disorder(folder: Path) -> None:
    structure = Structure.from_file(folder / "NaCl.cif")
    structure.replace(0, {"Na": 0.5, "K": 0.5})
    CifWriter(structure).write_file(folder / "NaCl.cif")


def squeeze(folder: Path) -> None:
    structure = Structure.from_file(folder / "NaCl.cif")
    structure.scale_lattice(2.0)
    CifWriter(structure).write_file(folder / "NaCl.cif")


FAULTS: list[Any] = [
    pytest.param(lambda f: spoil(f, "NaCl.cif", "data_x\nrubbish"), "NaCl.cif", id="corrupt"),
    pytest.param(lambda f: (f / "NaCl.cif").unlink(), "NaCl.cif", id="absent"),
    pytest.param(disorder, "partly occupied", id="disordered"),
    pytest.param(squeeze, "overlap", id="overlapping"),
]


@pytest.mark.parametrize(("spoiled", "word"), FAULTS)
def test_a_bad_file_is_named_and_may_be_left_out(
    folder: Path, spoiled: Callable[[Path], None], word: str
) -> None:
    spoiled(folder)
    with pytest.raises(InputError) as refused:
        read(folder, "gap")
    assert "NaCl" in str(refused.value)
    assert word in str(refused.value)
    assert "--drop-invalid" in str(refused.value)
    data = read(folder, "gap", drop_invalid=True)
    assert len(data) == N - 1
    assert "NaCl.cif" not in data.ids
    assert noted(data, "NaCl.cif")
    assert data.table["composition"].tolist() == [f for f in FORMULAS if f != "NaCl"]
    kept = [i for i, formula in enumerate(FORMULAS) if formula != "NaCl"]
    np.testing.assert_allclose(data.y, gaps()[kept])
    assert data.crystals is not None
    np.testing.assert_allclose(data.crystals.volumes, [cells()[i].volume for i in kept], rtol=1e-4)


def test_several_faults_of_several_kinds_go_together(folder: Path) -> None:
    """A missing label, an absent file and a broken one: each is said, all others stay aligned."""
    edit(folder, lambda labels: labels.assign(gap=labels["gap"].where(labels.index != 0)))
    (folder / "NaF.cif").unlink()
    spoil(folder, "KF.cif", "")
    data = read(folder, "gap", drop_invalid=True)
    assert data.table["composition"].tolist() == [
        f for f in FORMULAS if f not in ("LiF", "NaF", "KF")
    ]
    assert noted(data, "no target")
    assert noted(data, "structure file", "NaF.cif")
    assert noted(data, "KF.cif")


def test_bad_rows_of_a_table_are_named(tmp_path: Path) -> None:
    path = as_columns(tmp_path)
    frame = pd.read_csv(path)
    frame.loc[1, "species"] = "Li Xx"
    frame.loc[2, "frac"] = "0 0 0"
    frame.loc[3, "lattice"] = "4 4 4"
    frame.loc[4, "lattice"] = None
    frame.loc[5, "frac"] = "0 0 0 zero 0.5 0.5"
    frame.to_csv(path, index=False)
    with pytest.raises(InputError, match="5 of 15 crystals cannot be used") as refused:
        read(path, "gap")
    for word in ("row2, site 2 of 2 (Xx)", "row3: Species", "3 numbers", "empty cell", "zero"):
        assert word in str(refused.value)
    data = read(path, "gap", drop_invalid=True)
    assert data.table["composition"].tolist() == [FORMULAS[0], *FORMULAS[6:]]


def test_official_positions_do_not_survive_a_dropped_row(tmp_path: Path) -> None:
    path = as_dictionaries(tmp_path)
    body = json.loads(path.read_text())
    body["data"][4][0] = None
    path.write_text(json.dumps(body))
    data = read(path, "gap", drop_invalid=True)
    assert (len(data), data.layout) == (N - 1, "table")


@pytest.mark.parametrize(
    ("change", "target", "words"),
    [
        (lambda t: t.assign(kind="ionic"), "kind", ["one class", "'ionic'"]),
        (lambda t: t.head(2), "gap", ["too few samples"]),
        (lambda t: t.assign(gap=1.0), "gap", ["constant"]),
        (lambda t: t.drop(columns="file"), "gap", ["which file a row belongs to"]),
        (lambda t: t, "gapp", ["Did you mean 'gap'?"]),
        (lambda t: t.assign(file="frames.xyz"), "gap", ["None of the image files"]),
    ],
)
def test_labels_that_cannot_be_used(
    folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame], target: str, words: list[str]
) -> None:
    edit(folder, change)
    with pytest.raises(InputError) as refused:
        read(folder, target, drop_invalid=True)
    for word in words:
        assert word in str(refused.value)


def test_crystals_without_labels_are_no_training_data(folder: Path) -> None:
    (folder / "labels.csv").unlink()
    with pytest.raises(InputError, match="15 files of crystals, no labels"):
        read(folder, "gap")


def test_pictures_among_crystals(folder: Path) -> None:
    Image.new("L", (8, 8)).save(folder / "map.png")
    assert_halides(read(folder, "gap"))  # the labels say which files are meant
    (folder / "labels.csv").unlink()
    with pytest.raises(InputError, match="Images and crystals are mixed"):
        read(folder, require_target=False)


def test_a_row_must_say_which_crystal_of_a_file(tmp_path: Path) -> None:
    as_frames(tmp_path)
    rows = {"file": ["frames.extxyz", *[f"frames.extxyz#{i}" for i in range(1, 14)]]}
    frame = pd.DataFrame({**rows, "gap": np.arange(14.0)})
    frame.loc[13, "file"] = "frames.extxyz#99"
    frame.to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(InputError) as refused:
        read(tmp_path, "gap")
    assert "holds 15 crystals" in str(refused.value)
    assert "frames.extxyz#99" in str(refused.value)


def test_an_archive_of_images_is_to_be_unpacked(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "maps" / name).mkdir(parents=True)
        for i in range(6):
            Image.new("L", (8, 8), i).save(tmp_path / "maps" / name / f"{i}.png")
    archive = shutil.make_archive(str(tmp_path / "maps"), "zip", tmp_path / "maps")
    with pytest.raises(InputError, match="unpack it"):
        read(archive)


def test_faults_in_an_archive_name_the_archive(folder: Path, tmp_path: Path) -> None:
    (folder / "NaCl.cif").unlink()
    archive = shutil.make_archive(str(tmp_path / "halides"), "zip", folder)
    with pytest.raises(InputError) as refused:
        read(archive, "gap")
    assert archive in str(refused.value)
    assert "iceframe-" not in str(refused.value)  # the temporary folder


def test_what_a_dictionary_names_is_never_imported(tmp_path: Path) -> None:
    path = as_dictionaries(tmp_path)
    body = json.loads(path.read_text())
    for row in body["data"]:
        row[0]["@module"], row[0]["@class"] = "no.such.module", "Bomb"
        row[0]["sites"][0]["properties"] = {"x": {"@module": "os", "@class": "system"}}
    path.write_text(json.dumps(body))
    assert_halides(read(path, "gap"))


def test_of_two_columns_of_crystals_one_is_taken_and_the_other_said() -> None:
    loose = [s.copy().scale_lattice(2 * s.volume) for s in cells()]
    frame = pd.DataFrame({"initial": loose, "structure": cells(), "gap": gaps()})
    data = read(frame, "gap")
    assert_halides(data)
    assert noted(data, "'structure' holds the crystals", "'initial'")
    other = read(frame, "gap", drop=["structure"])
    assert other.crystals is not None
    assert data.crystals is not None
    np.testing.assert_allclose(other.crystals.volumes, 2 * data.crystals.volumes)
    again = read(frame.drop(columns="gap"), require_target=False, **other.recipe)
    assert again.crystals is not None
    np.testing.assert_allclose(again.crystals.volumes, other.crystals.volumes)
