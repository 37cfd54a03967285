"""``iceframe.describe``: tables of features of images and of volumes, kept, resumed, masked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import iceframe as ice
from iceframe.core.errors import InputError, UsageError
from iceframe.ingest.volumes import open_volume
from iceframe.scale import by_blocks
from iceframe.workflow import describe as module
from iceframe.workflow.description import Description, in_unit

ADDITIVE = ["two_point", "lineal_path", "chord_length", "minkowski", "clusters"]


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return (rng.random((7, 24, 28)) < 0.5).astype(np.uint8)


@pytest.fixture
def folder(images: np.ndarray, tmp_path: Path) -> Path:
    """The images as PNG of 0 and 255, and what they are beside them."""
    from PIL import Image

    root = tmp_path / "micrographs"
    root.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(255 * image).save(root / f"m{i}.png")
    told = {"kind": "phase", "pixel_size": 0.5, "pixel_unit": "um"}
    (root / "dataset.json").write_text(json.dumps(told))
    return root


@pytest.fixture
def volume(rng: np.random.Generator) -> np.ndarray:
    return (85 * rng.integers(0, 3, (18, 21, 16))).astype(np.uint8)


def written(values: np.ndarray, path: Path, form: str) -> Path:
    path = path / f"volume.{form.partition(' ')[0]}"
    if form == "npy":
        np.save(path, values)
    elif form == "zarr":
        import zarr

        zarr.create_array(store=path, data=values, chunks=(7, 8, 9))
    else:
        import tifffile

        packed = "zlib" if "packed" in form else None
        tifffile.imwrite(path, values, photometric="minisblack", compression=packed)
    return path


# ---------------------------------------------------------------------------------------- images


def test_every_image_of_a_folder(folder: Path, images: np.ndarray, tmp_path: Path) -> None:
    out = tmp_path / "features.csv"
    table = ice.describe(folder, ["minkowski", "clusters"], out=out)
    assert list(table.index) == [f"m{i}.png" for i in range(7)]
    np.testing.assert_allclose(table["volume fraction"], images.mean(axis=(1, 2)))
    units = table.attrs["units"]
    assert units["perimeter density"] == "1/um"
    assert units["largest cluster size"] == "um²"
    in_pixels = ice.describe(images, ["minkowski", "clusters"], kind="phase")
    for name, power in (("perimeter density", -1), ("largest cluster size", 2)):
        np.testing.assert_allclose(table[name], in_pixels[name] * 0.5**power)
    stored = pd.read_csv(out, index_col="id")
    np.testing.assert_allclose(stored.to_numpy(), table.to_numpy())
    told = json.loads((tmp_path / "features.csv.json").read_text())
    assert {c["name"]: c["unit"] for c in told["columns"]} == units
    assert told["descriptors"] == ["minkowski", "clusters"]
    assert (told["spacing"], told["unit"], told["samples"]) == (0.5, "um", 7)
    assert any("Legland" in reference for reference in told["references"])
    assert not out.with_name("features.csv.part").exists()


def test_parquet_defaults_and_units_stated(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "features.parquet"
    table = ice.describe(folder, out=out, spacing=2.0, unit="nm")
    assert table.attrs["units"]["correlation length along x"] == "nm"
    assert "S2(1 px)" in table
    pd.testing.assert_frame_equal(pd.read_parquet(out), table, check_like=False)


def test_the_same_name_twice_is_told_apart(images: np.ndarray) -> None:
    table = ice.describe(images, ["two_point", "minkowski"], kind="phase")
    assert table.columns.is_unique
    np.testing.assert_allclose(table["volume fraction"], table["volume fraction [minkowski]"])


def test_grey_images_in_memory(rng: np.random.Generator) -> None:
    table = ice.describe(rng.random((3, 32, 32)), ["intensity"])
    assert table.loc["image1", "mean grey level"] == pytest.approx(0.5, abs=0.05)


def test_a_stopped_description_goes_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from iceframe.scale import image_format

    monkeypatch.setattr(image_format, "PIXELS_PER_BATCH", 2 * 24 * 28)
    out, done = tmp_path / "t.csv", []
    real = module.describe_images

    def stopped(chosen: Any, data: Any, *more: Any) -> Any:
        if len(data) and len(done) == 2:
            raise KeyboardInterrupt
        done.extend([len(data)] if len(data) else [])
        return real(chosen, data, *more)

    monkeypatch.setattr(module, "describe_images", stopped)
    with pytest.raises(KeyboardInterrupt):
        ice.describe(folder, ["minkowski"], out=out)
    assert done == [2, 2]
    assert not out.exists()
    with (tmp_path / "t.csv.part").open("a") as file:
        file.write('{"row": 5, "val')  # as a killed process leaves it
    counted: list[int] = []

    def counting(chosen: Any, data: Any, *more: Any) -> Any:
        counted.append(len(data))
        return real(chosen, data, *more)

    monkeypatch.setattr(module, "describe_images", counting)
    seen: list[module.Progress] = []
    table = ice.describe(folder, ["minkowski"], out=out, watch=seen.append)
    assert sum(counted) == 3
    assert [(p.done, p.total) for p in seen] == [(4, 7), (6, 7), (7, 7)]
    np.testing.assert_array_equal(table, ice.describe(folder, ["minkowski"]))
    # another work under the same name begins anew
    (tmp_path / "t.csv.part").write_text('{"key": "other"}\n{"row": 0, "values": [9]}\n')
    again = ice.describe(folder, ["minkowski"], out=out)
    np.testing.assert_array_equal(again, table)


def test_constant_images_are_told(images: np.ndarray) -> None:
    images[2] = 1
    table = ice.describe(images, ["two_point"], kind="phase")
    assert table["volume fraction"].iloc[2] == 1
    assert np.isnan(table["correlation length along x"].iloc[2])
    (note,) = table.attrs["notes"]
    assert "image2" in note
    assert "correlation length along x" in note


# --------------------------------------------------------------------------------------- volumes


@pytest.mark.parametrize("form", ["npy", "zarr", "tif", "tif packed"])
def test_a_volume_by_blocks_is_the_volume(form: str, volume: np.ndarray, tmp_path: Path) -> None:
    path = written(volume, tmp_path, form)
    found = ice.describe(path, ADDITIVE, kind="phase", block=(5, 8, 6))
    whole = ice.describe(volume[None], ADDITIVE, kind="phase")
    assert list(found.index) == [path.name]
    assert list(found.columns) == list(whole.columns)
    np.testing.assert_allclose(found.to_numpy(), whole.to_numpy(), rtol=1e-9, atol=1e-9)


def test_grey_volume_cut_and_in_physical_units(rng: np.random.Generator, tmp_path: Path) -> None:
    values = rng.normal(size=(20, 18, 22)).astype(np.float32)
    path = written(values, tmp_path, "npy")
    box = [(2, 20), (0, 17), (3, 20)]
    found = ice.describe(path, ["two_point"], crop=box, block=(9, 9, 9), spacing=3, unit="nm")
    part = values[2:20, 0:17, 3:20]
    whole = ice.describe(part[None], ["two_point"])
    power = np.where([u == "nm" for u in found.attrs["units"].values()], 3.0, 1.0)
    np.testing.assert_allclose(found.to_numpy(), whole.to_numpy() * power, rtol=1e-6, atol=1e-9)


def test_a_small_volume_has_all_descriptors(tmp_path: Path, rng: np.random.Generator) -> None:
    path = written((rng.random((12, 12, 14)) < 0.7).astype(np.uint8), tmp_path, "npy")
    (tmp_path / "dataset.json").write_text('{"kind": "phase", "periodic": true}')
    names = ["tortuosity", "local_thickness"]
    found = ice.describe(path, names)
    whole = ice.describe(np.load(path)[None], names, kind="phase", periodic=True)
    np.testing.assert_array_equal(found, whole)


def test_a_large_volume_is_not_described_by_what_needs_it_whole(
    volume: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(volume, tmp_path, "npy")
    monkeypatch.setattr(by_blocks, "WHOLE_VOXELS", 4000)
    with pytest.raises(InputError, match="'tortuosity' needs the whole volume") as caught:
        ice.describe(path, ["tortuosity"], kind="phase")
    assert "--crop" in str(caught.value.hint)
    assert "minkowski" in str(caught.value.allowed)
    box = [(0, 12), (0, 12), (0, 12)]
    assert ice.describe(path, ["tortuosity"], kind="phase", crop=box).notna().any(axis=None)
    table = ice.describe(path, kind="grey")  # the defaults, less those that cannot
    assert "autocovariance(1 px)" in table
    assert "intensity" in table.attrs["notes"][0]


def test_only_boxes_are_read(volume: np.ndarray, tmp_path: Path) -> None:
    opened = open_volume(written(volume, tmp_path, "npy"), kind="phase").surveyed()
    largest = 0

    class Watched(type(opened)):
        def native(self, start: Any, stop: Any) -> np.ndarray:
            nonlocal largest
            values = super().native(start, stop)
            largest = max(largest, values.size)
            return values

    watched = Watched(**opened.__dict__)
    known = by_blocks.volume_format(watched, 2)
    chosen, _ = by_blocks.fitted_descriptors(ADDITIVE, known, masked=False)
    by_blocks.describe_volume(chosen, watched, block=(4, 5, 6))
    assert largest == 6 * 9 * 10  # a block, and two voxels around it for the pairs


# ----------------------------------------------------------------------------------------- masks


def test_masks_of_a_folder(folder: Path, images: np.ndarray, tmp_path: Path) -> None:
    from PIL import Image

    valid = np.ones(images.shape, bool)
    valid[:, :6] = False
    valid[3] = False
    masks = tmp_path / "masks"
    masks.mkdir()
    for i, mask in enumerate(valid):
        Image.fromarray(255 * mask.astype(np.uint8)).save(masks / f"m{i}.tif")
    names = ["two_point", "minkowski", "chord_length", "lineal_path"]
    table = ice.describe(folder, names, mask=masks)
    np.testing.assert_array_equal(table, ice.describe(folder, names, mask=valid))
    np.testing.assert_allclose(
        table["volume fraction"].drop("m3.png"), images[[0, 1, 2, 4, 5, 6], 6:].mean(axis=(1, 2))
    )
    assert table.loc["m3.png"].isna().all()
    assert "m3.png" in " ".join(table.attrs["notes"])
    cut = ice.describe(images[:, 6:], names, kind="phase", spacing=0.5, unit="um")
    shared = [n for n in cut if n in table]
    assert len(shared) > 20
    np.testing.assert_allclose(table[shared].iloc[[0, 6]], cut[shared].iloc[[0, 6]], rtol=1e-6)
    hidden = np.where(valid, 255 * images, 90).astype(np.uint8)  # no third phase
    for i, image in enumerate(hidden):
        Image.fromarray(image).save(folder / f"m{i}.png")
    np.testing.assert_array_equal(ice.describe(folder, names, mask=masks), table)
    with pytest.raises(InputError, match="'clusters' cannot leave out"):
        ice.describe(folder, ["clusters"], mask=masks)
    grey = ice.describe(folder, mask=masks, kind="grey")  # the defaults, less those that cannot
    assert "autocovariance(1 px)" in grey
    assert "power_spectrum" in " ".join(grey.attrs["notes"])
    (masks / "m5.tif").unlink()
    with pytest.raises(InputError, match=r"1 of 7 images have no mask") as caught:
        ice.describe(folder, names, mask=masks)
    assert "m5.png" in str(caught.value.got)


def test_mask_of_a_volume(volume: np.ndarray, tmp_path: Path, rng: np.random.Generator) -> None:
    path = written(volume, tmp_path, "npy")
    valid = rng.random(volume.shape) < 0.8
    (tmp_path / "m").mkdir()
    mask = written(valid.astype(np.uint8), tmp_path / "m", "zarr")
    names = ["two_point", "minkowski", "chord_length", "lineal_path"]
    found = ice.describe(path, names, mask=mask, kind="phase", block=(5, 9, 7))
    np.testing.assert_array_equal(
        found, ice.describe(path, names, mask=valid, kind="phase", block=(5, 9, 7))
    )
    whole = ice.describe(volume[None], names, mask=valid, kind="phase")
    np.testing.assert_allclose(found.to_numpy(), whole.to_numpy(), rtol=1e-9, atol=1e-9)
    nothing = ice.describe(path, names, mask=np.zeros(volume.shape), kind="phase")
    assert nothing.isna().all(axis=None)
    assert "masked" in nothing.attrs["notes"][0]
    for name in ("clusters", "tortuosity"):
        with pytest.raises(InputError, match=f"'{name}' cannot leave out"):
            ice.describe(path, [name], mask=valid, kind="phase")
    broken = volume.astype(float)
    broken[~valid] = np.nan  # what is hidden may be anything
    path = written(broken, tmp_path, "npy")
    again = ice.describe(path, names, mask=valid, kind="phase", block=(5, 9, 7))
    np.testing.assert_allclose(again.to_numpy(), found.to_numpy(), rtol=1e-12)
    with pytest.raises(InputError, match="NaN") as caught:
        ice.describe(path, names, kind="phase")
    assert "mask" in str(caught.value.hint)


# ------------------------------------------------------------------------------------- bad input


def test_refusals(folder: Path, volume: np.ndarray, images: np.ndarray, tmp_path: Path) -> None:
    path = written(volume, tmp_path, "npy")
    with pytest.raises(UsageError, match="format"):
        ice.describe(folder, out=tmp_path / "table.txt")
    with pytest.raises(UsageError, match="minkovski") as caught:
        ice.describe(folder, ["minkovski"])
    assert "minkowski" in str(caught.value)
    with pytest.raises(InputError, match="does not describe images"):
        ice.describe(folder, ["columns"])
    with pytest.raises(InputError, match="does not describe images"):
        ice.describe(path, ["columns"])
    with pytest.raises(InputError, match="needs segmented images"):
        ice.describe(path, ["clusters"])
    with pytest.raises(InputError, match="too many distinct values"):
        ice.describe(written(np.arange(4096.0).reshape(16, 16, 16), folder, "npy"), kind="phase")
    with pytest.raises(UsageError, match="unit"):
        ice.describe(path, ["two_point"], spacing=2.0)
    with pytest.raises(UsageError, match="length of a pixel"):
        ice.describe(path, ["two_point"], unit="nm")
    with pytest.raises(UsageError, match="positive"):
        ice.describe(path, ["two_point"], spacing=-1.0, unit="nm")
    with pytest.raises(InputError, match="does not lie in the volume"):
        ice.describe(path, ["two_point"], crop=[(0, 99), (0, 4), (0, 4)])
    with pytest.raises(InputError, match="three sides"):
        ice.describe(path, ["two_point"], block=(4, 4))
    with pytest.raises(UsageError, match="longest"):
        ice.describe(path, ["two_point"], longest=0)
    with pytest.raises(UsageError, match="one volume"):
        ice.describe(images, crop=[(0, 4), (0, 4), (0, 4)])
    with pytest.raises(UsageError, match="'size'"):
        ice.describe(path, size=(4, 4))
    with pytest.raises(InputError, match="differ in size"):
        ice.describe(path, ["minkowski"], mask=np.ones((4, 4, 4)), kind="phase")
    with pytest.raises(InputError, match="differ in size"):
        ice.describe(images, ["minkowski"], mask=np.ones((4, 4)), kind="phase")
    with pytest.raises(InputError, match="These are not images"):
        ice.describe(np.zeros(4))
    table = tmp_path / "numbers.csv"
    pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 4.0]}).to_csv(table, index=False)
    with pytest.raises(InputError, match="no images to describe"):
        ice.describe(table)
    group = tmp_path / "group.zarr"
    group.mkdir()
    (group / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    with pytest.raises(InputError, match="Zarr"):
        ice.describe(group)


def test_every_unit_of_pixels_is_known() -> None:
    """A new descriptor's unit that holds pixels would otherwise stay in pixels unseen."""
    from iceframe.scale.descriptor import DESCRIPTORS, ImageDescriptor
    from iceframe.scale.image_format import ImageFormat
    from iceframe.workflow.description import POWERS

    for grid in ((64, 64), (32, 32, 32)):
        for name, kind in DESCRIPTORS.items():
            if not issubclass(kind, ImageDescriptor):
                continue
            image_kind = kind.default_kinds[0]
            levels = (0.0, 1.0) if image_kind == "phase" else ()
            channels = 4 if image_kind == "orientation" else 1
            try:
                known = ImageFormat((channels, *grid), False, image_kind, levels)
                columns = kind().fit_format(known).columns()
            except InputError:
                continue  # not of such images
            for column in columns:
                assert "px" not in column.unit or column.unit in POWERS, (name, column)


def test_a_description_without_spacing_stays_in_pixels(images: np.ndarray) -> None:
    table = ice.describe(images, ["minkowski"], kind="phase")
    assert table.attrs["units"]["perimeter density"] == "1/px"
    description = Description((), None, (), {})  # type: ignore[arg-type]
    assert in_unit(description, None, None) is description
