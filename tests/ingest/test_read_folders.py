"""Folders of images: labels, classes, sidecars, and everything that can be missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from iceframe.core.errors import InputError, UsageError
from iceframe.ingest import read

N = 12


def save(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 255, (6, 8), dtype=np.uint8)
    Image.fromarray(values).save(path)


def label(folder: Path, name: str = "labels.csv", **columns: object) -> pd.DataFrame:
    frame = pd.DataFrame({"file": [f"{i:02}.png" for i in range(N)], **columns})
    frame.to_csv(folder / name, index=False)
    return frame


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve labelled images with one further column."""
    for i in range(N):
        save(tmp_path / f"{i:02}.png", i)
    label(tmp_path, stiffness=np.linspace(1, 2, N), temperature=np.arange(N) * 10.5)
    return tmp_path


def noted(data: object, *words: str) -> bool:
    return any(all(word in note for word in words) for note in data.notes)  # type: ignore[attr-defined]


# -- labels ----------------------------------------------------------------------------------------


def test_labels_and_further_columns(folder: Path) -> None:
    data = read(folder, "stiffness")
    assert data.layout == "image-folder"
    assert data.features == ("temperature",)
    assert data.images is not None
    assert data.images.names == tuple(data.ids)
    assert data.images.shape == (1, 6, 8)
    with Image.open(folder / "07.png") as image:
        np.testing.assert_allclose(data.images.read([7])[0, 0], np.asarray(image) / 255, rtol=1e-6)


def test_rows_stay_with_their_images_whatever_the_order(folder: Path) -> None:
    labels = pd.read_csv(folder / "labels.csv")
    labels.iloc[::-1].to_csv(folder / "labels.csv", index=False)
    data = read(folder, "stiffness")
    assert data.ids[0] == "11.png"
    assert data.images is not None
    assert data.images.names[0] == "11.png"
    assert data.y[0] == 2


def test_the_only_further_column_is_the_target(folder: Path) -> None:
    label(folder, quality=["good", "bad"] * (N // 2), specimen=[f"s{i // 2}" for i in range(N)])
    data = read(folder)
    assert data.target == "quality"
    assert data.groups == {"specimen": "specimen"}
    assert noted(data, "only column")
    label(folder, a=range(N), b=range(N))
    with pytest.raises(InputError, match="Which column is the target"):
        read(folder)


def test_names_without_suffix_and_in_subfolders(tmp_path: Path) -> None:
    for i in range(N):
        save(tmp_path / "images" / f"{i:02}.png", i)
        save(tmp_path / "masks" / f"{i:02}.png", i + 100)
    frame = pd.DataFrame({"file": [f"{i:02}" for i in range(N)], "y": np.linspace(0, 1, N)})
    frame.to_csv(tmp_path / "labels.csv", index=False)
    data = read(tmp_path, "y")
    assert data.ids[0] == "images/00.png"
    assert noted(data, "12 files of the same name", "masks")


def test_a_table_elsewhere_in_the_folder_is_taken_as_labels(tmp_path: Path) -> None:
    for i in range(N):
        save(tmp_path / "images" / f"{i:02}.png", i)
    label(tmp_path, "specimens.csv", y=np.linspace(0, 1, N))
    (tmp_path / "readme.txt").write_text("some, words\nabout; the data\n")
    assert len(read(tmp_path, "y")) == N
    assert len(read(tmp_path / "specimens.csv", "y")) == N


def test_absent_files_are_named_or_left_out(folder: Path) -> None:
    (folder / "03.png").unlink()
    (folder / "05.png").unlink()
    with pytest.raises(InputError, match="2 image files") as error:
        read(folder, "stiffness")
    for word in ("03.png, 05.png", "rows 4, 6", "--drop-invalid"):
        assert word in str(error.value)
    data = read(folder, "stiffness", drop_invalid=True)
    assert "03.png" not in data.ids
    assert len(data) == N - 2
    assert noted(data, "2 rows without their image file", "03.png, 05.png")


def test_no_named_file_is_there(folder: Path) -> None:
    for path in folder.glob("*.png"):
        path.rename(path.with_stem(f"x{path.stem}"))
    with pytest.raises(InputError, match="None of the image files"):
        read(folder, "stiffness", drop_invalid=True)


def test_files_without_a_label_are_told(folder: Path) -> None:
    save(folder / "extra.png")
    save(folder / "deep" / "more.png")
    data = read(folder, "stiffness")
    assert len(data) == N
    assert noted(data, "2 image files are not named", "deep/more.png, extra.png")


def test_a_file_named_twice(folder: Path) -> None:
    frame = pd.read_csv(folder / "labels.csv")
    frame.loc[1, "file"] = "00.png"
    frame.to_csv(folder / "labels.csv", index=False)
    with pytest.raises(InputError, match=r"named more than once[\s\S]*00\.png"):
        read(folder, "stiffness")


def test_labels_without_a_file_column(folder: Path) -> None:
    pd.DataFrame({"y": np.linspace(0, 1, N)}).to_csv(folder / "labels.csv", index=False)
    with pytest.raises(InputError, match="a column 'file'"):
        read(folder, "y")


def test_hidden_files_are_no_images(folder: Path) -> None:
    (folder / "._00.png").write_bytes(b"\x00\x05\x16\x07")
    (folder / ".thumbs").mkdir()
    (folder / ".thumbs" / "a.png").write_bytes(b"x")
    assert not noted(read(folder, "stiffness"), "not named")


# -- classes ---------------------------------------------------------------------------------------


def test_one_subfolder_a_class(tmp_path: Path) -> None:
    for i in range(N):
        save(tmp_path / ("pearlite" if i % 3 else "network") / f"{i}.png", i)
    save(tmp_path / "overview.png")
    data = read(tmp_path)
    assert data.task == "classification"
    assert data.target == "class"
    assert data.classes == ("network", "pearlite")
    assert data.ids[0].startswith("network/")
    assert noted(data, "1 images outside the class folders")
    assert read(tmp_path, "constituent").target == "constituent"


def test_one_class_only(tmp_path: Path) -> None:
    for i in range(N):
        save(tmp_path / "network" / f"{i}.png", i)
    with pytest.raises(InputError, match="one class"):
        read(tmp_path)


def test_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="an empty folder"):
        read(tmp_path, "y")
    (tmp_path / "notes.docx").write_text("x")
    with pytest.raises(InputError, match="other files only"):
        read(tmp_path, "y")
    with pytest.raises(InputError, match="not found"):
        read(tmp_path / "absent", "y")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_impossible_places(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="not a usable path"):
        read(tmp_path / name, "y")


def test_images_without_labels(tmp_path: Path) -> None:
    for i in range(N):
        save(tmp_path / f"{i}.png", i)
    with pytest.raises(InputError, match=r"labels\.csv"):
        read(tmp_path, "y")


# -- stacks ----------------------------------------------------------------------------------------


def test_a_stack_beside_its_labels(tmp_path: Path, rng: np.random.Generator) -> None:
    stack = rng.random((N, 6, 8))
    np.save(tmp_path / "stack.npy", stack)
    pd.DataFrame({"y": np.linspace(0, 1, N)}).to_csv(tmp_path / "labels.csv", index=False)
    data = read(tmp_path, "y")
    assert data.ids[3] == "stack.npy#3"
    assert data.images is not None
    np.testing.assert_allclose(data.images.read([3])[0, 0], stack[3], rtol=1e-6)
    pd.DataFrame({"y": np.linspace(0, 1, N + 1)}).to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(InputError, match="page is not in the file"):
        read(tmp_path, "y")


def test_frames_share_label_and_specimen(tmp_path: Path, rng: np.random.Generator) -> None:
    for i in range(4):
        stack = rng.integers(0, 255, (3, 6, 8), dtype=np.uint8)
        tifffile.imwrite(tmp_path / f"{i}.tif", stack, photometric="minisblack")
    frame = pd.DataFrame({"file": [f"{i}.tif" for i in range(4)], "y": [1.0, 2, 3, 4]})
    frame.to_csv(tmp_path / "labels.csv", index=False)
    data = read(tmp_path, "y", pages="frames")
    assert len(data) == 12
    assert data.y.tolist() == np.repeat([1, 2, 3, 4], 3).tolist()
    assert data.ids.tolist()[:4] == ["0.tif#0", "0.tif#1", "0.tif#2", "1.tif#0"]
    assert data.table[data.groups["specimen"]].nunique() == 4
    assert noted(data, "pages of 4 files became 12 samples")
    with pytest.raises(InputError, match="at least 8"):
        read(tmp_path, "y")


# -- the sidecar -----------------------------------------------------------------------------------


def test_the_sidecar_fills_what_the_user_leaves_open(folder: Path) -> None:
    stated = {
        "target": "stiffness",
        "periodic": True,
        "units": {"stiffness": "GPa"},
        "symmetries": ["flip", "translate"],
        "pixel_size": 0.5,
        "pixel_unit": "um",
        "kind": "grey",
        "made_by": "a simulation",
    }
    (folder / "dataset.json").write_text(json.dumps(stated))
    data = read(folder)
    assert data.target == "stiffness"
    assert data.units["stiffness"] == "GPa"
    assert data.images is not None
    assert data.images.periodic
    assert data.recipe["symmetries"] == ["flip", "translate"]
    assert (data.recipe["pixel_size"], data.recipe["pixel_unit"]) == (0.5, "um")
    assert noted(data, "not used: made_by")
    other = read(folder, "temperature", periodic=False, symmetries=[])
    assert other.target == "temperature"
    assert other.images is not None
    assert not other.images.periodic
    assert other.recipe["symmetries"] == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("periodic", "yes"), ("pixel_size", -1), ("units", ["K"]), ("symmetries", "flip")],
)
def test_a_wrong_sidecar_is_named(folder: Path, key: str, value: object) -> None:
    (folder / "dataset.json").write_text(json.dumps({key: value}))
    with pytest.raises(InputError, match=rf"dataset\.json, '{key}'"):
        read(folder, "stiffness")


def test_a_sidecar_is_for_images_only(folder: Path) -> None:
    (folder / "dataset.json").write_text(json.dumps({"target": "stiffness"}))
    assert read(folder / "labels.csv").target == "stiffness"
    plain = pd.DataFrame({"a": np.linspace(0, 1, N), "b": np.linspace(1, 2, N)})
    plain.to_csv(folder / "plain.csv", index=False)
    with pytest.raises(InputError, match="Which column"):
        read(folder / "plain.csv")


def test_a_broken_sidecar_and_unknown_symmetries(folder: Path) -> None:
    (folder / "dataset.json").write_text("{")
    with pytest.raises(InputError, match="not readable JSON"):
        read(folder, "stiffness")
    (folder / "dataset.json").unlink()
    with pytest.raises(UsageError, match="rotate90"):
        read(folder, "stiffness", symmetries=["mirror"])


# -- again, and on new data ------------------------------------------------------------------------


def test_the_recipe_reads_the_same_images_again(folder: Path) -> None:
    data = read(folder, "stiffness", size=(4, 4), drop=["temperature"], symmetries=["flip"])
    again = read(folder, **json.loads(json.dumps(data.recipe)))
    assert again.fingerprint == data.fingerprint
    assert again.recipe == data.recipe


def test_new_images_are_scaled_as_the_old_ones(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for place, factor in ((old, 1.0), (new, 0.5)):
        place.mkdir()
        for i in range(N):
            np.save(place / f"{i:02}.npy", np.linspace(-1, 3, 48).reshape(6, 8) * factor)
    frame = pd.DataFrame({"file": [f"{i:02}.npy" for i in range(N)], "y": np.linspace(0, 1, N)})
    frame.to_csv(old / "labels.csv", index=False)
    recipe = json.loads(json.dumps(read(old, "y").recipe))
    data = read(new, **recipe, require_target=False)
    assert data.images is not None
    assert data.target is None
    expected = (np.linspace(-1, 3, 48).reshape(6, 8) * 0.5 + 1) / 4
    np.testing.assert_allclose(data.images.read([0])[0, 0], expected, rtol=1e-6)


def test_one_new_image(folder: Path) -> None:
    recipe = read(folder, "stiffness", drop=["temperature"]).recipe
    data = read(folder / "03.png", **{**recipe, "drop": []}, require_target=False)
    assert data.ids.tolist() == ["03.png"]
