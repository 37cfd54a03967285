"""A simulated data set is read like any other: images, target, roles, and what may be wrong."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import iceframe as ice
from iceframe.core.dataset import ImageSource
from iceframe.core.errors import InputError
from iceframe.core.files import read_json, write_json
from iceframe.ingest import simulated_images
from iceframe.ingest.simulated import Simulated, open_simulated
from iceframe.ingest.simulated_images import orientation_factor

RECIPE: dict[str, Any] = {
    "generator": "random_field",
    "shape": [16, 16],
    "samples": 12,
    "voxel": {"size": 0.5, "unit": "um"},
    "factors": {"volume_fraction": [0.3, 0.7], "length": 2},
    "property": {"conductivity": {"values": [1, [5, 20]]}},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return ice.simulate(RECIPE, out=tmp_path_factory.mktemp("simulated") / "fields", workers=1)


@pytest.fixture
def copy(made: Simulated, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made.folder, tmp_path / "copy"))


def test_it_comes_back_as_a_dataset(made: Simulated) -> None:
    data = ice.read(made, "k_xx")
    assert (len(data), data.target, data.task) == (12, "k_xx", "regression")
    assert (data.name, data.layout) == ("fields", "simulated")
    assert list(data.ids) == list(made.samples.index)
    np.testing.assert_array_equal(data.y, made.samples["k_xx"])
    assert data.units["k_xx"] == "W/(m K)"
    assert isinstance(data.images, ImageSource)
    assert (data.images.kind, data.images.periodic) == ("phase", True)
    assert data.images.shape == (1, 16, 16)
    pixels = data.images.read([3, 0])
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels[:, 0], made.phases[:][[3, 0]])
    assert data.recipe["pixel_size"] == 0.5
    assert data.recipe["pixel_unit"] == "um"


def test_models_see_the_image_and_what_it_does_not_show(made: Simulated) -> None:
    data = ice.read(made, "k_xx")
    assert data.features == ("conductivity_1",), "a drawn constant of a phase"
    assert any("k_xy" in note and "volume_fraction" in note for note in data.notes)
    chosen = ice.read(made, "k_xx", features=["volume_fraction", "length"])
    assert chosen.features == ("volume_fraction", "length")
    assert ice.read(made, "conductivity_1").features == ()
    assert ice.read(made, "k_xx", drop=["conductivity_1"]).features == ()


def test_symmetries_follow_the_component(made: Simulated) -> None:
    assert ice.read(made, "k_xx").recipe["symmetries"] == ["flip", "translate"]
    assert ice.read(made, "k_xy").recipe["symmetries"] == ["translate"], "its sign would change"
    assert ice.read(made, "k_xy", symmetries=["rotate90"]).recipe["symmetries"] == ["rotate90"]


def test_the_flip_that_is_declared_is_one(made: Simulated) -> None:
    from iceframe.physics import Conductivity, homogenize

    phases, law = made.phases[:3], Conductivity([1, 10])
    as_is = homogenize(phases, law).tensor
    mirrored = homogenize(phases[..., ::-1].copy(), law).tensor
    np.testing.assert_allclose(as_is[:, 0, 0], mirrored[:, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(as_is[:, 0, 1], -mirrored[:, 0, 1], rtol=1e-3, atol=1e-5)


def test_its_own_recipe_reads_it_again(made: Simulated) -> None:
    data = ice.read(made, "k_xx")
    again = ice.read(made, require_target=False, **data.recipe)
    assert again.features == data.features
    assert again.fingerprint == data.fingerprint
    assert again.images is not None
    assert again.images.shape == (1, 16, 16)


def test_an_image_folder_is_read_like_it(made: Simulated, tmp_path: Path) -> None:
    """A run over simulated images can be asked about segmented micrographs."""
    from PIL import Image

    folder = tmp_path / "micrographs"
    folder.mkdir()
    for i, phases in enumerate(made.phases[:3]):
        Image.fromarray(phases * np.uint8(255)).save(folder / f"m{i}.png")
    recipe = ice.read(made, "k_xx", drop=["conductivity_1"]).recipe
    data = ice.read(folder, require_target=False, **recipe)
    assert data.images is not None
    np.testing.assert_array_equal(data.images.read(range(3))[:, 0], made.phases[:3])
    assert data.images.kind == "phase"
    assert data.images.periodic


def test_views(made: Simulated) -> None:
    images = ice.read(made, "k_xx").images
    assert images is not None
    some = images.take([5, 1])
    assert some.names == ("s00005", "s00001")
    np.testing.assert_array_equal(some.read([1]), images.read([1]))
    assert some.fingerprint != images.fingerprint
    assert len(images.metadata()) == 12
    sent = pickle.loads(pickle.dumps(images))
    assert len(pickle.dumps(images)) < 20_000, "pixels stay on disk"
    np.testing.assert_array_equal(sent.read([2]), images.read([2]))
    assert sent.fingerprint == images.fingerprint


def test_large_sets_are_read_chunk_by_chunk(
    made: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [11, 0, 3, 3, 7]
    images = ice.read(made, "k_xx").images
    monkeypatch.setattr(simulated_images, "CACHE_BYTES", 100)
    fresh = ice.read(made, "k_xx").images
    assert images is not None
    assert fresh is not None
    np.testing.assert_array_equal(fresh.read(rows), images.read(rows))
    assert fresh.unpacked.values is None  # type: ignore[attr-defined]


def test_pixels_count_in_the_fingerprint(made: Simulated, copy: Path) -> None:
    import zarr

    before = ice.read(copy, "k_xx").fingerprint
    assert before == ice.read(made, "k_xx").fingerprint
    array = zarr.open_array(copy / "images.zarr/phases", mode="r+")
    array[0, 0, 0] = 1 - array[0, 0, 0]
    assert ice.read(copy, "k_xx").fingerprint != before


def test_unsolved_samples_are_an_error_or_left_out(copy: Path) -> None:
    table = pd.read_parquet(copy / "samples.parquet")
    table.loc[[2, 5], ["k_xx", "k_xy", "k_yy"]] = np.nan
    table.to_parquet(copy / "samples.parquet")
    with pytest.raises(InputError, match="no target") as error:
        ice.read(copy, "k_xx")
    assert "--drop-invalid" in str(error.value)
    data = ice.read(copy, "k_xx", drop_invalid=True)
    assert len(data) == 10
    assert data.images is not None
    assert data.images.names[2] == "s00003"
    assert ice.read(copy, "volume_fraction").y.shape == (12,)


def test_the_target_has_to_be_named(made: Simulated) -> None:
    with pytest.raises(InputError, match="Which column is the target"):
        ice.read(made)
    with pytest.raises(InputError, match="Did you mean 'volume_fraction'"):
        ice.read(made, "volume fraktion")


def test_sizes_are_not_changed(made: Simulated) -> None:
    assert ice.read(made, "k_xx", size=(16, 16)).images is not None
    with pytest.raises(InputError, match="16 × 16"):
        ice.read(made, "k_xx", size=(8, 8), fit="crop")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("samples.parquet", "table of samples is gone"),
        ("images.zarr/phases/c/2/0/0", "images are gone"),
        ("images.zarr/phases/zarr.json", "cannot be opened"),
    ],
)
def test_lost_files(copy: Path, path: str, words: str) -> None:
    (copy / path).unlink()
    with pytest.raises(InputError, match=words):
        ice.read(copy, "k_xx")


def test_damaged_files(copy: Path) -> None:
    (copy / "images.zarr/phases/c/2/0/0").write_bytes(b"no chunk")
    images = ice.read(copy, "k_xx").images
    assert images is not None
    with pytest.raises(InputError, match="damaged"):
        images.read([0])
    (copy / "samples.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match="cannot be read"):
        ice.read(copy, "k_xx")


def test_newer_and_torn_manifests(copy: Path) -> None:
    body = read_json(copy / "dataset.json")
    write_json(copy / "dataset.json", {**body, "format": 2})
    with pytest.raises(InputError, match="newer version"):
        ice.read(copy, "k_xx")
    write_json(copy / "dataset.json", {k: v for k, v in body.items() if k != "columns"})
    with pytest.raises(InputError, match="no columns"):
        ice.read(copy, "k_xx")


def test_rows_that_do_not_fit_the_manifest(copy: Path) -> None:
    pd.read_parquet(copy / "samples.parquet").iloc[:5].to_parquet(copy / "samples.parquet")
    with pytest.raises(InputError, match="differ in their number"):
        ice.read(copy, "k_xx")


def test_opening_something_else(tmp_path: Path, made: Simulated) -> None:
    with pytest.raises(InputError, match="not a simulated data set"):
        open_simulated(tmp_path)
    with pytest.raises(InputError, match="no array 'frames'"):
        made.array("frames")


def test_grains_of_one_phase_show_their_orientation(tmp_path: Path) -> None:
    cubic = {"cubic": {"c11": 168.4, "c12": 121.4, "c44": 75.4}}
    made = ice.simulate(
        {**RECIPE, "generator": "voronoi", "factors": {"grain_size": 6}, "property": cubic},
        out=tmp_path / "grains",
        workers=1,
    )
    images = ice.read(made, "C11").images
    assert images is not None
    assert images.kind == "grey"
    pixels, grains = images.read([0])[0, 0], made.array("grains")[0]
    assert 0 <= pixels.min() < pixels.max() <= 1
    for grain in np.unique(grains):
        assert np.ptp(pixels[grains == grain]) < 1e-6


def test_the_orientation_factor_is_that_of_the_compliance() -> None:
    """1/E along x is linear in it (Nye 1985): checked with the rotated stiffness of copper."""
    from iceframe.physics import CubicElasticity

    turns = np.random.default_rng(0).normal(size=(20, 4))
    turns /= np.linalg.norm(turns, axis=1, keepdims=True)
    stiffness = CubicElasticity(168.4, 121.4, 75.4, turns).matrices(3)
    compliance = np.linalg.inv(stiffness)[:, 0, 0]
    factor = orientation_factor(turns[:, :, None])[:, 0]
    line = np.polynomial.Polynomial.fit(factor, compliance, 1)
    np.testing.assert_allclose(line(factor), compliance, rtol=1e-5)


def test_of_an_evolution_models_look_at_the_first_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evolution = {
        "model": "cahn_hilliard",
        "barrier": 3.0e7,
        "gradient_energy": 9.4e-11,
        "mobility": 1e-26,
        "times": [2, 4],
    }
    recipe = {"shape": [16, 16], "samples": 9, "voxel": {"size": 0.5, "unit": "nm"}}
    made = ice.simulate({**recipe, "evolution": evolution}, out=tmp_path / "made", workers=1)
    data = ice.read(made, "final_energy")
    assert data.images is not None
    assert data.images.kind == "grey"
    first = np.clip(made.array("frames")[:, 0], 0, 1)
    np.testing.assert_array_equal(data.images.read(range(9))[:, 0], first)
    assert data.recipe["symmetries"] == ["flip", "rotate90", "translate"]
    monkeypatch.setattr(simulated_images, "CACHE_BYTES", 100)
    fresh = ice.read(made, "final_energy").images
    assert fresh is not None
    np.testing.assert_array_equal(fresh.read([8, 2])[:, 0], first[[8, 2]])
